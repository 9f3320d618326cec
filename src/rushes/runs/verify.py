"""Hash a run again, stage by stage, and rebuild what is broken.

    rushes verify RECIPE --repair

A broken unit loses its receipt and its shards, a broken file goes, and the stage's own work makes them again,
from the stages before it; whatever is whole stays as it is. Stages are deterministic, so the same content
comes out; should it not, the stages that were made from the old content are named as stale.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from rushes.errors import ModelError, StageError
from rushes.recipe.sections import TINY
from rushes.runs.checksums import SUMS
from rushes.runs.do import perform, require_inputs
from rushes.runs.looks import record_look
from rushes.runs.proof import content, wrong_digests, wrong_files
from rushes.runs.raw_files import CURE, Damage
from rushes.runs.run import Run
from rushes.runs.stage import Makes, StageName, Tell
from rushes.stages import (
    read_done,
    read_json,
    read_quarantine,
    read_receipt,
    signature_of_folder,
)
from rushes.storage import Home


@dataclass(frozen=True, slots=True)
class Fault:
    """Something in a stage's folder that does not hold.

    Attributes:
        stage: whose.
        path: the file or folder.
        reason: what was expected and what was found.
        unit: the unit to make again; None where no single one is at fault.
    """

    stage: StageName
    path: Path
    reason: str
    unit: str | None = None

    def to_json(self) -> dict[str, Any]:
        """As the command line prints it."""
        return asdict(self) | {"path": str(self.path)}


@dataclass(frozen=True, slots=True)
class Checked:
    """What came of a verification.

    Attributes:
        stages: that are finished and were looked at.
        unfinished: stages of the run that are not.
        faults: everything that did not hold.
        rebuilt: stages that were repaired.
        remaining: what does not hold now.
        stale: finished stages that were made from other content than now stands before them.
        recordings: files that are not what ``SHA256SUMS`` beside the recordings says; nothing here repairs them.
    """

    stages: tuple[StageName, ...]
    unfinished: tuple[StageName, ...]
    faults: tuple[Fault, ...]
    rebuilt: tuple[StageName, ...]
    remaining: tuple[Fault, ...]
    stale: tuple[StageName, ...]
    recordings: tuple[Damage, ...] = ()

    @property
    def whole(self) -> bool:
        """Whether everything that is finished holds now."""
        return not self.remaining and not self.stale and not self.recordings

    def to_json(self) -> dict[str, Any]:
        """As the command line prints it."""
        faults, remaining = ([fault.to_json() for fault in found] for found in (self.faults, self.remaining))
        recordings = [one.to_json() for one in self.recordings]
        found = {"faults": faults, "remaining": remaining, "recordings": recordings, "whole": self.whole}
        return asdict(self) | found

    def text(self) -> str:
        """For people."""
        lines = [f"{fault.stage}: {fault.path}: {fault.reason}" for fault in self.faults]
        lines += [f"recordings: {one.path}: {one.reason}; {CURE}" for one in self.recordings]
        lines += [f"{name}: not finished, not looked at" for name in self.unfinished]
        lines += [f"{name}: rebuilt" for name in self.rebuilt]
        lines += [
            f"{fault.stage}: {fault.path}: still {fault.reason}" for fault in self.remaining if self.rebuilt
        ]
        lines += [
            f"{name}: made from other content than now stands before it; move its folder away and run again"
            for name in self.stale
        ]
        if self.remaining and not self.rebuilt:
            noun = "fault" if len(self.faults) == 1 else "faults"
            lines += [f"{len(self.faults)} {noun}; --repair rebuilds what is broken"]
        elif not self.stages:
            lines += ["no stage of this recipe is finished in this workspace: nothing was verified"]
        elif self.whole:
            lines += [f"{', '.join(self.stages)}: all files are as they were written"]
        return "\n".join(lines)


def verify_run(
    run: Run[Any],
    *,
    repair: bool,
    known: Mapping[StageName, Sequence[Fault]] | None = None,
    tell: Tell = lambda name, done, total, note: None,
) -> Checked:
    """Check every finished stage of a run, first to last, and repair it if that is asked.

    A damaged training log cannot be written again without the training, so its phase is trained again.

    Args:
        repair: rebuild what is broken.
        known: faults of stages that were hashed a moment ago; they are not hashed again.

    Raises:
        StageError: a stage is broken, and one that it is made from is not there to rebuild it.
        OSError: the machine refuses to read a file; nothing is rebuilt for that.
    """
    stages: list[StageName] = []
    faults: list[Fault] = []
    rebuilt: list[StageName] = []
    remaining: list[Fault] = []
    for name in run.stages:
        if run.status(name).state != "done" and not (run.folder(name) / "DONE").exists():
            continue
        stages.append(name)
        tell(name, 0, 1, "hashing")
        run.workspace.bring(run.specs[name], everything=True)
        found = [*known[name]] if known is not None and name in known else faults_of(run, name)
        faults += found
        # Nothing outside of the stage's own folder is repaired.
        if repair and (own := [fault for fault in found if fault.path.is_relative_to(run.folder(name))]):
            _repair(run, name, own, tell)
            rebuilt.append(name)
            found = faults_of(run, name)
        remaining += found
        tell(name, 1, 1, "hashed")
    return Checked(
        stages=tuple(stages),
        unfinished=tuple(name for name in run.stages if name not in stages),
        faults=tuple(faults),
        rebuilt=tuple(rebuilt),
        remaining=tuple(remaining),
        stale=tuple(name for name in stages if _is_stale(run, name)),
        recordings=_recordings(run, tell),
    )


def _recordings(run: Run[Any], tell: Tell) -> tuple[Damage, ...]:
    """What is wrong with recordings of somebody's own; drawn ones have their receipts."""
    if run.recipe.source.root is None or not (run.raw() / SUMS).is_file():
        return ()
    return tuple(
        run.files.damaged(lambda done, total, name: tell(run.dataset, done, max(total, 1), f"hashing {name}"))
    )


