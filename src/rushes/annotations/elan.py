"""ELAN: XML with tiers of annotations on time slots in milliseconds, one recording a file."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from operator import itemgetter
from pathlib import Path
from xml.etree import ElementTree

from rushes.annotations.clock import number_of
from rushes.annotations.files import Element, read_xml, xml_bytes
from rushes.annotations.how import How
from rushes.annotations.layers import layers_of, tracks_of
from rushes.annotations.mark import About, Labels, Mark, Note, by_recording, join_notes, kind_of
from rushes.errors import SourceError

_AGAIN = "open the file in ELAN, correct it there and save it"
_BESIDE = re.compile(r".+#(score|comment)")
"""Our child tiers: what stands beside the labels of a tier."""

_DOCUMENT = {
    "AUTHOR": "",
    "DATE": "1970-01-01T00:00:00+00:00",  # ELAN wants one; the same labels are the same bytes
    "FORMAT": "3.0",
    "VERSION": "3.0",
    "xmlns:xsi": "http://www.w3.org/2001/XMLSchema-instance",
    "xsi:noNamespaceSchemaLocation": "http://www.mpi.nl/tools/elan/EAFv3.0.xsd",
}
_KINDS = {
    "labels": {"TIME_ALIGNABLE": "true", "GRAPHIC_REFERENCES": "false"},
    "beside": {
        "TIME_ALIGNABLE": "false",
        "GRAPHIC_REFERENCES": "false",
        "CONSTRAINTS": "Symbolic_Association",
    },
}
_CONSTRAINT = {
    "STEREOTYPE": "Symbolic_Association",
    "DESCRIPTION": "1-1 association with a parent annotation",
}


def is_one(head: str) -> bool:
    """Whether a text begins as ELAN's do."""
    return "<ANNOTATION_DOCUMENT" in head


@dataclass(slots=True)
class _File:
    """An ELAN file while it is read.

    Attributes:
        path: of it.
        root: its XML.
        notes: what was read otherwise than written.
        slots: id -> time in ms; None where it has none.
        kinds: linguistic type -> constraint; empty for time of its own.
    """

    path: Path
    root: Element
    notes: list[Note] = field(default_factory=list)
    slots: dict[str, Fraction | None] = field(default_factory=dict)
    kinds: dict[str, str] = field(default_factory=dict)

    def place(self, element: ElementTree.Element) -> str:
        """Of an element."""
        return f"{self.path}:{element.line if isinstance(element, Element) else 1}"

    def value(self, element: ElementTree.Element, name: str) -> str:
        """An attribute that must be there."""
        found = element.get(name)
        if found is None:
            raise SourceError(f"{element.tag} without {name}", where=self.place(element), cure=_AGAIN)
        return found

    def ms(self, element: ElementTree.Element, text: str) -> Fraction:
        """A number of milliseconds."""
        value = number_of(text)
        if value is None:
            raise SourceError(f"no time in ms: {text[:40]!r}", where=self.place(element), cure=_AGAIN)
        return value


def read(path: Path, how: How, name: str) -> Labels:
    """Labels of all tiers; the track is the tier.

    Times are those of the first medium. An annotation that refers to another has that one's time, or its part
    of it where the tier divides. A slot without time stands evenly between its neighbours with one.

    Raises:
        SourceError: not ELAN's XML, other units than ms, or an annotation whose time cannot be known.
    """
    file = _File(path, read_xml(path))
    header = file.root.find("HEADER")
    media = [] if header is None else header.findall("MEDIA_DESCRIPTOR")
    units = "milliseconds" if header is None else header.get("TIME_UNITS", "milliseconds")
    if file.root.tag != "ANNOTATION_DOCUMENT" or units != "milliseconds":
        raise SourceError(
            f"no ELAN file in milliseconds: {units}", where=path, cure="save it with ELAN 4 or later"
        )
    if len(media) > 1:
        file.notes.append(Note("several media: the labels are taken for the first", file.place(media[1])))
    recording = media[0].get("RELATIVE_MEDIA_URL") or media[0].get("MEDIA_URL") or name if media else name
    origin = file.ms(media[0], media[0].get("TIME_ORIGIN", "0")) if media else Fraction(0)
    if origin:
        file.notes.append(
            Note(f"annotation time 0 is {origin} ms in the medium: added", file.place(media[0]))
        )
    for slot in file.root.iterfind("TIME_ORDER/TIME_SLOT"):
        value = slot.get("TIME_VALUE")
        file.slots[file.value(slot, "TIME_SLOT_ID")] = None if value is None else file.ms(slot, value)
    for kind in file.root.iterfind("LINGUISTIC_TYPE"):
        file.kinds[file.value(kind, "LINGUISTIC_TYPE_ID")] = kind.get("CONSTRAINTS", "")
    marks = tuple(_marks(file, recording, origin))
    return Labels(marks, {recording: About()}, join_notes(file.notes))


