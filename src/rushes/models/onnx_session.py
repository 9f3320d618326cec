"""ONNX models: written from torch modules, and run on the thread that calls them.

The exporter is torch's older one, which traces the module. Its bytes depend on the module alone and it keeps a
GRU one node that takes any number of rows; of the newer one, which wants onnxscript as well, neither is true
(torch 2.13, onnxscript 0.7: 28 s, other bytes each time, the number of rows fixed).

onnx and onnxruntime are an extra, imported here and only when asked for.
"""

from __future__ import annotations

import io
import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from rushes.errors import ModelError

if TYPE_CHECKING:
    from onnxruntime import InferenceSession

OPSET = 17
"""Of the operators: the newest that the exporter writes without converting from an older one."""


def require_onnx() -> None:
    """Refuse to go on without both packages.

    Raises:
        ModelError: onnx or onnxruntime is not installed.
    """
    try:
        import onnx  # noqa: F401
        import onnxruntime  # noqa: F401
    except ImportError as error:
        raise ModelError(
            f"export needs onnx and onnxruntime: {error}", cure="pip install 'rushes[onnx]'"
        ) from error


def export(module: nn.Module, example: Tensor, taken: str, given: str) -> bytes:
    """A module as an ONNX model of one file, which takes any number of rows; the same module, the same bytes.

    Args:
        module: in evaluation mode, on the CPU; takes one tensor and gives one.
        example: (B, ...) that it takes.
        taken, given: names of input and output.

    Raises:
        ModelError: onnx is not installed.
    """
    require_onnx()
    buffer = io.BytesIO()
    with quiet():
        torch.onnx.export(
            module,
            (example,),
            buffer,
            dynamo=False,
            opset_version=OPSET,
            input_names=[taken],
            output_names=[given],
            dynamic_axes={taken: {0: "batch"}, given: {0: "batch"}},
        )
    return buffer.getvalue()


def session(model: bytes) -> InferenceSession:
    """The model, ready to run on the thread that calls it and on no other.

    Raises:
        ModelError: onnxruntime is not installed, or cannot read the model.
    """
    require_onnx()
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 3
    try:
        return onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # onnxruntime's errors share no base class of their own
        raise ModelError(f"onnxruntime cannot read the model: {error}") from error


@contextmanager
def quiet() -> Iterator[None]:
    """Keep the advice of exporters, meant for their callers' authors, from the terminal; leave no filter."""
    root, silent = logging.getLogger(), logging.NullHandler()
    root.addHandler(silent)  # or the first line that they log sets up logging for the whole process
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        root.removeHandler(silent)
