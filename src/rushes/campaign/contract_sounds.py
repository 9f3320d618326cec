"""What the contract asks of a run of the sounds task: from spectrograms to logits to figures, all anew."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from rushes.campaign.contract_values import TOLERANCE, Fault, check_keys, figures_of_confusion
from rushes.runs.run import METRICS_FILE
from rushes.runs.sounds.run import SoundsRun

if TYPE_CHECKING:
    import pyarrow as pa

RELOADED = 64
"""Clips, spread evenly over the split, that the reloaded net must answer as it did."""

PARITY = 1e-5
"""By how much a reloaded net's logits may differ from those on disk, absolute and relative."""


def check_sounds(run: SoundsRun) -> Iterator[Fault]:
    """Predictions are complete, figures follow from them, several classes are answered, the net reloads."""
    from rushes.predict.sounds.table import SCHEMA, logits_array
    from rushes.predict.table import FILE, read_predictions

    labels, split = run.contract.labels, run.recipe.evaluate.split
    where = str(run.folder("predict") / FILE)
    table = read_predictions(run.folder("predict"), SCHEMA)
    logits = logits_array(table, len(labels))
    samples = run.samples(split)
    yield from check_keys(list(samples.keys()), table["key"].to_pylist(), where)
    yield from check_truth(run, table)
    metrics = run.metrics()
    yield from check_metrics(metrics, confusion_of(table, logits, labels), labels, run)
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


def check_truth(run: SoundsRun, table: pa.Table) -> Iterator[Fault]:
    """Each clip has in the predictions the class and the group that it has in the dataset."""
    from rushes.prepare.sounds.sample import metas

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
    metrics: Mapping[str, Any], counts: NDArray[np.int64], labels: tuple[str, ...], run: SoundsRun
) -> Iterator[Fault]:
    """Labels, confusion matrix, support and figures are those of the predictions."""
    where = str(run.folder("evaluate") / METRICS_FILE)
    if tuple(metrics["labels"]) != labels:
        yield Fault("figures", f"labels {metrics['labels']}, the contract has {list(labels)}", where)
        return
    if metrics["confusion"] != counts.tolist():
        message = f"the confusion matrix is {metrics['confusion']}, the predictions give {counts.tolist()}"
        yield Fault("figures", message, where)
    if metrics["n"] != counts.sum() or metrics["split"] != run.recipe.evaluate.split:
        message = f"{metrics['n']} clips of {metrics['split']}, there are {counts.sum()}"
        yield Fault("figures", f"{message} of {run.recipe.evaluate.split}", where)
    said = metrics["systems"]["model"]
    for name, value in figures_of_confusion(counts).items():
        if abs(said[name]["value"] - value) > TOLERANCE:
            message = f"{name} is {said[name]['value']}, the confusion matrix gives {value}"
            yield Fault("figures", message, where)
    support = {label: metrics["per_class"][label]["support"] for label in labels}
    truly = dict(zip(labels, counts.sum(axis=1).tolist(), strict=True))
    if support != truly:
        yield Fault("figures", f"support is {support}, the split has {truly}", where)


def check_reload(run: SoundsRun, table: pa.Table, logits: NDArray[np.float32]) -> Iterator[Fault]:
    """The net on disk gives the logits on disk, on clips all over the split."""
    from rushes.models.sound import infer
    from rushes.prepare.sounds.sample import Sample
    from rushes.runs.sounds.work import net_of

    net = net_of(run, "train")
    where = str(run.folder("train") / "model")
    if net.contract != run.contract or net.config != run.recipe.model:
        yield Fault("reload", "the net on disk is not the one that the recipe asks for", where)
        return
    samples = run.samples(run.recipe.evaluate.split)
    keys = list(samples.keys())
    numbers = range(0, len(keys), -(-len(keys) // RELOADED))
    features = (Sample.of(keys[number], samples.sample(number)).features for number in numbers)
    again = infer(net, features, run.recipe.evaluate.batch_size)
    row = {key: number for number, key in enumerate(table["key"].to_pylist())}
    stored = np.stack([logits[row[keys[number]]] for number in numbers])
    apart = np.abs(again - stored) - PARITY * np.maximum(1.0, np.abs(stored))
    if apart.max() > 0:
        worst = int(apart.max(axis=1).argmax())
        message = (
            f"reloaded, the net answers {keys[numbers[worst]]} with {again[worst].tolist()}, on disk stands "
            f"{stored[worst].tolist()}"
        )
        yield Fault("reload", message, where)
