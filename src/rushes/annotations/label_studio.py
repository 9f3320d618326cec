"""Label Studio: JSON of a full export or JSON_MIN; regions on video in frames, on sound in seconds."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

from rushes.annotations.clock import require_fps, seconds_from
from rushes.annotations.files import json_bytes, listed, mapped, number_in, read_json
from rushes.annotations.how import How
from rushes.annotations.mark import About, Labels, Mark, Note, by_recording, join_notes, kind_of
from rushes.errors import SourceError

MEDIA_KEYS = ("video", "audio", "media", "sound", "file", "url")
"""Of a task's data: where the recording stands, unless annotation.columns.file says another key."""

_AGAIN = "export the project again, as JSON"
_KINDS = ("timelinelabels", "labels", "timeserieslabels", "choices")
_FIRST, _INCLUSIVE = 1, True
"""Frames count from 1, and the end is the last frame inside."""


def is_one(head: str) -> bool:
    """Whether a text is JSON with tasks of Label Studio."""
    if not head.lstrip().startswith(("[", "{")):
        return False
    full = '"data"' in head and ('"annotations"' in head or '"predictions"' in head)
    minimal = '"annotator"' in head and '"annotation_id"' in head
    return full or minimal or '"timelinelabels"' in head


def read(path: Path, how: How, name: str) -> Labels:
    """Labels of all annotations that were not cancelled; the track is the control's name.

    Frames count from 1 and ends are inclusive, unless ``how`` says otherwise; the frame rate is never taken
    for granted. Predictions count only in a file without any annotation, such as one that `write` wrote.

    Raises:
        SourceError: not JSON of Label Studio, no recording in a task's data, or frames without a rate.
    """
    tasks = read_json(path)
    tasks = tasks if isinstance(tasks, list) else [tasks]
    notes: list[Note] = []
    marks: list[Mark] = []
    about: dict[str, About] = {}
    drafts = not any(isinstance(task, dict) and task.get("annotations") for task in tasks)
    for number, task in enumerate(tasks, start=1):
        where = f"{path}#task {task.get('id', number) if isinstance(task, dict) else number}"
        reader = _Task(mapped(task, where), how, where, notes)
        found = list(reader.marks(drafts))
        marks += found
        about[reader.recording] = About(duration_s=reader.duration_s, fps=how.rate(reader.recording))
    return Labels(tuple(marks), about, join_notes(notes))


