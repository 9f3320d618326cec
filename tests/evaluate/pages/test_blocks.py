from __future__ import annotations

import re

import pytest

from rushes.evaluate.pages import (
    EMPTY,
    Cell,
    Column,
    Row,
    differences,
    facts,
    interval,
    legend,
    parts,
    remarks,
    result,
    systems,
    table,
    value_cell,
)
from rushes.evaluate.pages.theme import RIVAL
from rushes.evaluate.pages.tiles import figure_bar, tiles
from rushes.evaluate.scorecard import Value, standing_sentence


def plain(markup):
    return re.sub(r"\s+", " ", markup.striptags())


def with_standing(card, name, **changes):
    """The card with another standing of one figure on the whole side."""
    part = card.all
    standing = part.standings[name].model_copy(update=changes)
    part = part.model_copy(update={"standings": part.standings | {name: standing}})
    return card.model_copy(update={"parts": (part, *card.parts[1:])})


# --- result -----------------------------------------------------------------------------------------------


def test_a_tile_tells_figure_interval_unit_meaning_and_what_it_rests_on(card):
    said = plain(tiles(card, figures=["boundary_error_s"]))
    found = card.all.estimates["model"]["boundary_error_s"]
    assert f"{found.value:.3f}" in said
    assert f"[{found.low:.3f}, {found.high:.3f}]" in said
    assert "Median distance of answered from true boundaries; a miss costs the clip's length; lower" in said
    assert "116 answers, 22 persons." in said


@pytest.mark.parametrize(
    ("verdict", "look"), [("better", "good"), ("worse", "bad"), ("cannot be told", "warn")]
)
def test_a_verdict_has_one_colour_everywhere(card, verdict, look):
    changed = with_standing(card, "oca", verdict=verdict)
    value = card.all.estimates["model"]["oca"].value
    assert f'class="pill {look}">{verdict}' in tiles(changed, figures=["oca"])
    assert f'<span class="{look}">{value:.3f}</span>' in systems(changed, figures=["oca"])


def test_the_wording_is_the_one_of_the_scorecard(card):
    standing, value = card.all.standings["oca"], card.all.estimates["model"]["oca"].value
    sentence = standing_sentence(card.figures["oca"], standing, value)
    assert sentence.partition(": ")[2] in plain(tiles(card, figures=["oca"]))


def test_remarks_tell_where_the_model_is_not_better(card):
    said = plain(result(card))
    assert "could not be read" in said
    assert said.count("AA@1") == 1  # no tile, but a remark
    assert "Better than the best" not in said


def test_where_all_is_better_it_is_said_in_green(card):
    part = card.all
    better = {name: one.model_copy(update={"verdict": "better"}) for name, one in part.standings.items()}
    part = part.model_copy(update={"standings": better})
    changed = card.model_copy(update={"parts": (part, *card.parts[1:]), "remarks": ()})
    found = result(changed)
    assert 'class="remarks fine"' in found
    assert 'class="remarks"' not in found


def test_nothing_is_praised_that_was_compared_with_nothing(card):
    part = card.all.model_copy(update={"standings": {}})
    changed = card.model_copy(update={"parts": (part, *card.parts[1:]), "remarks": ()})
    assert "remarks" not in result(changed)


def test_the_bar_marks_the_best_baseline_and_reaches_all_systems(card):
    for name in ("oca", "boundary_error_s", "edit"):
        bar = figure_bar(card, card.all, name)
        places = [float(x) for x in re.findall(r'(?:x1|x2|cx)="([\d.-]+)"', bar)]
        assert min(places) >= 6
        assert max(places) <= 294
    assert figure_bar(card, card.all, "oca").count(RIVAL) == 1
    assert RIVAL not in figure_bar(card, card.all, "edit")  # compared with nothing


def test_a_figure_without_spread_is_shown_without_one(card):
    part = card.all
    lone = part.estimates["model"]["oca"].model_copy(update={"low": None, "high": None})
    estimates = part.estimates | {"model": part.estimates["model"] | {"oca": lone}}
    changed = card.model_copy(update={"parts": (part.model_copy(update={"estimates": estimates}),)})
    assert "None" not in result(changed) + systems(changed)


# --- tables -----------------------------------------------------------------------------------------------


def test_all_systems_and_all_figures_stand_with_their_meaning(card):
    said = plain(systems(card))
    for system in card.systems.values():
        assert system.what in said
    for figure in card.figures.values():
        assert figure.meaning in said
    assert "boundary error (s)" in said


def test_figures_of_one_column_have_the_same_decimals_and_no_unit(card):
    found = systems(card, figures=["edit"])
    shown = [re.sub("<[^>]*>", "", cell) for cell in re.findall(r"<td[^>]*>(.*?)<small>", found)]
    assert shown
    assert all(re.fullmatch(r"\d+\.\d\d", cell) for cell in shown)


def test_parts_show_model_best_baseline_and_further_columns(card):
    first = card.of_kind("class")[0]
    said = plain(parts(card, "class", more={"in training": {first.name: 412}}))
    standing = first.standings["oca"]
    assert f"{standing.rival} {standing.value:.3f}" in said
    assert "412" in said
    assert "8 persons" in said
    assert parts(card, "subset") == ""


def test_differences_are_signed_and_coloured(card):
    found = differences(card)
    off = card.all.against["oca"]["teacher"].difference.value
    assert f'<span class="good">{off:+.3f}</span>' in found
    bare = card.model_copy(update={"parts": (card.all.model_copy(update={"against": {}}),)})
    assert differences(bare) == ""


def test_a_table_carries_what_it_is_sorted_by():
    found = table(
        ["run", Column("loss", unit="nats", better="lower"), Column("said", text=True)],
        [["b", Cell("0.50", 0.5), "x"], Row([Cell("a", "a"), None, "<y>"], "bad")],
    )
    assert 'data-value="0.5"' in found
    assert 'data-first="up"' in found
    assert '<tr class="bad">' in found
    assert "&lt;y&gt;" in found
    assert EMPTY.shown in found
    with pytest.raises(ValueError, match="2 cells under 1 columns"):
        table(["run"], [["a", "b"]])
    assert "None." in table(["run"], [])


def test_numbers_are_sorted_as_numbers_and_markup_as_its_text():
    from rushes.evaluate.pages import join, tag

    found = table(["run", "n"], [[join((tag("b", "x"), "y")), 1200]])
    assert 'data-value="1200"' in found
    assert ">1,200<" in found
    assert 'data-value="xy"' in found


def test_cells_have_their_interval_below():
    found = value_cell(Value(value=0.5, low=0.4, high=0.6, n=9, clusters=9), below=("n=9",))
    assert (found.shown, found.key, found.below) == ("0.500", 0.5, ("0.400 to 0.600", "n=9"))
    assert value_cell(None) == EMPTY
    assert interval(None, 1.0) == ""


def test_small_blocks():
    assert remarks([]) == ""
    assert "seed.bootstrap</dt><dd>0" in facts({"seed": {"bootstrap": 0}, "sizes": [1, 2]})
    assert "1, 2" in facts({"sizes": [1, 2]})
    assert "Tape" in legend({"Tape": "#4e79a7", "Pack": "#f28e2b"}, {"Tape"})
    assert "Pack" not in legend({"Tape": "#4e79a7", "Pack": "#f28e2b"}, {"Tape"})
