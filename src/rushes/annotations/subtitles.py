"""WebVTT and SRT: captions of one recording, to the millisecond."""

from __future__ import annotations

import html
import re
from collections.abc import Iterator
from pathlib import Path

from rushes.annotations.clock import clock, seconds_of
from rushes.annotations.files import read_text
from rushes.annotations.how import How
from rushes.annotations.mark import About, Labels, Mark, Note, join_notes, kind_of
from rushes.errors import SourceError

_TIMES = re.compile(r"\s*([\d:.,]+)\s*-->\s*([\d:.,]+)(\s.*)?")
_VOICE = re.compile(r"<v(?:\.[^\s>]*)?\s+([^>]*)>")
_TAG = re.compile(r"</?[a-zA-Z0-9.:][^>]*>")
_NO_CUE = ("NOTE", "STYLE", "REGION")
_BLANK = re.compile(r"\n[ \t]*\n")


def is_webvtt(head: str) -> bool:
    """Whether a text begins as WebVTT."""
    return re.match(r"WEBVTT(\s|\Z)", head) is not None


def is_srt(head: str) -> bool:
    """Whether a text begins with a numbered caption."""
    return re.match(r"\s*\d+[ \t]*\n[ \t]*[\d:.,]+[ \t]*-->", head) is not None


def read(path: Path, how: How, name: str) -> Labels:
    """Captions as labels, in either form, with a point or a comma before the milliseconds.

    A voice of WebVTT is the track; other tags of WebVTT are left out. A caption of several lines is one label.

    Raises:
        SourceError: lines that belong to no caption, or a time that cannot be read.
    """
    text = read_text(path)
    notes: list[Note] = []
    vtt = is_webvtt(text)
    marks = []
    for line, block in _blocks(text):
        if vtt and (line == 1 or block[0].split(" ")[0].split("\t")[0] in _NO_CUE):
            continue
        at = next((number for number in range(min(2, len(block))) if "-->" in block[number]), None)
        times = None if at is None else _TIMES.fullmatch(block[at])
        if at is None or times is None:
            raise SourceError(
                f"no caption: {block[0][:60]!r}",
                where=f"{path}:{line}",
                cure="write 00:00:01.000 --> 00:00:02.000 above its text, and a blank line before it",
            )
        where = f"{path}:{line + at}"
        if vtt and "," in times[1] + times[2]:
            notes.append(Note("times with a comma, which WebVTT does not have, are read", where))
        start, end = (seconds_of(times[side], where) for side in (1, 2))
        label = "\n".join(block[at + 1 :]).strip()
        voice = _VOICE.search(label) if vtt else None
        if vtt:
            label = html.unescape(_TAG.sub("", label)).strip()
        if not label:
            notes.append(Note("a caption without text is left out", where))
            continue
        track = "" if voice is None else html.unescape(voice[1])
        marks.append(
            Mark(
                recording=name,
                start_s=start,
                end_s=end,
                label=label,
                kind=kind_of(start, end),
                track=track,
                where=where,
            )
        )
    return Labels(tuple(marks), {name: About()}, join_notes(notes))


def _blocks(text: str) -> Iterator[tuple[int, list[str]]]:
    """Lines between blank ones, with the number of the first."""
    block: list[str] = []
    for number, line in enumerate([*text.split("\n"), ""], start=1):
        if line.strip():
            block.append(line)
        elif block:
            yield number - len(block), block
            block = []


def write_webvtt(labels: Labels, how: How) -> bytes:
    """Captions as WebVTT; a track is the voice.

    Raises:
        SourceError: a label with a blank line.
    """
    return _written(labels, "WEBVTT\n\n", ".", vtt=True)


def write_srt(labels: Labels, how: How) -> bytes:
    """Captions as SRT.

    Raises:
        SourceError: a label with a blank line.
    """
    return _written(labels, "", ",", vtt=False)


def _written(labels: Labels, header: str, point: str, vtt: bool) -> bytes:
    blocks = []
    for number, mark in enumerate(sorted(labels.marks, key=lambda mark: mark.start_s), start=1):
        if _BLANK.search(mark.label):
            raise SourceError(
                "a caption cannot hold a blank line",
                where=f"{mark.recording} {mark.label[:60]!r}",
                cure="write another format",
            )
        voice = f"<v {html.escape(mark.track, quote=False)}>" if vtt and mark.track else ""
        text = voice + html.escape(mark.label, quote=False) if vtt else mark.label
        end = mark.start_s if mark.end_s is None else mark.end_s
        times = " --> ".join(clock(time, point) for time in (mark.start_s, end))
        blocks.append(f"{number}\n{times}\n{text}\n")
    return (header + "\n".join(blocks)).encode()
