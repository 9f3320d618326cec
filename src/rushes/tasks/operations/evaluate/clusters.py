"""Which clips move together, so that intervals do not promise too much.

The clips around one boundary show the same seconds, and those of neighbouring boundaries ask about the same
operation; all of a session share its light, all of a person their hands. The widest unit of which there are
enough is resampled as one: with two sessions that happen to agree, a bootstrap over sessions would claim
certainty.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from rushes.evaluate.clusters import ENOUGH, codes
from rushes.tasks.operations.evaluate.answers import Clips

NEIGHBOURS = 2  # boundaries in a block: neighbours share the operation between them
RULE = (
    f"95 % bootstrap intervals resample the widest of these units of which the rows hold at least {ENOUGH}: "
    f"person, session, block of {NEIGHBOURS} neighbouring boundaries of a session, boundary. "
    "Shares on which all rows agree carry Wilson's interval over the number of units."
)


def ladder(clips: Clips) -> dict[str, NDArray[np.int64]]:
    """The unit of each clip, (n,), at every level from the widest to the narrowest."""
    boundaries = np.unique(np.stack([codes(clips.recording), clips.boundary_ms], axis=1), axis=0)
    place = {(int(session), int(ms)): number for number, (session, ms) in enumerate(boundaries)}
    sessions = codes(clips.recording)
    boundary = np.array([place[int(s), int(ms)] for s, ms in zip(sessions, clips.boundary_ms, strict=True)])
    first = np.searchsorted(boundaries[:, 0], boundaries[:, 0])  # first boundary of each boundary's session
    block = first + (np.arange(len(boundaries)) - first) // NEIGHBOURS
    return {
        "person": codes(clips.group),
        "session": sessions,
        "block of boundaries": block[boundary],
        "boundary": boundary,
    }
