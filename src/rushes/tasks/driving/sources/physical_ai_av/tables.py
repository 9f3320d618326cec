"""The tables beside the archives: which clips there are, on which side, with which sensors, from where."""

from __future__ import annotations

import difflib
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from rushes.errors import SourceError
from rushes.recipe.sections import Side
from rushes.records import KEY
from rushes.tasks.driving.recipe import BY_DEFAULT
from rushes.tasks.driving.sources.layout import SIDES, require_whole_groups
from rushes.tasks.driving.sources.physical_ai_av.clip import Clip
from rushes.tasks.driving.sources.physical_ai_av.layout import CLIP_INDEX, COLLECTION, PRESENCE
from rushes.tasks.driving.sources.physical_ai_av.parquet import (
    column_names,
    integers,
    read_table,
    require_once,
    texts,
)
from rushes.tasks.driving.sources.physical_ai_av.splits import read_split, split_file

DRIVE = "drive_id"
"""Where the collection table has this column, clips of one drive are one group."""

_AGAIN = "fetch the table again"


@dataclass(frozen=True, slots=True, order=True)
class ClipRow:
    """A row of the clip index; ``split`` is that of the split that was asked for, empty where it has none."""

    chunk: int
    clip: str
    split: str
    valid: bool


def read_clip_index(
    root: Path, chunks: Collection[int] | None = None, split: str = BY_DEFAULT
) -> list[ClipRow]:
    """The clips of ``chunks`` (of all chunks, if None), sorted by chunk and clip.

    Args:
        root: of the dataset.
        chunks: asked for.
        split: name of the split that the sides are of, see `split_file`.

    Raises:
        SourceError: a table that does not hold, a clip id twice or none that can be a key, a chunk that the
            index does not know, a split that is not there or labels clips that are not in the index.
    """
    path, named = root / CLIP_INDEX, split_file(root, split)
    table = read_table(path, ("clip_id", "chunk", "clip_is_valid", *(() if named else ("split",))))
    numbers = integers(table, "chunk", path)
    require_once(table, path)
    if named:
        side_of = read_split(named, table["clip_id"])
        sides = [side_of.get(clip) or "" for clip in table["clip_id"].to_pylist()]
        table = table.append_column("split", pa.array(sides, pa.string()))
    if not pa.types.is_boolean(table["clip_is_valid"].type) or table["clip_is_valid"].null_count:
        raise SourceError("column clip_is_valid should hold true or false", where=path, cure=_AGAIN)
    if chunks is not None:
        unknown = sorted(set(chunks) - set(numbers.tolist()))
        if unknown:
            raise SourceError(
                f"the clip index knows no chunk {', '.join(map(str, unknown[:10]))}",
                where=path,
                cure=f"choose among {numbers.min()} to {numbers.max()}" if len(numbers) else _AGAIN,
            )
        table = table.filter(pc.is_in(table["chunk"], pa.array(list(chunks), table["chunk"].type)))
    rows = [
        ClipRow(*row)
        for row in zip(
            integers(table, "chunk", path).tolist(),
            texts(table, "clip_id", path),
            texts(table, "split", path),
            table["clip_is_valid"].to_pylist(),
            strict=True,
        )
    ]
    strange = next((row.clip for row in rows if KEY.fullmatch(row.clip) is None), None)
    if strange is not None:
        raise SourceError(
            f"a clip id is made of letters, digits, _ and -, found {strange[:80]!r}", where=path, cure=_AGAIN
        )
    return sorted(rows)


def require_clips(root: Path, asked: Iterable[str]) -> None:
    """See to it that the clip index knows all clips that are ``asked`` for, in whatever chunk.

    Raises:
        SourceError: it does not; names them, and what is nearest to the first of them.
    """
    path = root / CLIP_INDEX
    known = set(texts(read_table(path, ("clip_id",)), "clip_id", path))
    strange = sorted(set(asked) - known)
    if strange:
        # An id that was mistyped has one of its ends right; to compare it with all 300,000 takes seconds.
        alike = [id_ for id_ in known if id_[:4] == strange[0][:4] or id_[-4:] == strange[0][-4:]]
        near = difflib.get_close_matches(strange[0], sorted(alike), n=3, cutoff=0.8)
        names = ", ".join(f"{clip[:80]!r}" for clip in strange[:5])
        more = f" and {len(strange) - 5} more" if len(strange) > 5 else ""
        raise SourceError(
            f"the clip index knows no clip {names}{more}",
            where=path,
            cure=f"did you mean {' or '.join(near)}?" if near else "list clips of the column clip_id",
        )


def read_absences(root: Path, features: Iterable[str]) -> dict[str, frozenset[str]]:
    """Feature -> clips of which the presence table says that they lack it.

    What the table does not tell, or no table at all, is no absence.
    """
    path = next((root / name for name in PRESENCE if (root / name).is_file()), None)
    if path is None:
        return {}
    table = read_table(path, ("clip_id",), tuple(features))
    flags = [name for name in table.column_names if pa.types.is_boolean(table[name].type)]
    return {name: frozenset(table["clip_id"].filter(pc.invert(table[name])).to_pylist()) for name in flags}


def read_tags(root: Path, clips: Collection[str]) -> dict[str, tuple[tuple[str, str], ...]]:
    """What the collection table knows of ``clips``, as text: country, hour; nothing without a table."""
    path = root / COLLECTION
    if not path.is_file():
        return {}
    names = [name for name in column_names(path) if not name.startswith("__") and name != "clip_id"]
    table = read_table(path, ("clip_id",), names)
    table = table.filter(pc.is_in(table["clip_id"], pa.array(list(clips), pa.string())))
    plain = [name for name in names if not pa.types.is_nested(table[name].type)]
    return {
        row.pop("clip_id"): tuple((name, str(value)) for name, value in row.items() if value is not None)
        for row in table.select(["clip_id", *plain]).to_pylist()
    }


def assign_splits(recordings: Iterable[Clip], asked: str | Mapping[Side, Collection[str]]) -> dict[str, str]:
    """Put recordings on sides: those of a group on one side, or not at all.

    Args:
        recordings: in any order.
        asked: the name of the split that the recordings were found with; or side -> clip ids.

    Returns:
        Key -> side, in the order of ``recordings``; who stands on no side is not in it.

    Raises:
        SourceError: a group stands on two sides, a clip is listed on two, or a side is unknown.
    """
    recordings = tuple(recordings)
    wanted = sides_of({recording.key: recording.split for recording in recordings}, asked)
    side_of = {recording.key: wanted[recording.key] for recording in recordings if recording.key in wanted}
    require_whole_groups(recordings, side_of)
    return side_of


def sides_of(split_of: Mapping[str, str], asked: str | Mapping[Side, Collection[str]]) -> dict[str, str]:
    """Clip -> side on which it is asked for.

    Args:
        split_of: clip -> its side in the split that it was found with.
        asked: as of `assign_splits`.

    Raises:
        SourceError: a clip is listed on two sides, or a side is unknown.
    """
    if isinstance(asked, str):
        return {clip: split for clip, split in split_of.items() if split in SIDES}
    side_of: dict[str, str] = {}
    for side, clips in asked.items():
        if side not in SIDES:
            raise SourceError(f"no side {side!r} in a split", cure=f"name sides {', '.join(SIDES)}")
        for clip in clips:
            if side_of.setdefault(clip, side) != side:
                raise SourceError(
                    f"clip {clip} is listed in {side_of[clip]} and in {side}", cure="list it on one side"
                )
    return side_of
