"""A source: the reader of one raw layout."""

from __future__ import annotations

import hashlib
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, Generic, Protocol, TypeVar

from rushes.errors import RushesError, SourceError
from rushes.stages import Claim, Claims, sha256_file

Bring = Callable[[Callable[[str], bool]], Path]
"""Brings the files whose names fit; returns the folder with all that were brought so far."""


NAMED = 20
"""Faults, or notes, of different words that are told to people."""


class Keyed(Protocol):
    """A recording, or what is wrong with one."""

    @property
    def key(self) -> str:
        """Name of the recording, unique in its source."""
        ...


@dataclass(frozen=True, slots=True)
class Fault:
    """Why a recording is set aside, or, among a scan's notes, what is worth knowing of it.

    Attributes:
        key: the recording's key; empty for a note on a whole dataset.
        kind: the error's name, ``SourceError`` or ``MediaError``; ``Skipped``, or ``Note``.
        message: what was expected and what was found.
        where: the file, with its line after a colon where it has lines.
        cure: what to change.
        owner: whose recording it is, where its name tells.
    """

    key: str
    kind: str
    message: str
    where: str
    cure: str
    owner: str = ""

    @classmethod
    def of(cls, error: RushesError, key: str, owner: str = "") -> Fault:
        """Of a recording that does not hold."""
        return cls(key, type(error).__name__, error.message, error.where or "", error.cure or "", owner)

    def reason(self) -> dict[str, str]:
        """The entry for a stage's quarantine."""
        return {"type": self.kind, "message": self.message, "where": self.where, "cure": self.cure}


def told_alike(kind: str, entries: Iterable[Mapping[str, str]]) -> Iterator[str]:
    """Lines of faults or notes, each as ``Fault.reason()``: those of the same words once, with where the first is.

    >>> missing = {"message": "no video", "cure": ""}
    >>> list(told_alike("fault", [missing | {"where": "a"}, missing | {"where": "b"}]))
    ['fault: no video', '  where: a, and 1 more']
    """
    alike: dict[tuple[str, str], list[str]] = {}
    for entry in entries:
        alike.setdefault((entry["message"], entry["cure"]), []).append(entry["where"])
    for (message, cure), places in islice(alike.items(), NAMED):
        yield f"{kind}: {message}"
        yield f"  where: {places[0]}" + (f", and {len(places) - 1:,} more" if len(places) > 1 else "")
        if cure:
            yield f"  cure:  {cure}"
    if len(alike) > NAMED:
        yield f"and {len(alike) - NAMED:,} more {kind}s of other words; --json lists all"


class Scan(Protocol):
    """What stands below a root, read from names and headers; nothing is decoded."""

    @property
    def root(self) -> Path:
        """Folder of the recordings."""
        ...

    @property
    def faults(self) -> Sequence[Keyed]:
        """Recordings that do not hold, each with ``reason()``."""
        ...


class Audit(Protocol):
    """What the recordings of a recipe are, for a look before an hour of work."""

    @property
    def samples(self) -> Mapping[str, int]:
        """Side -> how many are expected; all under ``""`` where the sides are not told."""
        ...

    @property
    def faults(self) -> Sequence[Any]:
        """What does not hold, among what the recipe asks for; told by ``text`` and ``to_json``."""
        ...

    @property
    def outcomes(self) -> Mapping[str, Claim]:
        """Key of a recording that is expected to give no sample -> why; told by ``text`` as well."""
        ...

    def text(self) -> str:
        """For people."""
        ...

    def to_json(self) -> Mapping[str, Any]:
        """As the command line prints it."""
        ...

    def summary(self) -> str:
        """One line for a plan."""
        ...


Found = TypeVar("Found", bound=Scan)


class Source(ABC, Generic[Found]):
    """A raw layout, together with what a recipe says of it.

    ``rushes.testing.check_source`` holds an implementation against this contract.
    """

    @abstractmethod
    def scan(self, root: Path) -> Found:
        """The recordings below ``root`` in a fixed order, and whatever is wrong with them.

        Raises:
            SourceError: this is no copy of the layout.
        """

    @abstractmethod
    def fingerprint(self, found: Found) -> str:
        """Hash of everything that is read of the recordings, the same wherever the copy lies.

        Long footage may count by its size and its ends, and members of an archive by the checksums that it
        declares and every reading checks, so that a look at terabytes takes seconds.
        """

    @abstractmethod
    def claims(self, found: Found) -> Claims:
        """What becomes of each file below ``found.root``, by its name; None for what this layout does not know.

        Every file of a recording, every table that is read, and whatever is left out on purpose or does not
        hold, each with its reason. What nobody claims is counted as unread, by suffix.
        """

    def remembering(self, folder: Path) -> Source[Found]:
        """The same source; below ``folder``, a workspace, it may remember what it read of files, and keep copies.

        What is remembered changes no answer. Most sources read so little that they remember nothing.
        """
        return self

    def fetch(self, bring: Bring) -> Path:
        """Bring what is read of recordings that lie elsewhere: all of them, unless the layout knows better."""
        return bring(lambda name: True)


@dataclass(frozen=True, slots=True)
class FileScan:
    """Recordings that are files, and their own audit.

    Attributes:
        root: of the recordings.
        recordings: the files, in order of their names.
        faults: none: a file is opened when it is prepared.
    """

    root: Path
    recordings: tuple[Path, ...]
    faults: tuple[Any, ...] = ()

    @property
    def samples(self) -> Mapping[str, int]:
        """See `Audit.samples`; at least one of each is expected."""
        return {"": len(self.recordings)}

    @property
    def outcomes(self) -> Mapping[str, Claim]:
        """See `Audit.outcomes`."""
        return {}

    def text(self) -> str:
        """See `Audit.text`."""
        size = sum(path.stat().st_size for path in self.recordings)
        return f"{len(self.recordings):,} recordings, {size / 1e6:,.1f} MB"

    summary = text

    def to_json(self) -> Mapping[str, Any]:
        """See `Audit.to_json`."""
        return {"recordings": [path.relative_to(self.root).as_posix() for path in self.recordings]}


@dataclass(frozen=True, slots=True)
class FileSource(Source[FileScan]):
    """A folder in which each file is a recording.

    Attributes:
        pattern: of the names of the files below the root, as ``*.json`` or ``**/*.wav``.
    """

    pattern: str

    def scan(self, root: Path) -> FileScan:
        """See `Source.scan`."""
        found = tuple(sorted(path for path in Path(root).glob(self.pattern) if path.is_file()))
        if not found:
            raise SourceError(
                f"no file {self.pattern} in this folder", where=root, cure="give the folder that holds them"
            )
        return FileScan(Path(root), found)

    def fingerprint(self, found: FileScan) -> str:
        """See `Source.fingerprint`."""
        lines = (
            f"{path.relative_to(found.root).as_posix()} {sha256_file(path)}\n" for path in found.recordings
        )
        return hashlib.sha256("".join(lines).encode()).hexdigest()

    def claims(self, found: FileScan) -> Claims:
        """See `Source.claims`."""
        keys = {path.relative_to(found.root).as_posix(): path.stem for path in found.recordings}
        return lambda name: Claim("used", "recordings", keys[name]) if name in keys else None
