"""Vectors of a made-up shop, in the files that `rushes embed` writes."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from rushes.predict.vectors import (
    QUERIES,
    VECTORS,
    Vectors,
    queries_schema,
    read_vectors,
    vectors_schema,
    writing_vectors,
)

WIDTH = 16
TYPES = ("chair", "lamp", "shelf")


def unit(rows: np.ndarray) -> np.ndarray:
    """Rows of length 1."""
    return rows / np.linalg.norm(rows, axis=-1, keepdims=True)


def items(count: int = 60, probe: int = 12) -> dict[str, list[str]]:
    """Products in families of two: half of the families train, the others test, and some of another domain."""
    keys = [f"{number:016x}" for number in range(count + probe)]
    side = [
        ("train" if number // 2 % 2 else "test") if number < count else "probe"
        for number in range(count + probe)
    ]
    label = [TYPES[number // 2 % 3] if number < count else "stamp" for number in range(count + probe)]
    return {
        "id": keys,
        "side": side,
        "group": [f"family{number // 2}" for number in range(count + probe)],
        "label": label,
        "title": [f"{label[number].title()} {number}" for number in range(count + probe)],
        "text": [f"{label[number]} {number}" for number in range(count + probe)],
    }


def vectors(
    folder: Path,
    *,
    noise: float = 0.3,
    base_noise: float = 4.0,
    other_noise: float | None = None,
    table: dict[str, list[str]] | None = None,
    views: bool = False,
    languages: tuple[str, ...] = (),
    untrained: bool = False,
    seed: int = 0,
) -> Vectors:
    """Pictures at random, and texts that are as far from them as noise says.

    Args:
        folder: to write into.
        noise, base_noise: of the trained model, and of the one before training; equal ones make them equal.
        other_noise: of the trained model about items of the probe; as about all others if None.
        table: see `items`.
        views: whether each item of the test side is asked for with two views.
        languages: in which each is asked for, up to eight of them in the same words.
        untrained: whether random weights were asked.
        seed: of everything drawn.
    """
    table = table or items()
    rng, n = np.random.default_rng(seed), len(table["id"])
    pictures, apart = unit(rng.normal(size=(n, WIDTH))), rng.normal(size=(n, WIDTH)) / WIDTH**0.5
    probe = np.array(table["side"]) == "probe"
    spread = np.where(probe & (other_noise is not None), other_noise or 0.0, noise)[:, None]
    columns = {
        **table,
        "base_picture": pictures,
        "model_picture": pictures,
        "base_text": unit(pictures + base_noise * apart),
        "model_text": unit(pictures + spread * apart),
    }
    folder.mkdir(parents=True, exist_ok=True)
    with writing_vectors(folder / VECTORS, vectors_schema(WIDTH, ())) as writer:
        writer.add(columns)
    tested = np.flatnonzero(np.array(table["side"]) == "test")
    ids = [table["id"][number] for number in tested]
    with writing_vectors(folder / QUERIES, queries_schema(WIDTH)) as writer:
        kinds = ["view", "view"] * views + [f"language:{language}" for language in languages]
        for kind in kinds:
            drawn = rng.normal(size=(len(tested), WIDTH)) / WIDTH**0.5
            writer.add(
                {
                    "id": ids,
                    "kind": [kind] * len(ids),
                    "text": [""] * len(ids) if kind == "view" else [f"{kind} {key[:-1]}" for key in ids],
                    "base": unit(pictures[tested] + base_noise * drawn),
                    "model": unit(pictures[tested] + noise * drawn),
                }
            )
        for kind in ["untrained:picture", "untrained:text"] * untrained:
            writer.add(
                {
                    "id": ids,
                    "kind": [kind] * len(ids),
                    "text": [""] * len(ids),
                    "model": unit(rng.normal(size=(len(ids), WIDTH))),
                }
            )
    return read_vectors(folder)
