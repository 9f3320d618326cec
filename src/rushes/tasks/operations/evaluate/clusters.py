"""Which clips move together, so that intervals do not promise too much.

The clips around one boundary show the same seconds, and those of neighbouring boundaries ask about the same
operation; all of a session share its light, all of a person their hands.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from rushes.evaluate.clusters import ENOUGH, Clusters, codes
from rushes.evaluate.scorecard import counted
from rushes.tasks.operations.evaluate.answers import Clips

NEIGHBOURS = 2  # boundaries in a block: neighbours share the operation between them
LADDER = (
    f"the widest of these that the rows hold at least {ENOUGH} of: person, session, block of {NEIGHBOURS} "
    "neighbouring boundaries of a session, boundary"
)


def ladder(clips: Clips) -> dict[str, NDArray[np.int64]]:
    """What each clip belongs to, (n,), at every level from the widest to the narrowest."""
    boundaries = np.unique(np.stack([codes(clips.recording), clips.boundary_ms], axis=1), axis=0)
    place = {(int(session), int(ms)): number for number, (session, ms) in enumerate(boundaries)}
    sessions = codes(clips.recording)
    boundary = np.array([place[int(s), int(ms)] for s, ms in zip(sessions, clips.boundary_ms, strict=True)])
    first = np.searchsorted(boundaries[:, 0], boundaries[:, 0])  # first boundary of each boundary's session
    block = first + (np.arange(len(boundaries)) - first) // NEIGHBOURS
    return ({"person": codes(clips.group)} if _has_groups(clips) else {}) | {
        "session": sessions,
        "block of boundaries": block[boundary],
        "boundary": boundary,
    }


def _has_groups(clips: Clips) -> bool:
    """Whether anybody said who is in the sessions: one of which nothing is known is a group of its own."""
    return bool((clips.group != clips.recording).any())


def groups_remark(clips: Clips, among: Clusters) -> Iterator[str]:
    """In words, where intervals do not tell how figures differ from person to person."""
    if not _has_groups(clips):
        yield (
            f"persons are not known: intervals take every {among.by} for independent of the others, though "
            "several may be of one person"
        )
    elif among.by != "person":
        yield (
            f"only {counted(len(np.unique(clips.group)), 'person')}: intervals take every {among.by} for independent, "
            "and do not tell how other persons fare"
        )
