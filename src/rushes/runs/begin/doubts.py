"""What somebody should look at before an hour of training, by names and headers: a sentence each."""

from __future__ import annotations

import shlex
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from fractions import Fraction

from rushes.annotations import Mark, of_a_model
from rushes.runs.begin.found import Found, FoundLabels, FoundRecording
from rushes.runs.begin.who import Who
from rushes.stages.inventory import EXAMPLES, printable

FEW = 5
"""Labels of a class below which little can be learnt or told of it."""

BEYOND_S = 0.5
"""By how much a label may reach beyond what a header declares."""


def such(names: Iterable[str]) -> str:
    """A few names: ``a.mp4, b.mp4, c.mp4 and 4 more``."""
    told = [printable(name) for name in names]
    return ", ".join(told[:EXAMPLES]) + (
        f" and {len(told) - EXAMPLES:,} more" if len(told) > EXAMPLES else ""
    )


def doubts_of(
    found: Found, labels: FoundLabels, who: Who, side_of: Mapping[str, str], used: Sequence[FoundRecording]
) -> Iterator[str]:
    """What is doubtful about labelled recordings, whatever is learnt from them.

    Args:
        found: what is in the folder.
        labels: that are taken.
        who: is in the recordings.
        side_of: side of each labelled recording; none where there are no shares.
        used: the recordings of the task.
    """
    names = {one.name for one in used}
    marks = {name: of for name, of in labels.marks.items() if name in names}
    yield from _names(found, labels, marks, used)
    if (note := of_a_model(mark for of in marks.values() for mark in of)) is not None:
        yield f"{note.count:,} {note.reason}"
    yield from _times(found, labels, marks)
    yield from _amounts(found, labels)
    yield from _spellings(found, labels)
    yield from _groups(who, marks, side_of)
    yield from _others(found, labels)


def _names(
    found: Found, labels: FoundLabels, marks: Mapping[str, Sequence[Mark]], used: Sequence[FoundRecording]
) -> Iterator[str]:
    if labels.unmatched:
        told = [f"{name} ({why})" for name, why in labels.unmatched.items()]
        yield (
            f"{len(told):,} of {len(labels.unmatched) + len(labels.of):,} names in {labels.name} are no file here: "
            f"{such(told)}"
        )
    bare = [one.name for one in used if not marks.get(one.name)]
    if bare:
        yield f"{len(bare):,} recordings have no label and are left out: {such(bare)}"
    faulty = [one for one in used if one.fault]
    if faulty:
        yield f"{len(faulty):,} recordings do not open: {such(f'{one.name} ({one.fault})' for one in faulty)}"
    if found.unlooked:
        yield f"the headers of {found.unlooked:,} recordings were not read: seconds count those that were"


def _times(found: Found, labels: FoundLabels, marks: Mapping[str, Sequence[Mark]]) -> Iterator[str]:
    outside = [
        f"{mark.label!r} at {mark.where}"
        for name, of in marks.items()
        for mark in of
        if _is_outside(found, name, mark)
    ]
    if outside:
        yield (
            f"{len(outside):,} labels lie outside of what their recordings declare to last: {such(outside)}; a rate "
            "or a unit may be wrong"
        )
    overlapping = [pair for of in marks.values() for pair in overlaps(of)]
    if overlapping:
        yield (
            f"labels overlap {len(overlapping):,} times under different names: {such(overlapping)}; source.overlaps "
            "says which one keeps the time"
        )
    varying = [name for name in marks if (header := found.by_name[name].header) and not header.steady]
    if varying:
        yield (
            f"the frame rate of {len(varying):,} recordings seems to vary: {such(varying)}; frames are taken by "
            "their own times, but labels that count frames are not to be trusted there"
        )


def _is_outside(found: Found, name: str, mark: Mark) -> bool:
    whole = found.by_name[name].duration_s
    last = mark.start_s if mark.end_s is None else mark.end_s
    return whole is not None and mark.kind != "file" and float(last) > whole + BEYOND_S


