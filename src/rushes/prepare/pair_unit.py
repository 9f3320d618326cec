"""One block of items of one side becomes one series of shards: each picture on its square, with its words."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from rushes.engine import Failure
from rushes.errors import MediaError
from rushes.media.image import encode_jpeg
from rushes.media.picture import letterbox_white, read_picture
from rushes.prepare.pair import Pair, Words
from rushes.prepare.stage import reason_of, remove_shards
from rushes.shards.manifest import split_folder
from rushes.shards.write import ShardWriter


class File(Protocol):
    """Where the bytes of a picture lie; small, and fit to travel to another process."""

    def read(self) -> bytes:
        """The bytes.

        Raises:
            MediaError: they cannot be read.
        """
        ...


@dataclass(frozen=True, slots=True)
class Raw:
    """An item before its pictures are read.

    Attributes:
        key: content hash of the item.
        picture: what is found.
        views: further pictures of it.
        words: what is said of it.
        group, label: see `rushes.prepare.pair.Pair`.
        where: for errors: the line of a table.
    """

    key: str
    picture: File
    views: tuple[File, ...]
    words: Words
    group: str
    label: str
    where: str


@dataclass(frozen=True, slots=True)
class Job:
    """What it takes to prepare one block; a `rushes.prepare.stage.Job`.

    Attributes:
        key: of the block.
        split: the side on which it stands.
        items: in it.
        size: side of the square, in pixels.
        jpeg_quality: of stored pictures.
        folder: of the dataset; the shards go to ``shards/<split>`` in it.
        shard_bytes: greatest size of a shard.
    """

    key: str
    split: str
    items: tuple[Raw, ...]
    size: int
    jpeg_quality: int
    folder: Path
    shard_bytes: int

    @property
    def length_s(self) -> float:
        """About how much there is to do: its pictures."""
        return float(sum(1 + len(item.views) for item in self.items))

    def truth(self) -> dict[str, Any]:
        """Nothing is known of a block that its samples do not say."""
        return {}


def prepare_block(job: Job) -> dict[str, Any]:
    """Prepare one block.

    An item whose picture cannot be read is left out, and stands with the reason under ``bad``. A view that cannot be
    read is left out of its item and counted.

    Returns:
        The receipt: ``split``, ``shards`` (as in the manifest), ``samples``, ``clips`` (label: number), ``bad`` (key of
        an item: reason), ``captions``, ``views``, ``views_left_out``, ``views_left_out_for`` (reason: number),
        ``duration_s`` (none). The same job gives the same receipt and the same files.

    Raises:
        ShardError, OSError: the output cannot be written; the input is not to blame.
    """
    remove_shards(job.folder, job.split, job.key)  # of a run that was killed before its receipt
    clips: Counter[str] = Counter()
    left_out: Counter[str] = Counter()
    bad: dict[str, dict[str, Any]] = {}
    views = captions = 0
    place = split_folder(job.folder, job.split)
    with ShardWriter(place, job.key, job.shard_bytes, split=job.split) as writer:
        for item in job.items:
            try:
                picture = _square(item.picture, job, item.where)
            except MediaError as error:
                bad[item.key] = reason_of(Failure.of(error), 1)
                continue
            others = tuple(_views(item, job, left_out))
            pair = Pair(item.key, picture, item.words, others, item.group, item.label)
            writer.write(pair.key, pair.members(), group=pair.group, label=pair.label or None)
            clips[pair.label] += 1
            views += len(pair.views)
            captions += len(pair.words.captions)
        shards = writer.close()
    return {
        "split": job.split,
        "shards": [shard.to_json() for shard in shards],
        "samples": clips.total(),
        "clips": dict(sorted(clips.items())),
        "bad": bad,
        "captions": captions,
        "views": views,
        "views_left_out": left_out.total(),
        "views_left_out_for": dict(sorted(left_out.items())),
        "duration_s": 0.0,
    }


def _views(item: Raw, job: Job, left_out: Counter[str]) -> Iterator[bytes]:
    for view in item.views:
        try:
            yield _square(view, job, item.where)
        except MediaError as error:
            left_out[error.message] += 1


def _square(file: File, job: Job, where: str) -> bytes:
    """A picture as a JPEG of the asked size; of a large one no more is decoded than scales down well."""
    picture = read_picture(file.read(), where, at_least=2 * job.size)
    return encode_jpeg(letterbox_white(picture, job.size), job.jpeg_quality)
