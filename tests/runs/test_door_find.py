"""The door of a search answers as the search itself does, and what cannot be asked is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from live_service import alive
from pairs import SIZE, encoder, pair
from PIL import Image

from rushes.errors import MediaError, QuestionError
from rushes.media.limits import DEFAULT_LIMITS, Limits
from rushes.media.picture import read_picture
from rushes.predict.embedding import embed_items, embed_queries
from rushes.predict.vectors import QUERIES, VECTORS, read_vectors
from rushes.runs.door.find import IMAGE, PICTURE, FindDoor
from rushes.runs.search import Among
from rushes.runs.vector_search import Shop, VectorSearch
from rushes.testing import Request, door_checks

PAIRS = [pair(number) for number in range(12)]
BY_KEY = {one.key: one for one in PAIRS}


def picture_of(key: str) -> bytes:
    if key not in BY_KEY:
        raise QuestionError(f"no item {key!r}")
    return BY_KEY[key].picture


@pytest.fixture(scope="module")
def search(tmp_path_factory: pytest.TempPathFactory) -> VectorSearch:
    folder, models = tmp_path_factory.mktemp("vectors"), {"base": encoder(0), "model": encoder(1)}
    embed_items(folder / VECTORS, {"train": PAIRS}, models, 8, lambda done: None)
    embed_queries(folder / QUERIES, PAIRS[:2], [], models, 8, lambda done: None)
    shop = Shop(read_vectors(folder), ("train",), lambda: models["model"], picture_of, folder)
    return VectorSearch(shop, Among())


@pytest.fixture(scope="module")
def door(search: VectorSearch) -> FindDoor:
    return FindDoor(lambda: search)


def photo(path: Path, kind: str, side: int = SIZE) -> Path:
    """A picture that lies on its side where its format can say so, and is clear in a corner where it can be."""
    rng = np.random.default_rng(3)
    made = Image.fromarray(rng.integers(0, 256, (side, side + 9, 4), np.uint8), "RGBA")
    exif = Image.Exif()
    exif[0x0112] = 6
    if kind in ("JPEG", "BMP"):
        made = made.convert("RGB")
    made.save(path, kind, **({"exif": exif} if kind in ("JPEG", "PNG", "WEBP") else {}))
    return path


def keys(found: Any) -> list[tuple[str, int, float]]:
    return [(hit.key, hit.rank, hit.score) for hit in found]


def test_words_are_answered_as_the_search_answers_them(door, search):
    found = Request(door, {"words": "grey sofa", "k": 5}).answer()
    assert keys(found.hits) == keys(search.find("grey sofa", None, 5))
    assert found.hits[0].fields == search.find("grey sofa", None, 5)[0].fields
    assert found.hits[0].picture == f"/items/{found.hits[0].key}.jpg"
    assert door.picture(found.hits[0].key) == BY_KEY[found.hits[0].key].picture


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "GIF", "BMP"])
def test_a_picture_of_any_format_finds_what_its_file_finds(door, search, tmp_path, kind):
    file = photo(tmp_path / "photo", kind)
    data = file.read_bytes()
    [part] = door.decode(door.asked())({IMAGE: file}, DEFAULT_LIMITS).parts
    sent = part.members[PICTURE]
    assert sent.startswith(b"\x89PNG")
    assert np.array_equal(read_picture(sent), read_picture(data))
    assert keys(Request(door, {}, {IMAGE: file}).answer().hits) == keys(search.find(None, data, 10))
    both = Request(door, {"words": "bed", "weight": 0.3}, {IMAGE: file}).answer().hits
    assert keys(both) == keys(search.find("bed", data, 10, weight=0.3))


def test_fields_are_asked_for_as_a_mapping_or_as_text(door, search):
    name, value = next(iter(PAIRS[0].words.fields.items()))
    expected = keys(search.find("bed", None, 10, where={name: value}))
    for where in ({name: value}, f'{{"{name}": "{value}"}}'):
        assert keys(Request(door, {"words": "bed", "where": where}).answer().hits) == expected


@pytest.mark.parametrize(
    ("asked", "error", "words"),
    [
        ({}, QuestionError, "nothing is asked"),
        ({"words": "bed", "where": {"colour": "red"}}, QuestionError, "no item has a field"),
        ({"words": ""}, ValueError, "at least 1 character"),
        ({"words": "bed", "k": 101}, ValueError, "less than or equal to 100"),
        ({"words": "bed", "weight": "nan"}, ValueError, "weight"),
        ({"words": "bed", "where": "{"}, ValueError, "where"),
        ({"words": "bed", "where": '["a"]'}, ValueError, "where"),
    ],
)
def test_what_cannot_be_asked_is_refused(door, asked, error, words):
    with pytest.raises(error, match=words):
        Request(door, asked).answer()


def test_a_picture_that_is_too_large_is_refused(door, tmp_path):
    file = photo(tmp_path / "photo", "PNG", 64)
    for limits in (Limits(max_pixels=64 * 64), Limits(max_decoded_bytes=64 * 64)):
        with pytest.raises(MediaError, match="accepted"):
            door.decode(door.asked())({IMAGE: file}, limits)


@pytest.mark.parametrize("check", door_checks(), ids=lambda check: check.__name__)
def test_the_door_keeps_its_contract(check, door, tmp_path):
    file = photo(tmp_path / "photo", "JPEG")
    check(Request(door, {"words": "bed"}, {IMAGE: file}), tmp_path / "room")


# --- over HTTP ------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def url(door, tmp_path_factory):
    with alive(tmp_path_factory.mktemp("uploads") / "root", {"search": door}) as found:
        yield found.url


def test_a_service_answers_words_and_pictures_and_shows_what_it_found(url, search, tmp_path):
    data = photo(tmp_path / "photo", "WEBP").read_bytes()
    by_words = httpx.post(f"{url}/search", json={"words": "bed", "k": 3}).json()["hits"]
    assert [(hit["key"], hit["score"]) for hit in by_words] == [
        (hit.key, hit.score) for hit in search.find("bed", None, 3)
    ]
    both = httpx.post(f"{url}/search", files={IMAGE: data}, data={"words": "bed", "weight": "0.3"}).json()[
        "hits"
    ]
    assert [(hit["key"], hit["score"]) for hit in both] == [
        (hit.key, hit.score) for hit in search.find("bed", data, 10, weight=0.3)
    ]
    shown = httpx.get(url + both[0]["picture"])
    assert (shown.status_code, shown.headers["content-type"]) == (200, "image/jpeg")
    assert shown.content == BY_KEY[both[0]["key"]].picture


@pytest.mark.parametrize(
    ("files", "data", "code"),
    [
        ({IMAGE: b"no picture"}, {}, "kind_not_allowed|undecodable"),
        ({IMAGE: None}, {"where": '{"colour": "red"}'}, "unanswerable"),
        ({IMAGE: None}, {"where": "red"}, "wrong_fields"),
        ({}, {"words": "bed", "where": '{"colour": "red"}'}, "unanswerable"),
    ],
)
def test_a_service_says_what_is_wrong_with_a_question(url, tmp_path, files, data, code):
    sent = {
        name: photo(tmp_path / "photo", "PNG").read_bytes() if file is None else file
        for name, file in files.items()
    }
    sent |= {name: (None, text) for name, text in data.items()}
    answer = httpx.post(f"{url}/search", files=sent)
    assert answer.status_code == 422, answer.text
    assert answer.json()["error"] in code.split("|")


@pytest.mark.parametrize("key", ["nobody", "", "..%2F..%2Fetc%2Fpasswd", "a/b", "%00"])
def test_of_no_item_there_is_no_picture(url, key):
    answer = httpx.get(f"{url}/items/{key}.jpg")
    assert (answer.status_code, answer.json()["error"]) == (404, "not_found")