def _marks(file: _File, recording: str, origin: Fraction) -> Iterator[Mark]:
    times: dict[str, tuple[Fraction, Fraction]] = {}
    for tier in file.root.iterfind("TIER"):
        times |= _aligned(file, tier)
    waiting = {
        file.value(one, "ANNOTATION_ID"): (one, file.kinds.get(tier.get("LINGUISTIC_TYPE_REF", ""), ""))
        for tier in file.root.iterfind("TIER")
        for one in tier.iterfind("ANNOTATION/REF_ANNOTATION")
    }
    _refer(file, waiting, times)
    tiers = [file.value(tier, "TIER_ID") for tier in file.root.iterfind("TIER")]
    tracks, beside = tracks_of(tiers), _beside(file)
    for tier in file.root.iterfind("TIER"):
        if _says_beside(tier):
            continue
        for one in tier.iterfind("ANNOTATION/*"):
            identity, label = file.value(one, "ANNOTATION_ID"), one.findtext("ANNOTATION_VALUE") or ""
            if not label.strip():
                file.notes.append(Note("an annotation without text is left out", file.place(one)))
                continue
            if identity not in times:
                raise SourceError(f"an annotation of kind {one.tag}", where=file.place(one), cure=_AGAIN)
            start, end = ((time + origin) / 1000 for time in times[identity])
            said = {"participant": tier.get("PARTICIPANT"), "cve_ref": one.get("CVE_REF")}
            score = number_of(beside.get((identity, "score"), ""))
            yield Mark(
                recording=recording,
                start_s=start,
                end_s=end,
                label=label.strip(),
                kind=kind_of(start, end),
                track=tracks[file.value(tier, "TIER_ID")],
                annotator=tier.get("ANNOTATOR", ""),
                score=None if score is None else float(score),
                comment=beside.get((identity, "comment"), ""),
                attributes=tuple((key, value) for key, value in said.items() if value),
                where=file.place(one),
            )


def _says_beside(tier: ElementTree.Element) -> str | None:
    """``score`` or ``comment`` of one of our child tiers; None of any other tier."""
    ours = _BESIDE.fullmatch(tier.get("TIER_ID", ""))
    return ours[1] if ours and tier.get("LINGUISTIC_TYPE_REF") == "beside" else None


def _beside(file: _File) -> dict[tuple[str, str], str]:
    """Annotation and ``score`` or ``comment`` -> what our child tiers say of it."""
    found = {}
    for tier in file.root.iterfind("TIER"):
        said = _says_beside(tier)
        for one in tier.iterfind("ANNOTATION/REF_ANNOTATION") if said else ():
            text = one.findtext("ANNOTATION_VALUE") or ""
            if said == "score" and number_of(text) is None:
                file.notes.append(Note("a score that is no number is left out", file.place(one)))
            found[file.value(one, "ANNOTATION_REF"), str(said)] = text
    return found


def _aligned(file: _File, tier: ElementTree.Element) -> dict[str, tuple[Fraction, Fraction]]:
    """Annotation of a tier that stands on time slots -> its start and end in ms."""
    found = {}
    annotations = tier.findall("ANNOTATION/ALIGNABLE_ANNOTATION")
    ends = [[file.value(one, f"TIME_SLOT_REF{side}") for side in (1, 2)] for one in annotations]
    after, before = {start: end for start, end in ends}, {end: start for start, end in ends}
    for one, slots in zip(annotations, ends, strict=True):
        times = []
        for slot in slots:
            if slot not in file.slots:
                raise SourceError(f"no time slot {slot!r}", where=file.place(one), cure=_AGAIN)
            time = file.slots[slot]
            if time is None:
                time = _between(file, one, _walk(file, slot, before), _walk(file, slot, after))
                file.notes.append(
                    Note("a slot without time is set evenly between its neighbours", file.place(one))
                )
            times.append(time)
        found[file.value(one, "ANNOTATION_ID")] = times[0], times[1]
    return found


def _walk(file: _File, slot: str, onward: Mapping[str, str]) -> tuple[int, Fraction | None]:
    """Steps along a tier to the nearest slot with a time, and that time; None at the tier's end."""
    for steps in range(1, len(onward) + 1):
        if slot not in onward:
            break
        slot = onward[slot]
        if (time := file.slots.get(slot)) is not None:
            return steps, time
    return 0, None


def _between(
    file: _File,
    one: ElementTree.Element,
    earlier: tuple[int, Fraction | None],
    later: tuple[int, Fraction | None],
) -> Fraction:
    (back, start), (on, end) = earlier, later
    if start is None or end is None:
        raise SourceError(
            "an annotation without time, and none before and after it in its tier that has one",
            where=file.place(one),
            cure=_AGAIN,
        )
    return start + (end - start) * Fraction(back, back + on)


