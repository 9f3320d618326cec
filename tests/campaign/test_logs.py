from __future__ import annotations

from dataclasses import replace

from rushes.campaign.judging.gate import Question, decide
from rushes.campaign.pages.logs import decisions, missing_reasons, negative_results, negatives, write_logs
from rushes.campaign.records import Logged, Opened, Selection, Verdict
from rushes.metrics.paired import paired_t

VERDICT = Verdict(
    gate="gate",
    passed=True,
    metric="f1_macro",
    margin=0.03,
    confidence=0.95,
    better="crnn",
    than="cbam-r8",
    by_seed={2: (0.79, 0.75), 1: (0.80, 0.74)},
    difference={"value": 0.05, "low": 0.01, "high": 0.09, "n": 2},
    test="paired t over seeds",
    attempts=("11 runs: crnn 0.75, tinycnn 0.74, +0.01: not yet", "12 runs: crnn-tuned 0.80: passed"),
    candidates={"crnn": 0.795, "cbam-r8": 0.745},
)


def test_every_run_below_its_control_is_named_with_its_numbers(make, board):
    results = [
        *(make("kd", seed, 0.6 + seed / 100, control="tinycnn") for seed in (1, 2)),
        *(make("tinycnn", seed, 0.65) for seed in (1, 2)),
    ]
    (found,) = negatives(board, results, {"kd": "the teacher was no better"})
    assert (found.name, found.kinds, found.reason) == ("kd", ("below",), "the teacher was no better")
    assert "0.6150 [" in found.findings[0]
    assert "gain over `tinycnn` -0.0350 [-0.0985, +0.0285] over 2 seeds" in found.findings[0]


def test_a_run_below_the_trivial_baseline_is_named(make, board):
    found = negatives(board, [make("a", 1, 0.25), make("b", 1, 0.28, control="a")], {})
    assert [one.name for one in found] == ["a", "b"]
    assert "gain over `prior` -0.0500" in found[0].findings[0]
    assert "trivial baseline" in found[1].findings[0]


def test_a_collapsed_run_says_to_which_class_and_from_which_epoch(make, board):
    one = make("r16", 42, 0.2311, state="collapsed", collapsed="quiet", best_epoch=1, epochs=6)
    (found,) = negatives(board, [one], {})
    assert found.kinds == ("collapsed",)
    said = found.findings[0]
    for part in ("seed 42", "every answer is `quiet`", "0.2311 [0.2111, 0.2511]", "best epoch 1 of 6"):
        assert part in said


def test_failed_and_invalid_trials_say_what_was_found(make, board):
    results = [
        make("a", 1, None, state="failed", error="no disk\n  cure:  buy one"),
        make("b", 1, 0.9, state="invalid", faults=("evaluate: f1_macro is 0.9, recomputed 0.6",)),
    ]
    found = negatives(board, results, {})
    assert found[0].findings == ("seed 1: no disk cure: buy one",)
    assert "recomputed 0.6" in found[1].findings[0]
    assert "0.9000" not in found[1].findings[0]


def test_a_missing_reason_is_written_so_that_nobody_can_miss_it(make, board):
    results = [make("good", 1, 0.6), make("bad", 1, 0.5, control="good"), make("worse", 1, 0.1)]
    reasons = {"worse": "too hot", "bad": "  "}
    assert missing_reasons(board, results, reasons) == ["bad"]
    text = negative_results(board, results, reasons)
    assert "reason: MISSING: add reasons.bad to the manifest" in text
    assert "reason: too hot" in text
    assert "## good" not in text


def test_a_run_whose_control_is_lost_is_not_passed_over(make, board):
    results = [make("kd", 1, 0.6, control="c"), make("c", 1, 0.2, state="collapsed", collapsed="quiet")]
    assert missing_reasons(board, results, {}) == ["kd", "c"]


def test_a_run_whose_control_is_still_to_be_done_owes_no_reason(make, board):
    assert missing_reasons(board, [make("kd", 1, 0.6, control="c")], {}) == []


def test_a_reason_may_be_given_for_a_whole_group(make, board):
    results = [make("cbam-3", 1, 0.1, group="cbam"), make("cbam-7", 1, 0.1, group="cbam")]
    found = negatives(board, results, {"cbam": "all", "cbam-7": "its own"})
    assert [one.reason for one in found] == ["all", "its own"]


def test_where_nothing_is_negative_that_is_said(make, board):
    assert "all 1 trials count" in negative_results(board, [make("a", 1, 0.6)], {})


def test_decisions_hold_every_number_of_a_verdict(board):
    chosen = Selection("cbam", "cbam-r8", "f1_macro", {"cbam-r16": 0.70, "cbam-r8": 0.745}, (1, 2))
    text = decisions(
        board,
        Logged(
            verdicts=[VERDICT],
            selections=[chosen],
            openings=[Opened(1, "sleep", (chosen,), "0123456789abcdef")],
            skipped={"kd": "its gate failed"},
        ),
    )
    for part in (
        "Gate `gate`: passed",
        "+0.0500 [+0.0100, +0.0900], n=2 (paired t over seeds)",
        "| 1 | 0.8000 | 0.7400 | +0.0600 |",
        "at 95% confidence",
        "2. 12 runs: crnn-tuned 0.80: passed",
        "`cbam-r8` 0.7450, `cbam-r16` 0.7000",
        "selection 0123456789ab",
        "- `kd`: its gate failed",
    ):
        assert part in text
    assert text.index("| 1 |") < text.index("| 2 |")


def test_a_gate_of_which_a_side_is_lost_says_so(make, board):
    question = Question("gate", "f1_macro", 0.03, None, False, (1, 2), ("crnn",), ("tinycnn",))
    lost = [make("crnn", seed, 0.2, state="collapsed") for seed in (1, 2)]
    nobody = decide(question, lost, seed_test=paired_t)
    alone = decide(question, [*lost, *(make("tinycnn", s, 0.6) for s in (1, 2))], seed_test=paired_t)
    text = decisions(board, Logged(verdicts=[nobody, alone]))
    assert "- found: no run of better and than counts with every seed" in text
    assert "`better` better than `tinycnn` by 0.03" in text
    assert "- found: no run of better counts with every seed" in text
    assert "Candidates by mean over seeds: none." in text
    assert "| seed |" not in text


def test_where_lower_is_better_a_gain_is_positive_and_a_corrected_confidence_is_said(board):
    lower = replace(VERDICT, lower_is_better=True, asked=2, tested_at=0.975)
    text = decisions(board, Logged(verdicts=[lower]))
    assert "| seed | crnn | cbam-r8 | gain |" in text
    assert "| 1 | 0.8000 | 0.7400 | -0.0600 |" in text
    assert "at 95% confidence (asked 2 times, so 97.50%)" in text


def test_what_did_not_happen_is_said(board):
    text = decisions(board, Logged())
    for part in ("Nothing was selected", "the test side is sealed", "Everything was done"):
        assert part in text


def test_both_files_are_the_same_bytes_each_time(make, board, tmp_path):
    for folder in (tmp_path / "a", tmp_path / "b"):
        write_logs(folder, board, [make("a", 1, 0.1)], Logged(verdicts=[VERDICT], reasons={"a": "why"}))
    for name in ("decisions.md", "negative-results.md"):
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()
