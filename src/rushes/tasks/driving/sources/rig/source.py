"""Anybody's drives: a folder for each, with a video of each camera, and poses or GPS fixes.

    <root>/
      drives.csv                        if there is one: drive, group, split, start_s or start, <camera>.start_s
      <drive>/
        front.mp4   front.times.csv     any container or codec that `rushes.media.video` decodes
        left/*.png  left.times.csv      or pictures as files, in the order of their names and numbers (2 before 10),
                                        whose times must stand there
        poses.csv                       or gps.csv, or a .gpx

A folder is a drive if a camera of the setup, or a motion, lies in it. Where a video has no table of times its own clock
counts, from the start that drives.csv or the recipe states; nothing is guessed. Where other videos have tables, one
offset for all cameras, which is added to those as well, does not say when this one begins.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path, PurePosixPath

from rushes.errors import SourceError
from rushes.media.names import VIDEOS
from rushes.media.stills import SUFFIXES as PICTURES
from rushes.records import Media, Stills
from rushes.runs.source import Bring, Fault
from rushes.stages import Claim, Claims
from rushes.stages.inventory import walk
from rushes.tasks.driving.recipe import RigSource
from rushes.tasks.driving.sources.drive import Camera, Drive, Motion, OwnClock, TableClock
from rushes.tasks.driving.sources.files import FileLayout, require_one, skipped
from rushes.tasks.driving.sources.layout import Scan
from rushes.tasks.driving.sources.rig.drives import DRIVES, DriveRow, read_drives
from rushes.tasks.driving.sources.rig.gps import GpsTrack
from rushes.tasks.driving.sources.rig.poses import PoseTable

TIMES = (".times.csv", ".times.tsv", ".times.parquet")
POSES, FIXES = ("poses.csv", "poses.tsv", "poses.parquet"), ("gps.csv", "gps.tsv", "gps.parquet")

_NO_KEY = re.compile(r"[^A-Za-z0-9_-]+")


@dataclass(frozen=True, slots=True)
class Rig(FileLayout):
    """Folders of drives as a source."""

    asked: RigSource

    def scan(self, root: Path) -> Scan[Drive]:
        """See `Source.scan`; by names, and of tables drives.csv and the times of pictures.

        Raises:
            SourceError: no drive is there, or drives.csv does not hold.
        """
        root = Path(root)
        rows = read_drives(root)
        recordings: list[Drive] = []
        faults: list[Fault] = []
        lacking: list[Fault] = []
        names = defaultdict[str, list[str]](list)
        places = {name: (folder, entries) for name, folder, entries in self._drives(root)}
        timed = any(self._is_timed(entries) for _, entries in places.values())
        for name in places:
            names[_NO_KEY.sub("_", name)].append(name)
        for key, (name, *others) in names.items():
            (folder, entries), row = places[name], rows.get(name, DriveRow())
            group = self.group_of(key, name, row.group)
            try:
                require_one(key, [name, *others], root)
                found = self._drive(key, group, folder, entries, row, timed)
            except SourceError as error:
                faults.append(Fault.of(error, key, group))
                continue
            if isinstance(found, Fault):
                lacking.append(found)
            else:
                recordings.append(found)
        if not names:
            raise SourceError(
                f"no folder has a video of {', '.join(self.cameras)}, poses.csv, gps.csv or a .gpx",
                where=root,
                cure="give the folder of the drives; preprocessing.setup and source.cameras say what cameras are "
                "called",
            )
        strange = sorted(set(rows) - set(places))
        notes = [
            Fault("", "Note", f"drives.csv names {name}, which is no drive here", str(root / DRIVES), "")
            for name in strange
        ]
        return Scan(root, tuple(recordings), tuple(faults), tuple(lacking), tuple(notes))

    def fetch(self, bring: Bring) -> Path:
        """See `Source.fetch`: tables, and the pictures of the cameras that are asked for."""

        def is_read(name: str) -> bool:
            path = PurePosixPath(name)
            plain = path.name.lower()
            if name == DRIVES or _is_motion(plain) or plain.endswith(TIMES):
                return True
            return self._is_wanted(path.parent.name if plain.endswith(PICTURES) else path.name)

        return bring(is_read)

    def claims_beside(self, found: Scan[Drive]) -> Claims:
        """See `FileLayout.claims_beside`."""
        others = {fault.key: Claim("faulty", fault.message, fault.key) for fault in found.faults}
        others |= {one.key: Claim("skipped", one.message, one.key) for one in found.skipped}
        drives = {one.key for one in found.recordings} | set(others)

        def claim(name: str) -> Claim | None:
            path = PurePosixPath(name)
            if name == DRIVES:
                return Claim("read", "tables")
            key, plain = _key_of(found.root, path.parent), path.name.lower()
            inside = key not in drives and plain.endswith(PICTURES)  # a picture lies in its camera's folder
            key = _key_of(found.root, path.parent.parent) if inside else key
            if key not in drives or not (_is_motion(plain) or plain.endswith((*VIDEOS, *TIMES)) or inside):
                return None
            if key in others:
                return others[key]
            return Claim("skipped", "poses are there as well" if _is_motion(plain) else "not in the setup")

        return claim

    def _drives(self, root: Path) -> Iterator[tuple[str, Path, list[str]]]:
        """Name, place, and entries of each folder that is a drive, in order of names."""
        files, folders = defaultdict[PurePosixPath, set[str]](set), defaultdict[PurePosixPath, set[str]](set)
        for name, _ in walk(root) if root.is_dir() else ():
            path = PurePosixPath(name)
            if not any(part.startswith(".") for part in path.parts):
                files[path.parent].add(path.name)
                folders[path.parent.parent].add(path.parent.name)
        for place in sorted(files):
            names = sorted(files[place])
            if any(_is_motion(name.lower()) or self._is_wanted(name) for name in names):
                yield _name_of(root, place), root / place, sorted(files[place] | folders[place])

    def _is_wanted(self, name: str) -> bool:
        """Whether a file, or folder, of this name is a camera's."""
        return any(self._of(camera, [name]) for camera in self.cameras)

    def _of(self, camera: str, entries: Sequence[str]) -> list[str]:
        """Which entries of a folder are videos, or folders of pictures, of a camera."""
        pattern = (self.asked.cameras or {}).get(camera)
        return [
            name
            for name in entries
            if (path := PurePosixPath(name)).suffix.lower() in (*VIDEOS, "")
            and (path.stem == camera if pattern is None else fnmatchcase(path.stem, pattern))
        ]

    def _is_timed(self, entries: Sequence[str]) -> bool:
        """Whether any camera has a table of times in a folder."""
        return any(
            _times_beside(name, entries) for camera in self.cameras for name in self._of(camera, entries)
        )

    def _drive(
        self, key: str, group: str, folder: Path, entries: Sequence[str], row: DriveRow, timed: bool
    ) -> Drive | Fault:
        """``timed``: whether any camera of any drive has a table of times."""
        motion = self._motion(folder, entries)
        lacking = [camera for camera in self.cameras if not self._of(camera, entries)]
        if lacking or motion is None:
            missing = [*lacking, *([] if motion is not None else ["poses.csv, gps.csv or .gpx"])]
            return skipped(key, f"no {', no '.join(missing)}", folder, group)
        cameras = tuple(self._camera(camera, folder, entries, row, timed) for camera in self.cameras)
        return Drive(key, group, row.split, cameras, motion)

    def _motion(self, folder: Path, entries: Sequence[str]) -> Motion | None:
        """Poses before fixes."""
        poses = [name for name in entries if name.lower() in POSES]
        fixes = [name for name in entries if name.lower() in FIXES or name.lower().endswith(".gpx")]
        found = poses or fixes
        if len(found) > 1:
            raise SourceError(
                f"one motion a drive, found {', '.join(found)}", where=folder, cure="keep one of them"
            )
        if poses:
            return PoseTable(folder / poses[0], self.asked.frame)
        return (
            GpsTrack(folder / fixes[0], self.asked.fix_sigma_m, self.asked.heading_above_mps)
            if fixes
            else None
        )

    def _camera(
        self, camera: str, folder: Path, entries: Sequence[str], row: DriveRow, timed: bool
    ) -> Camera:
        files = self._of(camera, entries)
        if len(files) > 1:
            raise SourceError(
                f"{len(files)} files are camera {camera}: {', '.join(files[:3])}",
                where=folder,
                cure="move the others away, or say with source.cameras what its file is called",
            )
        path = folder / files[0]
        offsets = self.asked.offset_s
        offset_s = offsets.get(camera) if isinstance(offsets, Mapping) else offsets
        beside = _times_beside(path.name, entries)
        table = folder / beside if beside else None
        if path.is_dir():
            return _of_pictures(camera, path, table, offset_s or 0.0)
        video = Media("video", path)
        if table is not None:
            return Camera(camera, video, TableClock(table, offset_s or 0.0))
        start_s = row.start_s(camera)
        for_all = timed and not isinstance(offsets, Mapping)
        if start_s is None and (offset_s is None or for_all):
            besides = ", and other videos here have a table of times" if timed else ""
            stated = f"{{{camera}: 0}}" if timed else "0"
            raise SourceError(
                f"nothing says when {path.name} begins on the clock of the poses{besides}",
                where=path,
                cure=f"write {path.stem}.times.csv (column time_s, a row a frame), a column start_s in {DRIVES}, or "
                f"source.offset_s: {stated} if it begins when the clock of the poses does",
            )
        return Camera(camera, video, OwnClock(video, (start_s or 0.0) + (offset_s or 0.0)))


