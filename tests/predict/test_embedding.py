"""Pairs become vectors: every item and question once, in order, whatever the size of a batch."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from pairs import SIZE, encoder, pair

from rushes.errors import MediaError
from rushes.media.image import decode_jpeg
from rushes.predict.embedding import Encoders, Kind, embed_items, embed_queries, forget
from rushes.predict.vectors import QUERIES, VECTORS, Vectors, read_vectors
from rushes.prepare.pair import Pair

PAIRS = [pair(number, views=number % 3) for number in range(10)]
SIDES = {"train": PAIRS[:7], "test": PAIRS[7:]}


def embed(folder: Path, encoders: Encoders, batch_size: int, kinds: list[Kind] | None = None) -> Vectors:
    told: list[int] = []
    embed_items(folder / VECTORS, SIDES, encoders, batch_size, told.append)
    embed_queries(folder / QUERIES, PAIRS[7:], kinds or [], encoders, batch_size, told.append)
    return read_vectors(folder)


def test_every_item_has_the_vectors_of_both_systems_beside_what_is_known_of_it(tmp_path: Path) -> None:
    base, model = encoder(0), encoder(1)
    found = embed(tmp_path, {"base": base, "model": model}, 4)
    assert found.keys.tolist() == [one.key for one in PAIRS]
    assert found.sides.tolist() == ["train"] * 7 + ["test"] * 3
    assert found.texts.tolist() == [one.words.text for one in PAIRS]
    assert found.titles.tolist() == [one.words.title for one in PAIRS]
    assert found.groups.tolist() == [one.group for one in PAIRS]
    assert found.labels.tolist() == [one.label for one in PAIRS]
    assert found.field("style").tolist() == [one.words.fields["style"] for one in PAIRS]
    pictures = np.stack([decode_jpeg(one.picture) for one in PAIRS])
    for system, one in (("base", base), ("model", model)):
        assert np.allclose(found.picture(system), one.embed_pictures(pictures), atol=1e-3)
        assert np.allclose(found.text(system), one.embed_texts(found.texts.tolist()), atol=1e-3)
    assert not np.allclose(found.text("base"), found.text("model"), atol=1e-2)


def test_bytes_are_the_same_each_time_and_batches_change_them_by_rounding_at_most(tmp_path: Path) -> None:
    encoders: Encoders = {"base": encoder(0), "model": encoder(1)}
    again, other = tmp_path / "again", tmp_path / "other"
    first = embed(tmp_path, encoders, 4)
    embed(again, encoders, 4)
    assert (again / VECTORS).read_bytes() == (tmp_path / VECTORS).read_bytes()
    assert (again / QUERIES).read_bytes() == (tmp_path / QUERIES).read_bytes()
    assert np.allclose(embed(other, encoders, 3).picture("model"), first.picture("model"), atol=1e-3)


def test_questions_of_each_kind_name_their_item_and_are_asked_of_their_systems(tmp_path: Path) -> None:
    both, alone = encoder(0), encoder(1)
    encoders: Encoders = {"base": both, "model": both}
    kinds = [
        Kind("view", lambda pair: pair.views, encoders),
        Kind("language:de", lambda pair: pair.words.titles.values(), encoders),
        Kind("untrained:text", lambda pair: [pair.words.text], {"model": alone}),
        Kind("nothing", lambda pair: [], encoders),
    ]
    found = embed(tmp_path, encoders, 2, kinds)
    assert found.kinds == ("view", "language:de", "untrained:text")
    views, german, untrained = (found.queries(kind) for kind in found.kinds)
    assert views.ids.tolist() == [one.key for one in PAIRS[7:] for _ in one.views]
    assert views.texts.tolist() == [""] * 3
    seen = np.stack([decode_jpeg(view) for one in PAIRS[7:] for view in one.views])
    assert np.allclose(views.vectors["base"], both.embed_pictures(seen), atol=1e-3)
    assert german.texts.tolist() == ["Ding 7", "Ding 9"]
    assert list(untrained.vectors) == ["model"]
    assert np.allclose(untrained.vectors["model"], alone.embed_texts(untrained.texts.tolist()), atol=1e-3)


def test_texts_that_are_longer_than_the_model_reads_are_counted(tmp_path: Path) -> None:
    long = replace(PAIRS[0], words=replace(PAIRS[0].words, text="red box " * 200))
    encoders: Encoders = {"base": encoder(0), "model": encoder(1)}
    cut = embed_items(tmp_path / VECTORS, {"test": [long, PAIRS[1]]}, encoders, 4, lambda done: None)
    assert cut == 1


def test_a_picture_that_cannot_be_read_stops_it_and_leaves_no_file(tmp_path: Path) -> None:
    broken = Pair("f" * 16, b"no picture", PAIRS[0].words)
    encoders: Encoders = {"base": encoder(), "model": encoder()}
    with pytest.raises(MediaError):
        embed_items(tmp_path / VECTORS, {"test": [broken]}, encoders, 4, lambda done: None)
    assert not list(tmp_path.iterdir())


def test_an_untrained_model_has_the_same_values_in_another_order() -> None:
    trained, forgotten, again = encoder(3), encoder(3), encoder(3)
    forget(forgotten, 0)
    forget(again, 0)
    for (name, before), after in zip(trained.named_parameters(), forgotten.parameters(), strict=True):
        assert torch.equal(before.flatten().sort().values, after.flatten().sort().values), name
    blank = np.full((1, SIZE, SIZE, 3), 200, np.uint8)
    first, second = forgotten.embed_pictures(blank), again.embed_pictures(blank)
    assert np.array_equal(first, second)
    assert not np.allclose(first, trained.embed_pictures(blank), atol=1e-2)
