from __future__ import annotations

import re
from dataclasses import replace

import pytest
from html_tree import Tree

from rushes.campaign.judging.gate import Question, decide
from rushes.campaign.judging.standing import aggregate
from rushes.campaign.pages.logs import decisions
from rushes.campaign.pages.report import in_order, write_report
from rushes.campaign.records import Logged, Opened, Selection, Verdict
from rushes.metrics.paired import paired_t
from rushes.runs.looks import Look
from rushes.storage.record import Entry

EVIL = "<script>alert(1)</script>"
VERDICT = Verdict(
    gate="gate",
    passed=False,
    metric="f1_macro",
    margin=0.03,
    confidence=None,
    better="crnn",
    than="tinycnn",
    by_seed={1: (0.61, 0.60), 2: (0.62, 0.60)},
    difference={"value": 0.015, "low": -0.048, "high": 0.0785, "n": 2},
    test="paired t over seeds",
    attempts=("crnn 0.6150 against tinycnn 0.6000: not passed",),
    candidates={"crnn": 0.615, "tinycnn": 0.6},
)


@pytest.fixture
def some(make):
    costs = {"parameters": 23491, "bytes_int8": 33278, "fits": 1.0, "seconds": 10.0, "ended": "2026-01-01"}
    return [
        *(make("tinycnn", seed, 0.6 + seed / 100, test=0.55, costs=costs) for seed in (1, 2)),
        make("crnn", 1, 0.61, control="tinycnn", costs=costs | {"bytes_int8": 236260, "fits": 0.0}),
        make("crnn", 2, 0.63, control="tinycnn", costs=costs | {"bytes_int8": 236260, "fits": 0.0}),
        make("below", 1, 0.5, control="tinycnn"),
        make("r16", 1, 0.2, state="collapsed", collapsed="quiet", faults=("answers: one",)),
        make("torn", 1, None, state="failed", error=EVIL),
        make("false", 1, 0.97, state="invalid", faults=("figures: 0.97, the predictions give 0.6",)),
    ]


def written(folder, board, results, **logged):
    write_report(folder, board, results, Logged(**logged))
    text = (folder / "leaderboard.html").read_text()
    tree = Tree(text)
    return text, tree


def opened(*chosen, hash="0123456789abcdef"):
    return Opened(1, "sleep", chosen, hash)


def row_of(text, name):
    """The table rows that begin with a name, but for those of the figures behind a chart."""
    shown = re.sub(r'<details class="behind">.*?</details>', "", text, flags=re.DOTALL)
    rows = re.findall(r"<tr.*?</tr>", shown, re.DOTALL)
    return [row for row in rows if re.search(f'<th scope="row" data-value="{name}', row)]


def test_the_page_needs_nothing_else(tmp_path, board, some):
    text, tree = written(tmp_path, board, some, verdicts=[VERDICT])
    assert not re.search(r"""(src|href)=["'](?!#)""", text)
    assert "url(" not in text
    assert "@import" not in text
    assert {"svg", "circle", "table"} <= set(tree.tags)


def test_what_a_run_says_cannot_become_markup(tmp_path, board, some):
    text, _ = written(tmp_path, board, some, reasons={"torn": EVIL}, skipped={EVIL: EVIL})
    assert EVIL not in text
    assert re.sub('data-value="[^"]*"', "", text).count("&lt;script&gt;alert") == 5


def test_every_run_has_a_row_with_its_interval_over_seeds(tmp_path, board, some):
    text, _ = written(tmp_path, board, some)
    first = row_of(text, "crnn")[0]
    assert "0.6200" in first
    assert "0.4929 to 0.7471" in first


def test_lost_runs_are_marked_and_shown_by_state(tmp_path, board, some):
    text, _ = written(tmp_path, board, some)
    assert len(row_of(text, "r16")) == 3  # among runs, negative results and trials
    assert ['<tr class="warn"' in row for row in row_of(text, "r16")] == [True, False, True]
    assert not [row for row in row_of(text, "tinycnn") if row.startswith("<tr class=")]
    for name, state in (("torn", "failed"), ("false", "invalid")):
        row = row_of(text, name)[0]
        assert '<tr class="bad"' in row
        assert f'pill bad">{state}' in row
    assert "r16 (collapsed)" in text
    assert "0.9700" not in row_of(text, "false")[0]


def test_a_run_that_lost_seeds_does_not_lead_and_its_mean_is_marked(tmp_path, board, make):
    costs = {"bytes_int8": 33278.0}
    results = [
        make("lucky", 1, 0.9, costs=costs),
        *(make("lucky", seed, 0.1, state="collapsed") for seed in (2, 3)),
        *(make("whole", seed, 0.6, costs=costs) for seed in (1, 2, 3)),
        *(make("most", seed, 0.7) for seed in (1, 2)),
    ]
    names = [one.name for one in in_order(board, aggregate(board, results))]
    assert names == ["whole", "most", "lucky"]
    text, _ = written(tmp_path, board, results)
    assert 'pill warn">mean of 1 of 3 seeds' in row_of(text, "lucky")[0]
    assert "mean of" not in row_of(text, "whole")[0]
    assert "mean of 2 of 3 seeds" in row_of(text, "most")[0]
    assert text.count("lucky (mean of 1 of 3 seeds)") >= 2  # among runs and against bytes


