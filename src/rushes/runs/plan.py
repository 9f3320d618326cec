"""What a run would do, and what its recordings are: read, estimated, nothing done."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from rushes.runs.run import Run, StageName

if TYPE_CHECKING:
    from rushes.prepare.operations.audit import SessionAudit


@dataclass(frozen=True, slots=True)
class PlanRow:
    """One stage of a plan: ``done`` is skipped, ``partial`` resumed, ``absent`` run."""

    name: StageName
    signature: str
    state: str
    folder: str
    reason: str
    notes: tuple[str, ...]

    def to_json(self) -> dict[str, Any]:
        """As the command line prints it."""
        return {
            "name": self.name,
            "signature": self.signature,
            "state": self.state,
            "folder": self.folder,
            "reason": self.reason,
            "notes": list(self.notes),
        }


def plan_run(run: Run) -> list[PlanRow]:
    """Every stage of a run: whether it would run, why, and what it would take."""
    rows = []
    for name in run.stages:
        status = run.status(name)
        notes = () if status.state == "done" else _notes(run, name)
        rows.append(
            PlanRow(name, run.specs[name].signature, status.state, str(status.folder), status.reason, notes)
        )
    return rows


def _notes(run: Run, name: StageName) -> tuple[str, ...]:
    """Estimated sizes and memory of a stage that is still to do."""
    if name == "prepare" and _has_recordings(run):
        audit = audit_run(run)
        clips = sum(audit.clips.values())
        footage = f"{audit.seconds / 60:.0f} minutes of footage"
        return (f"about {clips} clips from {footage}, {audit.bytes / 1e6:.0f} MB of shards",)
    if name == "train":
        from rushes.models.memory import estimate_training

        model, phases = run.recipe.model, run.recipe.train.phases
        largest = max(phase.batch_size for phase in phases)
        lora = None if model.adapter is None else model.adapter.rank
        return (
            estimate_training(
                model.name, run.contract, largest, lora, model.nf4, precision=model.precision
            ).text(),
        )
    return ()


def _has_recordings(run: Run) -> bool:
    return run.recipe.source.root is not None or run.status("twin").state == "done"


@dataclass(frozen=True, slots=True)
class Audit:
    """What the recordings of a recipe are.

    Attributes:
        recordings: sessions that hold, by split.
        seconds: length of their footage, as declared.
        operations: labelled operations by label.
        clips: clips expected, by split.
        bytes: estimate of the shards.
        masked: operation -> (number, seconds) without a target in the label set.
        gaps: number and seconds of unlabelled stretches between operations.
        faults: sessions that do not hold.
        notes: what else is worth knowing.
        absent: subjects of the split of which there is no recording.
        skipped: recordings on no side of the split.
    """

    recordings: dict[str, int]
    seconds: float
    operations: dict[str, int]
    clips: dict[str, int]
    bytes: int
    masked: dict[str, tuple[int, float]]
    gaps: tuple[int, float]
    faults: tuple[dict[str, str], ...]
    notes: tuple[dict[str, str], ...]
    absent: tuple[str, ...]
    skipped: tuple[str, ...]

    def to_json(self) -> dict[str, Any]:
        """As the command line prints it."""
        return {name: getattr(self, name) for name in self.__dataclass_fields__}

    def text(self) -> str:
        """For people."""
        lines = [f"{count:5} sessions for {split}" for split, count in sorted(self.recordings.items())]
        lines += [f"{count:5} clips expected for {split}" for split, count in sorted(self.clips.items())]
        lines += [
            f"{self.seconds / 60:7.1f} minutes of footage, {self.bytes / 1e6:.0f} MB of shards expected"
        ]
        lines += [f"{count:5} x {label}" for label, count in sorted(self.operations.items())]
        lines += [
            f"{n:5} x {label} ({seconds:.0f} s) have no target in this label set"
            for label, (n, seconds) in sorted(self.masked.items())
        ]
        lines += [f"{self.gaps[0]:5} gaps between labels, {self.gaps[1]:.1f} s"]
        lines += [f"no recording of {subject}, which the split names" for subject in self.absent]
        lines += [f"{key} is on no side of the split: skipped" for key in self.skipped]
        for kind, entries in (("fault", self.faults), ("note", self.notes)):
            for entry in entries:
                lines += [
                    f"{kind}: {entry['message']}",
                    f"  where: {entry['where']}",
                    f"  cure:  {entry['cure']}",
                ]
        return "\n".join(lines)


def audit_run(run: Run) -> Audit:
    """Read all annotation and headers, count what they would give, and list what is wrong with them."""
    from rushes.prepare.operations.audit import audit_recordings
    from rushes.sources.openpack import assign_splits

    scan = run.scan
    assigned = assign_splits(scan.recordings, run.recipe.source.split)
    sides = {key: str(side) for key, side in assigned.side_of.items()}
    windowed = run.recipe.prepare.window_splits
    sessions = list(audit_recordings(scan.recordings, sides, run.contract, run.cutting, windowed))
    used = [session for session in sessions if session.split is not None]
    clips: Counter[str] = Counter()
    operations: Counter[str] = Counter()
    for session in used:
        clips[session.split] += sum(session.clips.values())
        operations.update(session.operations)
    return Audit(
        recordings=dict(Counter(session.split for session in used)),
        seconds=sum(session.duration_s or 0.0 for session in used),
        operations=dict(operations),
        clips=dict(clips),
        bytes=sum(session.bytes for session in used),
        masked={label: (tally.n, tally.seconds) for label, tally in scan.masked.items()},
        gaps=(scan.gaps.n, scan.gaps.seconds),
        faults=(*(fault.reason() for fault in scan.faults), *_faults(used)),
        notes=tuple(note.reason() for note in scan.notes),
        absent=assigned.absent,
        skipped=assigned.skipped,
    )


def _faults(sessions: Sequence[SessionAudit]) -> Iterator[dict[str, str]]:
    for session in sessions:
        if session.fault is not None:
            cure = "mend the session, or leave it to the quarantine"
            yield {"message": session.fault, "where": session.key, "cure": cure}
