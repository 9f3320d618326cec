"""From recordings to a finished dataset: plan units, run those that have no valid receipt, close the account.

A dataset folder fills in this order, so that a kill at any moment loses at most the units in flight::

    shards/<split>/<recording>-00000.tar, .parquet      whole or not there
    units/<recording>.json                              receipt: now the unit exists
    recordings.json                                     what is in the dataset, with its truth
    account.json                                        what became of every recording and of every file
    manifest.json                                       last: the dataset is finished

The same input gives the same bytes, whatever the number of workers, the order and the kills.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass, field
from fnmatch import fnmatch
from functools import partial
from pathlib import Path
from typing import Any, Protocol

from rushes.engine import LOCAL, Engine, Event, Failure, Unit, map_units
from rushes.errors import RushesError, ShardError, SourceError, UnitError
from rushes.prepare.outcomes import ACCOUNT, Outcomes, write_account
from rushes.recipe.preprocessing import Preprocessing
from rushes.recipe.sections import Prepare as Settings
from rushes.shards.index import ShardInfo
from rushes.shards.manifest import Manifest, split_folder
from rushes.stages import Account, Inventory, account, read_receipt, signature_of_folder, write_json
from rushes.storage import Home

RECORDINGS = "recordings.json"


@dataclass(frozen=True, slots=True)
class Prepared:
    """A finished dataset in figures.

    Attributes:
        manifest: what there is.
        account: planned = done + quarantined + skipped.
        outcomes: what became of each recording: planned = used + empty + faulty + skipped.
        files: what became of each file among which they lie.
        clips: number of samples by split, then by kind.
        totals: ``seconds`` of footage, ``bytes`` of shards, and every count of the receipts, e.g. ``frames``
            decoded and ``encoded`` JPEGs.
        reused: units that had a valid receipt before.
    """

    manifest: Manifest
    account: Account
    outcomes: Outcomes
    files: Inventory
    clips: Mapping[str, Mapping[str, int]]
    totals: Mapping[str, float]
    reused: int

    def summary(self) -> dict[str, Any]:
        """What belongs into DONE."""
        return {
            "checksum": self.manifest.checksum,
            "samples": self.manifest.samples,
            "clips": self.clips,
            "account": [self.outcomes.summary(), self.files.summary()],
            "reused": self.reused,
            **self.totals,
        }


class Job(Protocol):
    """One recording or block to prepare; small, and fit to travel to another process."""

    @property
    def split(self) -> str:
        """The side on which it stands."""
        ...

    @property
    def length_s(self) -> float:
        """Approximate length: the longest come first."""
        ...

    def truth(self) -> dict[str, Any]:
        """What is known of it, for ``recordings.json``."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Planned:
    """What a dataset is made from, and what is only counted.

    Attributes:
        jobs: unit key -> job.
        splits: all sides, also those without a recording.
        needed: sides that must not come out empty, since training or measuring on them would fail later.
        skipped: units that are left out on purpose -> why; counted.
        faults: unit -> reason, for what could not become a recording (``Fault.reason()``).
        members: unit -> keys of the recordings in it, where it is a block of them and they are known.
        inventory: of the files among which the recordings lie, see `rushes.runs.run.Run.inventory`.
    """

    jobs: Mapping[str, Job]
    splits: Iterable[str]
    needed: Iterable[str] = ()
    skipped: Mapping[str, str] = field(default_factory=dict)
    faults: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    members: Mapping[str, Sequence[str]] = field(default_factory=dict)
    inventory: Inventory = field(default_factory=Inventory)