def _refer(
    file: _File,
    waiting: Mapping[str, tuple[ElementTree.Element, str]],
    times: dict[str, tuple[Fraction, Fraction]],
) -> None:
    """Fill in the times of annotations that refer to others, parents first.

    Args:
        file: that they are of.
        waiting: annotation -> its element, and the constraint of its tier.
        times: annotation -> start and end in ms, to which theirs are added.
    """
    families: dict[tuple[str, str], list[str]] = {}
    for identity, (one, kind) in waiting.items():
        divided = kind == "Symbolic_Subdivision" or one.get("PREVIOUS_ANNOTATION") is not None
        family = (file.value(one, "ANNOTATION_REF"), "" if divided else identity)
        families.setdefault(family, []).append(identity)
    while families:
        ready = [family for family in families if family[0] in times]
        if not ready:
            one, _ = waiting[next(iter(families.values()))[0]]
            raise SourceError(
                "an annotation refers to none that has a time", where=file.place(one), cure=_AGAIN
            )
        for family in ready:
            (start, end), siblings = times[family[0]], _in_order(families.pop(family), waiting)
            step = (end - start) / len(siblings)
            for number, identity in enumerate(siblings):
                times[identity] = start + number * step, start + (number + 1) * step


def _in_order(siblings: list[str], waiting: Mapping[str, tuple[ElementTree.Element, str]]) -> list[str]:
    """Siblings as PREVIOUS_ANNOTATION chains them; as the file has them where it does not."""
    after = {waiting[identity][0].get("PREVIOUS_ANNOTATION"): identity for identity in siblings}
    ordered: list[str] = []
    following = after.get(None)
    while following is not None and following not in ordered:
        ordered.append(following)
        following = after.get(following)
    return ordered if len(ordered) == len(siblings) else siblings


def write(labels: Labels, how: How) -> bytes:
    """An ELAN file: a tier for each track, another for what overlaps in it, score and comment as child tiers."""
    [(recording, own)] = by_recording(labels).items()
    root = ElementTree.Element("ANNOTATION_DOCUMENT", _DOCUMENT)
    header = ElementTree.SubElement(root, "HEADER", {"MEDIA_FILE": "", "TIME_UNITS": "milliseconds"})
    media = {"MEDIA_URL": recording, "MIME_TYPE": "unknown", "RELATIVE_MEDIA_URL": recording}
    ElementTree.SubElement(header, "MEDIA_DESCRIPTOR", media)
    order = ElementTree.SubElement(root, "TIME_ORDER")
    moments: list[tuple[int, str]] = []
    count = 0
    for name, marks in layers_of(own.marks).items():
        about = {"ANNOTATOR": marks[0].annotator} if marks[0].annotator else {}
        tier = _tier(root, name, "labels", about)
        numbered = {f"a{count + number}": mark for number, mark in enumerate(marks, start=1)}
        for identity, mark in numbered.items():
            slots = {f"TIME_SLOT_REF{side}": f"{identity}.{side}" for side in (1, 2)}
            ends = zip((mark.start_s, mark.end_s or mark.start_s), slots.values(), strict=True)
            moments += [(round(time * 1000), slot) for time, slot in ends]
            _annotation(tier, "ALIGNABLE_ANNOTATION", {"ANNOTATION_ID": identity, **slots}, mark.label)
        count += len(marks)
        for beside in ("score", "comment"):
            said = {identity: getattr(mark, beside) for identity, mark in numbered.items()}
            said = {identity: str(value) for identity, value in said.items() if value not in ("", None)}
            if said:
                child = _tier(root, f"{name}#{beside}", "beside", {"PARENT_REF": name})
            for number, (parent, text) in enumerate(said.items(), start=count + 1):
                referring = {"ANNOTATION_ID": f"a{number}", "ANNOTATION_REF": parent}
                _annotation(child, "REF_ANNOTATION", referring, text)
            count += len(said)
    for time, slot in sorted(moments, key=itemgetter(0)):
        ElementTree.SubElement(order, "TIME_SLOT", {"TIME_SLOT_ID": slot, "TIME_VALUE": str(time)})
    for kind, about in _KINDS.items():
        ElementTree.SubElement(root, "LINGUISTIC_TYPE", {"LINGUISTIC_TYPE_ID": kind, **about})
    ElementTree.SubElement(root, "CONSTRAINT", _CONSTRAINT)
    return xml_bytes(root)


def _tier(root: ElementTree.Element, name: str, kind: str, about: Mapping[str, str]) -> ElementTree.Element:
    return ElementTree.SubElement(root, "TIER", {"LINGUISTIC_TYPE_REF": kind, "TIER_ID": name, **about})


def _annotation(tier: ElementTree.Element, kind: str, about: Mapping[str, str], text: str) -> None:
    one = ElementTree.SubElement(ElementTree.SubElement(tier, "ANNOTATION"), kind, dict(about))
    ElementTree.SubElement(one, "ANNOTATION_VALUE").text = text