def _is_stale(run: Run[Any], name: StageName) -> bool:
    done = read_done(run.folder(name)) or {}
    read = done.get("summary", {}).get("inputs", {})
    return any(content(run, needed) not in (None, read[needed]) for needed in read)


# --- faults -----------------------------------------------------------------------------------------------


def faults_of(run: Run[Any], name: StageName) -> list[Fault]:
    """Everything that does not hold in a finished stage, one fault a file."""
    folder = run.folder(name)
    found: dict[Path, Fault] = {}
    proof = _PROOFS.get(run.stages[name].makes)
    base = _base_faults(run) if run.stages[name].makes == "weights" else ()
    for path, reason, unit in (*_own_faults(folder), *(proof(folder) if proof else ()), *base):
        found.setdefault(path, Fault(name, path, reason, unit))
    return list(found.values())


Found = tuple[Path, str, str | None]


def _own_faults(folder: Path) -> Iterator[Found]:
    """What every stage has: recipe.json, DONE and the files that DONE records, the list of the quarantine."""
    try:
        signature_of_folder(folder)
    except StageError as error:
        yield folder / "recipe.json", error.message, None
    done = read_done(folder)
    if done is None or "files" not in done["summary"]:
        yield folder / "DONE", "is torn, or was changed", None
        return
    for path, reason in wrong_files(folder, done["summary"]["files"]):
        yield path, reason, path.stem if path.parent.name == "units" else None
    listing = folder / "quarantine.jsonl"
    if (entries := read_quarantine(folder)) or listing.exists():
        try:
            listed = [json.loads(line) for line in listing.read_bytes().splitlines()]
        except (FileNotFoundError, ValueError):
            listed = None
        if listed != entries:
            yield listing, "is not the list of the reasons in quarantine/", None


def _twin_faults(folder: Path) -> Iterator[Found]:
    for receipt in sorted(folder.glob("units/*.json")):
        unit = receipt.stem
        files = (read_receipt(folder, unit) or {}).get("files")
        if not isinstance(files, Mapping):
            yield receipt, "is no receipt with hashes", unit
            continue
        for path, reason in wrong_digests(folder / "raw", files):
            yield path, reason, unit


def _prepare_faults(folder: Path) -> Iterator[Found]:
    from rushes.shards.verify import verify_dataset

    return ((fault.path, fault.reason, fault.unit) for fault in verify_dataset(folder))


def _train_faults(folder: Path) -> Iterator[Found]:
    """Checkpoints against their state.json, which DONE proves."""
    for state in sorted(folder.rglob("checkpoints/*/state.json")):
        try:
            files = read_json(state)["files"]
        except (StageError, KeyError, TypeError):
            continue  # DONE has its hash, so it is reported
        for path, reason in wrong_digests(state.parent, files):
            yield path, reason, None


def _base_faults(run: Run[Any]) -> Iterator[Found]:
    """The weights that training started from, read again, are those that the signature names."""
    if run.base is None or run.base.name == TINY:
        return
    place = run.base.folder
    if place is None:
        yield Path(run.base.name), f"is not on this machine; the run started from {run.base_identity}", None
        return
    try:
        found = run.base.prove().identity
    except ModelError as error:
        yield Path(error.where or place), error.message, None
        return
    if found != run.base_identity:
        yield place, f"is {found}; the run started from {run.base_identity}", None


_PROOFS: Mapping[Makes, Callable[[Path], Iterator[Found]]] = {
    "recordings": _twin_faults,
    "dataset": _prepare_faults,
    "features": _prepare_faults,
    "weights": _train_faults,
}
"""What proves files of which DONE has no hashes; of a stage that is made in one go it has all."""


# --- repair -----------------------------------------------------------------------------------------------


def _repair(run: Run[Any], name: StageName, faults: list[Fault], tell: Tell) -> None:
    require_inputs(run, name)
    folder = run.folder(name)
    if any(fault.path == folder / "recipe.json" for fault in faults):
        (folder / "recipe.json").unlink(missing_ok=True)  # the folder's name still says what stands there
    look = record_look(run, name)
    with run.workspace.working(run.specs[name], reopen=True) as stage:
        for fault in faults:
            _remove(run.home(name), fault)
        perform(run, name, stage, tell, look)


def _remove(home: Home, fault: Fault) -> None:
    """Take away what is broken, and what cannot be made again without it."""
    folder = home.folder
    if fault.unit is not None:
        shards = [path for path in folder.glob("shards/*/*") if path.stem.rpartition("-")[0] == fault.unit]
        home.discard([folder / "units" / f"{fault.unit}.json", *shards])
        return
    place = fault.path.relative_to(folder).parts
    if "checkpoints" in place:
        shutil.rmtree(folder.joinpath(*place[: place.index("checkpoints") + 2]), ignore_errors=True)
    elif fault.path.name == "events.jsonl":
        training = fault.path.parent
        shutil.rmtree(training / "checkpoints", ignore_errors=True)
        home.discard([training / "result.json", fault.path])
    elif fault.path.name not in ("DONE", "recipe.json"):
        home.discard([fault.path])
