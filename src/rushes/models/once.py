"""Frozen encoders that compute a picture once."""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from collections.abc import Callable
from threading import Lock

import numpy as np
from numpy.typing import NDArray


class Once:
    """Features of pictures, each computed the first time that anyone in this process asks.

    Training, the model before it and after it, and every fold of a comparison show a frozen encoder the same pictures.

    Args:
        encode: pictures ``(N, S, S, 3)`` uint8 to features ``(N, F)``; a picture's must not depend on those beside it.
        most: pictures whose features are kept, those that came last.
    """

    def __init__(self, encode: Callable[[NDArray[np.uint8]], NDArray[np.float32]], most: int) -> None:
        self._encode, self._most = encode, most
        self._kept: OrderedDict[bytes, NDArray[np.float32]] = OrderedDict()
        self._lock = Lock()

    def __call__(self, pictures: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Features ``(N, F)`` of pictures ``(N, S, S, 3)``; N may be 0."""
        if not len(pictures):
            return self._encode(pictures)
        names = [hashlib.blake2b(picture.tobytes(), digest_size=16).digest() for picture in pictures]
        with self._lock:
            found = {name: self._kept[name] for name in names if name in self._kept}
        new = {name: number for number, name in enumerate(names) if name not in found}
        if new:
            found |= zip(new, self._encode(pictures[[*new.values()]]), strict=True)
        with self._lock:
            self._kept.update((name, found[name]) for name in new)
            while len(self._kept) > self._most:
                self._kept.popitem(last=False)
        return np.stack([found[name] for name in names])
