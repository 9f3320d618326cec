"""What layouts have in common of which each drive has files of its own: sides, fates, claims, a fingerprint."""

from __future__ import annotations

import hashlib
import json
from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import chain
from pathlib import Path
from typing import Any

from rushes.errors import SourceError
from rushes.prepare.outcomes import NO_SIDE
from rushes.recipe.pattern import match_whole
from rushes.recipe.sections import Side
from rushes.recipe_file import near
from rushes.runs.copies import Copies, copies_of, holdings
from rushes.runs.shares import nobody_said, side_of
from rushes.runs.source import Fault
from rushes.stages import Claim, Claims, sha256_file, sha256_of_ends, sha256_of_sizes
from rushes.tasks.driving.recipe import FileSource
from rushes.tasks.driving.sources.drive import Camera, Drive
from rushes.tasks.driving.sources.layout import SIDES, USED, RigLayout, Scan

SKIPPED = "Skipped"
NAME_GROUPS = "name groups by source.group, or in drives.csv"


@dataclass(frozen=True, slots=True)
class FileHoldings:
    """What a copy has of each camera.

    Attributes:
        drives: that have all of them, and their motion.
        others: that lack something, or do not hold.
        cameras: name -> files and bytes of its pictures.
        alone: drives of which nobody said to which group they belong.
        copies: videos with the same bytes as one on another side.
    """

    drives: int
    others: int
    cameras: Mapping[str, tuple[int, int]]
    alone: int
    copies: Copies

    @property
    def nbytes(self) -> int:
        """Of all cameras."""
        return sum(size for _, size in self.cameras.values())

    def summary(self) -> str:
        """See `Holdings.summary`."""
        line = f"{self.drives:,} drives with {len(self.cameras)} cameras, {self.nbytes / 1e6:,.0f} MB to read"
        return self.copies.behind(line, "video")

    def text(self) -> str:
        """See `Holdings.text`."""
        width = max(map(len, ("camera", *self.cameras)))
        rows = [f"{'camera':{width}}    files        GB"]
        rows += [f"{name:{width}}  {n:7,}  {size / 1e9:8.2f}" for name, (n, size) in self.cameras.items()]
        rows.append(
            f"{self.drives:,} of {self.drives + self.others:,} drives have all cameras and their motion"
        )
        note = nobody_said(self.alone, self.drives, "drive", "vehicle or road", NAME_GROUPS)
        return "\n".join([*rows, *([f"note: {note}"] if note else []), *self.copies.lines("video")])

    def to_json(self) -> dict[str, Any]:
        """See `Holdings.to_json`."""
        cameras = {name: {"files": count, "bytes": size} for name, (count, size) in self.cameras.items()}
        return {"drives": self.drives, "lacking": self.others, "alone": self.alone, "cameras": cameras}


