"""VIA 3: one JSON project with several files, segments in seconds, labels as options of attributes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from fractions import Fraction
from pathlib import Path
from typing import Any

from rushes.annotations.clock import number_of, seconds_from
from rushes.annotations.files import json_bytes, listed, mapped, read_json
from rushes.annotations.how import How
from rushes.annotations.layers import DEFAULT
from rushes.annotations.mark import About, Labels, Mark, Note, by_recording, join_notes, kind_of
from rushes.errors import SourceError

_AGAIN = "open the project in VIA 3 and save it again"
_TEXT, _CHECKBOX, _SELECT = 1, 2, 4
_BESIDE = ("score", "comment")
"""Names of attributes of text that say it of the label beside them."""


def is_one(head: str) -> bool:
    """Whether a text begins as a project of VIA 3."""
    return head.lstrip().startswith("{") and '"vid_list"' in head


def read(path: Path, how: How, name: str) -> Labels:
    """Labels of all segments, frames and files of a project; the track is the attribute.

    An option's name is the label, several where several are ticked. Attributes of text that are called
    ``score`` and ``comment`` stand beside the labels of their segment.

    Raises:
        SourceError: not VIA's JSON, an option or file that the project does not define, or a wrong time.
    """
    project = read_json(path)
    if not isinstance(project, dict) or not all(isinstance(project.get(key), dict) for key in _PARTS):
        raise SourceError(f"no project of VIA 3: {', '.join(_PARTS)} are missing", where=path, cure=_AGAIN)
    notes: list[Note] = []
    recordings = {vid: _recording(project, vid, path, notes) for vid in project["view"]}
    marks: list[Mark] = []
    for key, metadata in project["metadata"].items():
        where = f"{path}#{key}"
        vid = str(mapped(metadata, where).get("vid"))
        if vid not in recordings:
            raise SourceError(f"no view {vid!r} in the project", where=where, cure=_AGAIN)
        marks += _marks(project["attribute"], metadata, recordings[vid], where, notes)
    return Labels(tuple(marks), {recording: About() for recording in recordings.values()}, join_notes(notes))


_PARTS = ("attribute", "file", "view", "metadata")


def _recording(project: Mapping[str, Any], vid: str, path: Path, notes: list[Note]) -> str:
    """The file of a view, with the folder that the project has for files of its kind."""
    where = f"{path}#view {vid}"
    files = listed(mapped(project["view"][vid], where).get("fid_list"), where)
    if len(files) > 1:
        notes.append(Note("a view of several files: the labels are taken for the first", where))
    file = mapped(project["file"].get(str(files[0])) if files else None, where)
    if not file:
        raise SourceError("a view without a file", where=where, cure=_AGAIN)
    name = str(file.get("src") or file.get("fname") or "")
    if str(file.get("loc")) == "4":  # the file's content stands inside
        name = str(file.get("fname") or "")
    config = mapped(mapped(project.get("config"), where).get("file"), where)
    prefix = mapped(config.get("loc_prefix"), where).get(str(file.get("loc"))) or ""
    return f"{prefix}{name}"


def _marks(
    attributes: Mapping[str, Any], metadata: Mapping[str, Any], recording: str, where: str, notes: list[Note]
) -> Iterator[Mark]:
    moments, said = listed(metadata.get("z"), where), mapped(metadata.get("av"), where)
    if metadata.get("xy"):
        notes.append(Note("a region in a picture is no label in time", where))
        return
    if len(moments) > 2:
        raise SourceError(f"a segment of {len(moments)} times", where=where, cure=_AGAIN)
    times = [seconds_from(moment, where) for moment in moments]
    start, end = (times[0], times[-1]) if times else (Fraction(0), None)
    beside = {}
    labels: list[tuple[str, str]] = []
    for key, value in said.items():
        attribute = attributes.get(key)
        if not isinstance(attribute, dict):
            raise SourceError(f"no attribute {key!r} in the project", where=where, cure=_AGAIN)
        track = str(attribute.get("aname"))
        if track in _BESIDE and attribute.get("type") == _TEXT and len(said) > 1:
            beside[track] = str(value)
        else:
            labels += [(track, label) for label in _options(attribute, str(value), where)]
    if not labels:
        notes.append(Note("a segment without a label", where))
    score = number_of(beside.get("score", ""))
    for track, label in labels:
        yield Mark(
            recording=recording,
            start_s=start,
            end_s=end,
            label=label,
            kind=kind_of(start, end) if times else "file",
            track=track,
            score=None if score is None else float(score),
            comment=beside.get("comment", ""),
            where=where,
        )


def _options(attribute: Mapping[str, Any], value: str, where: str) -> list[str]:
    """Labels that a value of an attribute stands for: its text, or the names of its options."""
    if attribute.get("type") == _TEXT:
        return [value] if value.strip() else []
    options = mapped(attribute.get("options"), where)
    chosen = value.split(",") if attribute.get("type") == _CHECKBOX else [value]
    missing = [one for one in chosen if one and one not in options]
    if missing:
        raise SourceError(
            f"option {missing[0]!r} of attribute {attribute.get('aname')!r} is not defined; "
            f"there are {', '.join(map(str, options))}",
            where=where,
            cure=_AGAIN,
        )
    return [str(options[one]) for one in chosen if one]


def write(labels: Labels, how: How) -> bytes:
    """A project to open in VIA 3: a view for each recording, an attribute with options for each track.

    Times are written to the millisecond.
    """
    recordings = {recording: str(number) for number, recording in enumerate(by_recording(labels), start=1)}
    options: dict[str, dict[str, str]] = {}
    for mark in labels.marks:
        known = options.setdefault(mark.track or DEFAULT, {})
        known.setdefault(mark.label, str(len(known)))
    said = [
        beside for beside in _BESIDE if any(getattr(mark, beside) not in ("", None) for mark in labels.marks)
    ]
    keys = {
        name: str(number) for number, name in enumerate([*options, *(f"#{one}" for one in said)], start=1)
    }
    attributes = {keys[track]: _attribute(track, _SELECT, known) for track, known in options.items()}
    attributes |= {keys[f"#{beside}"]: _attribute(beside, _TEXT, {}) for beside in said}
    metadata = {}
    for number, mark in enumerate(labels.marks, start=1):
        track, vid = mark.track or DEFAULT, recordings[mark.recording]
        values = {keys[track]: options[track][mark.label]}
        values |= {
            keys[f"#{beside}"]: str(getattr(mark, beside))
            for beside in said
            if getattr(mark, beside) not in ("", None)
        }
        ends = [] if mark.kind == "file" else [mark.start_s, mark.end_s or mark.start_s]
        moments = [float(round(time, 3)) for time in ends[: 1 if mark.kind == "point" else 2]]
        metadata[f"{vid}_{number}"] = {"vid": vid, "flg": 0, "z": moments, "xy": [], "av": values}
    files = {
        vid: {"fid": int(vid), "fname": name, "type": 4, "loc": 1, "src": name}
        for name, vid in recordings.items()
    }
    return json_bytes(
        {
            "project": {
                **{"pid": "__VIA_PROJECT_ID__", "rev": "__VIA_PROJECT_REV_ID__"},
                **{"rev_timestamp": "__VIA_PROJECT_REV_TIMESTAMP__", "pname": "rushes", "creator": "rushes"},
                **{"created": 0, "data_format_version": "3.1.1", "vid_list": list(files)},
            },
            "config": {"file": {"loc_prefix": {"1": "", "2": "", "3": "", "4": ""}}},
            "attribute": attributes,
            "file": files,
            "metadata": metadata,
            "view": {vid: {"fid_list": [int(vid)]} for vid in files},
        }
    )


def _attribute(name: str, kind: int, options: Mapping[str, str]) -> dict[str, Any]:
    return {
        **{"aname": name, "anchor_id": "FILE1_Z2_XY0", "type": kind, "desc": ""},
        **{"options": {number: label for label, number in options.items()}, "default_option_id": ""},
    }
