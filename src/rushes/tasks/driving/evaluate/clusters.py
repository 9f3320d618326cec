"""Which windows move together, so that intervals do not promise too much.

Neighbouring windows share half of their seconds, those of one clip the road and the light, and clips of one
drive may stand in one group. The widest unit of which there are enough is resampled as one.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from rushes.evaluate.clusters import ENOUGH, codes
from rushes.tasks.driving.evaluate.answers import Windows

NEIGHBOURS = 4  # windows in a block: 1.5 s every 0.8 s, so the first and the last share nothing
RULE = (
    f"95 % bootstrap intervals resample the widest of these units of which the rows hold at least {ENOUGH}: "
    f"group, clip, block of {NEIGHBOURS} neighbouring windows of a clip, window. "
    "Shares on which all rows agree carry Wilson's interval over the number of units; "
    "figures of one single window carry none."
)


def ladder(windows: Windows) -> dict[str, NDArray[np.int64]]:
    """The unit of each window, (n,), at every level from the widest to the narrowest."""
    clip = codes(windows.recording)
    rows = np.arange(len(windows))
    first = np.flatnonzero(windows.before() < 0)  # row at which each clip begins
    within = rows - first[np.searchsorted(first, rows, side="right") - 1]
    opens = within % NEIGHBOURS == 0
    return {
        "group": codes(windows.group),
        "clip": clip,
        "block of windows": np.cumsum(opens) - 1,
        "window": rows,
    }