class _Task:
    """A task of an export.

    Attributes:
        recording: its medium, as its data writes it.
        duration_s: of it, where a region says it.
    """

    def __init__(self, task: Mapping[str, Any], how: How, where: str, notes: list[Note]) -> None:
        self.task, self.how, self.where, self.notes = task, how, where, notes
        self.full = isinstance(task.get("data"), dict)
        self.recording = self._recording(task["data"] if self.full else task)
        self.duration_s: Fraction | None = None

    def _recording(self, data: Mapping[str, Any]) -> str:
        keys = (self.how.columns["file"],) if "file" in self.how.columns else MEDIA_KEYS
        found = [data[key] for key in keys if isinstance(data.get(key), str)]
        if len(found) != 1:
            raise SourceError(
                f"which of {', '.join(map(str, data))} names the recording?",
                where=self.where,
                cure="write its key as annotation.columns: {file: KEY}",
            )
        return str(found[0])

    def marks(self, drafts: bool) -> Iterator[Mark]:
        """Labels of the task; ``drafts`` takes predictions where nobody annotated."""
        if not self.full:
            yield from self._minimal()
            return
        annotations = listed(self.task.get("annotations"), self.where)
        if not annotations and drafts:
            for one in listed(self.task.get("predictions"), self.where):
                if isinstance(one, dict):
                    self.notes.append(Note("predictions of a model, not annotations", self.where))
                    for mark in self._regions(one, str(one.get("model_version") or "")):
                        yield replace(mark, is_predicted=True)
            return
        if not annotations:
            self.notes.append(Note("a task without annotations", self.where))
        for one in (mapped(each, self.where) for each in annotations):
            if one.get("was_cancelled"):
                self.notes.append(Note("an annotation was cancelled: left out", self.where))
                continue
            by = one.get("completed_by")
            yield from self._regions(
                one, str(by.get("email") or by.get("id")) if isinstance(by, dict) else str(by or "")
            )

    def _regions(self, one: Mapping[str, Any], annotator: str) -> Iterator[Mark]:
        regions = [mapped(region, self.where) for region in listed(one.get("result"), self.where)]
        texts = {
            str(region.get("id")): _text(mapped(region.get("value"), self.where).get("text"))
            for region in regions
            if region.get("type") == "textarea"
        }
        labelled = {str(region.get("id")) for region in regions if region.get("type") in _KINDS[:3]}
        for region in regions:
            kind, identity = str(region.get("type")), str(region.get("id"))
            if kind == "textarea" and identity in labelled:
                continue
            if kind not in _KINDS or (kind == "choices" and identity in labelled):
                self.notes.append(Note(f"a region of type {kind} is no label in time", self.where))
                continue
            length = region.get("original_length")
            if length is not None:
                self.duration_s = seconds_from(length, self.where)
            yield from self._labels(
                kind,
                mapped(region.get("value"), self.where),
                f"{self.where}, region {identity}",
                track=str(region.get("from_name") or ""),
                annotator=annotator,
                score=number_in(region.get("score"), self.where),
                comment=texts.get(identity, ""),
            )

    def _minimal(self) -> Iterator[Mark]:
        """Of JSON_MIN: what was exported of one annotation, by the names of the controls."""
        for key, values in self.task.items():
            if not isinstance(values, list):
                continue
            for value in values:
                kind = next((kind for kind in _KINDS if isinstance(value, dict) and kind in value), None)
                if kind is not None:
                    yield from self._labels(
                        kind, value, self.where, track=key, annotator=str(self.task.get("annotator") or "")
                    )

    def _labels(self, kind: str, value: Mapping[str, Any], where: str, **said: Any) -> Iterator[Mark]:
        labels = listed(value.get(kind), where)
        if not labels:
            self.notes.append(Note("a region without a label", where))
        for start, end in self._times(kind, value, where):
            for label in labels:
                yield Mark(
                    recording=self.recording,
                    start_s=start,
                    end_s=end,
                    label=str(label),
                    kind="file" if kind == "choices" else kind_of(start, end),
                    channel=value.get("channel") if isinstance(value.get("channel"), int) else None,
                    where=where,
                    **said,
                )

    def _times(
        self, kind: str, value: Mapping[str, Any], where: str
    ) -> Iterator[tuple[Fraction, Fraction | None]]:
        if kind == "choices":
            yield Fraction(0), None
        elif kind == "timelinelabels":
            last = _INCLUSIVE if self.how.inclusive is None else self.how.inclusive
            for one in listed(value.get("ranges"), where):
                start, end = (_frame(one, side, where) for side in ("start", "end"))
                yield (
                    self.how.frame_s(start, self.recording, where, _FIRST),
                    self.how.frame_s(end + last, self.recording, where, _FIRST),
                )
        elif kind == "timeserieslabels" and self.how.unit != "s":
            raise SourceError(
                "regions of a time series are in the unit of its column of times",
                where=where,
                cure="if that is seconds, write annotation.unit: s",
            )
        else:
            yield seconds_from(value.get("start"), where), seconds_from(value.get("end"), where)


def _frame(one: Any, side: str, where: str) -> int:
    value = one.get(side) if isinstance(one, dict) else None
    if isinstance(value, bool) or not isinstance(value, int):
        raise SourceError(
            f"the {side} of a range is no frame number: {str(value)[:40]}", where=where, cure=_AGAIN
        )
    return value


def _text(value: Any) -> str:
    """Of a text area, whose lines are a list."""
    return " ".join(map(str, value)) if isinstance(value, list) else str(value or "")


def write(labels: Labels, how: How) -> bytes:
    """Predictions to import: a task for each recording, a prediction for each annotator.

    With ``how.unit`` in seconds these are regions on sound, else ranges of frames of a video, which need the
    frame rate. The names of ``how.control`` must be those of the project's configuration.

    Raises:
        SourceError: frames without a rate.
    """
    tasks = []
    for recording, own in by_recording(labels).items():
        versions: dict[str, list[Mark]] = {}
        for mark in own.marks:
            versions.setdefault(mark.annotator or how.version, []).append(mark)
        predictions = [
            {
                "model_version": version,
                "result": [_region(mark, number, how) for number, mark in enumerate(marks, start=1)],
            }
            for version, marks in versions.items()
        ]
        tasks.append({"data": {how.control[1]: recording}, "predictions": predictions})
    return json_bytes(tasks)


def _region(mark: Mark, number: int, how: How) -> dict[str, Any]:
    end = mark.known_end_s
    where = f"{mark.recording} {mark.label!r}"
    value: dict[str, Any]
    if how.unit == "s":
        kind, value = "labels", {"start": float(mark.start_s), "end": float(end), "labels": [mark.label]}
        value |= {} if mark.channel is None else {"channel": mark.channel}
    else:
        fps = require_fps(how.rate(mark.recording), where)
        first, last = _FIRST if how.frame_base is None else how.frame_base, how.inclusive is not False
        start = round(mark.start_s * fps) + first
        finish = max(round(end * fps) + first - last, start)
        kind, value = (
            "timelinelabels",
            {"ranges": [{"start": start, "end": finish}], "timelinelabels": [mark.label]},
        )
    region = {
        "id": f"r{number}",
        "from_name": how.control[0],
        "to_name": how.control[1],
        "type": kind,
        "value": value,
    }
    return region if mark.score is None else region | {"score": mark.score}
