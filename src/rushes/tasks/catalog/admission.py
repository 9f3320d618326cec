"""Admission of a run of the catalogue: from weights to vectors anew; figures from vectors every run shows."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from rushes.media.image import decode_jpeg
from rushes.predict.vectors import SYSTEMS, VECTORS, Vectors, read_vectors
from rushes.prepare.pair import Pair
from rushes.runs.admission.values import Fault, asked_of, check_keys
from rushes.runs.run import Run
from rushes.tasks.catalog.predict import model_of
from rushes.tasks.catalog.recipe import CatalogRecipe

ASKED = 2_000
"""Products of a side up to which the reloaded encoders are asked about every one."""

PARITY = {"cpu": 1e-3}
"""By how much a number of a vector may differ from the one on disk, by device: float16 rounds by up to 5e-4 of it."""

PARITY_OF_GPU = 4e-3
"""The same on any other device, which adds in an order of its own."""


def check_search(run: Run[CatalogRecipe]) -> Iterator[Fault]:
    """Every product has vectors, these follow from the weights, and not every question gets one answer."""
    vectors = read_vectors(run.folder("embed"))
    where = str(run.folder("embed") / VECTORS)
    samples = run.samples(run.recipe.evaluate.split)
    side = np.flatnonzero(vectors.sides == run.recipe.evaluate.split)
    yield from check_keys(list(samples.keys()), vectors.keys[side].tolist(), where)
    row = {vectors.keys[number]: int(number) for number in side}
    answered = [(number, key) for number, key in enumerate(samples.keys()) if key in row]
    asked = [answered[place] for place in asked_of([key for _, key in answered], ASKED)]
    pairs = [Pair.of(key, samples.sample(number)) for number, key in asked]
    rows = np.array([row[key] for _, key in asked], np.int64)
    yield from _of_dataset(vectors, rows, pairs, where)
    yield from _reload(run, vectors, rows, pairs, where)
    card = run.scorecard()
    if card.details["collapsed"] is not None:
        yield Fault(
            "answers", f"every question gets {card.details['collapsed']} first", where, kind="collapsed"
        )


def _of_dataset(vectors: Vectors, rows: np.ndarray, pairs: Sequence[Pair], where: str) -> Iterator[Fault]:
    """Group, type and words beside the vectors are those of the dataset."""
    columns = (vectors.groups, vectors.labels, vectors.texts)
    for pair, said in zip(
        pairs, zip(*(column[rows].tolist() for column in columns), strict=True), strict=True
    ):
        truth = (pair.group, pair.label, pair.words.text)
        if said != truth:
            yield Fault("predictions", f"{pair.key} stands there with {said}, the dataset has {truth}", where)
            return


def _reload(
    run: Run[CatalogRecipe], vectors: Vectors, rows: np.ndarray, pairs: Sequence[Pair], where: str
) -> Iterator[Fault]:
    """The encoders on disk give the vectors on disk, of every product of a side or of some that nobody chooses."""
    batch = run.recipe.evaluate.batch_size
    pictures = np.stack([decode_jpeg(pair.picture, pair.key) for pair in pairs])
    for system in SYSTEMS:
        encoder = model_of(run, system)
        most = PARITY.get(encoder.device.type, PARITY_OF_GPU)
        again = {
            "picture": encoder.embed_pictures(pictures, batch),
            "text": encoder.embed_texts([pair.words.text for pair in pairs], batch),
        }
        stored = {"picture": vectors.picture(system)[rows], "text": vectors.text(system)[rows]}
        for kind, found in again.items():
            apart = np.abs(found - stored[kind].astype(np.float32)).max(axis=1)
            if not apart.max() <= most:  # NaN as well
                key = pairs[int(apart.argmax())].key
                message = f"reloaded, {system} gives {kind} of {key} another vector, {apart.max():.2g} off"
                yield Fault("reload", message, where)
