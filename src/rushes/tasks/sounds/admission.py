"""Admission of a run of sounds: from spectrograms to logits to figures, all anew."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from rushes.runs.admission.values import TOLERANCE, Fault, asked_of, check_keys, figures_of_confusion
from rushes.runs.run import Run
from rushes.runs.stage import METRICS_FILE
from rushes.tasks.sounds.recipe import SoundsRecipe

if TYPE_CHECKING:
    import pyarrow as pa

    from rushes.evaluate.scorecard import Scorecard

ASKED = 20_000
"""Clips of a side up to which the reloaded net is asked about every one."""

PARITY = {"cpu": 1e-5}
"""By how much a reloaded net's logits may differ from those on disk, absolute and relative, by device."""

PARITY_OF_GPU = 1e-3
"""The same on any other device, which adds in an order of its own."""


def check_sounds(run: Run[SoundsRecipe]) -> Iterator[Fault]:
    """Predictions are complete, figures follow from them, several classes are answered, the net reloads."""
    from rushes.predict.table import FILE, read_predictions
    from rushes.tasks.sounds.predict.table import SCHEMA, logits_array

    labels, split = run.recipe.preprocessing.labels, run.recipe.evaluate.split
    where = str(run.folder("predict") / FILE)
    table = read_predictions(run.folder("predict"), SCHEMA)
    logits = logits_array(table, len(labels))
    samples = run.samples(split)
    yield from check_keys(list(samples.keys()), table["key"].to_pylist(), where)
    yield from check_truth(run, table)
    yield from check_metrics(run.scorecard(), confusion_of(table, logits, labels), labels, run)
    yield from check_reload(run, table, logits)
    named = np.unique(logits.argmax(axis=1))
    if len(named) == 1:
        message = f"every one of {len(logits)} clips is answered with {labels[named[0]]}"
        yield Fault("answers", message, where, kind="collapsed")


def confusion_of(table: pa.Table, logits: NDArray[np.float32], labels: tuple[str, ...]) -> NDArray[np.int64]:
    """Confusion matrix (K, K), rows true, of the predictions on disk."""
    place = {label: number for number, label in enumerate(labels)}
    truth = np.array([place[label] for label in table["label"].to_pylist()])
    counts = np.zeros((len(labels), len(labels)), np.int64)
    np.add.at(counts, (truth, logits.argmax(axis=1)), 1)
    return counts


def check_truth(run: Run[SoundsRecipe], table: pa.Table) -> Iterator[Fault]:
    """Each clip has in the predictions the class and the group that it has in the dataset."""
    from rushes.tasks.sounds.prepare.sample import metas

    samples = run.samples(run.recipe.evaluate.split)
    truth = {
        key: (meta["label"], meta["group"]) for key, meta in zip(samples.keys(), metas(samples), strict=True)
    }
    rows = zip(*(table[name].to_pylist() for name in ("key", "label", "group")), strict=True)
    wrong = [key for key, label, group in rows if truth.get(key, (label, group)) != (label, group)]
    if wrong:
        message = f"{len(wrong)} clips have another class or group than in the dataset, e.g. {wrong[0]}"
        yield Fault("predictions", message, str(run.folder("predict")))


def check_metrics(
    card: Scorecard, counts: NDArray[np.int64], labels: tuple[str, ...], run: Run[SoundsRecipe]
) -> Iterator[Fault]:
    """Labels, confusion matrix, support and figures are those of the predictions."""
    where = str(run.folder("evaluate") / METRICS_FILE)
    said, matrix = card.details["labels"], card.details["confusion"]
    if tuple(said) != labels:
        yield Fault("figures", f"labels {said}, the recipe has {list(labels)}", where)
        return
    if matrix != counts.tolist():
        message = f"the confusion matrix is {matrix}, the predictions give {counts.tolist()}"
        yield Fault("figures", message, where)
    if card.all.n != counts.sum() or card.split != run.recipe.evaluate.split:
        message = f"{card.all.n} clips of {card.split}, there are {counts.sum()}"
        yield Fault("figures", f"{message} of {run.recipe.evaluate.split}", where)
    model = card.all.estimates[card.model]
    for name, value in figures_of_confusion(counts).items():
        if abs(model[name].value - value) > TOLERANCE:
            message = f"{name} is {model[name].value}, the confusion matrix gives {value}"
            yield Fault("figures", message, where)
    support = {part.name: part.n for part in card.of_kind("class")}
    truly = dict(zip(labels, counts.sum(axis=1).tolist(), strict=True))
    if support != {label: count for label, count in truly.items() if count}:
        yield Fault("figures", f"support is {support}, the split has {truly}", where)


def check_reload(run: Run[SoundsRecipe], table: pa.Table, logits: NDArray[np.float32]) -> Iterator[Fault]:
    """The net on disk gives the logits on disk, of every clip of the side.

    It answers on the device on which `predict` answers, about 2 ms a clip on a CPU. Of a side of more than
    20,000 clips it is asked about 20,000, those with the lowest hashes of their keys, which are the same each
    time and which nobody chooses.
    """
    from rushes.models.nets import best_device, load
    from rushes.tasks.sounds.predict.logits import logits_of
    from rushes.tasks.sounds.prepare.sample import Sample

    net = load(run.folder("train") / "model", type(run.recipe.preprocessing))
    where = str(run.folder("train") / "model")
    if net.preprocessing != run.recipe.preprocessing or net.config != run.recipe.model:
        yield Fault("reload", "the net on disk is not the one that the recipe asks for", where)
        return
    samples = run.samples(run.recipe.evaluate.split)
    keys = list(samples.keys())
    numbers = asked_of(keys, ASKED)
    features = (Sample.of(keys[number], samples.sample(number)).features for number in numbers)
    device = best_device()
    again = logits_of(net, features, run.recipe.evaluate.batch_size, device=device)
    row = {key: number for number, key in enumerate(table["key"].to_pylist())}
    stored = np.stack([logits[row[keys[number]]] for number in numbers])
    apart = np.abs(again - stored) - PARITY.get(device.type, PARITY_OF_GPU) * np.maximum(1.0, np.abs(stored))
    if not apart.max() <= 0:  # NaN as well
        worst = int(apart.max(axis=1).argmax())
        message = (
            f"reloaded, the net answers {keys[numbers[worst]]} with {again[worst].tolist()}, on disk stands "
            f"{stored[worst].tolist()}"
        )
        yield Fault("reload", message, where)
