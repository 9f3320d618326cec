"""The leaderboard of the earlier benchmark: 68 columns, read without loss, and what admission says of it.

Its rows were written by trainers that tested for the presence of keys only. Scores stand in it with six
decimals, so every rule here holds to two units of the last one.
"""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from math import isfinite
from pathlib import Path
from typing import Any, Literal

from rushes.errors import StageError

TOLERANCE = 2e-6
_SIDES = ("best_val", "test")
_SCORES = ("loss", "f1", "acc", "precision_macro", "recall_macro", "balanced_acc")
SCORES = tuple(f"{side}_{score}" for side in _SIDES for score in _SCORES)
FINGERPRINTS = ("dataset_commit", "cache_fingerprint")

COLUMNS: tuple[str, ...] = (
    *("schema_version", "run_id", "run_name", "task_name", "model", "teacher_model"),
    *("ts_start_utc", "ts_end_utc", "duration_s", "seed", "config_hash", "git_commit_sha", "git_dirty"),
    *("device", "device_name", "epochs", "epochs_ran", "early_stop_patience", "early_stop_min_delta"),
    *("early_stopped", "stopped_epoch", "best_epoch", "lr", "weight_decay", "batch_size", "optimizer"),
    *("scheduler", "sr", "n_mels", "clip_seconds", "class_weights", *FINGERPRINTS, *SCORES),
    *("params", "teacher_params", "compression_ratio", "model_size_mb", "cpu_latency_ms", "artifact_dir"),
    *("metrics_json", "epoch_metrics_csv", "test_metrics_csv", "class_metrics_csv", "test_cm_csv"),
    *("best_checkpoint", "last_checkpoint", "optimizer_checkpoint", "scheduler_checkpoint"),
    *("rng_checkpoint", "rnn_hidden", "rnn_layers", "cbam_reduction", "cbam_sa_kernel", "att_mode"),
    *("alpha", "tau"),
)
"""The columns in their order."""

_WHOLE = frozenset(
    (
        *("seed", "epochs", "epochs_ran", "early_stop_patience", "early_stopped", "stopped_epoch"),
        *("best_epoch", "batch_size", "sr", "n_mels", "params", "teacher_params", "rnn_hidden"),
        *("rnn_layers", "cbam_reduction", "cbam_sa_kernel"),
    )
)
_REAL = frozenset(
    (
        *("duration_s", "early_stop_min_delta", "lr", "weight_decay", "clip_seconds", *SCORES),
        *("compression_ratio", "model_size_mb", "cpu_latency_ms", "alpha", "tau"),
    )
)
_REQUIRED = ("run_id", "run_name", "model", "seed", *SCORES)


@dataclass(frozen=True, slots=True)
class LegacyRow:
    """A row of the earlier leaderboard.

    Attributes:
        line: of the file at which it ends, from 1.
        cells: column -> its text, untouched.
    """

    line: int
    cells: Mapping[str, str]

    @property
    def name(self) -> str:
        """Of the run."""
        return self.cells["run_name"]

    @property
    def kind(self) -> tuple[str, str]:
        """Model and teacher: the runs among which one is picked."""
        return self.cells["model"], self.cells["teacher_model"]

    def value(self, column: str) -> float | int | str | None:
        """A cell in the type of its column; None where it is blank."""
        text = self.cells[column]
        if text == "":
            return None
        return int(text) if column in _WHOLE else float(text) if column in _REAL else text

    def score(self, name: str) -> float:
        """One of `SCORES`."""
        return float(self.cells[name])


