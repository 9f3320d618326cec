"""Doors without a model, for tests of a service: a small text file is the recording, each line of it a part.

A line that begins with ``!`` makes the decoding process do what hostile files do, see `FAULTS`.
"""

from __future__ import annotations

import os
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field

from rushes.errors import AnswerError, MediaError, ModelError
from rushes.media.limits import Limits
from rushes.runs.door.contract import Answered, Asked, Decode, Decoded, Door, Part, Reply, Verb

TEXT = b"pick\npack\npack\ntape\n"
"""A recording that holds."""


def _eat() -> None:
    held = []
    while True:
        held.append(bytearray(16 << 20))


FAULTS: Mapping[str, Callable[[], None]] = {
    "!crash": os.abort,
    "!eat": _eat,
    "!hang": lambda: time.sleep(3600.0),
}
"""Line -> what becomes of the process that decodes it."""


@dataclass(frozen=True, slots=True)
class ReadLines:
    """Lines of the only file, each a part of one member ``line``.

    Attributes:
        pause_s: before each part.
    """

    pause_s: float = 0.0

    def __call__(self, files: Mapping[str, Path], limits: Limits) -> Decoded:
        """Open it; bytes that are no UTF-8, or no line at all, are no recording."""
        [path] = files.values()
        try:
            lines = path.read_bytes().decode().splitlines()
        except UnicodeDecodeError:
            raise MediaError("the recording cannot be decoded", cure="send text") from None
        if not lines:
            raise AnswerError("the recording has no line, so nothing can be asked about it")
        limits.check("the recording", frames=len(lines))
        return Decoded({"duration_s": float(len(lines)), "fps": "1", "parts": len(lines)}, self._parts(lines))

    def _parts(self, lines: Sequence[str]) -> Iterator[Part]:
        for number, line in enumerate(lines):
            time.sleep(self.pause_s)
            if line in FAULTS:
                FAULTS[line]()
            if line == "!broken":
                raise MediaError("the recording cannot be decoded to its end", cure="send all of it")
            yield Part(f"line_{number:06d}", {"line": line.encode()})


class Named(Asked):
    """Beside a recording."""

    clip_id: Annotated[str | None, Field(max_length=200)] = None


class Line(Answered):
    """The most frequent line, and how many there are."""

    clip_id: str | None
    label: str
    lines: int


class Lines(Answered):
    """All lines in order."""

    clip_id: str | None
    labels: list[str]
    duration_s: float


class Words(Asked):
    """What is looked for."""

    text: Annotated[str | None, Field(max_length=200)] = None
    top: Annotated[int, Field(ge=1, le=100)] = 10


class Found(Answered):
    """What was looked for, as it was understood."""

    looked_for: str
    top: int


@dataclass
class _Gathered(Reply):
    asked: Any
    about: Mapping[str, Any]
    said: list[str] = field(default_factory=list)

    def add(self, part: Part, said: Any) -> Mapping[str, Any] | None:
        new = not self.said or self.said[-1] != said
        self.said.append(said)
        return {"from": len(self.said) - 1, "label": said} if new else None


class _OneLine(_Gathered):
    def finish(self) -> Answered:
        label, _ = Counter(self.said).most_common(1)[0]
        if label == "!unreadable":
            raise AnswerError("the model's answer cannot be read")
        return Line(clip_id=self.asked.clip_id, label=label, lines=len(self.said))


class _AllLines(_Gathered):
    def finish(self) -> Answered:
        return Lines(clip_id=self.asked.clip_id, labels=self.said, duration_s=float(self.about["duration_s"]))


class _Hits(_Gathered):
    def finish(self) -> Answered:
        if not self.asked.text and not self.said:
            raise AnswerError("nothing is looked for", cure="send text, or a picture")
        return Found(looked_for=self.asked.text or self.said[0], top=self.asked.top)


_REPLIES: Mapping[Verb, Callable[[Any, Mapping[str, Any]], Reply]] = {
    "predict": _OneLine,
    "analyze": _AllLines,
    "search": _Hits,
}


class Stub(Door):
    """Says of each part what stands in it.

    Args:
        verb: under which it is asked.
        answer_s: that an answer takes, whatever the number of parts.
        decode_s: before each part, in the decoding process.
        load_s: that loading takes.
        batch_size: parts that are answered together at most.

    Attributes:
        batches: number of parts of every call, in order.
        broken: the model cannot be asked.
    """

    def __init__(
        self,
        verb: Verb = "predict",
        *,
        answer_s: float = 0.0,
        decode_s: float = 0.0,
        load_s: float = 0.0,
        batch_size: int = 4,
    ) -> None:
        self.verb, self.batch_size = verb, batch_size
        self.answer_s, self.decode_s, self.load_s = answer_s, decode_s, load_s
        self.asked = Words if verb == "search" else Named
        self.answered = {"predict": Line, "analyze": Lines, "search": Found}[verb]
        self.files = {"image": False} if verb == "search" else {"file": True}
        self.summary = f"What a stub says to {verb}"
        self.preload = ("stub_door",)
        self.batches: list[int] = []
        self.loaded = self.broken = False

    def decode(self, asked: Any) -> Decode:
        """Lines."""
        return ReadLines(self.decode_s)

    def load(self) -> None:
        """Takes `load_s`."""
        time.sleep(self.load_s)
        self.loaded = True

    def warm_up(self) -> None:
        """Answer about a line."""
        self.load()
        self.answer([Part("warm_up", {"line": b"pick"})])
        self.batches.clear()

    def answer(self, parts: Sequence[Part]) -> Sequence[Any]:
        """The line of each part."""
        if self.broken:
            raise ModelError("the weights are gone", cure="train again")
        self.batches.append(len(parts))
        time.sleep(self.answer_s)
        return [bytes(part.members["line"]).decode() for part in parts]

    def reply(self, asked: Any, about: Mapping[str, Any]) -> Reply:
        """Begins the answer."""
        return _REPLIES[self.verb](asked, about)


def stub_doors(**said: Any) -> dict[Verb, Stub]:
    """One of each verb."""
    verbs: tuple[Verb, ...] = ("predict", "analyze", "search")
    return {verb: Stub(verb, **said) for verb in verbs}
