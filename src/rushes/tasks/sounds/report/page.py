"""The report: one HTML file that needs nothing else, for people who look before they read."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa

from rushes.evaluate.markup import Markup, join, tag
from rushes.evaluate.page import facts, page
from rushes.stages import write_atomic
from rushes.tasks.sounds.evaluate.answers import read_answers
from rushes.tasks.sounds.evaluate.names import BASELINES
from rushes.tasks.sounds.report import panels, plots
from rushes.tasks.sounds.report.curves import Curves
from rushes.tasks.sounds.report.panels import framed, remark
from rushes.tasks.sounds.report.spectrograms import SampleOf, surest, wall

CLASSES = 8  # on the wall
CARDS = 3  # of a class, recognised and missed

Metrics = Mapping[str, Any]


def write_report(
    path: Path,
    metrics: Metrics,
    predictions: pa.Table,
    *,
    title: str,
    curves: Curves,
    preprocessing: Mapping[str, Any],
    sample_of: SampleOf,
    deploy: Mapping[str, Any] | None = None,
) -> None:
    """Write one self-contained HTML file, whole or not at all.

    Args:
        path: where to.
        metrics: what `rushes.tasks.sounds.evaluate.measure.evaluate` returned, also as it comes back from JSON.
        predictions: what it was measured on.
        title: name of the run.
        curves: of the training, ``Curves.of(read_events(folder / "events.jsonl"))``.
        preprocessing: the preprocessing as plain values.
        sample_of: a clip's sample by its key.
        deploy: ``deploy.json``, where the net was exported.

    Raises:
        MetricError: predictions without clips.
        ShardError, MediaError: a clip that cannot be read.
    """
    answers = read_answers(predictions, metrics["labels"])
    walls = surest(answers, panels.chosen_classes(metrics, CLASSES), CARDS)
    sections = {
        "Result": panels.result(metrics),
        "All systems": panels.systems_table(metrics),
        "Classes": panels.classes(metrics),
        "Groups": panels.groups(metrics),
        "Training": _training(metrics, curves),
        "Distillation": panels.distillation(metrics),
        "Device": panels.deploy(deploy),
        "Sounds": join((remark(_heard(preprocessing, len(walls))), wall(walls, answers, sample_of))),
        "preprocessing": facts(preprocessing),
        "Provenance": facts(_provenance(metrics)),
    }
    write_atomic(path, page(title, {name: part for name, part in sections.items() if part}))


def _training(metrics: Metrics, curves: Curves) -> Markup | None:
    """Loss and macro-F1 side by side; nothing where no event tells of the training."""
    tiles = []
    if curves.training or curves.validation:
        said = "Validation counts labels alone; training has the teacher's opinion in it, where there is one."
        tiles.append(framed("Loss", remark(said), plots.losses(curves)))
    if curves.best is not None:
        step, value = curves.best
        said = f"On the validation side after each epoch; ringed: the kept one, step {step} with {value:.3f}."
        trivial = max(metrics["systems"][name]["f1_macro"]["value"] for name in BASELINES)
        tiles.append(framed("Macro-F1", remark(said), plots.scores(curves, trivial)))
    return tag("div", *tiles, class_="grid", style=panels.PAIRS) if tiles else None


def _heard(preprocessing: Mapping[str, Any], drawn: int) -> str:
    few = "" if drawn == len(preprocessing["labels"]) else f", the {drawn} classes of least F1"
    return (
        f"The spectrograms as the net is given them, by true class{few}: the clips that it was surest "
        f"about, rightly and wrongly, of as many groups as there are. {preprocessing['clip_s']:g} s from left to "
        f"right, {preprocessing['low_hz']:g} Hz at the bottom to {preprocessing['high_hz']:g} Hz at the top on the mel "
        "scale. Above each: the answer with its probability, and where it is wrong the truth with its own."
    )


def _provenance(metrics: Metrics) -> dict[str, Any]:
    return {
        "metric_version": metrics["metric_version"],
        **metrics["intervals"],
        "class_weights": [f"{weight:.4g}" for weight in metrics["class_weights"]],
        **({"costs": metrics["costs"]} if metrics["costs"] else {}),
        **metrics["provenance"],
    }
