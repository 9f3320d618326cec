"""Tables that put the clips on sides, beside the clip index: ``splits/<name>.parquet``.

They are taken as the publisher's own kit takes them (physical_ai_av 0.2.3, ``dataset.py``): ``splits/default.parquet``
where it is there, whatever the clip index says; a clip that it leaves out stands on no side; a clip that the index
does not know is a fault.
"""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pyarrow as pa

from rushes.errors import SourceError
from rushes.tasks.driving.recipe import BY_DEFAULT, BY_INDEX
from rushes.tasks.driving.sources.physical_ai_av.layout import CLIP_INDEX, SPLITS
from rushes.tasks.driving.sources.physical_ai_av.parquet import read_table, require_once


def split_file(root: Path, name: str) -> Path | None:
    """The table that makes a split; None where the clip index does.

    Args:
        root: of the dataset.
        name: ``default``, ``index``, or that of a table.

    Raises:
        SourceError: there is no such table; lists those that there are.
    """
    path = root / SPLITS / f"{name}.parquet"
    if name == BY_INDEX or (name == BY_DEFAULT and not path.is_file()):
        return None
    if not path.is_file():
        known = {BY_DEFAULT, BY_INDEX, *(found.stem for found in (root / SPLITS).glob("*.parquet"))}
        raise SourceError(
            f"no split {name!r} beside the clip index",
            where=path,
            cure=f"set source.split to {', '.join(sorted(known))}, or list clips by side",
        )
    return path


def read_split(path: Path, clips: pa.ChunkedArray) -> dict[str, str | None]:
    """Clip -> side; None where the table leaves it open.

    Args:
        path: of the table.
        clips: all that the clip index knows.

    Raises:
        SourceError: no such table, a clip twice, a side that is no text, or a clip that is not in the index.
    """
    table = read_table(path, ("clip_id", "split"))
    require_once(table, path)
    found = dict(zip(table["clip_id"].to_pylist(), table["split"].to_pylist(), strict=True))
    if strange := sorted(found.keys() - set(clips.to_pylist()), key=str):
        raise SourceError(
            f"it labels {len(strange):,} clips that are not in the clip index, as {', '.join(map(str, strange[:3]))}",
            where=path,
            cure="fetch splits and clip index of the same revision",
        )
    if odd := next((side for side in found.values() if not isinstance(side, str | None)), None):
        raise SourceError(
            f"column split should hold text, found {odd!r}", where=path, cure="fetch the table again"
        )
    return found


def contradiction(root: Path, name: str) -> str:
    """How the clip index and the split's table disagree, in a line; empty where they do not.

    Args:
        root: of the dataset.
        name: of the split that is taken. Where it is the clip index's own, the table is that which the kit takes.

    Raises:
        SourceError: as `split_file` and `read_split`.
    """
    taken = split_file(root, name)
    path = taken or split_file(root, BY_DEFAULT)
    index = read_table(root / CLIP_INDEX, ("clip_id",), ("split",))
    if path is None or "split" not in index.column_names:
        return ""
    by_table = read_split(path, index["clip_id"])
    moves = Counter(
        f"{before or 'no side'} to {by_table.get(clip) or 'no side'}"
        for clip, before in zip(*(index[column].to_pylist() for column in ("clip_id", "split")), strict=True)
        if before != by_table.get(clip)
    )
    if not moves:
        return ""
    told = "is taken" if taken else "is not taken, though the publisher's kit does"
    listed = ", ".join(f"{count:,} from {move}" for move, count in sorted(moves.items()))
    return (
        f"{SPLITS}/{path.name} {told}: it puts {moves.total():,} of {len(index):,} clips elsewhere than the clip "
        f"index ({listed})"
    )
