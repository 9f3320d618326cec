"""What a folder of long recordings has of each class on each side: hours, events and windows, nothing decoded."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from rushes.runs.copies import Copies, copies_of, holdings
from rushes.runs.shares import lacking
from rushes.runs.source import told_alike
from rushes.stages import Claim
from rushes.tasks.sounds.sources.recordings import RecordingScan
from rushes.tasks.sounds.sources.sides import SIDES, nobody_said_of_recordings
from rushes.tasks.sounds.sources.windows import LEFT_OUT, Cutting


@dataclass(frozen=True, slots=True)
class RecordingsAudit:
    """What there is.

    Attributes:
        cutting: the classes, and how recordings are cut.
        hours: side -> length of its recordings.
        windows: side -> class -> how many.
        left_out: side -> windows without a class.
        events: side -> class -> labelled stretches, of the classes that are events.
        recordings: side -> how many.
        groups: side -> how many that are known.
        notes: in words, whatever keeps figures from meaning what they seem to.
        copies: recordings with the same bytes as one on another side.
        faults: what does not hold.
    """

    cutting: Cutting
    hours: Mapping[str, float]
    windows: Mapping[str, Mapping[str, int]]
    left_out: Mapping[str, int]
    events: Mapping[str, Mapping[str, int]]
    recordings: Mapping[str, int]
    groups: Mapping[str, int]
    notes: tuple[str, ...]
    copies: Copies
    faults: tuple[dict[str, str], ...]

    @property
    def samples(self) -> Mapping[str, int]:
        """See `rushes.runs.source.Audit`."""
        return {side: sum(counts.values()) for side, counts in self.windows.items()}

    @property
    def outcomes(self) -> Mapping[str, Claim]:
        """See `rushes.runs.source.Audit`."""
        return {}

    def to_json(self) -> dict[str, Any]:
        """As the command line prints it."""
        return asdict(self)

    def summary(self) -> str:
        """One line for a plan."""
        line = (
            f"{sum(self.hours.values()):,.1f} hours in {sum(self.recordings.values()):,} recordings of "
            f"{sum(self.groups.values())} groups, {sum(self.samples.values()):,} windows"
        )
        return "; ".join([self.copies.behind(line, "recording"), *self.notes])

    def text(self) -> str:
        """For people: windows and events of each class by sides, and what is wrong."""
        rows: dict[str, list[str]] = {}
        for label in self.cutting.labels:
            rows[label] = [f"{self.windows[side].get(label, 0):,}" for side in SIDES]
        rows["no class"] = [f"{self.left_out[side]:,}" for side in SIDES]
        for label in self.cutting.events:
            rows[f"events of {label}"] = [f"{self.events[side].get(label, 0):,}" for side in SIDES]
        rows["recordings"] = [f"{self.recordings[side]:,}" for side in SIDES]
        rows["hours"] = [f"{self.hours[side]:,.2f}" for side in SIDES]
        rows["groups"] = [f"{self.groups.get(side, 0):,}" for side in SIDES]
        width = max(map(len, rows))
        cutting = self.cutting
        lines = [f"windows of {cutting.clip_s:g} s, one every {cutting.hop_s:g} s:"]
        lines.append(" " * width + "".join(f"{side:>10}" for side in SIDES))
        lines += [f"{name:{width}}" + "".join(f"{value:>10}" for value in row) for name, row in rows.items()]
        lines += [f"note: {note}" for note in self.notes]
        lines += self.copies.lines("recording")
        lines += told_alike("fault", self.faults)
        return "\n".join(lines)


def audit_of_recordings(scan: RecordingScan, cutting: Cutting) -> RecordingsAudit:
    """Count what a scan found; of recordings only those are read whose size one on another side has."""
    windows: dict[str, Counter[str]] = {side: Counter() for side in SIDES}
    events: dict[str, Counter[str]] = {side: Counter() for side in SIDES}
    left_out, recordings = Counter[str](), Counter[str]()
    hours = dict.fromkeys(SIDES, 0.0)
    groups: dict[str, set[str]] = {side: set() for side in SIDES}
    for one in scan.recordings:
        places = cutting.places(one.segments, cutting.starts(one.length_s))
        for place, count in zip(*np.unique(places[places != LEFT_OUT], return_counts=True), strict=True):
            windows[one.split][cutting.labels[place]] += int(count)
        left_out[one.split] += int((places == LEFT_OUT).sum())
        events[one.split].update(segment.label for segment in one.segments if segment.label in cutting.events)
        recordings[one.split] += 1
        hours[one.split] += one.length_s / 3600
        groups[one.split] |= {one.group} - {""}
    unknown = sum(not one.group for one in scan.recordings)
    unsaid = nobody_said_of_recordings(unknown, len(scan.recordings))
    return RecordingsAudit(
        cutting=cutting,
        hours=hours,
        windows={side: dict(counts) for side, counts in windows.items()},
        left_out={side: left_out[side] for side in SIDES},
        events={side: dict(counts) for side, counts in events.items()},
        recordings={side: recordings[side] for side in SIDES},
        groups={side: len(names) for side, names in groups.items()},
        notes=tuple(filter(None, [*lacking(cutting.labels, windows, "window"), unsaid, *scan.notes])),
        copies=copies_of(
            holdings(
                (one.split, str(one.path), lambda path=one.path: [path])  # type: ignore[misc]
                for one in scan.recordings
            )
        ),
        faults=tuple(fault.reason() for fault in scan.faults),
    )
