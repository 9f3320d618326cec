"""What every use of transformers and peft is wrapped in: one kind of error, no bars, no warnings of theirs."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager

from safetensors import SafetensorError
from transformers.utils import logging as library_logging

from rushes.errors import ModelError

library_logging.disable_progress_bar()  # progress is told by stages, one bar each


@contextmanager
def refused(message: str, where: object, cure: str) -> Iterator[None]:
    """Whatever a library makes of an unreadable checkpoint becomes one kind of error."""
    try:
        yield
    except (OSError, ValueError, KeyError, TypeError, RuntimeError, SafetensorError, UserWarning) as error:
        raise ModelError(f"{message}: {error}", where=where, cure=cure) from error


@contextmanager
def without_peft_warning() -> Iterator[None]:
    """PEFT 0.21 asks transformers 5.23 for an attribute under its old name; no user can cure that."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "`is_gradient_checkpointing` is deprecated", FutureWarning)
        yield
