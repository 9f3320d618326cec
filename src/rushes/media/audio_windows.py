"""A long recording cut into windows that may overlap, while it is decoded."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np
from numpy.typing import NDArray


def windows(
    blocks: Iterable[NDArray[np.float32]], samples: int, hop: int
) -> Iterator[tuple[int, NDArray[np.float32]]]:
    """Windows of a sound, one every ``hop`` samples, as far as they lie within it; no more of it is held.

    A sound shorter than a window is one window with silence behind its end. What is left behind the last window is
    in none.

    >>> whole = np.arange(7, dtype=np.float32)
    >>> [(start, wave.tolist()) for start, wave in windows([whole[:3], whole[3:]], 4, 2)]
    [(0, [0.0, 1.0, 2.0, 3.0]), (2, [2.0, 3.0, 4.0, 5.0])]

    Args:
        blocks: of the sound in order.
        samples: of a window.
        hop: from the start of a window to that of the next, at most ``samples``.

    Yields:
        The number of its first sample, and the window, (samples,).
    """
    start, held, waiting = 0, 0, []
    for block in blocks:
        waiting.append(block)
        held += len(block)
        if held < samples:
            continue
        wave = np.concatenate(waiting)
        count = 1 + (held - samples) // hop
        for number in range(count):
            yield start + number * hop, wave[number * hop : number * hop + samples]
        start, held, waiting = start + count * hop, held - count * hop, [wave[count * hop :]]
    if not start and held:
        yield 0, np.pad(np.concatenate(waiting), (0, samples - held))