@dataclass(frozen=True, slots=True)
class FileLayout(RigLayout[Drive]):
    """A layout of which each drive has files of its own.

    Attributes:
        cameras: that a drive must have.
        asked: what the recipe says of groups and sides.
    """

    cameras: tuple[str, ...]
    asked: FileSource

    @abstractmethod
    def claims_beside(self, found: Scan[Drive]) -> Claims:
        """What becomes of files that are of no recording."""

    def group_of(self, key: str, name: str, known: str = "") -> str:
        """The group of a drive; its own key where nobody is known.

        Args:
            key: of the drive.
            name: of it, which the pattern of the recipe is held against.
            known: what the layout says; empty where it does not.
        """
        pattern = self.asked.group
        found = None if pattern is None else match_whole(pattern, name, "source.group")
        return (found or {}).get("group") or known or key

    def sides(self, found: Scan[Drive]) -> dict[str, str]:
        """See `RigLayout.sides`."""
        split = self.asked.split
        if split == "shares":
            shares = self.asked.shares.model_dump()
            seed = shares.pop("seed")
            wanted = {one.key: side_of(one.group, shares, seed) for one in found.recordings}
        elif split == "index":
            wanted = {one.key: one.split for one in found.recordings}
        else:
            assert not isinstance(split, str), "the recipe knows no other name"
            side_of_group = self._listed(found, split)
            wanted = {one.key: side_of_group.get(one.group, "") for one in found.recordings}
        return {key: side for key, side in wanted.items() if side in SIDES}

    def _listed(self, found: Scan[Drive], split: Mapping[Side, Sequence[str]]) -> dict[str, str]:
        """Group -> side, of lists."""
        sides: dict[str, str] = {}
        known = {one.group for one in found.recordings}
        others = {fault.owner for fault in (*found.faults, *found.skipped)}
        for side, groups in split.items():
            for group in groups:
                if group not in known | others:
                    raise SourceError(
                        f"source.split lists {group!r}, which is no group of drives here; "
                        f"{near(group, sorted(known)[:8])}",
                        where=found.root,
                        cure="list groups of source.group or drives.csv, and drives where neither names one",
                    )
                if sides.setdefault(group, side) != side:
                    raise SourceError(
                        f"group {group} is listed in {sides[group]} and in {side}", cure="list it on one side"
                    )
        return sides

    def fates(self, found: Scan[Drive]) -> dict[str, Claim]:
        """See `RigLayout.fates`."""
        sides = self.sides(found)
        elsewhere = Claim("skipped", NO_SIDE)
        told = {one.key: Claim("used", USED) if one.key in sides else elsewhere for one in found.recordings}
        told |= {fault.key: Claim("faulty", fault.message) for fault in found.faults}
        return told | {one.key: Claim("skipped", one.message) for one in found.skipped}

    def claims(self, found: Scan[Drive]) -> Claims:
        """See `Source.claims`."""
        fates, known = self.fates(found), dict[str, Claim]()
        for drive in found.recordings:
            used = fates[drive.key].fate == "used"
            otherwise = Claim(*fates[drive.key][:2], drive.key)
            for path in chain.from_iterable(camera.footage for camera in drive.cameras):
                name = path.relative_to(found.root).as_posix()
                known[name] = Claim("used", "cameras", drive.key) if used else otherwise
            for path in drive.tables():
                name = path.relative_to(found.root).as_posix()
                own = Claim("read", "times and poses", drive.key) if used else otherwise
                known[name] = Claim("read", "tables") if name in known else own  # one of several drives
        beside = self.claims_beside(found)
        return lambda name: known.get(name) or beside(name)

    def fingerprint(self, found: Scan[Drive]) -> str:
        """See `Source.fingerprint`; tables count with every byte, pictures as of `footage_digest`."""
        digest = cache(sha256_file)  # some layouts have tables that all drives share
        whole = hashlib.sha256()
        for drive in sorted(found.recordings, key=lambda drive: drive.key):
            entry: list[Any] = [drive.key, drive.group, drive.split, drive.tags]
            for camera in drive.cameras:
                first = camera.footage[0].relative_to(found.root).as_posix()
                entry.append([camera.name, camera.clock.offset_s, first, footage_digest(camera)])
            entry += [[path.relative_to(found.root).as_posix(), digest(path)] for path in drive.tables()]
            whole.update(json.dumps(entry).encode() + b"\n")
        return whole.hexdigest()

    def holdings(
        self, found: Scan[Drive], *, clip_s: float, window_s: float, stride_s: float
    ) -> FileHoldings:
        """See `RigLayout.holdings`; how long drives are, nothing tells but their clocks."""
        cameras = {}
        for name in self.cameras:
            files = [
                path
                for drive in found.recordings
                for camera in drive.cameras
                if camera.name == name
                for path in camera.footage
            ]
            cameras[name] = len(files), sum(path.stat().st_size for path in files)
        sides = self.sides(found)
        videos = (
            (
                sides[drive.key],
                str(camera.footage[0].relative_to(found.root)),
                lambda camera=camera: camera.footage,
            )
            for drive in found.recordings
            if drive.key in sides
            for camera in drive.cameras
        )
        others = len(found.faults) + len(found.skipped)
        alone = sum(drive.group == drive.key for drive in found.recordings)
        return FileHoldings(len(found.recordings), others, cameras, alone, copies_of(holdings(videos)))


def require_one(key: str, places: Sequence[str], root: Path) -> None:
    """See to it that a key is of one drive: of several none can be told from the others.

    Raises:
        SourceError: it is of more.
    """
    if len(places) > 1:
        raise SourceError(
            f"{len(places)} drives have the key {key}: {', '.join(places)}",
            where=root,
            cure="rename their folders, or keep one of them",
        )


def footage_digest(camera: Camera) -> str:
    """Of a video its size and its ends; of pictures their names and sizes."""
    if len(camera.footage) > 1:
        return sha256_of_sizes((path.name, path.stat().st_size) for path in camera.footage)
    return sha256_of_ends(camera.footage[0])


def skipped(key: str, message: str, where: object, group: str) -> Fault:
    """Of a drive that lacks what is asked for."""
    cure = "nothing, or copy what is missing, or ask for fewer cameras"
    return Fault(key, SKIPPED, message, str(where), cure, group)
