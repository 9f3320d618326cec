"""Ways to damage a finished run, with and without the hashes that would tell; no row may come of any."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from rushes.runs.do import perform
from rushes.runs.proof import proof
from rushes.runs.run import Run
from rushes.runs.stage import METRICS_FILE, StageName
from rushes.stages import read_done

PREDICTIONS = "predictions.parquet"


@dataclass(frozen=True, slots=True)
class Damage:
    """One way to damage a run.

    Attributes:
        kind: what is done, e.g. ``flip a byte``.
        path: the file.
        apply: does it.
        sealed: stages whose DONE is then written anew, as if the damage were their work.
        redone: stages that are done again after that.
    """

    kind: str
    path: Path
    apply: Callable[[Path], None]
    sealed: tuple[StageName, ...] = ()
    redone: tuple[StageName, ...] = ()


@contextmanager
def damaged(run: Run, damage: Damage) -> Iterator[None]:
    """The run with a damage; whole again after the block."""
    dones = (run.folder(name) / "DONE" for name in run.specs)
    kept = [done for done in dones if done.exists()]
    kept += [damage.path, run.folder("evaluate") / METRICS_FILE]
    before = {path: path.read_bytes() for path in kept}
    try:
        damage.apply(damage.path)
        seal(run, damage.sealed)
        for name in damage.redone:
            with run.workspace.working(run.specs[name], reopen=True) as stage:
                perform(run, name, stage, lambda *told: None)
        yield
    finally:
        for path, data in before.items():
            path.write_bytes(data)


def seal(run: Run, names: tuple[StageName, ...]) -> None:
    for name in names:
        done = read_done(run.folder(name))
        with run.workspace.working(run.specs[name], reopen=True) as stage:
            stage.finish({**done["summary"], **proof(run, name)}, done["counts"])


# --- plain: the hashes tell -------------------------------------------------------------------------------


def _delete(path: Path) -> None:
    path.unlink()


def _flip(rng: random.Random) -> Callable[[Path], None]:
    place, bit = rng.random(), 1 << rng.randrange(8)

    def apply(path: Path) -> None:
        data = bytearray(path.read_bytes())
        data[int(place * len(data))] ^= bit
        path.write_bytes(data)

    return apply


def _truncate(rng: random.Random) -> Callable[[Path], None]:
    share = rng.random()

    def apply(path: Path) -> None:
        data = path.read_bytes()
        path.write_bytes(data[: int(share * len(data))])

    return apply


def files_of(run: Run, without: frozenset[StageName]) -> list[Path]:
    """Every file of a run that a contract can read."""
    return sorted(
        path
        for name in run.specs
        if name not in without
        for path in run.folder(name).rglob("*")
        if path.is_file() and path.name != "lock"
    )


def plain(run: Run, without: frozenset[StageName], rng: random.Random, flips: int) -> Iterator[Damage]:
    """Each file deleted, cut, and with a bit flipped ``flips`` times."""
    for path in files_of(run, without):
        if path.stat().st_size == 0:
            continue
        yield Damage("delete a file", path, _delete)
        yield Damage("truncate a file", path, _truncate(rng))
        for _ in range(flips):
            yield Damage("flip a bit", path, _flip(rng))


# --- sealed: the hashes are right, values must tell -------------------------------------------------------


def _leaves(value: Any, place: tuple = ()) -> Iterator[tuple[tuple, Any]]:
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for name, inner in items:
        if isinstance(inner, dict | list):
            yield from _leaves(inner, (*place, name))
        else:
            yield (*place, name), inner


def _edit(edit: Callable[[Any], None]) -> Callable[[Path], None]:
    def apply(path: Path) -> None:
        metrics = json.loads(path.read_bytes())
        edit(metrics)
        path.write_text(json.dumps(metrics))

    return apply


def _put(place: tuple, value: Any) -> Callable[[Path], None]:
    def edit(metrics: Any) -> None:
        for name in place[:-1]:
            metrics = metrics[name]
        metrics[place[-1]] = value

    return _edit(edit)


def _swap_rows(metrics: dict) -> None:
    rows = metrics["details"]["confusion"]
    rows[0], rows[1] = rows[1], rows[0]


def of_figures(run: Run, rng: random.Random, count: int) -> Iterator[Damage]:
    """Values of metrics.json changed, blanked and made NaN, rows of the confusion matrix swapped."""
    path = run.folder("evaluate") / METRICS_FILE
    leaves = [
        (place, value)
        for place, value in _leaves(json.loads(path.read_bytes()))
        if place[0] != "provenance" or place[1] in ("dataset", "weights")
    ]
    numbers = [leaf for leaf in leaves if isinstance(leaf[1], int | float) and not isinstance(leaf[1], bool)]
    yield Damage("swap rows of the matrix", path, _edit(_swap_rows), ("evaluate",))
    yield Damage(
        "reorder labels", path, _edit(lambda metrics: metrics["details"]["labels"].reverse()), ("evaluate",)
    )
    for place, value in rng.sample(numbers, min(count, len(numbers))):
        yield Damage("change a figure", path, _put(place, value + 1e-6 * (1 + abs(value))), ("evaluate",))
    for place, _ in rng.sample(numbers, min(count, len(numbers))):
        yield Damage("make a figure NaN", path, _put(place, float("nan")), ("evaluate",))
    for place, value in rng.sample(leaves, min(count, len(leaves))):
        if value not in (None, ""):
            yield Damage("blank a field", path, _put(place, rng.choice((None, ""))), ("evaluate",))


def _table(edit: Callable[[pa.Table], pa.Table]) -> Callable[[Path], None]:
    def apply(path: Path) -> None:
        pq.write_table(edit(pq.read_table(path, memory_map=False)), path)

    return apply


def _column(name: str, edit: Callable[[list], list]) -> Callable[[Path], None]:
    def on_table(table: pa.Table) -> pa.Table:
        field = table.schema.field(name)
        values = pa.array(edit(table[name].to_pylist()), field.type)
        return table.set_column(table.schema.get_field_index(name), field, values)

    return _table(on_table)


def of_predictions(run: Run, rng: random.Random, count: int) -> Iterator[Damage]:
    """Answers changed, with the figures that they had, and with the figures that follow from the change."""
    path = run.folder("predict") / PREDICTIONS
    rows = pq.read_table(path).num_rows
    later: tuple[tuple[tuple[StageName, ...], tuple[StageName, ...]], ...] = (
        (("predict", "evaluate"), ()),
        (("predict",), ("evaluate",)),
    )
    for sealed, redone in later:
        for _ in range(count):
            at, other = rng.sample(range(rows), 2)

            def blank(values: list, at: int = at) -> list:
                return [None if place == at else value for place, value in enumerate(values)]

            def swap(values: list, at: int = at, other: int = other) -> list:
                values[at], values[other] = values[other], values[at]
                return values

            def nan(values: list, at: int = at) -> list:
                return [[float("nan"), *row[1:]] if place == at else row for place, row in enumerate(values)]

            def permuted(values: list) -> list:
                return [[*row[1:], row[0]] for row in values]

            edits = {
                "swap two rows of a column": _column("logits", swap),
                "reorder a column": _column("logits", permuted),
                "make an answer NaN": _column("logits", nan),
                "blank an answer": _column(rng.choice(("key", "label", "logits")), blank),
                "drop a row": _table(
                    lambda table, at=at: pa.concat_tables([table.slice(0, at), table.slice(at + 1)])
                ),
            }
            for kind, apply in edits.items():
                yield Damage(kind, path, apply, sealed, redone)


def of_logs(run: Run, rng: random.Random, count: int) -> Iterator[Damage]:
    """Losses made NaN, lines blanked and reordered."""
    (path,) = run.folder("train").rglob("events.jsonl")
    lines = path.read_text().splitlines()
    after: tuple[StageName, ...] = ("train", "predict", "evaluate")

    def written(lines: list[str]) -> Callable[[Path], None]:
        return lambda path: path.write_text("".join(f"{line}\n" for line in lines)) and None

    for _ in range(count):
        at = rng.randrange(len(lines) - 1)
        lost = json.loads(lines[at]) | {"loss": float("nan")}
        yield Damage(
            "make a loss NaN", path, written([*lines[:at], json.dumps(lost), *lines[at + 1 :]]), after
        )
        yield Damage("blank a line", path, written([*lines[:at], "", *lines[at + 1 :]]), after)
        same = [number for number, line in enumerate(lines) if '"train"' in line]
        first, second = sorted(rng.sample(same, 2))
        order = lines.copy()
        order[first], order[second] = order[second], order[first]
        yield Damage("reorder lines", path, written(order), after)
