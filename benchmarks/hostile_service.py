"""A service that looks at videos and listens to sounds, without a model: every upload is decoded to its end.

    python benchmarks/hostile_service.py FOLDER

The first line that it prints is its port; FOLDER is for its uploads. Its limits are those of a service by default.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from hostile_decode import SIDE, Listen, Look

from rushes.media.image import decode_jpeg
from rushes.recipe.sections import Serve
from rushes.runs.door.contract import Answered, Asked, Decode, Door, Part, Reply, Verb
from rushes.runs.listening import listen
from rushes.serve.app import Service, service_app
from rushes.serve.envelope import Provenance
from rushes.serve.process import serve

MODEL = Provenance(
    recipe="none", task="none", train="0" * 12, weights="1" * 64, preprocessing="2" * 64, rushes="0.0.0"
)


class How(Asked):
    """Beside a recording: of its frames each so many is looked at."""

    every: int = 1


class Said(Answered):
    """How many parts came, and of how many the content is what it should be."""

    parts: int
    good: int


@dataclass
class Counted(Reply):
    """Counts."""

    parts: int = 0
    good: int = 0

    def add(self, part: Part, said: Any) -> None:
        """One more."""
        self.parts += 1
        self.good += bool(said)

    def finish(self) -> Said:
        """All of them."""
        return Said(parts=self.parts, good=self.good)


class Opened(Door):
    """Looks at pictures, or listens."""

    asked, answered, files = How, Said, {"file": True}
    preload = ("av", "numpy", "hostile_decode")
    batch_size = 32

    def __init__(self, verb: Verb, summary: str) -> None:
        self.verb, self.summary = verb, summary

    def decode(self, asked: How) -> Decode:
        """To its end."""
        return Look(asked.every) if self.verb == "predict" else Listen()

    def load(self) -> None:
        """Nothing to load."""

    def warm_up(self) -> None:
        """Nothing to warm."""

    def answer(self, parts: Sequence[Part]) -> Sequence[bool]:
        """Whether each holds a picture of the right size, or whole samples."""
        return [_is_good(part.members) for part in parts]

    def reply(self, asked: How, about: Mapping[str, Any]) -> Counted:
        """Begin to count."""
        return Counted()


def _is_good(members: Mapping[str, bytes | memoryview]) -> bool:
    if "frame.jpg" in members:
        return decode_jpeg(bytes(members["frame.jpg"])).shape == (SIDE, SIDE, 3)
    return len(members["wave.f32"]) > 0 and len(members["wave.f32"]) % 4 == 0


def make(folder: Path) -> Service:
    """The application; nobody reads its log."""
    doors: dict[Verb, Door] = {
        "predict": Opened("predict", "Look at a video"),
        "analyze": Opened("analyze", "Listen to a sound"),
    }
    return service_app(doors, Serve(), MODEL, folder=folder, write=lambda line: None)


def main() -> int:
    """Serve until somebody stops the process."""
    folder = Path(sys.argv[1])
    listening = listen("127.0.0.1", 0)
    print(listening.getsockname()[1], flush=True)
    return serve(partial(make, folder), folder, listening, Serve().drain_s)


if __name__ == "__main__":
    sys.exit(main())
