"""Who looked at a test side, and when: the record of a workspace that holds every look.

Whatever measures a test side, a campaign or a verb typed by hand, has its look on record before it reads
anything there, and what it makes names that look in its DONE. So a look cannot be taken back: with the entry
gone, the finished stage tells of it.

A side is what its samples are, not what a recipe calls it. Rows that another dataset of the workspace keeps
for its test are test rows also where a recipe puts them on its validation side.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache, partial
from typing import TYPE_CHECKING, Any

from rushes.errors import ShardError, StageError
from rushes.runs.run import Run
from rushes.runs.stage import StageName
from rushes.stages import StageSpec, canonical_json, check_done, spec_of
from rushes.storage import Workspace
from rushes.storage.record import Entry, Record

if TYPE_CHECKING:
    from rushes.shards.overlap import Side

LOOKS = "looks"
"""Folder of the record in a workspace."""

TEST = "test"


@dataclass(frozen=True, slots=True)
class Datasets:
    """Datasets whose test rows are seen.

    Attributes:
        folders: their names.
        recordings: what tells the recordings that they were cut from, and their task, from others.
    """

    folders: frozenset[str] = frozenset()
    recordings: frozenset[str] = frozenset()

    @classmethod
    def of(cls, specs: Iterable[StageSpec]) -> Datasets:
        """Of the stages that made the datasets."""
        specs = list(specs)
        return cls(
            frozenset(f"{spec.name}-{spec.signature}" for spec in specs), frozenset(map(_recordings, specs))
        )


@dataclass(frozen=True, slots=True)
class Look:
    """A look at test rows.

    Attributes:
        entry: of the record, with its number, time and hash.
        run: name of the recipe; empty where a campaign opened them.
        datasets: folders of the datasets whose test rows were seen.
        recordings: what tells the recordings of these datasets from others.
        stages: folders that were to be made from them.
        opening: what a campaign opened them for; None where it was no campaign.
        found: whether only what was made of it told of it: it is older than the record, or than the test side.
    """

    entry: Entry
    run: str
    datasets: tuple[str, ...]
    recordings: tuple[str, ...]
    stages: tuple[str, ...]
    opening: Mapping[str, Any] | None
    found: bool

    @classmethod
    def of(cls, entry: Entry) -> Look:
        """The look that an entry of the record tells of."""
        told = entry.content
        return cls(
            entry,
            told["run"],
            tuple(told["datasets"]),
            tuple(told["recordings"]),
            tuple(told["stages"]),
            told["opening"],
            told["found"],
        )

    @property
    def by(self) -> str:
        """Who looked, for people."""
        if self.opening is not None:
            return f"campaign {self.opening['campaign']}"
        return f"{', '.join(self.stages)}, found later" if self.found else f"run {self.run}"

    def concerns(self, seen: Datasets, campaign: str) -> bool:
        """Whether it was at a test side of one of these datasets, of their recordings, or of that campaign."""
        own = self.opening is not None and self.opening["campaign"] == campaign
        apart = seen.folders.isdisjoint(self.datasets) and seen.recordings.isdisjoint(self.recordings)
        return own or not apart


def content_of(
    seen: Datasets,
    stages: Collection[str] = (),
    *,
    run: str = "",
    opening: Mapping[str, Any] | None = None,
    found: bool = False,
) -> dict[str, Any]:
    """What the entry of a look says, see `Look`."""
    several = {"datasets": seen.folders, "recordings": seen.recordings, "stages": stages}
    told = {name: sorted(values) for name, values in several.items()}
    return {**told, "run": run, "opening": opening, "found": found}


def hash_of_opening(campaign: str, selections: Iterable[Any]) -> str:
    """SHA-256 of what a campaign froze, JSON values, the same whatever their order."""
    told = [campaign, sorted(selections, key=canonical_json)]
    return hashlib.sha256(canonical_json(told).encode()).hexdigest()


def measuring(run: Run[Any]) -> tuple[StageName, ...]:
    """Stages of a run that read the side that is measured."""
    return tuple(name for name, spec in run.specs.items() if "split" in spec.recipe.get("evaluate", {}))


def folders_of(run: Run[Any]) -> list[str]:
    """Names of their folders."""
    return [run.folder(name).name for name in measuring(run)]


def record_look(run: Run[Any], name: StageName) -> dict[str, str]:
    """Put a look on record if a stage that is about to be done is one, unless it is there already.

    Returns:
        What its DONE is to say of it; empty where it sees no test row.

    Raises:
        StageError: the record was changed.
        StorageError: a remote workspace cannot be read or written.
    """
    if name not in measuring(run) or not (seen := seen_by(run)):
        return {}
    folder = run.folder(name).name
    content = content_of(Datasets.of(seen), folders_of(run), run=run.recipe.name)
    entry = Record(run.workspace, LOOKS).add(content, lambda known: folder in known.content["stages"])
    return {"look": entry.hash}


def seen_by(run: Run[Any], asked: str | None = None) -> list[StageSpec]:
    """The datasets of the workspace that keep rows for their test which this run measures.

    Args:
        run: whose dataset is finished.
        asked: the side that is measured, if not the recipe's.
    """
    own, asked = run.specs[run.dataset], asked or run.recipe.evaluate.split
    ours = cache(partial(_side, run.workspace, own, asked))
    others = (other for other in _others(run.workspace, own) if _share(run.workspace, own, ours, other, TEST))
    return [*([own] if asked == TEST else []), *others]


def look_back(run: Run[Any]) -> None:
    """Put on record what measured a run's test rows as those of another side, before they were test rows here.

    Raises:
        StageError: the record was changed.
        StorageError: a remote workspace cannot be read or written.
    """
    own, workspace = run.specs[run.dataset], run.workspace
    ours = cache(partial(_side, workspace, own, TEST))
    made = [(folder, spec, _split(spec)) for folder, spec, _ in _made(workspace) if spec is not None]
    for other in _others(workspace, own):
        by_side: dict[str, list[str]] = {}
        for folder, spec, side in made:
            if side not in (None, TEST) and spec.inputs.get(other.name) == other.signature:
                by_side.setdefault(side, []).append(folder)
        for side, stages in by_side.items():
            if _share(workspace, own, ours, other, side):
                content = content_of(Datasets.of([own]), stages, found=True)
                Record(workspace, LOOKS).add(content, partial(_says, content))


def _side(workspace: Workspace, dataset: StageSpec, name: str) -> Side | None:
    from rushes.runs.sides import side_of  # Arrow stands behind it

    return side_of(workspace, dataset, name)


def _share(
    workspace: Workspace, own: StageSpec, ours: Callable[[], Side | None], other: StageSpec, side: str
) -> bool:
    """Whether a side of a dataset has a row, group or recording of a side of another one."""
    from rushes.shards.overlap import copies_in_both, named_in_both

    same_recordings = _recordings(own) == _recordings(other)
    if same_recordings and own.recipe.get("source") == other.recipe.get("source"):
        return False  # the same sides, whatever was cut of them; if it is the test side, both have its name
    if not same_recordings and own.recipe.get("preprocessing") != other.recipe.get("preprocessing"):
        return False  # nothing of one is to the byte what is in the other
    try:
        theirs = _side(workspace, other, side)
    except (ShardError, StageError):
        return False  # damaged: `rushes verify` says so to whom it concerns
    if theirs is None or (mine := ours()) is None:
        return False
    return next((named_in_both if same_recordings else copies_in_both)(mine, theirs), None) is not None


def _others(workspace: Workspace, own: StageSpec) -> Iterator[StageSpec]:
    """Finished datasets of the same task in the workspace, but the run's own."""
    done = workspace.small_files(f"{own.name}-*/DONE")
    for name, data in workspace.small_files(f"{own.name}-*/recipe.json").items():
        try:
            other = spec_of(json.loads(data), name)
        except (ValueError, StageError):
            continue
        told = done.get(f"{name.partition('/')[0]}/DONE", b"")
        finished = check_done(told, workspace.root / name.partition("/")[0]) is not None
        if finished and other != own and other.recipe.get("task") == own.recipe.get("task"):
            yield other


