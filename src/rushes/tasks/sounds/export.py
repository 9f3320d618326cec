"""A trained net of sounds in the forms that a device runs, and whether it fits there.

Three files: ``model.onnx``, ``model.int8.onnx`` and ``deploy.json``, which is

- ``parameters``; ``macs_per_clip``, ``macs_per_s`` of sound (as :mod:`rushes.models.net_costs` counts them);
- ``clips``: how many chose the ranges of 8 bits (``calibration``) and how many were asked (``evaluation``);
- ``bytes``: of the weights in floats (``fp32``) and in 8 bits with their scales (``int8``), of the latter
  what stays float (``float_in_int8``), and of both files (``onnx``, ``onnx_int8``);
- ``parity``: the largest difference between a logit of torch and one of onnxruntime; ``parity_relative``:
  the same as a share of the largest logit, or of 1 if that is larger, which is what is held to 1e-5;
- ``f1_macro``: in floats (``fp32``), in 8 bits (``int8``), and what 8 bits cost (``drop``);
- ``verdict``: ``fits``, and the ``reasons`` for it, a sentence each;
- ``time``: ``p50_ms``, ``p95_ms``, ``int8_p50_ms``, ``int8_p95_ms`` of one clip on one core, and ``pinned``.

All but ``time`` is the same, to the bit, whenever and however often the same net is exported on a machine.
"""

from __future__ import annotations

import copy
from collections.abc import Iterable, Mapping
from dataclasses import asdict
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rushes.errors import ModelError
from rushes.export.latency import CAN_PIN, latencies
from rushes.export.onnx_model import INPUT, OUTPUT, Weights, logits_of, to_int8, to_onnx, weights
from rushes.metrics.confusion import confusion_matrix, confusion_scores
from rushes.models.net_costs import macs, parameters
from rushes.models.nets import SoundNet, infer
from rushes.models.onnx_session import session
from rushes.stages import write_atomic, write_json
from rushes.tasks.sounds.prepare.sample import Sample

MODEL_FILE = "model.onnx"
INT8_FILE = "model.int8.onnx"
DEPLOY_FILE = "deploy.json"

PARITY = 1e-5
"""By which logits may differ from torch's, as a share of ``max(1, the largest)`` in magnitude.

A float32 has 24 bits, so what rounding costs grows with what is added up: of logits of 50 it is 50 times what
it is of logits of 1, and a bar for the difference alone would refuse a net for being sure."""


def export(
    net: SoundNet,
    calibration: Iterable[Sample],
    evaluation: Iterable[Sample],
    folder: Path,
    *,
    max_bytes: int,
    max_macs_per_s: int,
    runs: int = 200,
    batch_size: int = 64,
) -> dict[str, Any]:
    """Write both models of ``net`` and their deploy report into ``folder``; returns the report.

    Args:
        net: stays as it is; its copy on the CPU is exported.
        calibration: of the training side, read once.
        evaluation: of the side that is reported, read once, ``batch_size`` at a time.
        folder: made if it is missing; the report is written last.
        max_bytes: of the weights in 8 bits.
        max_macs_per_s: of a second of sound.
        runs: timed calls of each model.
        batch_size: clips that torch and onnxruntime are asked at once.

    Raises:
        ModelError: onnx is missing, there are no clips of one kind, a clip does not fit the net, or
            onnxruntime's logits are not those of torch, within 1e-5 x max(1, the largest logit).
        MetricError: a clip of a class that the net does not know.
    """
    folder = Path(folder)
    chosen = [clip.features for clip in calibration]
    plain = to_onnx(net)
    small = to_int8(plain, chosen)
    truth, of_torch, of_plain, of_small = _ask(net, plain, small, evaluation, batch_size)
    parity, relative = _parity(of_torch, of_plain)
    labels, preprocessing = net.preprocessing.labels, net.preprocessing
    f1 = {"fp32": _f1_macro(truth, of_plain, labels), "int8": _f1_macro(truth, of_small, labels)}
    held, macs_per_s = weights(small), round(macs(net.config, preprocessing) / preprocessing.clip_s)
    report = {
        "parameters": parameters(net.config, labels),
        "macs_per_clip": macs(net.config, preprocessing),
        "macs_per_s": macs_per_s,
        "clips": {"calibration": len(chosen), "evaluation": len(truth)},
        "bytes": {
            "fp32": 4 * parameters(net.config, labels),
            "int8": held.total,
            "float_in_int8": held.floats,
            "onnx": len(plain),
            "onnx_int8": len(small),
        },
        "parity": parity,
        "parity_relative": relative,
        "f1_macro": {**f1, "drop": f1["fp32"] - f1["int8"]},
        "verdict": verdict(held, macs_per_s, max_bytes=max_bytes, max_macs_per_s=max_macs_per_s),
        "time": _time(plain, small, chosen[0], runs),
    }
    write_atomic(folder / MODEL_FILE, plain)
    write_atomic(folder / INT8_FILE, small)
    write_json(folder / DEPLOY_FILE, report)
    return report