@dataclass(frozen=True, slots=True)
class Finding:
    """Something in the earlier leaderboard that admission would not have let pass.

    Attributes:
        kind: what it is.
        runs: names of the runs that it is about.
        message: what was found, with its numbers.
    """

    kind: Literal["collapsed", "fingerprint", "picked on test", "duplicate", "repeat", "seeds"]
    runs: tuple[str, ...]
    message: str

    def to_json(self) -> dict[str, Any]:
        """As the command line prints it."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class Replay:
    """The earlier leaderboard, read and judged.

    Attributes:
        rows: of the file, in its order.
        findings: of all rules.
    """

    rows: tuple[LegacyRow, ...]
    findings: tuple[Finding, ...]

    @property
    def refused(self) -> tuple[str, ...]:
        """Runs whose own scores admission refuses: no row for them."""
        return tuple(name for one in self.findings if one.kind == "collapsed" for name in one.runs)

    def to_json(self) -> dict[str, Any]:
        """As the command line prints it."""
        rows = [{column: row.value(column) for column in COLUMNS} for row in self.rows]
        return {"findings": [finding.to_json() for finding in self.findings], "rows": rows}

    def text(self) -> str:
        """For people."""
        lines = [f"{len(self.rows)} rows, {len(self.refused)} not admitted"]
        for one in self.findings:
            lines.append(f"{one.kind}: {one.message}")
            lines += [f"  {name}" for name in one.runs[:5]]
            if len(one.runs) > 5:
                lines.append(f"  and {len(one.runs) - 5} more")
        return "\n".join(lines)


def read_legacy(path: Path) -> list[LegacyRow]:
    """Read the earlier leaderboard.

    Raises:
        StageError: it cannot be read, its columns are not the 68 in their order, or cells are not what their
            column holds; all faults are listed.
    """
    try:
        with Path(path).open(encoding="utf-8", newline="") as file:
            reader = csv.reader(file, strict=True)
            lines = [(reader.line_num, cells) for cells in reader]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise StageError(f"no leaderboard: {error}", where=path) from error
    if not lines:
        raise StageError(
            "an empty file", where=path, cure="name the leaderboard.csv of the earlier benchmark"
        )
    if faults := _of_head(lines[0][1]):
        raise StageError(
            f"not the {len(COLUMNS)} columns: {'; '.join(faults)}",
            where=path,
            cure="name the leaderboard.csv that the earlier benchmark wrote, unchanged",
        )
    faults = [fault for number, cells in lines[1:] for fault in _of_cells(number, cells)]
    if faults:
        raise StageError("rows that do not hold:\n  - " + "\n  - ".join(faults), where=path)
    return [LegacyRow(number, dict(zip(COLUMNS, cells, strict=True))) for number, cells in lines[1:]]


def _of_head(head: Sequence[str]) -> list[str]:
    missing = [name for name in COLUMNS if name not in head]
    unknown = [name for name in head if name not in COLUMNS]
    twice = sorted({name for name in head if head.count(name) > 1})
    faults = [f"missing {', '.join(missing)}"] if missing else []
    faults += [f"unknown {', '.join(unknown)}"] if unknown else []
    faults += [f"twice {', '.join(twice)}"] if twice else []
    if not faults and tuple(head) != COLUMNS:
        place = next(n for n, (found, asked) in enumerate(zip(head, COLUMNS, strict=True)) if found != asked)
        faults.append(f"out of order: column {place + 1} is {head[place]}, not {COLUMNS[place]}")
    return faults


def _of_cells(number: int, cells: Sequence[str]) -> list[str]:
    if len(cells) != len(COLUMNS):
        return [f"line {number}: {len(cells)} cells for {len(COLUMNS)} columns"]
    row = LegacyRow(number, dict(zip(COLUMNS, cells, strict=True)))
    faults = [f"line {number}: {name} is blank" for name in _REQUIRED if row.cells[name] == ""]
    for name in COLUMNS:
        try:
            value = row.value(name)
        except ValueError as error:
            faults.append(f"line {number}: {name}: {error}")
            continue
        if isinstance(value, str | None):
            continue
        if not isfinite(value):
            faults.append(f"line {number}: {name} is {value}")
        elif name in SCORES and not name.endswith("loss") and not 0 <= value <= 1:
            faults.append(f"line {number}: {name} is {value}, not in [0, 1]")
    return faults


# --- what admission says of it ----------------------------------------------------------------------------


def replay(rows: Sequence[LegacyRow], picked: str | None = None) -> list[Finding]:
    """Everything that admission finds in the earlier leaderboard.

    Args:
        rows: of it.
        picked: the run that was shown as the best of its model; None asks for no such check.

    Raises:
        StageError: there is no run ``picked``.
    """
    if picked is not None and picked not in (row.name for row in rows):
        raise StageError(f"no run {picked!r}", cure="take the name from the column run_name")
    found = [finding for rule in _RULES for finding in rule(rows)]
    return found + ([] if picked is None else _picked(rows, picked))


def import_legacy(path: Path, picked: str | None = None) -> Replay:
    """Read the earlier leaderboard and judge it.

    Raises:
        StageError: as `read_legacy` and `replay`.
    """
    rows = read_legacy(path)
    return Replay(tuple(rows), tuple(replay(rows, picked)))


def classes_of_collapse(f1: float, accuracy: float, balanced: float) -> int | None:
    """Number of classes K if these are the scores of a net that always answers with one class, else None.

    One class has recall 1, all others 0, so the balanced accuracy is 1/K; its precision is the accuracy a,
    so the macro-F1 is ``2 a / (1 + a) / K``.

    >>> classes_of_collapse(0.231087, 0.530528, 0.333333)
    3
    >>> classes_of_collapse(0.716119, 0.761300, 0.743450) is None
    True
    """
    if balanced <= 0:
        return None
    k = round(1 / balanced)
    if k < 2 or abs(balanced - 1 / k) > TOLERANCE:
        return None
    return k if abs(f1 - 2 * accuracy / (1 + accuracy) / k) <= TOLERANCE else None


def _collapsed(rows: Sequence[LegacyRow]) -> list[Finding]:
    found = []
    for row in rows:
        for side in _SIDES:
            f1, accuracy, balanced = (row.score(f"{side}_{name}") for name in ("f1", "acc", "balanced_acc"))
            k = classes_of_collapse(f1, accuracy, balanced)
            if k is not None:
                message = (
                    f"{side} F1 {f1:.6f} is what one of {k} classes alone gives, its share {accuracy:.4f}; "
                    f"best epoch {row.value('best_epoch')} of {row.value('epochs_ran')}"
                )
                found.append(Finding("collapsed", (row.name,), message))
                break
    return found


def _fingerprints(rows: Sequence[LegacyRow]) -> list[Finding]:
    blank = {row.name: [name for name in FINGERPRINTS if not row.cells[name].strip()] for row in rows}
    runs = tuple(row.name for row in rows if blank[row.name])
    if not runs:
        return []
    names = dict.fromkeys(name for found in blank.values() for name in found)
    message = f"{len(runs)} of {len(rows)} rows say nothing of their data: blank {' and '.join(names)}"
    return [Finding("fingerprint", runs, message)]


def _duplicates(rows: Sequence[LegacyRow]) -> list[Finding]:
    found = []
    for column in ("run_name", "run_id"):
        for same in _same(rows, (column,)):
            lines = ", ".join(str(row.line) for row in same)
            message = f"{column} {same[0].cells[column]} stands {len(same)} times, lines {lines}"
            found.append(Finding("duplicate", (same[0].name,), message))
    return found


def _repeats(rows: Sequence[LegacyRow]) -> list[Finding]:
    """Runs whose twelve scores agree to the last digit: one run, counted more than once."""
    found = []
    for same in _same(rows, SCORES):
        names = tuple(dict.fromkeys(row.name for row in same))
        if len(names) > 1:
            differing = [
                name for name in ("alpha", "tau", "seed", "lr") if len({row.cells[name] for row in same}) > 1
            ]
            of = f"; they differ in {', '.join(differing)}, which had no effect" if differing else ""
            found.append(Finding("repeat", names, f"{len(names)} runs agree in all {len(SCORES)} scores{of}"))
    return found


def _seeds(rows: Sequence[LegacyRow]) -> list[Finding]:
    by_seed: dict[str, list[str]] = {}
    for row in rows:
        by_seed.setdefault(row.cells["seed"], []).append(row.name)
    if len(by_seed) < 2:
        return []
    least = min(by_seed, key=lambda seed: len(by_seed[seed]))
    counts = ", ".join(f"{len(names)} of seed {seed}" for seed, names in by_seed.items())
    message = f"rows of {len(by_seed)} seeds stand side by side: {counts}"
    return [Finding("seeds", tuple(by_seed[least]), message)]


def _picked(rows: Sequence[LegacyRow], picked: str) -> list[Finding]:
    """The best of its model and teacher on the test side, though not on the validation side."""
    chosen = next(row for row in rows if row.name == picked)
    peers = [row for row in rows if row.kind == chosen.kind]

    def best_of(side: str) -> LegacyRow:
        return max(peers, key=lambda row: (row.score(f"{side}_f1"), row is chosen))

    best = {side: best_of(side) for side in _SIDES}
    if best["test"] is not chosen or best["best_val"] is chosen:
        return []
    honest = best["best_val"]
    message = (
        f"best of {len(peers)} on test (F1 {chosen.score('test_f1'):.4f}), not on validation "
        f"({chosen.score('best_val_f1'):.4f}): there it is {honest.name} "
        f"({honest.score('best_val_f1'):.4f}; test {honest.score('test_f1'):.4f})"
    )
    return [Finding("picked on test", (picked,), message)]


def _same(rows: Sequence[LegacyRow], columns: Sequence[str]) -> list[list[LegacyRow]]:
    """Rows that agree in all of these columns, where more than one does."""
    groups: dict[tuple[str, ...], list[LegacyRow]] = {}
    for row in rows:
        groups.setdefault(tuple(row.cells[name] for name in columns), []).append(row)
    return [same for same in groups.values() if len(same) > 1]


_RULES = (_collapsed, _fingerprints, _duplicates, _repeats, _seeds)