def _recordings(dataset: StageSpec) -> str:
    """What tells the recordings of a dataset from others, and its task; not how they were cut."""
    told = [dataset.recipe.get("task"), dataset.fingerprint, dict(dataset.inputs)]
    return hashlib.sha256(canonical_json(told).encode()).hexdigest()[:12]


# --- held against what was made ---------------------------------------------------------------------------


def settled(workspace: Workspace) -> tuple[Look, ...]:
    """Every look at a test side in a workspace, after the record was held against all that tells of looks.

    What is older than the record is put on record now.

    Raises:
        StageError: the record was changed or cut short.
        StorageError: a remote workspace cannot be read or written.
    """
    told = [*_campaigns(workspace), *_stages(workspace)]  # first: others may be looking at this moment
    record = Record(workspace, LOOKS)
    looks = tuple(map(Look.of, record.read()))
    by_hash = {look.entry.hash: look for look in looks}
    for one in told:
        look = by_hash.get(one.look or "")
        if one.look is not None and (look is None or not one.stages <= set(look.stages)):
            raise StageError(
                f"a look at the test side, {one.look[:12]}, was made and is not on record: the record of "
                f"looks was cut short or taken away, or this was brought from elsewhere ({len(looks)} looks "
                f"are on record)",
                where=f"{workspace.place}/{one.place}",
                cure=f"restore the folder {LOOKS} as it was; move away what was brought from another workspace",
            )
    older = list(_older(told, {folder for look in looks for folder in look.stages}))
    for content in older:
        record.add(content, partial(_says, content))
    return tuple(map(Look.of, record.read())) if older else looks


