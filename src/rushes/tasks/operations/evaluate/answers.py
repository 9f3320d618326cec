"""The clips of a split and every system's answers about them, paired by key.

A baseline may leave a part of the question open; it then has no figure for that part, and no zero either.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from rushes.errors import MetricError
from rushes.evaluate.clusters import ENOUGH, Clusters, codes
from rushes.evaluate.parts import MODEL, require_same_keys
from rushes.evaluate.scorecard import counted
from rushes.metrics.checks import Label
from rushes.metrics.temporal import Interval

MEASURED_KINDS = ("before", "across", "after", "whole")
COLUMNS = (
    *("key", "variant", "kind", "recording", "subject", "group"),
    *(
        "clip_start_s",
        "clip_end_s",
        "asked_s",
        "truth_operation",
        "truth_start_s",
        "truth_end_s",
        "truth_next",
    ),
    *("operation", "start_s", "end_s", "next", "confidence", "failure"),
)
NEIGHBOURS = 2  # boundaries in a block: neighbours share the operation between them
LADDER = (
    f"the widest of these that the rows hold at least {ENOUGH} of: person, session, block of {NEIGHBOURS} "
    "neighbouring boundaries of a session, boundary"
)

_MICROSECONDS = 6
_KEY_TIME = re.compile(r"_t(\d+)_")


@dataclass(frozen=True, slots=True, eq=False)
class Clips:
    """The truth about n clips, in alphabetical order of their keys.

    Attributes:
        key, recording, subject, group: (n,) str.
        boundary_ms: (n,) int, where on the recording's clock the boundary lies around which a clip was cut.
        clip_start_s: (n,) on the recording's clock.
        clip_s: (n,) length.
        asked_s: (n,) on the clip's clock.
        operation: (n,) str.
        next: (n,) str, None where nobody says what followed.
        segment: (n, 2) seconds on the clip's clock, cut to the clip.
    """

    key: NDArray[np.str_]
    recording: NDArray[np.str_]
    subject: NDArray[np.str_]
    group: NDArray[np.str_]
    boundary_ms: NDArray[np.int64]
    clip_start_s: NDArray[np.float64]
    clip_s: NDArray[np.float64]
    asked_s: NDArray[np.float64]
    operation: NDArray[np.str_]
    next: NDArray[Any]
    segment: NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.key)


@dataclass(frozen=True, slots=True, eq=False)
class Answers:
    """One system's answers about n clips; a part that it never answers is None as a whole.

    Attributes:
        operation: (n,) labels, None where the answer could not be read.
        segment: (n,) seconds, None likewise.
        next: (n,) labels, None likewise.
        confidence: (n,) probabilities in [0, 1], None likewise.
        failed: (n,) whether the answer could not be read.
    """

    operation: Sequence[Label | None] | None = None
    segment: Sequence[Interval | None] | None = None
    next: Sequence[Label | None] | None = None
    confidence: Sequence[float | None] | None = None
    failed: NDArray[np.bool_] | None = None


def read_answers(predictions: pa.Table) -> tuple[Clips, dict[str, Answers]]:
    """All clips but windows with their truth, and the answers of each variant in the same order.

    Raises:
        MetricError: no clip with an answer, no variant ``model``, or a variant that lacks or doubles a clip.
    """
    rows = predictions.select(COLUMNS)
    rows = rows.filter(pc.is_in(rows["kind"], pa.array(MEASURED_KINDS)))
    rows = rows.filter(pc.is_valid(rows["truth_operation"])).sort_by("key")
    variants: dict[str, list[dict[str, Any]]] = {}
    for row in rows.to_pylist():
        variants.setdefault(row["variant"], []).append(row)
    if MODEL not in variants:
        raise MetricError(
            f"nothing to evaluate: the predictions hold {len(predictions)} rows, "
            "and none is an answer of the model about a clip with a known answer",
            cure="check that the evaluated split holds more than windows, then run `rushes predict`",
        )
    require_same_keys({name: [row["key"] for row in rows] for name, rows in variants.items()}, "clip")
    return _clips(variants[MODEL]), {name: _answers(answers) for name, answers in variants.items()}


def _clips(rows: Sequence[Mapping[str, Any]]) -> Clips:
    def column(name: str) -> NDArray[Any]:
        return np.array([row[name] for row in rows])

    times = [_KEY_TIME.search(row["key"]) for row in rows]
    boundaries = [
        int(time[1]) if time else round(1000 * (row["clip_start_s"] + row["truth_start_s"]))
        for time, row in zip(times, rows, strict=True)
    ]
    segment = np.stack([column("truth_start_s"), column("truth_end_s")], axis=1)
    return Clips(
        key=column("key"),
        recording=column("recording"),
        subject=column("subject"),
        group=column("group"),
        boundary_ms=np.array(boundaries, dtype=np.int64),
        clip_start_s=column("clip_start_s"),
        clip_s=np.round(column("clip_end_s") - column("clip_start_s"), _MICROSECONDS),
        asked_s=column("asked_s"),
        operation=column("truth_operation"),
        next=column("truth_next"),
        # (a + 5.0) - a is not always 5.0: without rounding a clip's edge would pass for a boundary.
        segment=np.round(segment, _MICROSECONDS),
    )


def _answers(rows: Sequence[Mapping[str, Any]]) -> Answers:
    failed = np.array([row["failure"] is not None for row in rows])
    read = [None if row["failure"] is not None else row for row in rows]
    return Answers(
        operation=[row["operation"] if row else None for row in read],
        segment=[_span(row) if row else None for row in read],
        next=[row["next"] if row else None for row in read],
        confidence=[row["confidence"] if row else None for row in read],
        failed=failed,
    )


def _span(row: Mapping[str, Any]) -> Interval | None:
    span = (row["start_s"], row["end_s"])
    return None if None in span else span


# --- which clips move together -------------------------------------------------------------------------------


def ladder(clips: Clips) -> dict[str, NDArray[np.int64]]:
    """What each clip belongs to, (n,), at every level from the widest to the narrowest.

    The clips around one boundary show the same seconds, and those of neighbouring boundaries ask about the
    same operation; all of a session share its light, all of a person their hands.
    """
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
