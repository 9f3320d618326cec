"""Every format of label files that is read or written, in one table."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Literal, NamedTuple, get_args

from rushes.annotations import (
    activitynet,
    audacity,
    boris,
    cvat,
    dcase,
    elan,
    epic,
    frames_text,
    label_studio,
    names,
    raven,
    subtitles,
    tables,
    textgrid,
    via,
)
from rushes.annotations.how import How
from rushes.annotations.mark import Labels
from rushes.recipe.annotation import FormatName

Held = Literal["track", "annotator", "score", "channel", "low_hz", "high_hz", "comment", "attributes"]
"""What a mark says beside recording, times and label."""

HELD: tuple[Held, ...] = get_args(Held)


class Format(NamedTuple):
    """A format of label files.

    Attributes:
        title: for people.
        suffix: that its files usually have.
        is_one: whether the beginning of a file, as text, is of this format; never by its name.
        read: file, how, and the recording's name where the file names none -> its labels.
        write: labels -> the bytes of a file; None for what is read only.
        keeps: what is written beside recording, times and label.
        many: whether one file can hold several recordings.
        points: whether a moment can be written.
        whole: whether a label of all of a file, or without an end, can be written as such.
    """

    title: str
    suffix: str
    is_one: Callable[[str], bool]
    read: Callable[[Path, How, str], Labels]
    write: Callable[[Labels, How], bytes] | None = None
    keeps: frozenset[Held] = frozenset()
    many: bool = True
    points: bool = True
    whole: bool = False


FORMATS: Mapping[FormatName, Format] = {
    "textgrid": Format(
        "Praat TextGrid",
        ".TextGrid",
        textgrid.is_one,
        textgrid.read,
        textgrid.write,
        keeps=frozenset({"track"}),
        many=False,
    ),
    "webvtt": Format(
        "WebVTT",
        ".vtt",
        subtitles.is_webvtt,
        subtitles.read,
        subtitles.write_webvtt,
        keeps=frozenset({"track"}),
        many=False,
        points=False,
    ),
    "srt": Format(
        "SRT", ".srt", subtitles.is_srt, subtitles.read, subtitles.write_srt, many=False, points=False
    ),
    "elan": Format(
        "ELAN",
        ".eaf",
        elan.is_one,
        elan.read,
        elan.write,
        keeps=frozenset({"track", "annotator", "score", "comment"}),
        many=False,
        points=False,
    ),
    "cvat": Format(
        "CVAT XML for video", ".xml", cvat.is_one, cvat.read, cvat.write, many=False, points=False
    ),
    "cvat_audio": Format(
        "CVAT's table of an audio task",
        ".tsv",
        cvat.is_audio,
        cvat.read_audio,
        cvat.write_audio,
        keeps=frozenset({"annotator", "score"}),
    ),
    "via": Format(
        "VIA 3",
        ".json",
        via.is_one,
        via.read,
        via.write,
        keeps=frozenset({"track", "score", "comment"}),
        whole=True,
    ),
    "label_studio": Format(
        "Label Studio",
        ".json",
        label_studio.is_one,
        label_studio.read,
        label_studio.write,
        keeps=frozenset({"annotator", "score", "channel"}),
        points=False,
    ),
    "activitynet": Format(
        "ActivityNet JSON",
        ".json",
        activitynet.is_one,
        activitynet.read,
        activitynet.write,
        keeps=frozenset({"score"}),
    ),
    "raven": Format(
        "Raven selections", ".txt", raven.is_one, raven.read, raven.write, keeps=frozenset(HELD), many=False
    ),
    "epic": Format("EPIC-KITCHENS CSV", ".csv", epic.is_one, epic.read),
    "boris": Format(
        "BORIS events",
        ".tsv",
        boris.is_one,
        boris.read,
        boris.write,
        keeps=frozenset({"track", "comment"}),
        many=False,
    ),
    "dcase": Format("DCASE table", ".tsv", dcase.is_one, dcase.read, dcase.write),
    "audacity": Format(
        "Audacity labels",
        ".txt",
        audacity.is_one,
        audacity.read,
        audacity.write,
        keeps=frozenset({"low_hz", "high_hz"}),
        many=False,
    ),
    "table": Format(
        "CSV, TSV or Parquet with a row a label",
        ".csv",
        tables.is_one,
        tables.read,
        tables.write,
        keeps=frozenset(HELD),
        whole=True,
    ),
    "frames_text": Format(
        "a label a frame, as MS-TCN",
        ".txt",
        frames_text.is_one,
        frames_text.read,
        frames_text.write,
        many=False,
        points=False,
    ),
    "names": Format("names of the recordings", "", lambda head: False, names.read),
}
"""In the order in which a file is looked into: the first that knows it takes it."""
