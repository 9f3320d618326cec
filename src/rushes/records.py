"""The records that every floor speaks of, validated at birth.

Time is float64 seconds, half-open ``[start_s, end_s)``. The clock of a recording starts at zero with its
first frame; the clock of a clip starts at zero with the clip.
"""

from __future__ import annotations

import hashlib
import math
import re
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Literal

from rushes.errors import SourceError

KEY = re.compile(r"[A-Za-z0-9_-]+")

ClipKind = Literal["before", "across", "after", "whole", "window"]
MediaKind = Literal["frames", "video"]


LEGIBLE = 48
"""Characters of a name that a key keeps at most, the last ones."""


def hashed_key(legible: str, name: str) -> str:
    """A key that can be read, and that no two names share.

    >>> hashed_key("take 2.mov", "Anna Müller/take 2.mov"), hashed_key("take 2.mov", "take 2.mov")
    ('take-2-mov-d7700e512b', 'take-2-mov-a589c6ae44')

    Args:
        legible: part of the name that a reader is shown, as far as it is plain.
        name: unique; bytes that are no text stand in it as surrogates.
    """
    plain = re.sub(r"[^A-Za-z0-9_]+", "-", legible).strip("-")[-LEGIBLE:]
    digits = hashlib.sha256(name.encode(errors="surrogateescape")).hexdigest()[:10]
    return f"{plain}-{digits}".lstrip("-")


def _require(holds: bool, message: str, where: object, cure: str | None = None) -> None:
    if not holds:
        raise SourceError(message, where=where, cure=cure)


@dataclass(frozen=True, slots=True, order=True)
class Segment:
    """A labelled stretch of time, ``[start_s, end_s)`` seconds.

    >>> Segment(1.0, 3.5, "Tape").duration_s
    2.5
    """

    start_s: float
    end_s: float
    label: str

    def __post_init__(self) -> None:
        finite = math.isfinite(self.start_s) and math.isfinite(self.end_s)
        _require(
            finite and self.end_s > self.start_s,
            f"a segment must end after it starts, found [{self.start_s}, {self.end_s})",
            self.label,
        )

    @property
    def duration_s(self) -> float:
        """Length in seconds, always positive."""
        return self.end_s - self.start_s

    def contains(self, time_s: float) -> bool:
        """Whether ``time_s`` lies in ``[start_s, end_s)``."""
        return self.start_s <= time_s < self.end_s


@dataclass(frozen=True, slots=True)
class Media:
    """Where a recording's pictures lie: one video file, or a folder of JPEG frames named by their time."""

    kind: MediaKind
    path: Path


@dataclass(frozen=True, slots=True)
class Stills:
    """A camera's pictures as files, JPEG or PNG, whose times stand elsewhere.

    Attributes:
        files: in order of time, at least one.
        times_s: of each, seconds, increasing.
    """

    files: tuple[Path, ...]
    times_s: tuple[float, ...]

    def __post_init__(self) -> None:
        where = self.files[0].parent if self.files else None
        _require(bool(self.files), "a camera without a picture", where)
        _require(
            len(self.files) == len(self.times_s),
            f"{len(self.files)} pictures, {len(self.times_s)} times of them",
            where,
            "give each picture one time; remove what is too much",
        )
        stuck = sum(not before < after for before, after in pairwise(self.times_s))
        _require(
            not stuck,
            f"times of pictures must increase; {stuck} of {len(self.times_s)} are not after the one before",
            where,
            "correct these times, or leave the pictures out",
        )

    def __str__(self) -> str:
        return str(self.files[0].parent)


