"""What the answers about a vehicle's motion are worth: every figure beside its interval and its baselines."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from functools import partial
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from rushes.evaluate.clusters import ENOUGH, Clusters, clusters, codes
from rushes.evaluate.parts import MODEL, Measured, Measures, part_of, parts_by, scorecard_of
from rushes.evaluate.scorecard import Scorecard, Value
from rushes.metrics.egomotion import (
    CIRCULAR,
    FAST_MPS,
    SPEED_BANDS,
    STILL_MPS,
    TURN_DEG,
    TURNS,
    MotionErrors,
    covered,
    error_figures,
    motion_errors,
    speed_bands,
    turn_classes,
)
from rushes.metrics.estimate import ERROR, SHARE
from rushes.metrics.jackknife import Jackknife
from rushes.tasks.driving.evaluate.answers import Answers, Windows, read_answers
from rushes.tasks.driving.evaluate.baselines import baselines, constants, target_arrays
from rushes.tasks.driving.evaluate.names import CHARGED, COMPARED, FIGURES, QUANTITIES, SYSTEMS

NOMINAL = 0.9  # share of truths that the intervals of the answers claim to hold
MOST_VALUES = 40  # a tag of more values is an id, not a condition
REASONS = 10
NEIGHBOURS = 4  # windows in a block: 1.5 s every 0.8 s, so the first and the last share nothing
LADDER = (
    f"the widest of these that the rows hold at least {ENOUGH} of: group, clip, block of {NEIGHBOURS} "
    "neighbouring windows of a clip, window"
)

Errors = Mapping[str, MotionErrors]
"""Column of each quantity -> errors of one system in each window."""


def evaluate(
    predictions: pa.Table,
    train_targets: Iterable[Mapping[str, float]],
    *,
    split: str,
    span_s: float,
    provenance: Mapping[str, Any],
    still_mps: float = STILL_MPS,
    fast_mps: float = FAST_MPS,
    turn_deg: float = TURN_DEG,
) -> Scorecard:
    """Measure the answers of a model and of all its baselines.

    Args:
        predictions: of ``rushes.tasks.driving.predict.table.SCHEMA``.
        train_targets: the four targets of each training window by name; constants are fitted on them.
        split: the side that the windows are of.
        span_s: from the first to the last frame of a window.
        provenance: signatures, hashes and seeds that the figures belong to, copied as they are.
        still_mps: below this true mean speed a window counts as standing.
        fast_mps: from it on as fast.
        turn_deg: from this true yaw on as a turn.

    Returns:
        Every figure of every system on all windows; the mean errors in bands of speed, of turn and of each
        tag; in ``details`` the calibration of the model's own 90 % intervals, what could not be read and
        the errors without it, the constants that were fitted, and the thresholds of bands.

    Raises:
        MetricError: no windows, answers that do not pair up, a value that is not finite.
    """
    windows, asked = read_answers(predictions)
    fitted = target_arrays(train_targets)
    mean, median = constants(fitted)
    answers = asked | baselines(fitted, windows, asked[MODEL], span_s)
    systems = {name: system for name, system in SYSTEMS.items() if name in answers}
    errors = {name: errors_of(windows, answers[name], median) for name in systems}
    levels = ladder(windows)
    among = clusters(levels, np.arange(len(windows)))
    conditions = {
        "speed": (
            speed_bands(windows.truth["mean_speed_mps"], still_mps=still_mps, fast_mps=fast_mps),
            SPEED_BANDS,
        ),
        "turn": (turn_classes(windows.truth["yaw_deg"], turn_deg=turn_deg), TURNS),
        **dict(tags(windows)),
    }
    jackknife = Jackknife.of(among.ids)
    whole = {name: _all_figures(of, jackknife) for name, of in errors.items()}
    for name in asked:
        whole[name]["parse_rate"] = Measured.mean(jackknife, answered(errors[name]))
    parts = [part_of(whole, FIGURES, systems, among, against=COMPARED)]
    for condition, (of, order) in conditions.items():
        bands = {value: np.flatnonzero(of == value) for value in order}
        measure = partial(_mean_errors, errors)
        parts += parts_by(bands, measure, FIGURES, systems, levels, kind="band", condition=condition)
    failures = {name: _failures(answers[name], errors[name], among.ids) for name in systems if name in asked}
    return scorecard_of(
        "driving",
        split,
        FIGURES,
        systems,
        parts,
        remarks=[*_remarks(failures, len(windows)), *_of_groups(windows, among)],
        details={
            "windows": {
                "span_s": span_s,
                "clips": len(np.unique(windows.recording)),
                "train_windows": len(fitted["yaw_deg"]),
            },
            "clusters": LADDER,
            "thresholds": {"still_mps": still_mps, "fast_mps": fast_mps, "turn_deg": turn_deg},
            "constants": {"train_mean": mean, "train_median": median},
            "calibration": calibration(windows, answers[MODEL], levels),
            "failures": {"charged": CHARGED, "systems": failures},
        },
        provenance=provenance,
    )


def errors_of(windows: Windows, answers: Answers, constant: Mapping[str, float]) -> Errors:
    """Errors of a system in each window; ``constant`` answers where it failed.

    Raises:
        MetricError: an answer that is not finite.
    """
    return {
        name: motion_errors(
            windows.truth[name], answers.values[name], constant[name], circular=name in CIRCULAR
        )
        for name in windows.truth
    }


def answered(errors: Errors) -> NDArray[np.bool_]:
    """Whether every quantity of each window was answered, (n,)."""
    every: NDArray[np.bool_] = np.all([found.answered for found in errors.values()], axis=0)
    return every


def _all_figures(errors: Errors, jackknife: Jackknife) -> dict[str, Measured]:
    return {
        quantity.figure(statistic): Measured(jackknife, found)
        for quantity in QUANTITIES
        for statistic, found in error_figures(errors[quantity.column].signed, jackknife).items()
    }


def _mean_errors(errors: Mapping[str, Errors], rows: NDArray[np.int64], jackknife: Jackknife) -> Measures:
    """Mean absolute errors of every system on the windows at ``rows``."""
    return {
        system: {
            quantity.figure("mae"): Measured.mean(jackknife, np.abs(of[quantity.column].signed[rows]))
            for quantity in QUANTITIES
        }
        for system, of in errors.items()
    }


def ladder(windows: Windows) -> dict[str, NDArray[np.int64]]:
    """Which windows move together, (n,) each, at every level from the widest to the narrowest.

    Neighbouring windows share half of their seconds, those of one clip the road and the light, and clips of
    one drive may stand in one group.
    """
    rows = np.arange(len(windows))
    first = np.flatnonzero(windows.before() < 0)  # row at which each clip begins
    within = rows - first[np.searchsorted(first, rows, side="right") - 1]
    return ({"group": codes(windows.group)} if _has_groups(windows) else {}) | {
        "clip": codes(windows.recording),
        "window block": np.cumsum(within % NEIGHBOURS == 0) - 1,
        "window": rows,
    }


def _has_groups(windows: Windows) -> bool:
    """Whether anything is known of groups: a clip of which nothing is known is its own."""
    return bool((windows.group != windows.recording).any())


def _of_groups(windows: Windows, among: Clusters) -> Iterator[str]:
    if _has_groups(windows):
        if among.by != "group":
            count = len(np.unique(windows.group))
            noun = "group" if count == 1 else "groups"
            yield (
                f"only {count} {noun}: intervals rest on {among.by}s, as if those of one group were independent"
            )
    else:
        yield (
            "no group is known: intervals take recordings for independent, though some may be of one drive, vehicle "
            "or road"
        )


def tags(windows: Windows) -> Iterator[tuple[str, tuple[NDArray[np.str_], list[str]]]]:
    """Each tag that divides the windows: its name, each window's value, and the values in order.

    A window without the tag counts as ``unknown``; numbers stand in order of size, before all else.
    """
    for name in sorted({name for tags in windows.tags for name in tags}):
        values = np.array([tags.get(name, "unknown") for tags in windows.tags])
        known = np.unique(values).tolist()
        if 1 < len(known) <= MOST_VALUES:
            in_order = sorted(
                known, key=lambda text: (not text.isdecimal(), text.zfill(8) if text.isdecimal() else text)
            )
            yield name, (values, in_order)


def calibration(
    windows: Windows, model: Answers, levels: Mapping[str, NDArray[np.int64]]
) -> dict[str, Any] | None:
    """Coverage of the model's 90 % intervals for each quantity; None where it never gave one.

    ``coverage`` is the share of truths in their interval, ``below`` and ``above`` the shares on either
    side of it, ``width`` its mean length in the quantity's unit.
    """
    found = {}
    for column, intervals in model.intervals.items():
        rows = np.flatnonzero(~np.isnan(intervals).any(axis=1))
        low, high = intervals[rows].T
        circular = column in CIRCULAR
        truth = windows.truth[column][rows]
        inside = covered(truth, low, high, circular=circular)
        centre = (low + high) / 2
        under = ~inside & (np.mod(truth - centre, 360.0) > 180.0 if circular else truth < low)
        jackknife = Jackknife.of(clusters(levels, rows).ids)
        found[column] = {
            "coverage": Value.of(jackknife.estimate(jackknife.means(inside), SHARE)).model_dump(),
            "below": float(under.mean()),
            "above": float((~inside & ~under).mean()),
            "width": float((high - low).mean()),
        }
    return {"nominal": NOMINAL, "quantities": found} if found else None


def _failures(answers: Answers, errors: Errors, ids: NDArray[np.int64]) -> dict[str, Any]:
    """Of a system that was asked: how many answers failed, the reasons, and figures over the others alone."""
    alone: dict[str, Any] = {}
    for quantity in QUANTITIES:
        there = errors[quantity.column].answered
        if there.any():
            jackknife = Jackknife.of(ids[there])
            figures = error_figures(errors[quantity.column].signed[there], jackknife)
            alone |= {
                quantity.figure(statistic): Value.of(jackknife.estimate(found, ERROR)).model_dump()
                for statistic, found in figures.items()
            }
    reasons = Counter(reason for reason in answers.failures if reason is not None)
    return {
        "failed": int((~answered(errors)).sum()),
        "reasons": dict(reasons.most_common(REASONS)),
        "answered": alone,
    }


def _remarks(failures: Mapping[str, Any], n: int) -> Iterator[str]:
    for name, found in failures.items():
        if found["failed"]:
            yield (
                f"{name}: {found['failed']} of {n} answers could not be read and were charged the error of "
                f"{CHARGED}"
            )
