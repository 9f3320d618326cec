"""DreamCatcher: what people and those beside them do in their sleep, heard by earbuds, nine classes.

``scan`` takes ``data/{train,validation,test}.tar.gz`` as they are, or the same folders unpacked. The motion
in ``imu/`` is left alone. Data: https://huggingface.co/datasets/THU-PI-Sensing/DreamCatcher, gated.

How the archives are laid out inside is unverified, as access has to be granted: by default a sound's class is
the nearest folder that is one of the nine, and its wearer is the file's name up to the first ``_``. Where
that is not so, ``rushes audit`` shows sounds of no class; a ``metadata.csv`` at the head of the archive
(``file_name``, ``label`` and perhaps ``group``) tells it instead, or ``source.pattern``, which comes first.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from rushes.errors import SourceError
from rushes.records import SoundRecording
from rushes.runs.source import Source
from rushes.tasks.sounds.sources.archive import (
    CORRECT,
    METADATA,
    NOT_THERE,
    ArchiveBlock,
    Layout,
    read_table,
)
from rushes.tasks.sounds.sources.audit import SoundAudit, audit_of
from rushes.tasks.sounds.sources.blocks import (
    SIDE_OF_NAME,
    SUFFIXES,
    Fault,
    Place,
    Sounds,
    SoundScan,
    blocks_of,
    fingerprint_of,
    is_sound,
    key_of,
    require_apart,
    require_size,
    skipped_for,
    take,
    walk,
)

LABELS = ("quiet", "non_wearer", "bruxism", "swallow", "somniloquy", "breathe", "cough", "snore", "movements")
"""The classes, in the dataset's own order."""

NAMES = ("train", "validation", "test")
"""The dataset's own sides."""

ARCHIVES = (".tar.gz", ".tgz", ".tar")


@dataclass(frozen=True, slots=True)
class DreamCatcher(Source[SoundScan]):
    """The dataset's archives, or the folders that were in them.

    Attributes:
        labels: classes that are asked for.
        pattern: of the names of sounds, in place of the layout's own.
    """

    labels: tuple[str, ...]
    pattern: str | None = None

    def scan(self, root: Path) -> SoundScan:
        """Find the archives, or the folders that were in them, in ``data`` below ``root`` or in ``root``.

        Archives are not opened here.

        Raises:
            SourceError: ``root`` is not in DreamCatcher's layout, a side lies there twice, or of unpacked
                folders a wearer stands on two sides.
        """
        data = data_root(root)
        layout = Layout(LABELS, self.pattern)
        blocks: list[Sounds] = []
        recordings: list[tuple[SoundRecording, int]] = []
        faults: list[Fault] = []
        skipped: Counter[str] = Counter()
        for name in NAMES:
            archives, folder = _archives(data, name), data / name
            if len(archives) + folder.is_dir() > 1:
                raise SourceError(
                    f"{name} lies there twice: {', '.join(path.name for path in archives)}"
                    + (f" and {name}/" if folder.is_dir() else ""),
                    where=data,
                    cure="keep the archive or the folder, and move the other away",
                )
            if archives:
                blocks.append(ArchiveBlock(name, SIDE_OF_NAME[name], archives[0], layout, self.labels))
            elif folder.is_dir():
                for found in self._unpacked(data, name, layout):
                    if isinstance(found, str):
                        skipped[found] += 1
                    else:
                        faults.append(found) if isinstance(found, Fault) else recordings.append(found)
        require_apart((recording.group, recording.split, str(recording.path)) for recording, _ in recordings)
        blocks += blocks_of(recordings)
        return SoundScan(data, tuple(blocks), skipped_for(skipped, data), tuple(faults))

    def _unpacked(
        self, data: Path, name: str, layout: Layout
    ) -> Iterator[tuple[SoundRecording, int] | Fault | str]:
        """Of each file of an unpacked side the recording with its size, its fault, or why it is skipped."""
        side, table = SIDE_OF_NAME[name], _table_of(data / name, layout)
        missing = {known: place for known, place in (table or {}).items() if place.label in self.labels}
        for inside, entry in walk(data / name):
            known, place = f"{name}/{inside}", None
            if is_sound(inside):
                place = layout.place(known) if table is None else table.get(known)
                missing.pop(known, None)
            if place is None:
                yield "no sound of a class"
            elif place.label not in self.labels:
                yield f"class {place.label} is not asked for"
            else:
                yield take(data, entry, key_of(f"{side}/{inside}"), side, place)
        for known in missing:
            key = key_of(f"{side}/{known.removeprefix(f'{name}/')}")
            yield Fault(key, side, "MediaError", NOT_THERE, str(data / known), CORRECT)

    def audit(self, root: Path) -> SoundAudit:
        """Count what there is of each class on each side: archives are read to their end, nothing is decoded.

        Raises:
            SourceError: as `scan`; or a wearer stands on two sides.
        """
        return audit_of(self.scan(root), self.labels)

    def fingerprint(self, found: SoundScan) -> str:
        """SHA-256 of what the dataset holds, motion left out; the same wherever it lies."""
        return fingerprint_of(found.root, (*ARCHIVES, *SUFFIXES, METADATA))


def data_root(root: Path) -> Path:
    """The folder of the archives: ``data`` below ``root``, or ``root``.

    Raises:
        SourceError: neither has an archive or a folder of one of the sides.
    """
    root = Path(root)
    for candidate in (root / "data", root):
        if any(_archives(candidate, name) or (candidate / name).is_dir() for name in NAMES):
            return candidate
    found = sorted(entry.name for entry in root.iterdir()) if root.is_dir() else []
    listing = ", ".join(found[:8]) + (", ..." if len(found) > 8 else "")
    raise SourceError(
        "not the root of DreamCatcher: expected data/train.tar.gz, data/validation.tar.gz, data/test.tar.gz"
        + (f", found {listing or 'an empty folder'}" if root.is_dir() else ", found no folder at all"),
        where=root,
        cure="give the folder that holds data/; for sounds of another layout set source.kind to folder",
    )


def _archives(data: Path, name: str) -> list[Path]:
    return [path for suffix in ARCHIVES if (path := data / f"{name}{suffix}").is_file()]


def _table_of(folder: Path, layout: Layout) -> dict[str, Place] | None:
    """What an archive's ``metadata.csv`` says, where it was unpacked."""
    path = folder / METADATA
    if layout.pattern is not None or not path.is_file():
        return None
    if path.is_symlink():
        raise SourceError("a link where the classes are told", where=path, cure="copy the file here")
    require_size(path.stat().st_size, path)
    return read_table(path.read_bytes(), f"{folder.name}/{METADATA}", str(path))
