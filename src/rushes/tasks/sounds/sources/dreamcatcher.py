"""DreamCatcher: what people and those beside them do in their sleep, heard by earbuds, nine classes.

``scan`` takes ``data/{train,validation,test}.tar.gz`` as they are, or the same folders unpacked. The motion
in ``imu/`` is left alone. Data: https://huggingface.co/datasets/THU-PI-Sensing/DreamCatcher, gated.

How the archives are laid out inside is unverified, as access has to be granted: by default a sound's class is
the nearest folder that is one of the nine, and its wearer is the file's name up to the first ``_``. Where
that is not so, ``rushes audit`` shows sounds of no class; a ``metadata.csv`` at the head of the archive
(``file_name``, ``label`` and perhaps ``group``) tells it instead, or ``source.pattern``, which comes first.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from rushes.errors import MediaError, SourceError
from rushes.records import SoundRecording
from rushes.runs.shares import SIDE_OF_NAME
from rushes.runs.source import Fault, Source
from rushes.stages import Claim, Claims
from rushes.tasks.sounds.sources.archive import (
    CORRECT,
    METADATA,
    NO_CLASS,
    NOT_THERE,
    ArchiveBlock,
    Layout,
    read_table,
)
from rushes.tasks.sounds.sources.blocks import (
    Place,
    Sounds,
    SoundScan,
    blocks_of,
    claim_of,
    fingerprint_of,
    key_of,
    names_of_sounds,
    not_asked,
    require_size,
    take,
)
from rushes.tasks.sounds.sources.sides import require_apart

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
        claims: dict[str, Claim] = {}
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
                claims[archives[0].name] = Claim("used", "archives", name)
            elif folder.is_dir():
                if (table := _table_of(folder, layout)) is not None:
                    claims[f"{name}/{METADATA}"] = Claim("read", "tables")
                for sound, found in self._unpacked(data, name, layout, table):
                    if isinstance(found, Claim):
                        claims[sound] = found
                        continue
                    faults.append(found) if isinstance(found, Fault) else recordings.append(found)
                    if (data / sound).exists():
                        claims[sound] = claim_of(found if isinstance(found, Fault) else found[0])
        require_apart((recording.group, recording.split, str(recording.path)) for recording, _ in recordings)
        blocks += blocks_of(recordings)
        return SoundScan(data, tuple(blocks), claims, tuple(faults))

    def _unpacked(
        self, data: Path, side_folder: str, layout: Layout, table: dict[str, Place] | None
    ) -> Iterator[tuple[str, tuple[SoundRecording, int] | Fault | Claim]]:
        """Of each sound of an unpacked side, by its name, the recording with its size, its fault, or its claim."""
        side = SIDE_OF_NAME[side_folder]
        missing = {name: place for name, place in (table or {}).items() if place.label in self.labels}
        for inside in names_of_sounds(data / side_folder):
            name, key = f"{side_folder}/{inside}", key_of(f"{side}/{inside}")
            place = layout.place(name) if table is None else table.get(name)
            missing.pop(name, None)
            if place is None:
                yield name, Claim("skipped", NO_CLASS, key)
            elif place.label not in self.labels:
                yield name, not_asked(place.label, key)
            else:
                yield name, take(data, name, key, side, place)
        for name in missing:
            key = key_of(f"{side}/{name.removeprefix(f'{side_folder}/')}")
            yield name, Fault.of(MediaError(NOT_THERE, where=data / name, cure=CORRECT), key)

    def fingerprint(self, found: SoundScan) -> str:
        """SHA-256 of what is read of the dataset, motion left out; the same wherever it lies."""
        return fingerprint_of(found.root, found.claims)

    def claims(self, found: SoundScan) -> Claims:
        """See `Source.claims`; what becomes of an archive's members is told by the audit."""
        return found.claims.get


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
