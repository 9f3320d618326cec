"""What this task would make of a folder: recordings with label files, sounds in folders, or the published layout."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import PurePosixPath
from statistics import median

from rushes.runs.begin.doubts import FEW, sides_without, such, unlike, unsure
from rushes.runs.begin.found import Found, FoundRecording
from rushes.runs.begin.proposal import Line, Proposal
from rushes.runs.begin.taken import Taken
from rushes.runs.begin.who import Who, enough, sides_of, who_in
from rushes.tasks.sounds.preprocessing import SoundPreprocessing
from rushes.tasks.sounds.recipe import PrepareSounds, Timelines
from rushes.tasks.sounds.sources.blocks import key_of

BACKGROUND = "background"
SHORTEST_CLIP_S, LONGEST_CLIP_S = 0.5, 10.0
FILLED = 1.25
"""Length of a window in lengths of the shortest class, which then fills more of it than `RecordingSource.share`."""

FINE, COARSE = 1 / 5, 1 / 2
"""Shares of a window after which the next one begins: an onset is told no nearer than that."""

MOST_HEARD_S = 100_000.0
"""Seconds of all windows together up to which they begin a fifth apart, each second of sound in five of them: 5.6 hours
of recordings. That many take 2.6 GB of features at 64 bands, and six minutes of a core for an epoch."""

HELD_WHOLE = 0.8
"""Share of the sounds of a class each that a clip is to hold whole."""

_DREAMCATCHER = re.compile(r"(?:data/)?(?:train|validation|test)\.(?:tar\.gz|tgz|tar)")


def propose(found: Found) -> Proposal | None:
    """A recipe for sounds; None where there are none.

    Raises:
        RecipeError: there are sounds, and something that only a person can say.
    """
    if any(map(_DREAMCATCHER.fullmatch, found.names)):
        line = Line("source.kind", "dreamcatcher")
        return Proposal(1.0, "the folder is in DreamCatcher's layout", (line, *_training()), kind="sound")
    sounds = found.of_kind("sound")
    if not sounds:
        return None
    label_of = {one.name: PurePosixPath(one.name).parent.name for one in sounds}
    if not found.label_files and len(set(label_of.values())) > 1:
        return _class_folders(found, sounds, label_of)
    return _recordings(Taken.of(found, "sound", key_of, validates=True))


def _recordings(taken: Taken) -> Proposal:
    """Recordings with labels in files: windows, and background between the labels."""
    lasting_s, label = min((median(lengths), label) for label, lengths in taken.lengths_of().items())
    clip_s = min(LONGEST_CLIP_S, max(SHORTEST_CLIP_S, round(FILLED * lasting_s, 1)))
    background = BACKGROUND if BACKGROUND not in taken.classes else "nothing"
    return Proposal(
        fits=len(taken.marks) / len(taken.found.recordings),
        because=f"{len(taken.marks):,} sounds have labels in {taken.labels.name}",
        lines=(
            Line("source.kind", "recordings", "sounds, and label files beside them"),
            *taken.lines(),
            Line(
                "source.background",
                background,
                "time without a label: somebody is taken to have listened to all of it; null leaves that time out",
            ),
            Line(
                "preprocessing.labels",
                [*taken.classes, background],
                "those with most seconds first; source.merge and source.ignore make fewer of them",
            ),
            Line(
                "preprocessing.clip_s",
                clip_s,
                f"half of the shortest labels, {label}, last {lasting_s:.1f} s or less: most of a window can be one",
            ),
            Line(
                "preprocessing.reference",
                "full",
                "keep the level: background is told by how quiet it is; peak makes each window as loud as the others",
            ),
            *_hop(clip_s, sum(one.duration_s or 0.0 for one in taken.recordings if one.name in taken.marks)),
            *_band(taken.recordings),
            *_training(),
        ),
        doubts=tuple(taken.doubts()),
        kind="sound",
    )


def _hop_s(clip_s: float, heard_s: float) -> float:
    """Seconds from a window to the next: `FINE`, and wider where recordings are so long that windows would be too many.

    >>> [_hop_s(1.0, hours * 3600.0) for hours in (1, 8, 100)]
    [0.2, 0.288, 0.5]
    """
    return round(min(COARSE * clip_s, max(FINE * clip_s, heard_s * clip_s / MOST_HEARD_S)), 3)


def _hop(clip_s: float, heard_s: float) -> Iterator[Line]:
    """How far apart windows begin, and a collar that onsets so far apart can meet."""
    fine_s, hop_s = _hop_s(clip_s, 0.0), _hop_s(clip_s, heard_s)
    why = "an onset is told no nearer than this; a fifth of clip_s"
    if hop_s > fine_s:
        why += f" would make {heard_s / fine_s:,.0f} windows instead of {heard_s / hop_s:,.0f}"
    yield Line("source.hop_s", hop_s, why)
    if hop_s > Timelines().collar_s:
        yield Line(
            "timelines.collar_s", hop_s, "how far an onset may be off; it is told no nearer than hop_s"
        )


def _class_folders(found: Found, sounds: Sequence[FoundRecording], label_of: Mapping[str, str]) -> Proposal:
    count = Counter(label_of.values())
    labels = [label for label, _ in count.most_common()]
    who = enough(who_in(list(label_of), None, label_of), label_of, validates=True)
    amounts = {one.name: {label_of[one.name]: one.duration_s or 1.0} for one in sounds}
    lines, side_of = sides_of(amounts, who, key_of, validates=True, where=found.root)
    classes = {name: {label} for name, label in label_of.items()}
    few = [f"{label} ({number})" for label, number in count.items() if number < FEW]
    return Proposal(
        fits=len(sounds) / len(found.recordings),
        because=f"{len(sounds):,} sounds lie in {len(labels):,} folders, which name their classes",
        lines=(
            Line("source.kind", "folder", "a sound's class is the folder that it lies in"),
            *_pattern(who),
            Line("source.split", "shares"),
            *lines,
            Line("preprocessing.labels", labels, "the names of the folders, those with most sounds first"),
            *_lengths(sounds),
            *_band(sounds),
            *_training(),
        ),
        doubts=(
            *unlike(found),
            *unsure(who, "source.pattern"),
            *([f"fewer than {FEW} sounds of a class teach and tell little: {such(few)}"] if few else []),
            *sides_without(classes, side_of),
        ),
        kind="sound",
    )


def _pattern(who: Who) -> Iterator[Line]:
    """Class and group by one pattern: the group is looked for ahead, wherever it stands."""
    if who.by is not None:
        yield Line(
            "source.pattern",
            rf"(?={who.value}$)(?:.*/)?(?P<label>[^/]+)/[^/]+",
            f"who is in a sound: {who.why}",
        )


def _lengths(sounds: Sequence[FoundRecording]) -> Iterator[Line]:
    lengths = sorted(one.duration_s for one in sounds if one.duration_s) or [SoundPreprocessing().clip_s]
    usual = lengths[int(HELD_WHOLE * (len(lengths) - 1))]
    clip_s = min(LONGEST_CLIP_S, max(SHORTEST_CLIP_S, math.ceil(10 * usual) / 10))
    yield Line("preprocessing.clip_s", clip_s, f"{HELD_WHOLE:.0%} of the sounds last {usual:.1f} s or less")
    longest_s = PrepareSounds().longest_s
    if lengths[-1] > longest_s:
        long = sum(one > longest_s for one in lengths)
        why = f"{long:,} sounds are longer than {longest_s:g} s; of them the first {clip_s:g} s are heard"
        yield Line("prepare.longest_s", float(math.ceil(lengths[-1] + 1)), why)


def _band(sounds: Sequence[FoundRecording]) -> Iterator[Line]:
    """A lower rate where most sounds have no more than that."""
    rates = sorted(int(one.header.rate) for one in sounds if one.header is not None and one.header.rate)
    usual = rates[len(rates) // 2] if rates else SoundPreprocessing().sample_rate
    if usual < SoundPreprocessing().sample_rate:
        yield Line("preprocessing.sample_rate", usual, "most sounds have no more samples a second")
        yield Line("preprocessing.high_hz", usual / 2)


def _training() -> Iterator[Line]:
    yield Line("train.batch_size", 16, "recordings of a first evening are few")
    yield Line("train.patience", 10)
