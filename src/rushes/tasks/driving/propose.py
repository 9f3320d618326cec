"""What this task would make of a folder: drives with videos and a motion each, or a published layout."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from rushes.errors import RecipeError, SourceError
from rushes.recipe.sections import TINY
from rushes.runs.begin.doubts import such
from rushes.runs.begin.first_model import first_model, teaching
from rushes.runs.begin.found import Found
from rushes.runs.begin.proposal import Line, Proposal
from rushes.runs.begin.who import Who, sides_of
from rushes.tasks.driving.preprocessing import RigPreprocessing
from rushes.tasks.driving.recipe import DrivingRecipe
from rushes.tasks.driving.sources.columns import UNITS, Columns
from rushes.tasks.driving.sources.rig.drives import DRIVES, DriveRow, read_drives
from rushes.tasks.driving.sources.rig.gps import read_track
from rushes.tasks.driving.sources.rig.source import FIXES, POSES, TIMES

PUBLISHED: Mapping[str, re.Pattern[str]] = {
    "physical_ai_av": re.compile(r"(?:.*/)?clip_index\.parquet"),
    "kitti": re.compile(r"(?:.*/)?\d{4}_\d\d_\d\d_drive_\d{4}_\w+/oxts/timestamps\.txt"),
    "nuscenes": re.compile(r"v1\.0-\w+/scene\.json"),
}
"""Layout -> a file that only it has."""

OWN_CLOCK_S = 60.0
"""A motion that begins later than this on its own clock was not begun with the videos."""

FRONT, REAR = ("front", "fwd", "forward", "ahead", "f"), ("rear", "back", "behind", "r", "b")
"""Words in the names of cameras: the first are shown first, the others last."""


@dataclass(frozen=True, slots=True)
class _Drive:
    """A folder with videos and a motion."""

    name: str
    videos: tuple[str, ...]
    motion: str


def propose(found: Found) -> Proposal | None:
    """A recipe for drives; None where no folder has videos and a motion.

    Raises:
        RecipeError: there are drives, and something that only a person can say.
    """
    for kind, file in PUBLISHED.items():
        if any(map(file.fullmatch, found.names)):
            return _published(found, kind)
    drives = _drives(found)
    if not drives:
        return None
    rows = _rows(found)
    cameras = _cameras(found, drives)
    usable = [drive for drive in drives if all(_of(pattern, drive) for pattern in cameras.values())]
    model, lines = first_model(DrivingRecipe.families)
    sides, doubts = _sides(found, usable, rows)
    return Proposal(
        fits=sum(len(drive.videos) for drive in drives) / len(found.recordings),
        because=f"{len(drives):,} folders have videos and a motion, such as {drives[0].motion}",
        lines=(
            Line("source.kind", "rig", "a folder for each drive, with videos and the vehicle's motion"),
            *_names(cameras),
            *_clock(found, usable, rows, cameras),
            *_frame(usable),
            *sides,
            *_setup(cameras),
            *_tiles(model),
            *lines,
            *teaching(model, "pairs", "windows"),
        ),
        doubts=(*doubts, *_doubts(found, drives, usable, rows, cameras), *_unused(found)),
    )


def _published(found: Found, kind: str) -> Proposal:
    """A recipe for a layout whose sides and clocks are known."""
    model, lines = first_model(DrivingRecipe.families)
    return Proposal(
        fits=1.0,
        because=f"the folder is in the layout {kind}",
        lines=(Line("source.kind", kind), *_tiles(model), *lines, *teaching(model, "pairs", "windows")),
    )


# --- what is there ----------------------------------------------------------------------------------------


def _drives(found: Found) -> list[_Drive]:
    """Folders with at least one video and one motion, in order of their names."""
    videos: dict[str, list[str]] = {}
    for one in (one for one in found.of_kind("video") if not one.frames):
        videos.setdefault(str(PurePosixPath(one.name).parent), []).append(PurePosixPath(one.name).name)
    motions: dict[str, str] = {}
    for name in found.names:
        path = PurePosixPath(name)
        if path.name.lower() in (*POSES, *FIXES) or path.suffix.lower() == ".gpx":
            folder = str(path.parent)
            if folder not in motions or path.name.lower() in POSES:
                motions[folder] = name
    return [_Drive(name, tuple(videos[name]), motions[name]) for name in sorted(videos) if name in motions]


def _rows(found: Found) -> Mapping[str, DriveRow]:
    try:
        return read_drives(found.root)
    except SourceError as error:
        raise RecipeError(error.message, where=error.where, cure=error.cure) from None


def _cameras(found: Found, drives: Sequence[_Drive]) -> dict[str, str]:
    """Name of each camera -> pattern of its file's stem: what most drives have, by whole names or by their ends.

    Raises:
        RecipeError: files of the drives have nothing in common.
    """
    for part, pattern in ((_whole, "{}"), (_end, "*{}")):
        count = Counter(name for drive in drives for name in {part(file) for file in drive.videos})
        most = max(count.values())
        common = [name for name in count if name and count[name] == most]
        if common and (most > len(drives) / 2 or len(drives) == 1):
            return {name.lstrip("_-. ") or name: pattern.format(name) for name in sorted(common, key=_place)}
    raise RecipeError(
        "no camera is in most drives: their videos have neither names nor ends in common",
        where=found.root,
        cure="call the files of a camera alike in every drive, as front.mp4, or say source.cameras in a recipe",
    )


def _whole(file: str) -> str:
    return PurePosixPath(file).stem


def _end(file: str) -> str:
    """What follows the last separator of a stem, with it: ``_F`` of ``20240501_120000_F.mp4``."""
    found = re.search(r"[_\-. ][A-Za-z]+$", PurePosixPath(file).stem)
    return "" if found is None else found[0]


def _place(name: str) -> tuple[int, str]:
    """Cameras that look ahead first, those that look back last."""
    words = re.findall(r"[a-z]+", name.lower())
    return (
        0 if any(word in FRONT for word in words) else 2 if any(word in REAR for word in words) else 1
    ), name


def _of(pattern: str, drive: _Drive) -> list[str]:
    end = pattern.removeprefix("*")
    return [file for file in drive.videos if (_whole if pattern == end else _end)(file) == end]


# --- lines ------------------------------------------------------------------------------------------------


def _names(cameras: Mapping[str, str]) -> Iterator[Line]:
    if any(name != pattern for name, pattern in cameras.items()):
        yield Line("source.cameras", dict(cameras), "by the ends of the files' names")


def _clock(
    found: Found, drives: Sequence[_Drive], rows: Mapping[str, DriveRow], cameras: Mapping[str, str]
) -> Iterator[Line]:
    """When videos begin, where no video has a table of times and drives.csv does not say it.

    Raises:
        RecipeError: nothing says it, and the motion has a clock of its own.
    """
    bare = _bare(found, drives, rows, cameras)
    if not bare or _are_timed(found, drives, cameras):
        return
    begins_s = {drive.name: _begins_s(found.root / drive.motion) for drive in bare}
    other = [drive for drive in bare if (start := begins_s[drive.name]) is None or abs(start) > OWN_CLOCK_S]
    if other:
        raise RecipeError(
            f"nothing says when the videos of {len(other):,} drives begin on the clock of their motion: "
            f"{such(drive.name for drive in other)}",
            where=found.root / other[0].motion,
            cure=f"write {DRIVES} there with the columns drive,start (a date with a time of day) or drive,start_s, or "
            "<camera>.times.csv with a column time_s and a row a frame",
        )
    why = "nothing says when the videos begin; the motion begins near 0, so they are taken to begin with its clock"
    yield Line("source.offset_s", 0.0, why)


def _bare(
    found: Found, drives: Sequence[_Drive], rows: Mapping[str, DriveRow], cameras: Mapping[str, str]
) -> list[_Drive]:
    """Drives of which a camera has neither a table of times nor a start in drives.csv."""
    names = set(found.names)
    return [
        drive
        for drive in drives
        if not rows.get(drive.name, DriveRow()).starts
        and not all(any(table in names for table in tables) for tables in _tables(drive, cameras))
    ]


def _are_timed(found: Found, drives: Sequence[_Drive], cameras: Mapping[str, str]) -> bool:
    """Whether any camera of any drive has a table of times."""
    names = set(found.names)
    return any(table in names for drive in drives for tables in _tables(drive, cameras) for table in tables)


def _tables(drive: _Drive, cameras: Mapping[str, str]) -> Iterator[list[str]]:
    """Of the videos of cameras, the names that a table of times may have."""
    for pattern in cameras.values():
        for file in _of(pattern, drive):
            yield [(PurePosixPath(drive.name) / f"{_whole(file)}{end}").as_posix() for end in TIMES]


def _begins_s(path: Path) -> float | None:
    """First time of a table of motion; None where it is a date, or cannot be read here."""
    try:
        columns = Columns.read(path)
    except SourceError:
        return None
    for name, per_second in UNITS.items():
        if columns.has(name):
            try:
                return float(columns.table.rows[0][1][columns.names[name]].replace(",", ".")) / per_second
            except ValueError:
                return None
    return None


def _frame(drives: Sequence[_Drive]) -> Iterator[Line]:
    if any(PurePosixPath(drive.motion).name.lower() in POSES for drive in drives):
        why = "nobody said in which world the poses are: z up, y to the left of x is assumed; ned is the other one"
        yield Line("source.frame", "enu", why)


def _sides(
    found: Found, drives: Sequence[_Drive], rows: Mapping[str, DriveRow]
) -> tuple[list[Line], list[str]]:
    """Lines that put drives on sides, and what is doubtful about them.

    Raises:
        RecipeError: there is one drive, or one group, alone.
    """
    told = {drive.name: rows.get(drive.name, DriveRow()) for drive in drives}
    if told and all(row.split for row in told.values()):
        return [Line("source.split", "index", f"{DRIVES} names a side for each drive")], []
    groups = {name: row.group or name for name, row in told.items()}
    who = Who("column", "", "", groups)
    lines, _ = sides_of(
        {name: {"drive": 1.0} for name in groups}, who, str, validates=False, where=found.root
    )
    alone = [name for name, row in told.items() if not row.group]
    whose = "each drive" if len(alone) == len(told) else f"each of {len(alone):,} drives ({such(alone)})"
    doubt = (
        f"{whose} is a group of its own: where several are of one vehicle, day or road, say so by source.group, "
        f"a pattern over their names, or a column group in {DRIVES}"
    )
    return lines, [doubt] if alone else []


def _setup(cameras: Mapping[str, str]) -> Iterator[Line]:
    """Where each camera stands in the picture."""
    names = list(cameras)
    columns = math.ceil(math.sqrt(len(names)))
    padded = [*names, *[None] * (-len(names) % columns)]
    rows = [padded[start : start + columns] for start in range(0, len(padded), columns)]
    why = (
        "moments are chosen on the clock of the reference; rows are places in the picture, in which neighbours in the "
        "world should be neighbours"
    )
    yield Line("preprocessing.setup", {"name": "found", "reference": names[0], "rows": rows}, why)


def _tiles(model: str) -> Iterator[Line]:
    if model == TINY:
        width, height = RigPreprocessing().tile_size
        yield Line(
            "preprocessing.tile_size",
            [84, 56],
            f"a tiny model sees tiny pictures; real ones {width}x{height}",
        )


def _unused(found: Found) -> Iterator[str]:
    """Label files of videos: this task learns from motions alone."""
    videos = {one.name for one in found.of_kind("video")}
    for one in found.label_files:
        if marks := sum(len(marks) for name, marks in one.marks.items() if name in videos):
            yield f"{marks:,} labels on videos in {one.name} are not used: this task learns from motions alone"


def _doubts(
    found: Found,
    drives: Sequence[_Drive],
    usable: Sequence[_Drive],
    rows: Mapping[str, DriveRow],
    cameras: Mapping[str, str],
) -> Iterator[str]:
    if any(True for _ in _frame(usable)):
        yield "nobody said in which world the poses are: source.frame is enu; were it ned, left would be right"
    lacking = [drive.name for drive in drives if drive not in usable]
    if lacking:
        yield f"{len(lacking):,} drives lack one of the cameras {', '.join(cameras)} and are left out: {such(lacking)}"
    bare = [drive.name for drive in _bare(found, usable, rows, cameras)]
    if bare and _are_timed(found, usable, cameras):
        yield (
            f"{len(bare):,} drives have a camera without a table of times, where others have one, and are refused "
            f"until something says when it begins: {such(bare)}"
        )
    others = {
        file
        for drive in usable
        for file in drive.videos
        if not any(file in _of(p, drive) for p in cameras.values())
    }
    if others:
        yield f"videos that are no camera of most drives are left out: {such(sorted(others))}"
    fixes = [drive for drive in usable if PurePosixPath(drive.motion).name.lower() not in POSES]
    if fixes:
        told = sum(_tells_speed(found.root / drive.motion) for drive in fixes)
        yield (
            f"{len(fixes):,} drives have satellite fixes alone, {told:,} of them with the receiver's own speed: speeds "
            "err by about half a metre a second, by a tenth where the receiver tells them, and a vehicle that stands "
            "has no heading"
        )


def _tells_speed(path: Path) -> bool:
    """Whether fixes have the receiver's own speed; not where they cannot be read here."""
    try:
        return read_track(path).speeds is not None
    except SourceError:
        return False