@dataclass(frozen=True, slots=True)
class _Told:
    """What tells of a look.

    Attributes:
        place: where it stands.
        look: the hash that it names; None where it is older than the record.
        stages: folders that the entry must name.
        datasets: folders that they were made from.
        training: what tells one trained model from another.
        opening: of a campaign.
    """

    place: str
    look: str | None
    stages: frozenset[str] = frozenset()
    datasets: frozenset[str] = frozenset()
    training: str = ""
    opening: Mapping[str, Any] | None = None


def _stages(workspace: Workspace) -> Iterator[_Told]:
    """Stages that name a look, and those of a test side that name none, finished or not."""
    for folder, spec, look in _made(workspace):
        if look is not None:
            yield _Told(folder, look, frozenset({folder}))
        elif spec is not None and _split(spec) == TEST:
            datasets = frozenset(f"{kind}-{signature}" for kind, signature in spec.inputs.items())
            yield _Told(folder, None, frozenset({folder}), datasets, spec.inputs.get("train", folder))


def _made(workspace: Workspace) -> Iterator[tuple[str, StageSpec | None, str | None]]:
    """Folders of stages, finished or not; what each was made from, where that can be told; the look it names."""
    dones = workspace.small_files("*-*/DONE")
    for name, data in workspace.small_files("*-*/recipe.json").items():
        folder = name.partition("/")[0]
        done = check_done(dones.get(f"{folder}/DONE", b""), workspace.root / folder)
        look = None if done is None else done["summary"].get("look")
        try:
            spec = spec_of(json.loads(data), name)
        except (ValueError, StageError):
            spec = None
        yield folder, spec, None if look is None else str(look)


def _split(spec: StageSpec | None) -> str | None:
    """The side that a stage measures; None where it measures none."""
    asked = None if spec is None else spec.recipe.get("evaluate")
    return asked.get("split") if isinstance(asked, Mapping) else None


def _campaigns(workspace: Workspace) -> Iterator[_Told]:
    """Openings that campaigns have written down; until version 0.4 there was no other record of them."""
    for name, data in workspace.small_files("campaign-*/openings.jsonl").items():
        for line in data.splitlines():
            try:
                told = json.loads(line)
                if "before" in told:
                    yield _Told(name, told["hash"])
                    continue
                opening = {key: told[key] for key in ("campaign", "selections", "hash")}
                holds = told["hash"] == hash_of_opening(told["campaign"], told["selections"])
            except (ValueError, KeyError, TypeError):
                continue  # torn: of an opening that never came to a look
            if not holds:
                raise StageError(  # before it is put on record, where nobody could mend it
                    "the record of openings was changed",
                    where=f"{workspace.place}/{name}",
                    cure="restore it: without it nobody knows how often the test side was looked at",
                )
            yield _Told(name, None, opening=opening)


def _older(told: Iterable[_Told], named: Collection[str]) -> Iterator[dict[str, Any]]:
    """What is to be put on record of looks that are older than it: openings, then a look a trained model."""
    by_training: dict[str, list[_Told]] = {}
    for one in told:
        if one.look is None and one.opening is not None:
            yield content_of(Datasets(), opening=one.opening, found=True)
        elif one.look is None and not one.stages <= set(named):
            by_training.setdefault(one.training, []).append(one)
    for several in by_training.values():
        seen = Datasets(frozenset().union(*(one.datasets for one in several)))
        yield content_of(seen, frozenset().union(*(one.stages for one in several)), found=True)


def _says(content: Mapping[str, Any], known: Entry) -> bool:
    """Whether an entry tells of the look that was found."""
    if content["opening"] is not None:
        opening = known.content["opening"]
        return opening is not None and opening["hash"] == content["opening"]["hash"]
    return all(set(content[name]) <= set(known.content[name]) for name in ("stages", "datasets"))
