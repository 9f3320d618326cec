"""Random damage to whole things: what comes of it is right, refused, accounted for, or silent."""

from __future__ import annotations

import random
import shutil
import tempfile
import traceback
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from field_mutations import append_itself, damage
from field_readings import RECIPE, ROOT, Reading, told_by_sums
from field_recordings import TONES, Make, write_tones
from field_subjects import Subject, chosen, subjects

from rushes.cli.options import REFUSALS
from rushes.engine import Unit, map_units
from rushes.errors import MediaError, RecipeError, RushesError

RIGHT, REFUSED, ACCOUNTED, SILENT, CRASH, HANG = "right", "refused", "accounted", "silent", "crash", "hang"
CODEC, TABLE, FILE = "codec's own", "table's own", "whole file's own"
OWN = (CODEC, TABLE, FILE)
"""What nothing in the file tells: pixels and samples without a checksum that decode to others of the same form,
a table that holds other values, a whole file that is another or gone. ``SHA256SUMS`` beside them does."""

RAW = frozenset(("videos", "sounds", "tables", "archives", "datasets"))
UNCHECKED = frozenset(
    (
        ".mp4",
        ".mov",
        ".mkv",
        ".webm",
        ".avi",
        ".ts",
        ".jpg",
        ".wav",
        ".w64",
        ".aiff",
        ".caf",
        ".mp3",
        ".m4a",
        ".aac",
    )
)
"""Suffixes of what holds no checksum of its pixels or samples; FLAC and OGG have them."""
TABLES = frozenset((".csv", ".json", ".parquet"))
NO_END = "no end"
"""In a note on a recording that declares none, so that nothing can tell where it was cut; a whole one has it too."""
CHAINED = frozenset((".ogg", ".opus", ".mp3", ".aac", ".ts"))
"""Two such files end to end are a legal third."""
OTHER_FILES = frozenset(("remove", "swap_files", "copy_another_over"))

TIMEOUT_S = 240.0
"""Of one attempt: a worker's first imports alone take a minute on a machine that is busy."""