def test_negative_results_stand_there_with_their_reasons(tmp_path, board, some):
    text, _ = written(tmp_path, board, some, reasons={"below": "too small"})
    assert "too small" in text
    assert "MISSING: add reasons.r16 to the manifest" in text
    assert "reasons.below" not in text


def test_the_test_side_is_shown_where_it_was_opened_only(tmp_path, board, some):
    text, _ = written(tmp_path, board, some)
    assert "Sealed" in text
    chosen = Selection("tinycnn", "tinycnn", "f1_macro", {"tinycnn": 0.61}, (1, 2))
    text, _ = written(tmp_path, board, some, openings=[opened(chosen)], selections=[chosen])
    assert "Sealed" not in text
    assert "selection 0123456789ab" in text
    assert "Opened once for" in text
    assert "0.5500" in text
    again = [opened(chosen, replace(chosen, group="small")), opened(chosen, hash="fedcba9876543210")]
    text, _ = written(tmp_path, board, some, openings=again)
    assert "Opened 2 times for" in text
    looks = [row for row in row_of(text, "tinycnn") if "selection" in row]
    assert ["tinycnn, small, selection 0123456789ab" in row for row in looks] == [True, False]
    assert "tinycnn, selection fedcba987654" in looks[1]


def test_the_test_side_shows_the_gain_over_the_control(tmp_path, board, make):
    results = [
        *(make("a", seed, 0.5, test=value) for seed, value in ((1, 0.50), (2, 0.52))),
        *(make("b", seed, 0.6, test=value, control="a") for seed, value in ((1, 0.57), (2, 0.55))),
    ]
    look = opened(*(Selection(name, name, "f1_macro", {name: 0.6}, (1, 2)) for name in "ab"))
    text, _ = written(tmp_path, board, results, openings=[look])
    rows = [row for name in "ab" for row in row_of(text, name) if "selection" in row]
    assert ["over a" in row and "+0.0500" in row for row in rows] == [False, True]


def test_a_gate_shows_every_number(tmp_path, board, some):
    text, _ = written(tmp_path, board, some, verdicts=[VERDICT])
    for part in ("pill bad", "+0.0150 [-0.0480, +0.0785] over n=2", "seed 2", "+0.0200", "not passed"):
        assert part in text
    text, _ = written(tmp_path, board, some, verdicts=[replace(VERDICT, lower_is_better=True)])
    assert "-0.0200" in text
    assert "+0.0200" not in text


def test_a_gate_of_which_a_side_is_lost_says_so(tmp_path, board, some):
    question = Question("gate", "f1_macro", 0.03, 0.95, False, (1, 2), ("r16",), ("tinycnn",))
    verdict = decide(question, some, seed_test=paired_t)
    text, _ = written(tmp_path, board, some, verdicts=[verdict])
    assert "Nothing to compare in f1_macro: no run of better counts with every seed; asked for +0.03" in text


def test_numbers_of_the_drawing_are_finite(tmp_path, board, make):
    for results in ([make("a", 1, 0.5)], [make("a", 1, 0.5), make("b", 1, 0.5)], []):
        text, tree = written(tmp_path, board, results)
        assert not [value for _, value in tree.attributes if re.search(r"\b(nan|inf)\b", value or "")]
        assert not re.search(r"\bnan\b", text)


def test_the_page_is_the_same_each_time(tmp_path, board, some):
    first, _ = written(tmp_path / "a", board, some, verdicts=[VERDICT])
    assert written(tmp_path / "b", board, some, verdicts=[VERDICT])[0] == first


def test_every_look_is_listed_with_who_and_the_hash_of_the_record(tmp_path, board, some):
    def look(before, **told):
        content = {
            "run": "",
            "datasets": ["features-0123456789ab"],
            "recordings": [],
            "stages": ["predict-1"],
        }
        return Look.of(Entry.after(before, content | {"opening": None, "found": False} | told))

    first = look((), opening={"campaign": "other", "selections": [], "hash": "x"})
    looks = [first, look((first.entry,), run="night"), look((first.entry,), found=True)]
    text, _ = written(tmp_path, board, some, looks=looks)
    for part in ("campaign other", "run night", "predict-1, found later"):
        assert part in text
    assert all(one.entry.hash[:12] in text for one in looks)
    assert "Sealed" in text
    listed = decisions(board, Logged(looks=looks))
    assert "1. campaign other\n2. run night\n3. predict-1" in listed
    assert "Nobody has looked at it" in written(tmp_path, board, some)[0]
