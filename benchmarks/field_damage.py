"""Random damage to whole things: what comes of it is right, refused, accounted for, or silent."""

from __future__ import annotations

import os
import random
import shutil
import tempfile
import traceback
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

from field_mutations import FILE_EDITS, damage
from field_readings import Reading
from field_subjects import Make, Subject, chosen, subjects

from rushes.cli.options import REFUSALS
from rushes.engine import Unit, map_units
from rushes.errors import MediaError, RushesError

RIGHT, REFUSED, ACCOUNTED, SILENT, CRASH, HANG = "right", "refused", "accounted", "silent", "crash", "hang"
OWN = "own"
"""Other content of the same form: what was damaged has no checksum, and what it says now can be read."""

TIMEOUT_S = 60.0


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
    """

    kind: str
    subject: str
    seed: str
    edit: str
    file: str
    outcome: str
    said: str

    def __str__(self) -> str:
        return f"{self.outcome}: {self.kind}, {self.subject}: {self.edit} in {self.file} (seed {self.seed}): {self.said}"


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
        outcome, said = _outcome(subject, folder, asked.reading, edit)
    return Outcome(subject.kind, subject.name, asked.seed, edit, name, outcome, said[:300])


def _outcome(subject: Subject, folder: Path, whole: Reading, edit: str) -> tuple[str, str]:
    try:
        found = subject.read(folder)
    except RushesError as error:
        if not error.where and not error.cure:
            return CRASH, f"refused without place or cure: {error.message}"
        return REFUSED, f"{type(error).__name__}: {error.message}"
    except Exception as error:
        if isinstance(error, OSError) and error.errno in REFUSALS:
            return REFUSED, f"{error.strerror}: {error.filename}"  # as the command line says it, with a cure
        last = traceback.extract_tb(error.__traceback__)[-1]
        return CRASH, f"{type(error).__name__}: {error} at {Path(last.filename).name}:{last.lineno}"
    if (found.form, found.content) == (whole.form, whole.content):
        return RIGHT, ""
    if news := set(found.told) ^ set(whole.told):
        return ACCOUNTED, sorted(news)[0]
    if subject.kind in ("videos", "sounds") and found.form == whole.form and edit not in FILE_EDITS:
        return OWN, "decodes to other content of the same form"
    return SILENT, f"{whole.form} -> {found.form}" if found.form != whole.form else "other content"


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
                raise RuntimeError(f"{subject.name} reads differently twice: {found[subject.name][1]}, {reading}")
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
        yield Outcome(subject.kind, subject.name, result.key, "?", "?", outcome, f"{result.error.kind}: {result.error.message}")
