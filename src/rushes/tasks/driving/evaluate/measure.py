"""What the answers about a vehicle's motion are worth: every figure beside its interval and its baselines."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from rushes.evaluate.clusters import clusters
from rushes.evaluate.figures import SEED, plain
from rushes.metrics.egomotion import (
    CIRCULAR,
    FAST_MPS,
    SPEED_BANDS,
    STILL_MPS,
    TURN_DEG,
    TURNS,
    covered,
    speed_bands,
    turn_classes,
)
from rushes.metrics.intervals import bootstrap_share
from rushes.tasks.driving.evaluate.answers import System, Windows, read_answers
from rushes.tasks.driving.evaluate.baselines import baselines, constants, target_arrays
from rushes.tasks.driving.evaluate.blocks import Evidence, block, short, versus
from rushes.tasks.driving.evaluate.clusters import RULE
from rushes.tasks.driving.evaluate.figures import over_answers
from rushes.tasks.driving.evaluate.names import MODEL, QUANTITIES, SYSTEMS, values_in_order

METRIC_VERSION = 1
NOMINAL = 0.9  # share of truths that the intervals of the answers claim to hold
CHARGED = "train_median"  # answers in the place of every failure
MOST_VALUES = 40  # a tag of more values is an id, not a condition
REASONS = 10


def evaluate(
    predictions: pa.Table,
    train_targets: Iterable[Mapping[str, float]],
    *,
    span_s: float,
    resamples: int,
    provenance: Mapping[str, Any],
    still_mps: float = STILL_MPS,
    fast_mps: float = FAST_MPS,
    turn_deg: float = TURN_DEG,
) -> dict[str, Any]:
    """Measure the answers of a model and of all its baselines.

    Args:
        predictions: of ``rushes.tasks.driving.predict.table.SCHEMA``.
        train_targets: the four targets of each training window by name; constants are fitted on them.
        span_s: from the first to the last frame of a window.
        resamples: bootstrap draws behind every interval.
        provenance: signatures, hashes and seeds that the figures belong to, copied as they are.
        still_mps: below this true mean speed a window counts as standing.
        fast_mps: from it on as fast.
        turn_deg: from this true yaw on as a turn.

    Returns:
        One JSON object. ``all`` (see `blocks.block`) holds every figure of every system and how the model
        stands to its best baselines, ``paired`` its difference to each of them, ``by_speed``, ``by_turn`` and
        ``by_tag`` the mean absolute errors of every system in parts; ``calibration`` the coverage of the
        model's own 90 % intervals, ``failures`` what could not be read and the figures over the rest. A
        figure is ``{value, low, high, n}``; ``low`` and ``high`` are null where no interval can be given.

    Raises:
        MetricError: no windows, answers that do not pair up, a value that is not finite.
    """
    windows, systems = read_answers(predictions)
    fitted = target_arrays(train_targets)
    asked = tuple(systems)
    systems |= baselines(fitted, windows, systems[MODEL], span_s)
    mean, median = constants(fitted)
    evidence = Evidence.of(windows, systems, median, resamples)
    every = np.arange(len(windows))
    bands = speed_bands(windows.truth["mean_speed_mps"], still_mps=still_mps, fast_mps=fast_mps)
    turns = turn_classes(windows.truth["yaw_deg"], turn_deg=turn_deg)
    return {
        "metric_version": METRIC_VERSION,
        "span_s": span_s,
        "n": {
            "windows": len(windows),
            "clips": len(np.unique(windows.recording)),
            "train_windows": len(fitted["yaw_deg"]),
        },
        "intervals": {"rule": RULE, "resamples": resamples, "seed": SEED},
        "thresholds": {"still_mps": still_mps, "fast_mps": fast_mps, "turn_deg": turn_deg},
        "baselines": {
            name: {
                "role": system.role,
                "privileged": system.role == "ceiling",
                "what": SYSTEMS.get(name),
            }
            for name, system in systems.items()
            if name != MODEL
        },
        "constants": {"train_mean": mean, "train_median": median},
        "all": block(evidence, every),
        "paired": versus(evidence, every, clusters(evidence.levels, every)),
        "by_speed": _parts(evidence, bands, SPEED_BANDS),
        "by_turn": _parts(evidence, turns, TURNS),
        "by_tag": {name: _parts(evidence, values, order) for name, values, order in tags(windows)},
        "calibration": calibration(evidence),
        "failures": _failures(evidence, asked),
        "provenance": dict(provenance),
    }


def _parts(evidence: Evidence, of: NDArray[np.str_], order: Iterable[str]) -> dict[str, Any]:
    """`short` for the windows of each value that occurs."""
    return {value: short(evidence, rows) for value in order if len(rows := np.flatnonzero(of == value))}


def tags(windows: Windows) -> Iterator[tuple[str, NDArray[np.str_], list[str]]]:
    """Each tag that divides the windows: its name, each window's value, and the values in order.

    A window without the tag counts as ``unknown``.
    """
    for name in sorted({name for tags in windows.tags for name in tags}):
        values = np.array([tags.get(name, "unknown") for tags in windows.tags])
        known = np.unique(values).tolist()
        if 1 < len(known) <= MOST_VALUES:
            yield name, values, values_in_order(known)


def calibration(evidence: Evidence) -> dict[str, Any] | None:
    """Coverage of the model's 90 % intervals for each quantity; None where it never gave one.

    ``coverage`` is the share of truths in their interval, ``below`` and ``above`` the shares on either
    side of it, ``width`` its mean length in the quantity's unit.
    """
    intervals = evidence.systems[MODEL].intervals or {}
    found = {}
    for quantity in QUANTITIES:
        if quantity.column not in intervals:
            continue
        rows = np.flatnonzero(~np.isnan(intervals[quantity.column]).any(axis=1))
        low, high = intervals[quantity.column][rows].T
        circular = quantity.column in CIRCULAR
        truth = evidence.windows.truth[quantity.column][rows]
        inside = covered(truth, low, high, circular=circular)
        centre = (low + high) / 2
        under = ~inside & (np.mod(truth - centre, 360.0) > 180.0 if circular else truth < low)
        units = clusters(evidence.levels, rows)
        share = bootstrap_share(inside, units.ids, seed=SEED, resamples=evidence.resamples)
        found[quantity.column] = {
            "coverage": plain(share),
            "below": float(under.mean()),
            "above": float((~inside & ~under).mean()),
            "width": float((high - low).mean()),
        }
    return {"nominal": NOMINAL, "quantities": found} if found else None


def _failures(evidence: Evidence, asked: Iterable[str]) -> dict[str, Any]:
    """For each system that was asked: parse rate, reasons, and figures over the answers alone."""
    every = np.arange(len(evidence.windows))
    units = clusters(evidence.levels, every)
    return {
        "charged": CHARGED,
        "systems": {
            name: {
                "parse_rate": plain(
                    bootstrap_share(
                        evidence.errors[name].parsed, units.ids, seed=SEED, resamples=evidence.resamples
                    )
                ),
                "failed": int((~evidence.errors[name].parsed).sum()),
                "reasons": dict(_reasons(evidence.systems[name]).most_common(REASONS)),
                "answered": over_answers(evidence.errors[name], every, units, evidence.resamples),
            }
            for name in asked
        },
    }


def _reasons(system: System) -> Counter[str]:
    return Counter(reason for reason in system.failures or () if reason is not None)
