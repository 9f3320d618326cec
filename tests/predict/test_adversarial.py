"""Texts of a hostile model, with their right outcome by construction; `benchmarks/serving_engine.py` makes them."""

from __future__ import annotations

import importlib
from pathlib import Path

import pytest


@pytest.fixture(scope="module")
def rows():
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(Path(__file__).parents[2] / "benchmarks"))
        yield importlib.import_module("serving_engine")


def test_no_text_breaks_the_parser_or_gives_a_wrong_label(rows):
    judged = rows.judge(10 * len(rows.MAKERS) * len(rows.FORMS))
    assert judged.crashes == {}
    assert judged.wrong == {}
    assert judged.missed == {}
    assert judged.read > 100


def test_a_parser_that_guesses_is_found_out(rows, monkeypatch):
    """The judge must be able to fail: one that takes the first label that it sees."""

    def guess(form, text):
        return next((one, one) for one in rows.LABELS if one in text)

    monkeypatch.setattr(rows.Form, "read", guess)
    judged = rows.judge(len(rows.MAKERS) * len(rows.FORMS))
    assert judged.wrong
    assert judged.crashes