def prepare(
    planned: Planned,
    unit: Callable[[Any], dict[str, Any]],
    home: Home,
    preprocessing: Preprocessing,
    settings: Settings,
    *,
    engine: Engine = LOCAL,
    on_event: Callable[[Event], None] | None = None,
    on_progress: Callable[[int, int, str], None] = lambda done, total, key: None,
) -> Prepared:
    """Fill the dataset's folder; call it inside of ``working``, which holds the lock.

    Called again after a kill or an error it resumes. Units in quarantine are tried again then: what made
    them fail (memory, a time-out) may be over.

    Args:
        planned: the units, and what is only counted.
        unit: prepares one recording, or one block of them; returns its receipt: ``split``, ``shards``,
            ``samples``, ``clips`` (by kind), ``duration_s``, and further counts; ``empty``, why there is no
            sample, where there is none; of a block also ``bad``, see `rushes.stages.write_receipt`.
        home: of the stage; where it is remote, workers on other machines need no shared disk.
        preprocessing: how a sample becomes a question.
        settings: workers and their bounds, and the greatest share of bad recordings and of bad units.
        engine: where the workers run.
        on_event: called with every event of the engine.
        on_progress: told how many of how many units are done, those of an earlier run among them, and the
            key of the last one; once also before the first.

    Raises:
        QuarantineError: too many recordings are bad; nothing is finished.
        SourceError: a side that is needed has no sample; nothing is finished.
        UnitError: units failed for another reason than their input: a full disk, a fault in the code.
    """
    jobs, folder, standing = planned.jobs, home.folder, home.standing()
    for key, reason in planned.faults.items():
        home.quarantine(key, reason)
    todo = [key for key, job in sorted(jobs.items()) if not is_whole(home, standing, key, job.split)]
    units = [Unit(key, jobs[key]) for key in sorted(todo, key=lambda key: (-jobs[key].length_s, key))]
    failures: list[tuple[str, Failure]] = []
    results = map_units(
        partial(_make, unit, home),
        units,
        workers=settings.workers,
        engine=engine,
        timeout_s=settings.timeout_s,
        memory_bytes=settings.memory_bytes,
        on_event=on_event,
    )
    reused = len(jobs) - len(todo)
    on_progress(reused, len(jobs), "decoding")
    with closing(results):
        for done, result in enumerate(results, reused + 1):
            if result.error is None:
                home.write_receipt(result.key, result.value)
            elif is_bad_input(result.error):
                home.discard(_shards_of(home, jobs[result.key].split, result.key))
                home.quarantine(result.key, reason_of(result.error, result.attempts))
            elif result.error.kind == "machine":  # which would refuse the others as well
                raise _stopped(folder, jobs, result.error.to_error(result.key))
            else:
                failures.append((result.key, result.error))
            on_progress(done, len(jobs), result.key)
    if failures:
        raise _not_of_the_input(failures)
    counted = [*jobs, *planned.skipped, *planned.faults]
    sizes = {unit: len(keys) for unit, keys in planned.members.items()}
    closed = account(folder, counted, planned.skipped, sizes).close(settings.max_quarantine, jobs)
    receipts = {key: _receipt(folder, key) for key in sorted(closed.done)}
    write_json(folder / RECORDINGS, [_truth(jobs[key], key, receipt) for key, receipt in receipts.items()])
    outcomes = Outcomes.of(closed, planned.skipped, receipts)
    files = planned.inventory.settle(outcomes.of_recordings(planned.members))
    write_account(folder, outcomes, files)
    manifest = _manifest(folder, preprocessing, sorted(set(planned.splits)), receipts)
    if empty := sorted(side for side in set(planned.needed) if not manifest.samples.get(side)):
        raise SourceError(
            f"no sample came out for side {' and '.join(empty)}; of {outcomes.summary()}",
            where=folder / ACCOUNT,
            cure="mend these recordings, or give the side others",
        )
    manifest.save(folder)
    return Prepared(
        manifest=manifest,
        account=closed,
        outcomes=outcomes,
        files=files,
        clips=_clips_by_split(receipts),
        totals=_totals(receipts),
        reused=reused,
    )


def _make(unit: Callable[[Job], dict[str, Any]], home: Home, job: Job) -> dict[str, Any]:
    """Prepare a recording, and publish its shards before its receipt is written."""
    receipt = unit(job)
    place = split_folder(home.folder, receipt["split"])
    shards = [ShardInfo.from_json(entry, "") for entry in receipt["shards"]]
    home.publish(place / name for shard in shards for name in (shard.name, shard.index_name))
    return receipt


def remove_shards(folder: Path, split: str, unit: str) -> None:
    """Delete the shards of a unit, whether its run finished or was killed."""
    for pattern in _shard_names(unit):
        for path in split_folder(folder, split).glob(pattern):
            path.unlink(missing_ok=True)


def _shards_of(home: Home, split: str, unit: str) -> list[Path]:
    """Shards of a unit, here or remote: a worker may have published them before it failed."""
    patterns = [f"shards/{split}/{name}" for name in _shard_names(unit)]
    return [home.folder / name for name in home.standing() if any(fnmatch(name, one) for one in patterns)]


def _shard_names(unit: str) -> list[str]:
    """Patterns of the names of a unit's shards and their indexes.

    Five digits and no more: those of a unit whose name begins with this one's are not its own.
    """
    return [f"{unit}-{'[0-9]' * 5}.{suffix}" for suffix in ("tar", "parquet")]