def _of_pictures(camera: str, folder: Path, table: Path | None, offset_s: float) -> Camera:
    pictures = (path for path in folder.iterdir() if path.suffix.lower() in PICTURES and path.name[0] != ".")
    files = tuple(sorted(pictures, key=lambda path: (_counted(path.name), path.name)))
    if not files or table is None:
        raise SourceError(
            f"a folder of {len(files)} pictures needs {folder.name}.times.csv beside it",
            where=folder,
            cure="write one, with a column time_s and a row a picture",
        )
    clock = TableClock(table, offset_s)
    return Camera(camera, Stills(files, tuple(clock.read().tolist())), clock)


def _times_beside(name: str, entries: Sequence[str]) -> str | None:
    """The table of times of a video, or folder of pictures, of this name."""
    stem = PurePosixPath(name).stem
    return next((stem + end for end in TIMES if stem + end in entries), None)


def _counted(name: str) -> list[str | int]:
    """What a name is sorted by: its numbers count by their value, however many digits they have.

    >>> _counted("frame 12.png")
    ['frame ', 12, '.png']
    """
    return [int(part) if part.isdecimal() else part for part in re.split(r"([0-9]+)", name)]


def _is_motion(name: str) -> bool:
    """Whether a file of this name, in small letters, tells how a vehicle moved."""
    return name in (*POSES, *FIXES) or name.endswith(".gpx")


def _name_of(root: Path, folder: PurePosixPath) -> str:
    """What a drive is called: its folder below the root; the root's own name where it is a drive itself."""
    return root.resolve().name if folder.as_posix() == "." else folder.as_posix()


def _key_of(root: Path, folder: PurePosixPath) -> str:
    return _NO_KEY.sub("_", _name_of(root, folder))
