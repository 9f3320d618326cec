"""CVAT: XML 1.1 of a video task, tracks and tags in frames from 0; and the table of its audio tasks."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from fractions import Fraction
from itertools import groupby
from operator import itemgetter
from pathlib import Path
from types import MappingProxyType
from xml.etree import ElementTree

from rushes.annotations import tables
from rushes.annotations.clock import clock, require_fps
from rushes.annotations.files import Element, read_xml, xml_bytes
from rushes.annotations.how import How
from rushes.annotations.mark import About, Labels, Mark, Note, by_recording, join_notes
from rushes.annotations.rows import read_rows, write_rows
from rushes.errors import SourceError
from rushes.recipe.annotation import Column

_AGAIN = "export the task again, as CVAT for video 1.1"
_NUMBER = re.compile(r"(\d{1,9})(?:\.\w+)?\Z")
_STEP = re.compile(r"step\s*=\s*(\d{1,6})")
_BOX = {
    **{"xtl": "0.00", "ytl": "0.00", "xbr": "64.00", "ybr": "64.00"},
    **{"occluded": "0", "keyframe": "1", "z_order": "0"},
}
"""Tracks need a box; a label in time has none, and the size of the picture is not known here."""


def is_one(head: str) -> bool:
    """Whether a text begins as CVAT's XML."""
    return "<annotations" in head and ("<meta" in head or "<track" in head or "<image" in head)


def read(path: Path, how: How, name: str) -> Labels:
    """Labels of tracks, from where a track is visible to where it is not, and of tags, whose neighbours merge.

    The track of a mark is the number of CVAT's track. Attributes that do not change within a stretch stand
    beside its label; one that does is a track of labels of its own when ``how.tracks`` names it.

    Raises:
        SourceError: not CVAT's XML, a shape without a frame, or no frame rate.
    """
    root = read_xml(path)
    if root.tag != "annotations":
        raise SourceError(f"no file of CVAT: <{root.tag}>", where=path, cure=_AGAIN)
    file = _File(path, root, how, name)
    marks = (*file.tracks(), *file.tags())
    recordings = [*map(file.name_of, file.tasks.values())] or [name]
    return Labels(marks, {one: About(fps=how.rate(one)) for one in recordings}, join_notes(file.notes))


