"""Pictures and words of a dataset, and further questions about its items, as vectors of two systems."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TypeVar, cast

import numpy as np
import torch
from numpy.typing import NDArray

from rushes.media.image import decode_jpeg
from rushes.models.dual_encoder import DualEncoder
from rushes.predict.vectors import System, queries_schema, vectors_schema, writing_vectors
from rushes.prepare.pair import Pair
from rushes.train.batches import Samples

T = TypeVar("T")

Question = str | bytes
"""Words, or a JPEG of the size that the model takes."""

Encoders = Mapping[System, DualEncoder]
"""What each system is; one encoder may be both."""

OnProgress = Callable[[int], None]
"""Told how many items are done."""


@dataclass(frozen=True, slots=True)
class Kind:
    """Further questions about items.

    Attributes:
        name: as ``kind`` says it.
        of: the questions about an item; all words, or all pictures.
        encoders: who is asked them.
    """

    name: str
    of: Callable[[Pair], Iterable[Question]]
    encoders: Encoders


def embed_items(
    path: Path,
    sides: Mapping[str, Samples],
    encoders: Encoders,
    batch_size: int,
    on_progress: OnProgress,
) -> int:
    """Write ``vectors.parquet`` of the items of all sides, in their order, in the memory of a batch.

    Args:
        path: of the file.
        sides: name -> its items, each a `Pair`.
        encoders: both systems.
        batch_size: items of one forward pass.
        on_progress: told after each batch.

    Returns:
        How many texts are longer than the trained model reads, so that only their beginning counts.

    Raises:
        MediaError: the picture of an item cannot be read.
    """
    fields = {field for pairs in sides.values() for pair in _each(pairs) for field in pair.words.fields}
    done = cut = 0
    with writing_vectors(path, vectors_schema(_width(encoders), sorted(fields))) as writer:
        for side, pairs in sides.items():
            for batch in _batches(_each(pairs), batch_size):
                pictures = _vectors(encoders, [pair.picture for pair in batch], batch_size)
                words = [pair.words.text for pair in batch]
                texts = _vectors(encoders, words, batch_size)
                cut += encoders["model"].count_cut(words)
                writer.add(
                    {
                        "id": [pair.key for pair in batch],
                        "side": [side] * len(batch),
                        "group": [pair.group for pair in batch],
                        "label": [pair.label for pair in batch],
                        "title": [pair.words.title for pair in batch],
                        "text": words,
                        "fields": [dict(pair.words.fields) for pair in batch],
                        **{f"{system}_picture": vectors for system, vectors in pictures.items()},
                        **{f"{system}_text": vectors for system, vectors in texts.items()},
                    }
                )
                on_progress(done := done + len(batch))
    return cut


def embed_queries(
    path: Path,
    pairs: Samples,
    kinds: Sequence[Kind],
    encoders: Encoders,
    batch_size: int,
    on_progress: OnProgress,
) -> dict[str, int]:
    """Write ``queries.parquet``, likewise.

    Args:
        path: of the file.
        pairs: the items that questions are about, each a `Pair`.
        kinds: of questions, in the order of the file.
        encoders: both systems; kinds name theirs, of the same width.
        batch_size: questions of one forward pass.
        on_progress: told after each batch.

    Returns:
        How many there are of each kind.
    """
    counts = dict.fromkeys((kind.name for kind in kinds), 0)
    with writing_vectors(path, queries_schema(_width(encoders))) as writer:
        for kind in kinds:
            asked = ((pair.key, question) for pair in _each(pairs) for question in kind.of(pair))
            for batch in _batches(asked, batch_size):
                ids, questions = zip(*batch, strict=True)
                writer.add(
                    {
                        "id": ids,
                        "kind": [kind.name] * len(batch),
                        "text": [one if isinstance(one, str) else "" for one in questions],
                        **_vectors(kind.encoders, questions, batch_size),
                    }
                )
                counts[kind.name] += len(batch)
                on_progress(sum(counts.values()))
    return counts


def vectors_of(encoder: DualEncoder, questions: Sequence[Question], batch_size: int) -> NDArray[np.float32]:
    """Unit vectors (n, D) of questions, at least one, all of them words or all pictures."""
    if isinstance(questions[0], str):
        return encoder.embed_texts(cast("Sequence[str]", questions), batch_size)
    pictures = np.stack([decode_jpeg(picture) for picture in cast("Sequence[bytes]", questions)])
    return encoder.embed_pictures(pictures, batch_size)


def forget(encoder: DualEncoder, seed: int) -> None:
    """Make it untrained, in place: the values of each weight in another order, so that only its architecture is left.

    Weights that torch does not know, as those of ``locked``, stay.
    """
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for weight in encoder.parameters():
            order = torch.randperm(weight.numel(), generator=generator).to(weight.device)
            weight.copy_(weight.flatten()[order].view_as(weight))


def _vectors(
    encoders: Encoders, questions: Sequence[Question], batch_size: int
) -> dict[str, NDArray[np.float32]]:
    """Of each system, by its name; an encoder that is several is asked once."""
    once = {one: vectors_of(one, questions, batch_size) for one in dict.fromkeys(encoders.values())}
    return {system: once[encoder] for system, encoder in encoders.items()}


def _each(pairs: Samples) -> Iterator[Pair]:
    return (pairs[number] for number in range(len(pairs)))


def _width(encoders: Encoders) -> int:
    return next(iter(encoders.values())).width


def _batches(values: Iterable[T], size: int) -> Iterator[list[T]]:
    rest = iter(values)
    while batch := list(islice(rest, size)):
        yield batch
