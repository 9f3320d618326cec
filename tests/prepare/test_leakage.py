"""The report says what sides share, and with what evidence pairs were joined or kept apart."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from rushes.media.dhash import Look
from rushes.prepare.leakage import Placed, leakage
from rushes.prepare.near import Seen, near_groups

BITS = np.random.default_rng(0).random((3, 256)) < 0.5


def placed(number: int, bits: np.ndarray, side: str, text: str) -> Placed:
    look = Look(np.packbits(bits).tobytes(), 500.0, bytes([60 * number] * 12))
    return Placed(f"k{number}", f"Title {number}", text, f"g{number}", "chair", side, look)


def test_the_report() -> None:
    close = BITS[0].copy()
    close[:20] ^= True
    items = [
        placed(0, BITS[0], "train", "oak chair"),
        placed(1, close, "test", "oak chair"),
        placed(2, BITS[1], "val", "lamp"),
        placed(3, BITS[2], "", "oak chair"),  # left out
    ]
    seen = [Seen(item.look, item.key) for item in items]
    near = near_groups(seen, same_bits=16, similar_bits=32, least_variance=25.0, namesakes=8)

    told = leakage(items, near, same_bits=16, least_variance=25.0)

    assert told["across"] == {"pairs": 0, "bits": 16, "first": []}
    assert told["near"]["apart"] == 1
    assert told["closest"] == [
        {
            "bits": 20,
            "evidence": [],
            "items": [
                {"key": "k0", "title": "Title 0", "side": "train"},
                {"key": "k1", "title": "Title 1", "side": "test"},
            ],
        }
    ]
    assert told["equal_texts"] == {"texts": 1, "items": 2}
    assert told["strata"] == {"chair": {"train": 1, "test": 1, "val": 1}}
    assert told["groups"]["count"] == 3


def test_what_leaks_all_the_same_is_counted() -> None:
    near = near_groups([], same_bits=16, similar_bits=32, least_variance=25.0, namesakes=8)
    one = placed(0, BITS[0], "train", "a")
    items = [one, replace(one, key="k1", side="test"), replace(one, key="k2", side="")]
    told = leakage(items, near, same_bits=16, least_variance=25.0)
    assert told["across"]["pairs"] == 1
    assert [item["key"] for item in told["across"]["first"][0]["items"]] == ["k0", "k1"]
