"""A picture with its words is shown with all that is said of it."""

from __future__ import annotations

import json

import numpy as np

from rushes.evaluate.contents import Place
from rushes.evaluate.pair_viewer import PairViewer
from rushes.evaluate.viewer import Picked
from rushes.media.image import encode_jpeg
from rushes.prepare.pair import Pair, Words


def jpeg(grey: int) -> bytes:
    return encode_jpeg(np.full((32, 32, 3), grey, np.uint8))


WORDS = Words(
    "chair",
    "SALE <b>chair</b>",
    "red chair",
    ("a photo of a red chair", "red"),
    {"de": "Stuhl"},
    {"color": "red", "note": "x" * 500},
    "products.csv:3",
)


def test_captions_fields_and_views_are_shown() -> None:
    pair = Pair("k1", jpeg(90), WORDS, (jpeg(10), jpeg(20)), "g1", "chair")
    (shown,) = PairViewer().show([Picked("k1", Place("test", "g1", "chair"), pair.members())])

    assert shown.picture.count("<img") == 3
    for said in ("“a photo of a red chair”", "“red”", "color: red", "de: Stuhl", "SALE &lt;b&gt;chair", "g1"):
        assert said in shown.caption
    assert "x" * 81 not in shown.caption
    assert shown.files["picture.jpg"] == pair.picture
    assert shown.files["view1.jpg"] == jpeg(20)
    assert json.loads(shown.files["sample.json"])["json"]["captions"] == list(WORDS.captions)


def test_the_picture_tells_samples_apart_whatever_their_views() -> None:
    viewer = PairViewer()
    plain, viewed = (Pair("k", jpeg(90), WORDS, views).members() for views in ((), (jpeg(1), jpeg(2))))
    assert np.array_equal(viewer.feature(plain), viewer.feature(viewed))
    assert not np.array_equal(viewer.feature(plain), viewer.feature(Pair("k", jpeg(200), WORDS).members()))