def costs_of(report: Mapping[str, Any]) -> dict[str, float]:
    """What a net takes on its device, out of its ``deploy.json``, by the names of leaderboard columns."""
    return {
        "parameters": report["parameters"],
        "macs": report["macs_per_clip"],
        "macs_per_s": report["macs_per_s"],
        "bytes_fp32": report["bytes"]["fp32"],
        "bytes_int8": report["bytes"]["int8"],
        "parity": report["parity"],
        "int8_drop": report["f1_macro"]["drop"],
        "fits": float(report["verdict"]["fits"]),
        "latency_p50_ms": report["time"]["p50_ms"],
        "latency_p95_ms": report["time"]["p95_ms"],
    }


def verdict(held: Weights, macs_per_s: int, *, max_bytes: int, max_macs_per_s: int) -> dict[str, Any]:
    """Whether a net fits a device, and why: both budgets must hold.

    >>> held = Weights(24_000, 780, 0)
    >>> verdict(held, 15_700_000, max_bytes=128_000, max_macs_per_s=30_000_000)["reasons"][:2]
    ['its weights take 24,000 of 128,000 bytes', 'a second of sound takes 15,700,000 of 30,000,000 MACs']
    """
    fits = held.total <= max_bytes and macs_per_s <= max_macs_per_s
    reasons = [
        f"its weights take {held.total:,} {_of(held.total, max_bytes)} bytes",
        f"a second of sound takes {macs_per_s:,} {_of(macs_per_s, max_macs_per_s)} MACs",
    ]
    if held.gru:
        reasons.append(f"{held.gru:,} bytes of it stay float: a GRU has no 8-bit form in onnxruntime")
    if chosen := held.floats - held.gru:
        reasons.append(f"{chosen:,} bytes of it stay float by choice: attention and the last linear map")
    return {
        "fits": fits,
        "bytes": {"found": held.total, "at_most": max_bytes},
        "macs_per_s": {"found": macs_per_s, "at_most": max_macs_per_s},
        "reasons": reasons,
    }


def _of(found: int, most: int) -> str:
    return f"of {most:,}" if found <= most else f"where {most:,} are allowed, too many"


def _ask(
    net: SoundNet, plain: bytes, small: bytes, clips: Iterable[Sample], batch_size: int
) -> tuple[list[str], NDArray[np.float32], NDArray[np.float32], NDArray[np.float32]]:
    """Classes of n clips, and logits (n, K) of torch, of the model in floats and of that in 8 bits."""
    models = session(plain), session(small)
    truth: list[str] = []
    logits: tuple[list[NDArray[np.float32]], ...] = ([], [], [])
    heard, rest = copy.deepcopy(net).cpu(), iter(clips)
    while batch := list(islice(rest, batch_size)):
        truth += [clip.label for clip in batch]
        features = [clip.features for clip in batch]
        logits[0].append(infer(heard, features, len(features)))
        stacked = np.stack(features).astype(np.float32)
        for found, model in zip(logits[1:], models, strict=True):
            found.append(logits_of(model, stacked))
    if not truth:
        raise ModelError("there is no clip to compare the exported model on", cure="prepare the sounds again")
    of_torch, of_plain, of_small = map(np.concatenate, logits)
    return truth, of_torch, of_plain, of_small


def _parity(torch: NDArray[np.float32], onnx: NDArray[np.float32]) -> tuple[float, float]:
    """The largest difference, and the same as a share of ``max(1, the largest logit)``."""
    difference, largest = float(np.abs(torch - onnx).max()), float(np.abs(torch).max())
    relative = difference / max(1.0, largest)
    if not relative <= PARITY:  # NaN as well
        raise ModelError(
            f"the exported model is not the net: their logits differ by up to {difference:g}, and "
            f"{PARITY * max(1.0, largest):g} is allowed: {PARITY:g} x max(1, largest logit {largest:g}), "
            f"since rounding grows with the logits",
            cure="look for weights or features that are not finite; else keep the net and report this",
        )
    return difference, relative


def _f1_macro(truth: list[str], logits: NDArray[np.float32], labels: tuple[str, ...]) -> float:
    counts = confusion_matrix(truth, [labels[best] for best in logits.argmax(1)], labels)
    return float(confusion_scores(counts).f1_macro)


def _time(plain: bytes, small: bytes, features: NDArray[np.floating], runs: int) -> dict[str, Any]:
    clip = {INPUT: np.asarray(features, np.float32)[None, None]}
    models = {"": session(plain), "int8_": session(small)}
    calls = {name: partial(model.run, [OUTPUT], clip) for name, model in models.items()}
    found = {
        f"{name}{figure}": ms
        for name, of in latencies(calls, runs).items()
        for figure, ms in asdict(of).items()
    }
    return {**found, "pinned": CAN_PIN, "runs": runs}
