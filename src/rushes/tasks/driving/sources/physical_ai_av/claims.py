"""What becomes of each clip of the chunks that are looked at, and of each file of the copy.

An archive is shared by the clips of its chunk: it is used if one of them is, and at fault if none is and it, or what
else they need, does not hold. What is inside of it is accounted for clip by clip (`fates`).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

from rushes.prepare.outcomes import NO_SIDE
from rushes.recipe.sections import Side
from rushes.runs.source import Fault
from rushes.stages import Claim
from rushes.tasks.driving.recipe import BY_DEFAULT
from rushes.tasks.driving.sources.layout import USED
from rushes.tasks.driving.sources.physical_ai_av.clip import Clip
from rushes.tasks.driving.sources.physical_ai_av.layout import (
    CLIP_INDEX,
    COLLECTION,
    EGOMOTION,
    FEATURES_CSV,
    OFFLINE,
    PRESENCE,
    TIMES,
    VIDEO,
    Feature,
    is_table,
)
from rushes.tasks.driving.sources.physical_ai_av.splits import split_file
from rushes.tasks.driving.sources.physical_ai_av.tables import ClipRow, sides_of


def fates(
    recordings: Iterable[Clip],
    faults: Iterable[Fault],
    skipped: Iterable[Fault],
    split: str | Mapping[Side, Collection[str]],
) -> dict[str, Claim]:
    """Clip -> what becomes of it, as far as a scan can tell; each clip that it found is in it.

    Args:
        recordings, faults, skipped: of the scan.
        split: as of `assign_splits`. What is wrong with clips that it does not list is nobody's concern.
    """
    recordings = tuple(recordings)
    sides = sides_of({one.key: one.split for one in recordings}, split)
    listed = None if isinstance(split, str) else set(chain.from_iterable(split.values()))
    elsewhere = Claim("skipped", NO_SIDE)
    told = {one.key: Claim("used", USED) if one.key in sides else elsewhere for one in recordings}
    for fault in faults:
        told[fault.key] = (
            Claim("faulty", fault.message) if listed is None or fault.key in listed else elsewhere
        )
    return told | {one.key: Claim("skipped", one.message) for one in skipped}


def table_claims(root: Path, split: str) -> dict[str, Claim]:
    """Table beside the archives -> what becomes of it.

    Args:
        root: of the dataset.
        split: name of the split that gives the sides.
    """
    presence = [name for name in PRESENCE if (root / name).is_file()]
    taken = [path for name in (split, BY_DEFAULT) if (path := split_file(root, name)) is not None]
    read = [FEATURES_CSV, CLIP_INDEX, COLLECTION, *presence[:1]]
    read += [path.relative_to(root).as_posix() for path in taken]
    others = [path.relative_to(root).as_posix() for path in root.glob("splits/*.parquet")]
    claims = {name: Claim("skipped", "a split that is not asked for") for name in others if is_table(name)}
    claims |= {name: Claim("skipped", "an older table of what is present") for name in presence[1:]}
    return claims | {name: Claim("read", "tables") for name in read}


@dataclass(frozen=True, slots=True)
class Archives:
    """The archives of a copy, by what the recipe asks for.

    Attributes:
        root: of the dataset.
        features: of the dataset.
        cameras: that are asked for.
        chunks: that are asked for; None for all.
        rows: the whole clip index.
    """

    root: Path
    features: Mapping[str, Feature]
    cameras: Collection[str]
    chunks: Collection[int] | None
    rows: Collection[ClipRow]

    def claims(
        self, recordings: Iterable[Clip], faults: Iterable[Fault], told: Mapping[str, Claim]
    ) -> dict[str, Claim]:
        """Archive -> what becomes of it, whether it is there or not.

        Args:
            recordings, faults: of the scan.
            told: what becomes of its clips.
        """
        holders = defaultdict(set)
        for one in recordings:
            for member in one.members():
                holders[member.archive.relative_to(self.root).as_posix()].add(one.key)
        damaged = {fault.where: Claim("faulty", fault.message) for fault in faults}
        clips = defaultdict(list)
        for row in self.rows:
            clips[row.chunk].append(row.clip)
        return {
            (name := feature.archive(chunk)): self._passed_over(feature, chunk)
            or self._of_clips(name, clips[chunk], holders[name], damaged.get(str(self.root / name)), told)
            for feature in self.features.values()
            for chunk in clips
        }

    def _passed_over(self, feature: Feature, chunk: int) -> Claim | None:
        """Of an archive that nobody asked for."""
        if feature.name not in (*self.cameras, EGOMOTION, OFFLINE):
            if {VIDEO, TIMES} <= set(feature.files):
                return Claim("skipped", f"not in the setup: {feature.name}")
            return Claim("skipped", f"not used: {feature.chunk_path.partition('/')[0]}")
        if self.chunks is not None and chunk not in self.chunks:
            return Claim("skipped", "of chunks that are not asked for")
        return None

    def _of_clips(
        self,
        name: str,
        clips: Collection[str],
        holders: Collection[str],
        damage: Claim | None,
        told: Mapping[str, Claim],
    ) -> Claim:
        """Of an archive that is asked for, by its clips."""
        if any(told[key].fate == "used" for key in holders):
            return Claim("used", "archives", *(holders if len(clips) == 1 else ()))
        if damage is not None:
            return damage
        if any(told[clip].fate == "faulty" for clip in clips if clip in told):
            return Claim("faulty", "archives of clips that do not hold")
        return Claim("skipped", "archives that no clip is taken from")
