"""The seal of the test side: what was selected is frozen, then opened, once, and every opening is on record.

``openings.jsonl`` has a line for each frozen selection: its hash, the runs, and when it was opened. The line
is on disk before anything of the test side is read, so a kill never hides a look. Another selection, were it
of one run only, is another line: the number of lines is the number of times that the test side was looked at.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from statistics import fmean
from typing import Any

from rushes.campaign.judging.gate import best, values_of
from rushes.campaign.records import Opened, Result, Selection
from rushes.errors import StageError
from rushes.stages import canonical_json
from rushes.stages.files import fsync

OPENINGS_FILE = "openings.jsonl"
MAX_BYTES = 64_000_000


def select(
    references: Mapping[str, Sequence[str]],
    results: Sequence[Result],
    *,
    metric: str,
    seeds: Sequence[int],
    lower_is_better: bool = False,
) -> tuple[Selection, ...]:
    """The best run of each group on the validation side; a group without one that counts is left out.

    Args:
        references: group (or run, or gate) -> names of the runs that it stands for.
        results: only their validation side is looked at.
        metric: by the mean of which over seeds the best is chosen.
        seeds: every run that takes part is done with each.
    """
    chosen = []
    for group, names in references.items():
        values = values_of(results, names, seeds, metric)
        name = best(values, lower_is_better=lower_is_better)
        if name is not None:
            candidates = {run: fmean(of_seeds) for run, of_seeds in values.items()}
            chosen.append(Selection(group, name, metric, candidates, tuple(seeds)))
    return tuple(chosen)


def hash_of(campaign: str, selections: Sequence[Selection]) -> str:
    """SHA-256 of what is frozen, the same whatever the order of its groups."""
    ordered = sorted((asdict(one) for one in selections), key=canonical_json)
    return hashlib.sha256(canonical_json([campaign, ordered]).encode()).hexdigest()


def open_seal(folder: Path, campaign: str, selections: Sequence[Selection]) -> Opened:
    """Freeze a selection and put its opening on record, unless it is there already.

    Returns:
        The opening, old or new; it stands on disk.

    Raises:
        StageError: nothing was selected, or the record was changed by hand.
    """
    path = Path(folder) / OPENINGS_FILE
    if not selections:
        raise StageError(
            "nothing is selected, so the test side stays sealed",
            where=path,
            cure="name groups under select; each needs a run that is done with every seed",
        )
    asked = hash_of(campaign, selections)
    path.parent.mkdir(parents=True, exist_ok=True)
    # Appended under a lock on the file itself: two that open at once make one line each, in turn.
    with path.open("a+b") as file:
        fcntl.flock(file.fileno(), fcntl.LOCK_EX)
        known, whole = _parse(_content(file, path), path)
        for opened in known:
            if opened.hash == asked:
                return opened
        file.truncate(whole)  # a torn line is an opening that never came to a look
        when = datetime.now(UTC).isoformat(timespec="seconds")
        opened = Opened(len(known) + 1, campaign, tuple(selections), asked, when)
        file.write(canonical_json(asdict(opened)).encode() + b"\n")
        file.flush()
        os.fsync(file.fileno())
        fsync(path.parent)
        return opened


def read_openings(folder: Path) -> tuple[Opened, ...]:
    """Every opening so far, in order; a torn last line, of an opening that was cut off, does not count.

    Raises:
        StageError: the record was changed by hand.
    """
    path = Path(folder) / OPENINGS_FILE
    try:
        with path.open("rb") as file:
            return _parse(_content(file, path), path)[0]
    except FileNotFoundError:
        return ()


def _content(file: Any, path: Path) -> bytes:
    file.seek(0)
    data: bytes = file.read(MAX_BYTES + 1)
    if len(data) > MAX_BYTES:
        raise StageError(f"more than {MAX_BYTES:,} bytes of openings", where=path, cure="move the file away")
    return data


def _parse(data: bytes, path: Path) -> tuple[tuple[Opened, ...], int]:
    """The whole lines of a record, and how many bytes they take."""
    whole = data.rfind(b"\n") + 1
    found: list[Opened] = []
    for number, line in enumerate(data[:whole].splitlines(), start=1):
        try:
            opened = _opened(json.loads(line))
        except (ValueError, TypeError, KeyError, AttributeError):
            opened = None
        if (
            opened is None
            or opened.number != number
            or opened.hash != hash_of(opened.campaign, opened.selections)
        ):
            raise StageError(
                "the record of openings was changed",
                where=f"{path}:{number}",
                cure="restore it: without it nobody knows how often the test side was looked at",
            )
        found.append(opened)
    return tuple(found), whole


def _opened(saved: Mapping[str, Any]) -> Opened:
    selections = tuple(Selection(**{**one, "seeds": tuple(one["seeds"])}) for one in saved["selections"])
    return Opened(**{**saved, "selections": selections})