def overlaps(marks: Sequence[Mark]) -> Iterator[str]:
    """Marks of one recording that overlap one of another label, each with the longest before it."""
    timed = sorted((mark for mark in marks if mark.kind == "interval"), key=lambda mark: mark.start_s)
    longest: Mark | None = None
    for mark in timed:
        if longest is not None and mark.label != longest.label and mark.start_s < _end(longest):
            yield f"{longest.label!r} and {mark.label!r} at {mark.where}"
        if longest is None or _end(mark) > _end(longest):
            longest = mark


def _end(mark: Mark) -> Fraction:
    return Fraction(10**9) if mark.end_s is None else mark.end_s


def _amounts(found: Found, labels: FoundLabels) -> Iterator[str]:
    few = [f"{label} ({one.labels})" for label, one in found.amounts(labels).items() if one.labels < FEW]
    if few:
        yield f"fewer than {FEW} labels of a class teach and tell little: {such(few)}"


def _spellings(found: Found, labels: FoundLabels) -> Iterator[str]:
    alike: defaultdict[str, list[str]] = defaultdict(list)
    for label in found.amounts(labels):
        alike[" ".join(label.casefold().split())].append(label)
    if several := [" and ".join(map(repr, of)) for of in alike.values() if len(of) > 1]:
        yield f"labels differ in case or spaces alone and are classes apart: {such(several)}; source.merge makes one"


def _groups(who: Who, marks: Mapping[str, Sequence[Mark]], side_of: Mapping[str, str]) -> Iterator[str]:
    classes = {name: {mark.label for mark in of} for name, of in marks.items()}
    yield from unsure(who, "source.groups")
    alone = [label for label, of in _spread(classes, who.of).items() if len(of) == 1] if who.count > 1 else []
    if alone:
        yield f"classes that one group alone has cannot be told from whose they are: {such(alone)}"
    yield from sides_without(classes, side_of)


def unsure(who: Who, key: str) -> Iterator[str]:
    """That nobody is known in the recordings, or others may be meant; and by which key they would be known."""
    if who.by is None:
        yield (
            f"{who.why}: the same person may stand on two sides, and then figures are too good; name them by {key}, a "
            "pattern over the names of the files"
        )
    yield from (f"{doubt}; {key} says who it is" for doubt in who.doubts)


def sides_without(classes: Mapping[str, Collection[str]], side_of: Mapping[str, str]) -> Iterator[str]:
    """Sides that lack a class; name of each recording -> its classes, and its side."""
    sides = _spread(classes, side_of)
    for side in sorted(set(side_of.values()), key=("train", "val", "test").index):
        if missing := [label for label, of in sides.items() if side not in of]:
            yield f"side {side} has none of {len(missing):,} of the {len(sides):,} classes: {such(missing)}"


def _spread(classes: Mapping[str, Collection[str]], place: Mapping[str, str]) -> Mapping[str, set[str]]:
    """Class -> the sides or groups of the recordings that it is on."""
    found: defaultdict[str, set[str]] = defaultdict(set)
    for name, of in classes.items():
        for label in of:
            found[label] |= {place[name]} if name in place else set()
    return found


def unlike(found: Found) -> Iterator[str]:
    """Tables that lie there and are not taken for labels, and why."""
    if found.unlike:
        told = [f"{name}: {found.reason(error)}" for name, error in found.unlike.items()]
        yield f"{len(told):,} tables are not read as labels: {such(told)}"


def _others(found: Found, labels: FoundLabels) -> Iterator[str]:
    labelled = {name for name, of in labels.marks.items() if of}
    for one in found.label_files:
        if one is labels:
            continue
        told = f"{one.name} ({one.format})"
        if one.fault:
            yield f"{told} cannot be read: {found.reason(one.fault)}"
        elif labelled.isdisjoint(more := {name for name, of in one.marks.items() if of}) and more:
            yield f"{told} labels {len(more):,} other recordings; {_asked(labels, one)} takes both"
        else:
            yield f"{told} is not used; {_asked(one)} takes it instead"


def _asked(*several: FoundLabels) -> str:
    """What to type to have label files taken."""
    files = [file for one in several for file in one.annotation.files]
    told = " ".join(f"--labels {shlex.quote(file)}" for file in files[: 2 * EXAMPLES])
    return told + " ..." * (len(files) > 2 * EXAMPLES)
