from __future__ import annotations

import re
from xml.etree import ElementTree

import pytest

from rushes.evaluate.pages.charts import POINTS, Bin, curves, loss_curve, reliability
from rushes.evaluate.pages.svg import tidy
from rushes.evaluate.pages.theme import ACCENT, BAD, RIVAL
from rushes.evaluate.pages.vega import drawn, layer_of
from rushes.evaluate.pages.whiskers import Whisker, of_parts, whiskers


def svgs(markup):
    return re.findall(r"<svg.*?</svg>", markup, re.DOTALL)


def titles(markup):
    return re.findall(r"<title>(.*?)</title>", markup)


def test_a_chart_is_a_labelled_svg_in_the_type_of_the_page():
    [svg] = svgs(reliability([Bin(0.5, 0.4, 0.2, 0.6, 7), Bin(0.9, 1.0, None, None, 1)]))
    ElementTree.fromstring(svg)
    assert svg.startswith("<svg viewBox=")
    assert 'role="img"' in svg
    for left_out in ("font-family", "xmlns", "aria-roledescription", "background"):
        assert left_out not in svg
    assert ACCENT in svg
    assert titles(svg) == [
        "confidence 0.50: 0.40 of n=7 are right",
        "confidence 0.90: 1.00 of n=1 are right",
    ]


def test_exact_figures_stand_behind_a_chart():
    found = reliability([Bin(0.5, 0.4123, 0.2, 0.6, 7)])
    assert "<details" in found
    assert 'data-value="0.4123"' in found
    assert "0.200 to 0.600" in found


def test_no_name_becomes_markup(evil):
    name = evil + "</svg>"
    found = curves({name: [(0, 1.0), (1, 0.5)], "b": [(0, 1.0)]}, name, marks={name: 0.2})
    found += whiskers([Whisker(name, 0.5, note=name, others={name: 0.4}, group=name)], name, at={name: 0.5})
    assert "<script" not in found
    assert found.count("</svg>") == found.count("<svg") == 3


def test_phases_follow_each_other():
    found = loss_curve({"captions": [(10, 2.0), (20, 1.0)], "none": [], "clips": [(10, 1.5)]})
    assert "captions: step 20, loss 1" in titles(found)
    assert "clips: step 30, loss 1.5" in titles(found)
    assert "none:" not in found


def test_long_curves_are_thinned_but_end_where_they_ended():
    many = [(step, 1 / (step + 1)) for step in range(20_000)]
    found = curves({"loss": many}, "loss")
    [path] = [d for d in re.findall(r' d="(M[^"]*)"', found) if d.count("L") > 50]
    assert path.count("L") <= POINTS + 1
    assert ">19999<" in found  # the last row of the table behind


def test_two_charts_of_a_page_share_no_id():
    svg = '<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"><g id="clip0" clip-path="url(#clip0)"/>{}</svg>'
    one, other = tidy(svg.format(""), label="x"), tidy(svg.format("<g/>"), label="x")
    [first], [second] = (re.findall(r' id="([^"]+)"', found) for found in (one, other))
    assert first != second
    assert f"url(#{first})" in one


def test_whiskers_stand_beside_other_systems(card):
    lines = of_parts(card, card.of_kind("group"), "oca")
    assert len(lines) == 8
    found = whiskers(lines, "OCA", at={"all": 0.9}, span=(0.0, 1.0))
    narrow, wide = svgs(found)
    assert 'class="narrow"' in narrow
    best = card.of_kind("group")[0].standings["oca"]
    for svg in (narrow, wide):
        ElementTree.fromstring(svg)
        assert f"{best.rival} {best.value:.3f}" in titles(svg)
        assert svg.count(RIVAL) == 8
    assert ">n=10<" in wide
    assert ">n=10<" not in narrow


def test_what_lies_far_away_is_written_at_the_edge():
    lines = [Whisker("a", 0.90, 0.88, 0.92), Whisker("b", 0.91), Whisker("lost", 0.1, colour=BAD)]
    wide = svgs(whiskers(lines, "F1", at={"prior": 0.2, "all": 0.905}))[1]
    assert "← 0.100" in wide
    assert "← prior 0.2" in wide
    assert ">all 0.905<" in wide


def test_seeds_marks_and_groups_are_drawn_and_nothing_is_no_chart():
    lines = [Whisker("a", 0.9, seeds=(0.89, 0.91), mark=0.85, group="speed"), Whisker("b", 0.8, group="turn")]
    wide = svgs(whiskers(lines, "F1"))[1]
    assert ">speed<" in wide
    assert ">turn<" in wide
    with pytest.raises(ValueError, match="nothing to draw"):
        whiskers([], "F1")


def test_a_chart_of_ones_own_gets_the_theme():
    chart = layer_of([{"x": 1, "y": 2}]).mark_circle().encode(x="x:Q", y="y:Q")
    assert f'fill="{ACCENT}"' in drawn(chart, label="mine")