@dataclass(frozen=True, slots=True)
class Recording:
    """One session of one person in front of one camera.

    Attributes:
        key: unique in the dataset, letters, digits, ``_`` and ``-``, e.g. ``U0101_S0100``.
        group: the person; splits never cut through a group.
        subject: the id under which the source knows the person; one person can carry two.
        session: the source's name of the session.
        media: the pictures.
        segments: labelled stretches in order of time, not overlapping; gaps are allowed.
        origin_unix_s: wall-clock time (seconds since 1970, UTC) of the recording's zero.
        alone: whether it shows one operation, as a file with a single label does: of that nobody asks what
            comes next.
    """

    key: str
    group: str
    subject: str
    session: str
    media: Media
    segments: tuple[Segment, ...]
    origin_unix_s: float
    alone: bool = False

    def __post_init__(self) -> None:
        _require(KEY.fullmatch(self.key) is not None, f"not a key: {self.key!r}", self.media.path)
        for earlier, later in zip(self.segments, self.segments[1:], strict=False):
            _require(
                later.start_s >= earlier.end_s,
                f"segments overlap: {earlier.label} ends at {earlier.end_s:.3f} s, "
                f"{later.label} starts at {later.start_s:.3f} s",
                self.key,
            )


@dataclass(frozen=True, slots=True)
class Member:
    """One file inside of a zip archive, found once and read in place from then on.

    Attributes:
        archive: the zip file.
        name: of the member in it.
        offset: of the first byte of its data in the archive.
        size: bytes of the data, as they lie in the archive.
        crc32: checksum of the uncompressed data that the archive declares.
    """

    archive: Path
    name: str
    offset: int
    size: int
    crc32: int

    def __str__(self) -> str:
        return f"{self.archive}/{self.name}"


@dataclass(frozen=True, slots=True)
class Target:
    """The right answer for a clip: what is under way at the asked moment, from when to when, what follows.

    Attributes:
        operation: label of the operation under way at the asked moment.
        start_s: its start on the clip's clock, not before 0.
        end_s: its end on the clip's clock, not after the clip's length.
        next: label of the operation that follows it; None where nobody says.
    """

    operation: str
    start_s: float
    end_s: float
    next: str | None

    def __post_init__(self) -> None:
        _require(
            0.0 <= self.start_s < self.end_s,
            f"a target must lie inside its clip, found [{self.start_s}, {self.end_s})",
            self.operation,
        )


@dataclass(frozen=True, slots=True)
class Clip:
    """A stretch of a recording with a question about one moment of it.

    Attributes:
        key: unique in the dataset; becomes the sample's key.
        kind: which side of an operation boundary is asked about; ``whole``, all of a recording that is too
            short for that, or a stretch of one with a single operation; or ``window`` of a timeline.
        start_s, end_s: the clip on the recording's clock.
        asked_s: the moment asked about, on the clip's clock, in ``[0, end_s - start_s)``.
        target: the right answer; None where the asked moment carries no label, or, unless the clip is
            ``whole``, has no successor.
        segments: every labelled segment that the clip touches, cut to it, on the clip's clock.
    """

    key: str
    kind: ClipKind
    start_s: float
    end_s: float
    asked_s: float
    target: Target | None
    segments: tuple[Segment, ...] = field(default=())

    def __post_init__(self) -> None:
        _require(KEY.fullmatch(self.key) is not None, f"not a key: {self.key!r}", self.kind)
        _require(self.end_s > self.start_s, f"empty clip [{self.start_s}, {self.end_s})", self.key)
        _require(
            0.0 <= self.asked_s < self.end_s - self.start_s,
            f"the asked moment {self.asked_s} s lies outside of the clip of {self.end_s - self.start_s} s",
            self.key,
        )


@dataclass(frozen=True, slots=True)
class SoundRecording:
    """One sound with one class.

    Attributes:
        key: unique in the dataset.
        group: what a split must not cut through: the wearer, the speaker, the take; empty where nobody said.
        split: the side on which it stands.
        label: its class.
        path: the sound file.
    """

    key: str
    group: str
    split: str
    label: str
    path: Path

    def __post_init__(self) -> None:
        _require(KEY.fullmatch(self.key) is not None, f"not a key: {self.key!r}", self.path)
        _require(self.label != "", "a sound without a class", self.path)