class _File:
    """A file while it is read.

    Attributes:
        tasks: id -> the task that the file describes.
        notes: what was left out.
    """

    def __init__(self, path: Path, root: Element, how: How, name: str) -> None:
        self.path, self.root, self.how, self.name = path, root, how, name
        self.notes: list[Note] = []
        self.tasks = {
            task.findtext("id", ""): task
            for pattern in ("meta/task", "meta/project/tasks/task", "meta/job")
            for task in root.iterfind(pattern)
        }
        self._note_tags_left_behind()

    def name_of(self, task: ElementTree.Element) -> str:
        """The recording of a task."""
        return (task.findtext("source") or task.findtext("name") or self.name).strip()

    def _note_tags_left_behind(self) -> None:
        kinds = {
            label.findtext("name"): label.findtext("type")
            for label in self.root.iterfind("meta//labels/label")
        }
        if "tag" in kinds.values() and self.root.find("image") is None:
            names = ", ".join(sorted(str(name) for name, kind in kinds.items() if kind == "tag"))
            self.notes.append(
                Note(f'CVAT leaves tags ({names}) out of "for video": export "for images"', str(self.path))
            )

    def _task(self, element: ElementTree.Element) -> ElementTree.Element | None:
        key = element.get("task_id", "")
        return self.tasks.get(key) or (next(iter(self.tasks.values())) if len(self.tasks) == 1 else None)

    def _recording(self, element: ElementTree.Element) -> str:
        task = self._task(element)
        return self.name if task is None else self.name_of(task)

    def place(self, element: ElementTree.Element) -> str:
        """Of an element."""
        return f"{self.path}:{element.line if isinstance(element, Element) else 1}"

    def number(self, element: ElementTree.Element, text: str | None) -> int:
        """A frame number of an element."""
        if text is None or not text.strip().isdecimal() or len(text) > 12:
            raise SourceError(f"no frame number: {str(text)[:40]!r}", where=self.place(element), cure=_AGAIN)
        return int(text)

    def tracks(self) -> Iterator[Mark]:
        """A mark for each stretch in which a track is visible, and for each value of an attribute asked for."""
        for track in self.root.iterfind("track"):
            recording, task = self._recording(track), self._task(track)
            stop = None if task is None else task.findtext("stop_frame")
            beyond = None if stop is None else self.number(track, stop) + 1
            shapes = [(self.number(shape, shape.get("frame")), shape) for shape in track]
            for stretch, end in _visible(sorted(shapes, key=itemgetter(0)), beyond):
                values = [(frame, _attributes(shape)) for frame, shape in stretch]
                same = dict(set.intersection(*(set(value.items()) for _, value in values)))
                label, identity = track.get("label", ""), track.get("id", "")
                yield self._mark(recording, label, (values[0][0], end), identity, track, same)
                for key in sorted({key for _, value in values for key in value}):
                    if key in self.how.tracks:
                        runs = _changes([(frame, value.get(key, "")) for frame, value in values])
                        ends: list[int | None] = [*(frame for frame, _ in runs[1:]), end]
                        for (start, text), finish in zip(runs, ends, strict=True):
                            if text:
                                yield self._mark(recording, text, (start, finish), key, track)
                    elif key not in same:
                        why = f"attribute {key!r} changes within a track: annotation.tracks can take it"
                        self.notes.append(Note(why, self.place(track)))

    def tags(self) -> Iterator[Mark]:
        """A mark for each run of neighbouring frames with the same tag."""
        tagged: dict[tuple[str, str], list[tuple[int, ElementTree.Element]]] = {}
        for image in self.root.iterfind("image"):
            recording = self._recording(image)
            numbered = _NUMBER.search(image.get("name", ""))
            frame = self.number(image, numbered[1] if numbered else image.get("id"))
            for tag in image.iterfind("tag"):
                tagged.setdefault((recording, tag.get("label", "")), []).append((frame, tag))
        for (recording, label), found in tagged.items():
            step = self._step(found[0][1])
            for first, last in _runs(sorted(frame for frame, _ in found), step):
                yield self._mark(recording, label, (first, last + step), "", found[0][1])

    def _step(self, element: ElementTree.Element) -> int:
        task = self._task(element)
        found = _STEP.search("" if task is None else task.findtext("frame_filter") or "")
        return max(1, int(found[1])) if found else 1

    def _mark(
        self,
        recording: str,
        label: str,
        frames: tuple[int, int | None],
        track: str,
        element: ElementTree.Element,
        attributes: Mapping[str, str] = MappingProxyType({}),
    ) -> Mark:
        where = self.place(element)
        start, end = (
            None if frame is None else self.how.frame_s(frame, recording, where, 0) for frame in frames
        )
        return Mark(
            recording=recording,
            start_s=start or Fraction(0),
            end_s=end,
            label=label,
            track=track,
            attributes=tuple(sorted(attributes.items())),
            where=where,
        )


_Shapes = list[tuple[int, ElementTree.Element]]


def _visible(shapes: _Shapes, beyond: int | None) -> Iterator[tuple[_Shapes, int | None]]:
    """Stretches of a track that are not outside, each with its exclusive end; ``beyond`` where none closes it."""
    stretch: _Shapes = []
    for frame, shape in shapes:
        if shape.get("outside") != "1":
            stretch.append((frame, shape))
        elif stretch:
            yield stretch, frame
            stretch = []
    if stretch:
        yield stretch, beyond


def _changes(runs: list[tuple[int, str]]) -> list[tuple[int, str]]:
    """Frames at which a value begins that differs from the one before."""
    return [(next(same)[0], text) for text, same in groupby(runs, key=itemgetter(1))]


