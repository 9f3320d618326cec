"""What the clips of a driving recipe would give, before an hour of work: archives, clocks, poses, and their account.

Tables and zip directories are read, and of videos that are files of their own the headers; pictures are not, beside the
first of each video.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import degrees
from pathlib import Path
from statistics import median
from typing import Any

from rushes.errors import MediaError, SourceError
from rushes.media.video import frame_times, probe
from rushes.metrics.conventions import Verdict
from rushes.prepare.outcomes import Outcomes
from rushes.records import Media
from rushes.runs.source import Fault, told_alike
from rushes.stages import Claim
from rushes.tasks.driving.prepare.plan import ClipPlan, plan_clip, require_times
from rushes.tasks.driving.preprocessing import RigPreprocessing
from rushes.tasks.driving.sources.layout import Holdings, RigLayout, Scan, require_whole_groups
from rushes.tasks.driving.sources.recording import RigRecording, motion_evidence, spread
from rushes.tasks.driving.sources.trajectory import refuse_other_conventions

LOOKED_INTO = 200
"""Clips whose clocks and poses are read, 30 ms each; of more, so many that are evenly spread."""


@dataclass(frozen=True, slots=True)
class DrivingAudit:
    """What the clips of a recipe are.

    Attributes:
        holdings: what there is of each camera.
        samples: windows expected, by side of the split.
        foreseen: what would become of each clip.
        looked_into: clips whose clocks and poses were read, and of how many that may give windows.
        refused: windows of these that are left out, by reason.
        proven: what the motion of how many of these says of its rotations.
        sigmas_mps: stated deviation of each axis of a velocity, of those whose motion is an estimate.
        faults: clips that do not hold, sides without a window, and rotations in another convention.
        notes: what else is worth knowing.
    """

    holdings: Holdings
    samples: Mapping[str, int]
    foreseen: Outcomes
    looked_into: tuple[int, int]
    refused: Mapping[str, int]
    proven: Mapping[Verdict, int]
    sigmas_mps: tuple[float, ...]
    faults: tuple[Fault, ...]
    notes: tuple[Fault, ...]

    @property
    def outcomes(self) -> Mapping[str, Claim]:
        """See `rushes.runs.source.Audit`."""
        return self.foreseen.others

    def summary(self) -> str:
        """One line for a plan."""
        return f"{self.holdings.summary()}; {self.foreseen.summary()}"

    def to_json(self) -> dict[str, Any]:
        """As the command line prints it."""
        return {
            **self.holdings.to_json(),
            "samples": dict(self.samples),
            "foreseen": self.foreseen.to_json(),
            "looked_into": list(self.looked_into),
            "refused": dict(self.refused),
            "proven": dict(self.proven),
            "sigmas_mps": list(self.sigmas_mps),
            "faults": [fault.reason() | {"clip": fault.key} for fault in self.faults],
            "notes": [note.reason() | {"clip": note.key} for note in self.notes],
        }

    def text(self) -> str:
        """For people."""
        looked, usable = self.looked_into
        told = [self.holdings.text(), *self.foreseen.text()]
        told += [
            f"clocks and poses of {looked:,} of {usable:,} clips were read; windows left out: {_counts(self.refused)}",
            f"clips whose motion was held against their rotations: {_counts(self.proven)}",
        ]
        if self.sigmas_mps:
            sigma = median(self.sigmas_mps)
            told.append(
                f"the motion of {len(self.sigmas_mps):,} clips is an estimate: speeds to about {sigma:.2f} m/s, "
                f"headings to about {degrees(sigma / 10):.1f} degrees at 10 m/s (one standard deviation, by its own "
                "model)"
            )
        for kind, entries in (("note", self.notes), ("fault", self.faults)):
            told += told_alike(kind, [one.reason() for one in entries])
        return "\n".join(told)


@dataclass(frozen=True, slots=True)
class Foreseen:
    """What prepare would make of a clip.

    Attributes:
        windows: how many.
        refused: windows left out, by reason.
        proven: what its motion says of its rotations; None where it does not hold.
        sigma_mps: stated deviation of its velocities; None where they are taken as they are.
        outcome: why it would give no window; None where it would.
        fault: what does not hold.
    """

    windows: int
    refused: Mapping[str, int]
    proven: Verdict | None
    sigma_mps: float | None
    outcome: Claim | None
    fault: Fault | None = None


def foresee(recording: RigRecording, preprocessing: RigPreprocessing, stride: int) -> Foreseen:
    """Read the clocks and poses of a clip, and the headers of its videos."""
    try:
        plan = plan_clip(recording, preprocessing, stride)
        if plan.windows:  # else prepare opens none
            _require_videos(plan)
    except (SourceError, MediaError) as error:
        return Foreseen(0, {}, None, None, Claim("faulty", error.message), Fault.of(error, recording.key))
    outcome = Claim("empty", plan.why_empty) if plan.why_empty else None
    return Foreseen(len(plan.windows), plan.refused, plan.evidence.verdict, plan.sigma_mps, outcome)


def _require_videos(plan: ClipPlan) -> None:
    """Open videos that are files, and see to it that they have a time for each frame.

    A header declares how many there are, mostly right: packets are counted only where the clock contradicts it.

    Raises:
        MediaError: one cannot be opened, or has another number of frames.
    """
    for camera, video in plan.videos.items():
        if isinstance(video, Media):
            times = len(plan.times_of[camera])
            if probe(video).frame_count != times:
                require_times(camera, len(frame_times(video)), times, video)


def audit_clips(
    source: RigLayout[Any],
    scan: Scan[Any],
    holdings: Holdings,
    preprocessing: RigPreprocessing,
    *,
    stride: int,
    needed: Collection[str],
) -> DrivingAudit:
    """Foresee what prepare would make of the clips.

    Args:
        source: of the clips.
        scan, holdings: of the copy.
        preprocessing, stride: how windows are cut.
        needed: sides that must not come out empty.
    """
    told, side_of = source.fates(scan), source.sides(scan)
    usable = [one for one in scan.recordings if one.key in side_of]
    found = {one.key: foresee(one, preprocessing, stride) for one in spread(usable, LOOKED_INTO)}
    samples = _windows(Counter(side_of.values()), [(side_of[key], one.windows) for key, one in found.items()])
    refused: Counter[str] = Counter()
    for one in found.values():
        refused.update(one.refused)
    told |= {key: one.outcome for key, one in found.items() if one.outcome is not None}
    faults = [*_of_dataset(usable, side_of, scan.root), *_without_a_window(needed, samples, scan.root)]
    faults += [fault for fault in scan.faults if told[fault.key].fate == "faulty"]
    faults += [one.fault for one in found.values() if one.fault is not None]
    return DrivingAudit(
        holdings=holdings,
        samples=samples,
        foreseen=Outcomes(len(told), {key: claim for key, claim in told.items() if claim.fate != "used"}),
        looked_into=(len(found), len(usable)),
        refused=refused,
        proven=Counter(one.proven for one in found.values() if one.proven is not None),
        sigmas_mps=tuple(one.sigma_mps for one in found.values() if one.sigma_mps is not None),
        faults=tuple(faults),
        notes=scan.notes,
    )


def _windows(clips: Mapping[str, int], found: Iterable[tuple[str, int]]) -> dict[str, int]:
    """Side -> windows of its ``clips``, of which those of some are ``found``, with their sides."""
    looked, windows = Counter[str](), Counter[str]()
    for side, count in found:
        looked[side] += 1
        windows[side] += count
    return {side: round(windows[side] * clips[side] / max(looked[side], 1)) for side in sorted(clips)}


def _of_dataset(
    recordings: Sequence[RigRecording], side_of: Mapping[str, str], root: Path
) -> Iterator[Fault]:
    """Groups on two sides, and rotations that are in another convention, as prepare will find them."""
    try:
        require_whole_groups(recordings, side_of)
        refuse_other_conventions(motion_evidence(recordings), root)
    except SourceError as error:
        yield Fault.of(error, "")


def _without_a_window(needed: Iterable[str], samples: Mapping[str, int], root: Path) -> Iterator[Fault]:
    for side in sorted(set(needed)):
        if not samples.get(side):
            message = f"side {side} of the split would have no window"
            cure = "mend its clips, take more of them, or list others under source.split"
            yield Fault("", SourceError.__name__, message, str(root), cure)


def _counts(counts: Mapping[Any, int]) -> str:
    """The sum, and what it is made of."""
    parts = ", ".join(f"{name} {count:,}" for name, count in sorted(counts.items()) if count)
    return f"{sum(counts.values()):,}" + (f" ({parts})" if parts else "")