@dataclass(frozen=True, slots=True)
class Attempt:
    """A copy of a subject, damaged once.

    Attributes:
        subject: name of it.
        whole: the folder in which it stands undamaged.
        reading: what comes out of that.
        seed: of the damage.
    """

    subject: str
    whole: Path
    reading: Reading
    seed: str


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of an attempt.

    Attributes:
        kind, subject: what was damaged.
        seed: makes the same damage again.
        edit, file: what was done, and to which file.
        outcome: one of the words above.
        said: the error's or the account's first words, or what differs.
        listed: whether an audit beside ``SHA256SUMS`` tells it; None where it was not asked.
    """

    kind: str
    subject: str
    seed: str
    edit: str
    file: str
    outcome: str
    said: str
    listed: bool | None = None

    def __str__(self) -> str:
        damaged = f"{self.kind}, {self.subject}: {self.edit} in {self.file} (seed {self.seed})"
        return f"{self.outcome}: {damaged}: {self.said}"


@cache
def known() -> dict[str, Subject]:
    return {subject.name: subject for subject in subjects()}


def attempt(asked: Attempt) -> Outcome:
    """Damage a copy, read it, and say what came of it."""
    subject, rng = known()[asked.subject], random.Random(asked.seed)
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary) / "copy"
        shutil.copytree(asked.whole, folder, symlinks=True)
        path, others = chosen(folder, subject, rng)
        edit = damage(path, others, rng)
        name = path.relative_to(folder).as_posix()
        try:
            found: Reading | None = subject.read(folder)
        except Exception as error:
            found, (outcome, said) = None, _of_error(error)
        if found is not None:
            outcome, said = of_reading(subject, found, asked.reading, path, edit)
        hidden = subject.kind in RAW and outcome in (SILENT, *OWN)
        listed = _is_listed(subject, asked.whole, folder, Path(temporary)) if hidden else None
    return Outcome(subject.kind, subject.name, asked.seed, edit, name, outcome, said[:300], listed)


def _is_listed(subject: Subject, whole: Path, damaged: Path, place: Path) -> bool:
    """Whether an audit tells the damage once ``SHA256SUMS`` lies beside the recordings."""
    if (whole / RECIPE).is_file():
        sides = {"whole": whole, "damaged": damaged}
        for name, folder in sides.items():
            shutil.copytree(folder / ROOT, place / name / ROOT, symlinks=True)
        return told_by_sums(place / "whole", place / "damaged", (whole / RECIPE).read_text())
    for name, folder in (("whole", whole), ("damaged", damaged)):
        write_tones(place / name / ROOT)
        shutil.copytree(folder, place / name / ROOT / "more", symlinks=True)
    return told_by_sums(place / "whole", place / "damaged", TONES)


def _of_error(error: Exception) -> tuple[str, str]:
    if isinstance(error, RushesError):
        if not error.where and not error.cure and not isinstance(error, RecipeError):
            return CRASH, f"refused without place or cure: {error.message}"
        return REFUSED, f"{type(error).__name__}: {error.message}"
    if isinstance(error, OSError) and error.errno in REFUSALS:
        return REFUSED, f"{error.strerror}: {error.filename}"  # as the command line says it, with a cure
    last = traceback.extract_tb(error.__traceback__)[-1]
    return CRASH, f"{type(error).__name__}: {error} at {Path(last.filename).name}:{last.lineno}"


def of_reading(subject: Subject, found: Reading, whole: Reading, path: Path, edit: str) -> tuple[str, str]:
    if (found.form, found.content) == (whole.form, whole.content):
        return RIGHT, ""
    if news := set(found.told) ^ set(whole.told):
        return ACCOUNTED, sorted(news)[0]
    endless = [note for note in found.told if NO_END in note]
    if endless and edit.startswith("truncate"):
        return ACCOUNTED, endless[0]
    changed = (
        f"{whole.form} -> {found.form}" if found.form != whole.form else "other content of the same form"
    )
    if subject.kind not in RAW:
        return SILENT, changed
    if edit in OTHER_FILES or (edit == append_itself.__name__ and path.suffix in CHAINED):
        return FILE, changed
    if path.suffix in TABLES:
        return TABLE, changed
    alike = found.form == whole.form and path.suffix in UNCHECKED
    return CODEC if alike else SILENT, changed


def baselines(folder: Path, wanted: Iterable[Subject]) -> dict[str, tuple[Path, Reading]]:
    """Make every subject, and read it twice: only what reads alike twice can be compared."""
    found: dict[str, tuple[Path, Reading]] = {}
    made: dict[Make, Path] = {}
    for subject in wanted:
        if (place := made.get(subject.make)) is None:
            place = made[subject.make] = folder / f"{len(made):02d}"
            place.mkdir()
            subject.make(place)
        for turn in "ab":
            copy = folder / f"read-{turn}"
            shutil.copytree(place, copy, symlinks=True)
            try:
                reading = subject.read(copy)
            except MediaError as error:  # of a kind that is not read yet: nothing of it may come out
                reading = Reading((), "", f"refused: {error.message}")
            shutil.rmtree(copy)
            if turn == "b" and reading != found[subject.name][1]:
                raise RuntimeError(
                    f"{subject.name} reads differently twice: {found[subject.name][1]}, {reading}"
                )
            found[subject.name] = place, reading
    return found


def campaign(mutations: int, seed: int, folder: Path, wanted: Iterable[Subject]) -> Iterator[Outcome]:
    """Damage subjects ``mutations`` times in all, two at a time; each outcome as soon as it is known."""
    wanted = list(wanted)
    whole = baselines(folder, wanted)
    total = sum(subject.share for subject in wanted)
    units = []
    for subject in wanted:
        for number in range(round(mutations * subject.share / total)):
            key = f"{seed}-{subject.name}-{number}"
            units.append(Unit(key, Attempt(subject.name, *whole[subject.name], key)))
    kinds = {unit.key: known()[unit.payload.subject] for unit in units}
    for result in map_units(attempt, units, workers=2, timeout_s=TIMEOUT_S, retries=0):
        if result.error is None:
            yield result.value
            continue
        subject, outcome = kinds[result.key], HANG if result.error.kind == "timeout" else CRASH
        yield Outcome(
            subject.kind,
            subject.name,
            result.key,
            "?",
            "?",
            outcome,
            f"{result.error.kind}: {result.error.message}",
        )
