"""Raw data of KITTI: drives with up to four cameras as PNG files, and an inertial receiver's record beside each frame.

    <root>/<date>/<date>_drive_<number>_{sync,extract}/
      image_00 .. image_03/{timestamps.txt, data/0000000000.png ...}     00, 01 grey, 02, 03 colour, left and right
      oxts/{timestamps.txt, data/0000000000.txt ...}

Line k of a ``timestamps.txt`` is the time of file k; an empty one is a frame that was lost, and frames without a time
or a picture are left out and told. Everything is joined by time, so that ``extract``, whose files do not correspond by
number, is read as ``sync`` is. Written after the development kit's description and checked on files made after it; no
file of the dataset was at hand. Data: https://www.cvlibs.net/datasets/kitti/raw_data.php (CC BY-NC-SA 3.0).
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from rushes.annotations.files import read_text
from rushes.errors import SourceError
from rushes.records import Stills
from rushes.runs.source import Bring, Fault
from rushes.stages import Claim, Claims
from rushes.tasks.driving.sources.columns import instant_s
from rushes.tasks.driving.sources.drive import Camera, Drive, OwnClock
from rushes.tasks.driving.sources.files import FileLayout, require_one, skipped
from rushes.tasks.driving.sources.kitti.oxts import Oxts
from rushes.tasks.driving.sources.layout import Scan

OXTS, STAMPS = "oxts", "timestamps.txt"
CAMERAS = ("image_00", "image_01", "image_02", "image_03")

_DRIVE = re.compile(r"\d{4}_\d\d_\d\d_drive_\d{4,}_(sync|extract)", re.ASCII)
_NUMBER = re.compile(r"\d{10}", re.ASCII)


@dataclass(frozen=True, slots=True)
class Kitti(FileLayout):
    """Raw data of KITTI as a source."""

    def scan(self, root: Path) -> Scan[Drive]:
        """See `Source.scan`; times are read, and no picture.

        Raises:
            SourceError: no drive is there, or a camera that KITTI has not is asked for.
        """
        root = Path(root)
        if strange := sorted(set(self.cameras) - set(CAMERAS)):
            raise SourceError(
                f"KITTI has no camera {', '.join(strange)}",
                where="preprocessing.setup",
                cure=f"its cameras are {', '.join(CAMERAS)}",
            )
        recordings: list[Drive] = []
        faults: list[Fault] = []
        lacking: list[Fault] = []
        notes: list[Fault] = []
        folders = defaultdict[str, list[Path]](list)
        for folder in _drives(root):
            folders[folder.name].append(folder)
        for key, (folder, *others) in folders.items():
            group = self.group_of(key, key, key.rpartition("_")[0])
            missing = [name for name in (*self.cameras, OXTS) if not (folder / name / STAMPS).is_file()]
            if missing and not others:
                lacking.append(skipped(key, f"no {', no '.join(missing)}", folder, group))
                continue
            try:
                require_one(key, [str(one.relative_to(root)) for one in (folder, *others)], root)
                drive, lost = self._drive(folder, group)
            except SourceError as error:
                faults.append(Fault.of(error, key, group))
                continue
            recordings.append(drive)
            notes += [Fault(drive.key, "Note", message, str(folder), "") for message in lost]
        if not (recordings or faults or lacking):
            raise SourceError(
                "no drive of KITTI's raw data: expected <date>/<date>_drive_<number>_sync",
                where=root,
                cure="give the folder that holds the folders of dates",
            )
        return Scan(root, tuple(recordings), tuple(faults), tuple(lacking), tuple(notes))

    def fetch(self, bring: Bring) -> Path:
        """See `Source.fetch`: the cameras that are asked for, and the receiver's records."""
        return bring(lambda name: not {*self.cameras, OXTS}.isdisjoint(PurePosixPath(name).parts))

    def claims_beside(self, found: Scan[Drive]) -> Claims:
        """See `FileLayout.claims_beside`."""
        others = {fault.key: Claim("faulty", fault.message, fault.key) for fault in found.faults}
        others |= {one.key: Claim("skipped", one.message, one.key) for one in found.skipped}

        def claim(name: str) -> Claim | None:
            parts = PurePosixPath(name).parts
            place = next((n for n, part in enumerate(parts[:-1]) if _DRIVE.fullmatch(part)), None)
            if place is None:
                return Claim("skipped", "not used: calibration") if parts[-1].startswith("calib_") else None
            part = parts[place + 1]
            if part in self.cameras or part == OXTS:
                alone = _NUMBER.fullmatch(PurePosixPath(name).stem)
                left = Claim("skipped", "frames without a time") if alone else None
                return others.get(parts[place], left)
            return Claim("skipped", f"{'not in the setup' if part in CAMERAS else 'not used'}: {part}")

        return claim

    def _drive(self, folder: Path, group: str) -> tuple[Drive, list[str]]:
        """A drive, and what of it is left out."""
        cameras, lost = [], []
        for name in self.cameras:
            timed, without = stamped_files(folder / name, ".png")
            if without:
                lost.append(f"{without} frames of {name} have no time or no picture and are left out")
            video = Stills(tuple(timed), tuple(timed.values()))
            clock = OwnClock(video, video.times_s[0], (folder / name / STAMPS,))
            cameras.append(Camera(name, video, clock))
        timed, without = stamped_files(folder / OXTS, ".txt")
        if without:
            lost.append(f"{without} records of {OXTS} have no time or no file and are left out")
        motion = Oxts(folder / OXTS / STAMPS, tuple(timed), tuple(timed.values()))
        tags = (("date", folder.name.partition("_drive_")[0]),)
        return Drive(folder.name, group, "", tuple(cameras), motion, tags), lost


def stamped_files(folder: Path, suffix: str) -> tuple[dict[Path, float], int]:
    """Files of a stream with their times, in order, and how many have no time or no file.

    Args:
        folder: with ``timestamps.txt`` and ``data/``.
        suffix: of the files.

    Raises:
        SourceError: a line that is no time, times that do not increase, or no file at all.
    """
    stamps = folder / STAMPS
    timed: dict[Path, float] = {}
    lines = read_text(stamps).splitlines()
    there = {path.name for path in (folder / "data").glob(f"*{suffix}")}
    for number, line in enumerate(lines):
        path = folder / "data" / f"{number:010d}{suffix}"
        if not line.strip() or path.name not in there:
            continue
        try:
            time_s = instant_s(line)
        except ValueError as error:
            raise SourceError(
                str(error), where=f"{stamps}:{number + 1}", cure="fetch the drive again"
            ) from None
        if timed and time_s <= next(reversed(timed.values())):
            raise SourceError(
                f"times must increase, found {line.strip()}",
                where=f"{stamps}:{number + 1}",
                cure="leave the drive out, or take its _sync form",
            )
        timed[path] = time_s
    if not timed:
        raise SourceError(
            f"no file {suffix} with a time: {len(lines)} lines, {len(there)} files",
            where=stamps,
            cure="fetch the drive again",
        )
    return timed, len(there | {f"{n:010d}{suffix}" for n in range(len(lines))}) - len(timed)


def _drives(root: Path) -> Iterator[Path]:
    """Folders of drives: below those of their dates, in the root, or the root itself."""
    if _DRIVE.fullmatch(root.name):
        yield root
        return
    for folder in sorted(path for path in (*root.glob("*"), *root.glob("*/*")) if path.is_dir()):
        if _DRIVE.fullmatch(folder.name):
            yield folder