def is_whole(home: Home, standing: Mapping[str, int], unit: str, split: str) -> bool:
    """Whether a unit has a valid receipt and its shards are what the receipt says, byte for byte.

    Args:
        home: of the stage.
        standing: sizes of its files, ``home.standing()``.
        unit: its key.
        split: the side on which it should stand.
    """
    receipt = read_receipt(home.folder, unit)
    if receipt is None or receipt.get("split") != split:
        return False
    place = split_folder(home.folder, split)
    try:
        shards = [ShardInfo.from_json(entry, unit) for entry in receipt["shards"]]
    except (ShardError, KeyError, TypeError):
        return False
    return all(
        standing.get(f"shards/{split}/{shard.name}") == shard.bytes
        and f"shards/{split}/{shard.index_name}" in standing
        and home.fits(place / shard.index_name, shard.index_sha256)
        and home.fits(place / shard.name, shard.sha256)
        for shard in shards
    )


def is_bad_input(failure: Failure) -> bool:
    """Whether a unit failed because of its input; no other failure may silently empty a dataset."""
    if failure.kind == "input":
        return failure.type in ("MediaError", "SourceError")
    return failure.kind in ("crash", "timeout", "memory")


def reason_of(failure: Failure, attempts: int) -> dict[str, Any]:
    """Why a unit is in quarantine."""
    reason = asdict(failure) | {"attempts": attempts}
    del reason["trace"]
    return reason


def _not_of_the_input(failures: Sequence[tuple[str, Failure]]) -> UnitError:
    key, first = failures[0]
    others = f" (and {len(failures) - 1} more units)" if len(failures) > 1 else ""
    return UnitError(
        f"a unit failed, and not because of its input{others}: {first.type}: {first.message}",
        where=key,
        cure=first.cure
        or f"run the stage again once this is repaired: it resumes\n{first.trace or ''}".rstrip(),
    )


def _stopped(folder: Path, jobs: Mapping[str, Job], error: RushesError) -> UnitError:
    """``error`` with what is kept, and the room that the rest needs, judged by what is done."""
    done = {key: receipt for key in jobs if (receipt := read_receipt(folder, key)) is not None}
    size = _totals(done).get("bytes", 0)
    told = f"{error.message}; {len(done)} of {len(jobs)} units are done and kept"
    if length_s := sum(jobs[key].length_s for key in done):
        rest_s = sum(job.length_s for key, job in jobs.items() if key not in done)
        told += f" ({size / 1e6:,.1f} MB), the others need about {size * rest_s / length_s / 1e6:,.1f} MB"
    return UnitError(told, where=error.where, cure=error.cure)


def _receipt(folder: Path, key: str) -> dict[str, Any]:
    receipt = read_receipt(folder, key)
    assert receipt is not None  # the account counts a unit as done by its receipt
    return receipt


def _truth(job: Job, key: str, receipt: Mapping[str, Any]) -> dict[str, Any]:
    """What is known of a recording, for timelines, grammars and baselines."""
    return {"key": key, "split": receipt["split"], "duration_s": receipt["duration_s"], **job.truth()}


def _manifest(
    folder: Path,
    preprocessing: Preprocessing,
    splits: Sequence[str],
    receipts: Mapping[str, Mapping[str, Any]],
) -> Manifest:
    shards: dict[str, list[ShardInfo]] = {split: [] for split in splits}
    for key, receipt in receipts.items():
        shards[receipt["split"]] += [ShardInfo.from_json(entry, key) for entry in receipt["shards"]]
    return Manifest(
        signature=signature_of_folder(folder),
        splits={split: tuple(sorted(found, key=lambda shard: shard.name)) for split, found in shards.items()},
        labels=getattr(preprocessing, "labels", ()),
        preprocessing=preprocessing.model_dump(mode="json"),
    )


def _clips_by_split(receipts: Mapping[str, Mapping[str, Any]]) -> dict[str, dict[str, int]]:
    clips: dict[str, Counter[str]] = {}
    for receipt in receipts.values():
        clips.setdefault(receipt["split"], Counter()).update(receipt["clips"])
    return {split: dict(sorted(kinds.items())) for split, kinds in sorted(clips.items())}


def _totals(receipts: Mapping[str, Mapping[str, Any]]) -> dict[str, float]:
    """Sums of all counts of the receipts, and the bytes of the shards."""
    totals: Counter[str] = Counter()
    for receipt in receipts.values():
        counts = {name: value for name, value in receipt.items() if isinstance(value, int | float)}
        totals.update({"seconds": counts.pop("duration_s"), **counts})
        totals.update(bytes=sum(shard["bytes"] for shard in receipt["shards"]))
    totals.pop("samples", None)
    return dict(totals)
