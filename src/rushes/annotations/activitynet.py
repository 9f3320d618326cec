"""ActivityNet's JSON, of annotations or of results, and its relatives: HACS, COIN, the lists of mmaction2."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from rushes.annotations.clock import seconds_from
from rushes.annotations.files import json_bytes, listed, number_in, read_json
from rushes.annotations.how import How
from rushes.annotations.mark import About, Labels, Mark, by_recording, kind_of
from rushes.errors import SourceError

_AGAIN = "write {VIDEO: {duration: SECONDS, annotations: [{segment: [START, END], label: NAME}]}} in database"
_LENGTHS = ("duration", "duration_second")
_COLUMNS = ("subset", "class", "url")


def is_one(head: str) -> bool:
    """Whether a text begins as JSON of segments."""
    return head.lstrip().startswith("{") and '"segment"' in head and '"label"' in head


def read(path: Path, how: How, name: str) -> Labels:
    """Segments of all videos, those without any too; the subset is a column of the recording.

    Raises:
        SourceError: another JSON, or a segment that is no pair of times.
    """
    content = read_json(path)
    videos = content
    for key in ("database", "results"):
        if isinstance(content, dict) and isinstance(content.get(key), dict):
            videos = content[key]
            break
    if not isinstance(videos, dict):
        raise SourceError("no JSON of segments", where=path, cure=_AGAIN)
    marks: list[Mark] = []
    about: dict[str, About] = {}
    for video, said in videos.items():
        if not isinstance(said, dict | list):
            continue  # "version" and the like beside videos
        where = f"{path}#{video}"
        marks += _marks(video, _segments(said), where)
        about[video] = _about(said, where) if isinstance(said, dict) else About()
    return Labels(tuple(marks), about)


def _about(said: Mapping[str, Any], where: str) -> About:
    length = next((said[key] for key in _LENGTHS if said.get(key) is not None), None)
    columns = {key: str(said[key]) for key in _COLUMNS if said.get(key) is not None}
    return About(None if length is None else seconds_from(length, where), columns=columns)


def _segments(said: Mapping[str, Any] | Sequence[Any]) -> Any:
    """Under ``annotations``, ``annotation`` as COIN has it, or the list itself in results."""
    if isinstance(said, Mapping):
        return said.get("annotations", said.get("annotation"))
    return said


def _marks(video: str, segments: Any, where: str) -> Iterator[Mark]:
    for number, one in enumerate(listed(segments, where), start=1):
        place = f"{where}, segment {number}"
        times = one.get("segment") if isinstance(one, dict) else None
        if not isinstance(times, list) or len(times) != 2 or "label" not in one:
            raise SourceError("a segment is a pair of times with a label", where=place, cure=_AGAIN)
        start, end = (seconds_from(time, place) for time in times)
        yield Mark(
            recording=video,
            start_s=start,
            end_s=end,
            label=str(one["label"]),
            kind=kind_of(start, end),
            score=number_in(one.get("score"), place),
            where=place,
        )


def write(labels: Labels, how: How) -> bytes:
    """Results as ActivityNet's evaluation reads them; times to the microsecond."""
    results = {
        recording: [
            {
                "label": mark.label,
                **({} if mark.score is None else {"score": mark.score}),
                "segment": [
                    float(round(time, 6))
                    for time in (mark.start_s, mark.start_s if mark.end_s is None else mark.end_s)
                ],
            }
            for mark in own.marks
        ]
        for recording, own in by_recording(labels).items()
    }
    return json_bytes({"version": "VERSION 1.3", "results": results, "external_data": {}})