def _runs(frames: list[int], step: int) -> Iterator[tuple[int, int]]:
    """First and last of each run of frames that are at most ``step`` apart."""
    first = last = frames[0]
    for frame in frames[1:]:
        if frame > last + step:
            yield first, last
            first = frame
        last = frame
    yield first, last


def _attributes(shape: ElementTree.Element) -> dict[str, str]:
    return {one.get("name", ""): (one.text or "").strip() for one in shape.iterfind("attribute")}


def write(labels: Labels, how: How) -> bytes:
    """An XML file for a video task: a track with a small box for each label.

    A label that lasts to the end of a recording of known length is left open: CVAT refuses a shape on a frame
    that is not there.

    Raises:
        SourceError: no frame rate.
    """
    [(recording, own)] = by_recording(labels).items()
    fps = require_fps(how.rate(recording) or own.about[recording].fps, recording)
    length_s = own.about[recording].duration_s
    frames = None if length_s is None else round(length_s * fps)
    root = ElementTree.Element("annotations")
    ElementTree.SubElement(root, "version").text = "1.1"
    task = ElementTree.SubElement(ElementTree.SubElement(root, "meta"), "task")
    about = {"name": recording, "mode": "interpolation", "start_frame": "0", "source": recording}
    if frames is not None:
        about |= {"size": str(frames), "stop_frame": str(frames - 1)}
    for key, text in about.items():
        ElementTree.SubElement(task, key).text = text
    names = ElementTree.SubElement(task, "labels")
    for label in dict.fromkeys(mark.label for mark in own.marks):
        ElementTree.SubElement(ElementTree.SubElement(names, "label"), "name").text = label
    for number, mark in enumerate(own.marks):
        said = {"id": str(number), "label": mark.label, "source": "auto"}
        track = ElementTree.SubElement(root, "track", said)
        start = round(mark.start_s * fps)
        end = max(start + 1, round((mark.end_s or mark.start_s) * fps))
        ElementTree.SubElement(track, "box", {"frame": str(start), "outside": "0", **_BOX})
        if frames is None or end < frames:
            ElementTree.SubElement(track, "box", {"frame": str(end), "outside": "1", **_BOX})
    return xml_bytes(root)


# --- audio ------------------------------------------------------------------------------------------------

_AUDIO: Mapping[Column, str] = {
    "file": "filename",
    "start": "start",
    "end": "stop",
    "label": "label",
    "annotator": "source",
    "score": "score",
}
_DAY_S = 24 * 3600


def is_audio(head: str) -> bool:
    """Whether a text begins with the header of CVAT's table of an audio task."""
    return head.split("\n", 1)[0].split("\t")[:6] == ["id", "filename", "start", "stop", "label", "source"]


def read_audio(path: Path, how: How, name: str) -> Labels:
    """Labels of the table of an audio task; further columns are attributes."""
    table = read_rows(path)
    columns = {column: header for column, header in _AUDIO.items() if header in table.header}
    return tables.read_table(table, columns | dict(how.columns), how, name)


def write_audio(labels: Labels, how: How) -> bytes:
    """The table that an audio task imports, to the microsecond.

    Raises:
        SourceError: a time of a day or more, which CVAT cannot read.
    """
    rows = []
    for number, mark in enumerate(labels.marks):
        end = mark.start_s if mark.end_s is None else mark.end_s
        if end >= _DAY_S:
            raise SourceError(
                f"{mark.label!r} ends at {float(end):.0f} s: CVAT reads times below 24 hours",
                where=mark.recording,
                cure="cut the recording into shorter ones",
            )
        score = "" if mark.score is None else repr(mark.score)
        times = [clock(time, places=6) for time in (mark.start_s, end)]
        rows.append([str(number), mark.recording, *times, mark.label, mark.annotator, score])
    return write_rows(["id", *_AUDIO.values()], rows, "\t")
