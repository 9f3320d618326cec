"""Small nets as ONNX models: in floats, in 8 bits, and run as a device would: one clip, one thread.

onnx and onnxruntime are an extra (``pip install 'rushes[onnx]'``), imported only when asked for.
"""

from __future__ import annotations

import copy
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray

from rushes.errors import ModelError
from rushes.models.nets import SoundNet
from rushes.models.onnx_session import export, quiet, require_onnx

if TYPE_CHECKING:
    from onnx import GraphProto
    from onnxruntime import InferenceSession

INPUT, OUTPUT = "features", "logits"

QUANTISED = ("Conv", "Relu")
"""Operators with 8-bit inputs and weights; rectifiers vanish into the range of what comes before them."""

_GATES = "/attention/"
"""How the exporter's names of the nodes of an attention begin."""


@dataclass(frozen=True, slots=True)
class Weights:
    """Bytes of a model's constants.

    Attributes:
        total: all of them; in 8 bits with the scales that they need.
        floats: of these, arrays that take part in the calculation as float32; scales do not.
        gru: of ``floats``, those of recurrences.
    """

    total: int
    floats: int
    gru: int


def to_onnx(net: SoundNet) -> bytes:
    """The net as an ONNX model of one file, ``features`` (B, 1, mels, frames) in dB to ``logits`` (B, K).

    The same net gives the same bytes; ``net`` stays as it is, on its device and in its mode.

    Raises:
        ModelError: onnx is not installed, or a weight is not finite.
    """
    if broken := [name for name, tensor in net.state_dict().items() if not torch.isfinite(tensor).all()]:
        raise ModelError(f"no net to export: {', '.join(broken)} has values that are not finite")
    plain = copy.deepcopy(net).cpu().eval()
    return export(plain, torch.zeros(1, 1, *net.preprocessing.shape), INPUT, OUTPUT)


def to_int8(model: bytes, calibration: Iterable[NDArray[np.floating]]) -> bytes:
    """The model with 8-bit weights, one scale a channel, and 8-bit activations between them.

    The trunk's convolutions take part, which are all but a thousandth of the MACs. A GRU stays as it is:
    onnxruntime has no 8-bit one. So do attention and the last linear map, by choice: a step of a gate goes
    through everything behind it, 256 steps would make close logits equal, and both together take 3 kB.

    Args:
        model: of :func:`to_onnx`.
        calibration: (mels, frames) in dB each, of the training side: their lowest and highest activations
            are what 8 bits can tell apart.

    Raises:
        ModelError: no clip to calibrate with, one of another shape or with values that are not finite.
    """
    require_onnx()
    import onnx
    from onnxruntime.quantization import CalibrationDataReader, QuantType, quantize_static
    from onnxruntime.quantization.shape_inference import quant_pre_process

    proto = onnx.load_from_string(model)
    rectify_first(proto.graph)
    gates = [node.name for node in proto.graph.node if node.name.startswith(_GATES)]
    shape = tuple(d.dim_value for d in proto.graph.input[0].type.tensor_type.shape.dim)[2:]
    clips = [_clip(clip, shape) for clip in calibration]
    if not clips:
        raise ModelError(
            "there is no clip to choose the ranges of 8 bits by", cure="raise deploy.calibration above 0"
        )
    feeds = iter([{INPUT: clip[None, None]} for clip in clips])

    class Reader(CalibrationDataReader):
        def get_next(self) -> dict[str, NDArray[np.float32]] | None:
            return next(feeds, None)

    with tempfile.TemporaryDirectory(prefix="rushes-int8-") as scratch, quiet():
        plain, small = Path(scratch) / "plain.onnx", Path(scratch) / "int8.onnx"
        quant_pre_process(proto, plain)
        quantize_static(
            plain,
            small,
            Reader(),
            op_types_to_quantize=list(QUANTISED),
            nodes_to_exclude=gates,
            per_channel=True,
            activation_type=QuantType.QUInt8,
            weight_type=QuantType.QInt8,
        )
        return small.read_bytes()


def rectify_first(graph: GraphProto) -> None:
    """Let a rectifier that follows a pooling come before it, which gives the same, bit for bit.

    Then it is part of the convolution, whose result is no longer negative: 8 bits have twice the steps, or
    more, for what the next layer sees.
    """
    for first, then in pairwise(graph.node):
        if (first.op_type, then.op_type) != ("MaxPool", "Relu") or first.output[0] != then.input[0]:
            continue
        pool, rectifier = copy.deepcopy(first), copy.deepcopy(then)
        for node, other in ((first, rectifier), (then, pool)):
            ends = list(node.input), list(node.output)
            node.CopyFrom(other)
            node.input[:], node.output[:] = ends


def logits_of(model: InferenceSession, features: NDArray[np.float32]) -> NDArray[np.float32]:
    """Logits (n, K) of spectrograms (n, mels, frames)."""
    logits: NDArray[np.float32] = model.run([OUTPUT], {INPUT: features[:, None]})[0]
    return logits


def weights(model: bytes) -> Weights:
    """What the constants of a model take, for which see :class:`Weights`."""
    import onnx

    graph = onnx.load_from_string(model).graph
    scales = {node.input[1] for node in graph.node if node.op_type in ("QuantizeLinear", "DequantizeLinear")}
    recurrent = {name for node in graph.node if node.op_type == "GRU" for name in node.input}
    total = floats = gru = 0
    for constant in graph.initializer:
        array = onnx.numpy_helper.to_array(constant)
        total += array.nbytes
        if array.ndim and array.dtype == np.float32 and constant.name not in scales:
            floats += array.nbytes
            gru += array.nbytes * (constant.name in recurrent)
    return Weights(total, floats, gru)


def _clip(clip: NDArray[np.floating], shape: tuple[int, ...]) -> NDArray[np.float32]:
    if clip.shape != shape or not np.isfinite(clip).all():
        raise ModelError(
            f"a clip to calibrate with must be {shape[0]} x {shape[1]} finite values, found "
            f"{' x '.join(map(str, clip.shape))}{'' if clip.shape != shape else ', some not finite'}",
            cure="prepare the clips with the preprocessing beside the weights",
        )
    return np.asarray(clip, np.float32)
