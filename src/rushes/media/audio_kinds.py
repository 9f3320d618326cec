"""The kinds of sound files that are read: how each begins, who opens it, and what its end is known by.

A file is of the kind that its first bytes say, whatever its name ends with. What is not in the table is not
opened: a decoder is a large target for a file that somebody made for it.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import partial
from typing import NamedTuple

from rushes.media import audio_chunks as chunks
from rushes.media.audio_frames import Data, Given, id3_end, mp3_frames, whole_mp3, whole_ogg

HEAD = 4096
"""First bytes of a file that tell its kind."""

Whole = Callable[[Data, object], Given]
"""File and its name in errors -> what of it FFmpeg is given; raises `MediaError` where the end is missing."""


class Kind(NamedTuple):
    """A kind of sound file.

    Attributes:
        name: in messages.
        demuxer: FFmpeg's name of its reader.
        begins: its first bytes.
        whole: looks into the bytes for their end.
        slack_s: what may be missing of the length that FFmpeg reads in its head; None where that is a guess,
            or ``whole`` knows better.
        timed: whether its frames have times of their own, so that a gap between them shows.
        guesses: whether FFmpeg guesses the length from the bit rate, where no table of frames tells it.
    """

    name: str
    demuxer: str
    begins: re.Pattern[bytes]
    whole: Whole
    slack_s: float | None = None
    timed: bool = False
    guesses: bool = False


def _as_it_is(data: Data, where: object) -> Given:
    return Given()


def _begins(pattern: bytes) -> re.Pattern[bytes]:
    return re.compile(pattern, re.DOTALL)


ROUNDING_S = 0.1
"""Encoders round a length to their frames, and count what they put before the first sample."""

KINDS = (
    Kind("WAV", "wav", _begins(rb"(?:RIFF|RIFX|RF64|BW64)....WAVE"), chunks.whole_wav),
    Kind("W64", "w64", _begins(rb"riff\x2e\x91\xcf\x11"), partial(chunks.whole_chunks, chunks.W64)),
    Kind("AIFF", "aiff", _begins(rb"FORM....AIF[FC]"), partial(chunks.whole_chunks, chunks.AIFF)),
    Kind("CAF", "caf", _begins(rb"caff\0\x01"), chunks.whole_caf),
    Kind("AU", "au", _begins(rb"\.snd"), chunks.whole_au),
    Kind("FLAC", "flac", _begins(rb"fLaC"), _as_it_is, slack_s=0.0),
    Kind("OGG", "ogg", _begins(rb"OggS"), whole_ogg),
    Kind("M4A", "mov", _begins(rb"....ftyp(?!hei|mif|avi)"), _as_it_is, slack_s=ROUNDING_S, timed=True),
    Kind("WMA", "asf", _begins(rb"\x30\x26\xb2\x75\x8e\x66\xcf\x11"), _as_it_is, ROUNDING_S, timed=True),
    Kind("WebM", "matroska", _begins(rb"\x1a\x45\xdf\xa3"), chunks.whole_matroska, ROUNDING_S, timed=True),
    Kind("AAC", "aac", _begins(rb"\xff[\xf0\xf1\xf8\xf9][^\xff]"), _as_it_is, guesses=True),
)
MP3 = Kind("MP3", "mp3", _begins(rb""), whole_mp3, guesses=True)

SUFFIXES = (
    *(".wav", ".wave", ".rf64", ".w64", ".aif", ".aiff", ".aifc", ".caf", ".au", ".snd", ".flac"),
    *(".ogg", ".oga", ".opus", ".m4a", ".wma", ".weba", ".mka", ".aac", ".mp3"),
)
"""What the name of a sound ends with: such a file is taken for one even where its bytes are not."""


def kind_of(data: Data) -> Kind | None:
    """The kind of a file by its first bytes, of which `HEAD` are enough; None where it is none of these."""
    start = id3_end(data)
    for kind in KINDS:
        if kind.begins.match(data, start):
            return kind
    # An MP3 has no mark of its own: its tag, or frames that follow each other.
    return MP3 if start or mp3_frames(data) is not None else None
