"""Visual tokens of pairs of frames, each pair encoded once for all windows that hold it.

The vision tower's attention, windowed or full, stays within a temporal patch (`rushes.models.vision.layout`), so
what becomes of two frames does not depend on the frames beside them. Pairs are known by their pixels.
"""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from rushes.models import vision
from rushes.models.pixels import PAIR, grid_of_views, patchify, visual_tokens
from rushes.models.vlm import Vlm


class PairFeatures:
    """Remembers the pairs that were asked for last. For one thread, and weights that do not change.

    Args:
        vlm: the model.
        most_bytes: of tokens that are remembered, where the model is. A pair of 336x336 takes .6 MB of a 3B model in
            bfloat16.

    Attributes:
        asked: pairs so far.
        encoded: of these, those that went through the tower.
        nbytes: of the tokens that are remembered now.
    """

    def __init__(self, vlm: Vlm[Any], most_bytes: int = 256_000_000) -> None:
        self.asked = self.encoded = self.nbytes = 0
        self._vlm, self._most = vlm, most_bytes
        self._known: OrderedDict[bytes, Tensor] = OrderedDict()  # the one that was asked for last is last

    def of(self, clips: Sequence[Sequence[np.ndarray]]) -> Tensor:
        """Visual tokens of clips in the order of their prompts: pair by pair, and view by view within a pair.

        Args:
            clips: of each clip its views, frames ``(T, H, W, 3)`` uint8 each.

        Returns:
            ``(tokens, hidden)``, equal to what the tower makes of all of them but for the rounding of its matrix
            products in batches of other sizes.

        Raises:
            ModelError: frames that cannot be cut into patches, or views of different sizes.
        """
        pairs = [
            view[PAIR * number : PAIR * (number + 1)]
            for views in clips
            for number in range(grid_of_views(views)[0])
            for view in views
        ]
        names = [_name(pair) for pair in pairs]
        # A batch may need more than is remembered: what it needs is held until it is put together.
        held = {name: self._known[name] for name in names if name in self._known}
        new = {name: pair for name, pair in zip(names, pairs, strict=True) if name not in held}
        held.update(zip(new, self._encode(list(new.values())), strict=True))
        self.asked += len(pairs)
        self.encoded += len(new)
        for name in names:
            self._remember(name, held[name])
        return torch.cat([held[name] for name in names])

    def _encode(self, pairs: Sequence[np.ndarray]) -> list[Tensor]:
        if not pairs:
            return []
        patches, grids = zip(*map(patchify, pairs), strict=True)
        device = self._vlm.device
        tokens = vision.encode(
            self._vlm.base.model.visual,
            torch.from_numpy(np.concatenate(patches)).to(device),
            torch.tensor(grids, device=device),
        )
        # A part of a tensor holds on to all of it: copies can be forgotten one by one.
        return [part.clone() for part in tokens.split([visual_tokens(grid) for grid in grids])]

    def _remember(self, name: bytes, tokens: Tensor) -> None:
        if name not in self._known:
            self._known[name] = tokens
            self.nbytes += tokens.nbytes
        self._known.move_to_end(name)
        while self.nbytes > self._most:
            _, forgotten = self._known.popitem(last=False)
            self.nbytes -= forgotten.nbytes


def _name(pair: np.ndarray) -> bytes:
    """Of a pair's pixels and shape, (1 or 2, H, W, 3); a lone frame is encoded as a pair of itself."""
    return hashlib.sha256(repr(pair.shape).encode() + np.ascontiguousarray(pair).tobytes()).digest()
