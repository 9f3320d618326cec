from __future__ import annotations

import csv

import pytest

from rushes.errors import StageError
from rushes.tasks.sounds.earlier_leaderboard import (
    COLUMNS,
    LegacyRow,
    classes_of_collapse,
    import_legacy,
    read_legacy,
    replay,
)

# name, model, teacher, val (F1, accuracy, balanced), test (same), best epoch, epochs, parameters, r, k
FIRST = (
    ("crnn", "crnn", (0.795672, 0.834544, 0.796939), (0.828239, 0.861217, 0.857049), 10, 15, 73411),
    ("tinycnn", "tinycnn", (0.736932, 0.77723, 0.720423), (0.768715, 0.805683, 0.765795), 3, 8, 23491),
    ("rr4_sk3", "cbam", (0.722525, 0.760768, 0.760591), (0.774789, 0.812448, 0.824565), 6, 11, 24061),
    ("rr4_sk7", "cbam", (0.752489, 0.79994, 0.74671), (0.782754, 0.826796, 0.787743), 23, 28, 24141),
    ("rr4_sk11", "cbam", (0.231087, 0.530528, 0.333333), (0.233322, 0.53842, 0.333333), 1, 6, 24285),
    ("rr8_sk3", "cbam", (0.75374, 0.788315, 0.764195), (0.797667, 0.827361, 0.820947), 9, 14, 23801),
    ("rr8_sk7", "cbam", (0.71825, 0.752744, 0.716879), (0.716119, 0.7613, 0.74345), 3, 8, 23881),
    ("rr8_sk11", "cbam", (0.231087, 0.530528, 0.333333), (0.233322, 0.53842, 0.333333), 1, 6, 24025),
    ("rr16_sk3", "cbam", (0.748237, 0.786365, 0.761939), (0.784293, 0.821473, 0.820446), 17, 22, 23671),
    ("rr16_sk7", "cbam", (0.231087, 0.530528, 0.333333), (0.233322, 0.53842, 0.333333), 1, 6, 23751),
    ("rr16_sk11", "cbam", (0.231087, 0.530528, 0.333333), (0.233322, 0.53842, 0.333333), 1, 6, 23895),
)
# test F1 of the distillation grid, temperature 3, 4, 5 for each soft weight
GRID = {
    "tinycnn": ((0.7813, 0.7844, 0.7733), (0.7839, 0.7719, 0.7887), (0.7848, 0.7665, 0.7812)),
    "cbam": ((0.8009, 0.8078, 0.8019), (0.8114, 0.8112, 0.8140), (0.8171, 0.8035, 0.8136)),
}
KNOWN_VAL = {"tinycnn_a0p6_t3": 0.7634, "tinycnn_a0p6_t5": 0.7440, "cbam_a0p9_t3": 0.7829}
COLLAPSED = {"rr4_sk11", "rr8_sk11", "rr16_sk7", "rr16_sk11"}
PICKED = "p2_kd_tinycnn_a0p6_t5_seed42"


def cells(name, model, val, test, *, teacher="", best=5, epochs=10, params=23491, alpha="", tau="", loss=0.6):
    filled = dict.fromkeys(COLUMNS, "")
    for side, (f1, accuracy, balanced) in (("best_val", val), ("test", test)):
        collapsed = abs(balanced - 0.333333) < 1e-9
        precision = round(accuracy / 3, 6) if collapsed else round(f1 + 0.003, 6)
        scores = (loss, f1, accuracy, precision, balanced, balanced)
        names = ("loss", "f1", "acc", "precision_macro", "recall_macro", "balanced_acc")
        filled |= {f"{side}_{score}": str(value) for score, value in zip(names, scores, strict=True)}
    filled |= {
        "schema_version": "v2",
        "run_id": f"{name}-s42-0123456789ab",
        "run_name": name,
        "model": {"cbam": "tinycnn_cbam"}.get(model, model),
        "teacher_model": teacher,
        "seed": "42",
        "class_weights": "1.0,1.5,5.5",
        "best_epoch": str(best),
        "epochs_ran": str(epochs),
        "params": str(params),
        "alpha": alpha,
        "tau": tau,
    }
    return filled


def earlier():
    """The 29 rows; what the facts do not give of the grid (accuracy, most of validation) is filled in."""
    found = [
        cells(
            f"p1_{name}_seed42",
            model,
            val,
            test,
            best=best,
            epochs=epochs,
            params=params,
            loss=round(0.5 + number / 1000, 6),
        )
        for number, (name, model, val, test, best, epochs, params) in enumerate(FIRST)
    ]
    for model, grid in GRID.items():
        for alpha, line in zip((0.3, 0.6, 0.9), grid, strict=True):
            for tau, f1 in zip((3, 4, 5), line, strict=True):
                short = f"{model}_a{alpha:g}_t{tau}".replace("0.", "0p")
                val = KNOWN_VAL.get(short, round(f1 - 0.045, 6))
                found.append(
                    cells(
                        f"p2_kd_{short}_seed42",
                        model,
                        (val, val + 0.03, val + 0.005),
                        (f1, 0.82, f1 + 0.01),
                        teacher="crnn",
                        alpha=f"{alpha}",
                        tau=f"{tau}.0",
                        loss=round(0.7 + f1 / 1000, 6),
                    )
                )
    return [LegacyRow(number, row) for number, row in enumerate(found, start=2)]


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "leaderboard.csv"
    with path.open("w", newline="") as opened:
        writer = csv.DictWriter(opened, COLUMNS, lineterminator="\n")
        writer.writeheader()
        writer.writerows(row.cells for row in earlier())
    return path


def test_it_has_the_68_columns_and_29_rows():
    assert len(COLUMNS) == len(set(COLUMNS)) == 68
    assert len(earlier()) == 29


def test_nothing_is_lost(file):
    rows = read_legacy(file)
    assert rows == earlier()
    assert rows[0].value("params") == 73411
    assert rows[0].value("alpha") is None
    assert rows[-1].value("tau") == 5.0
    assert rows[0].value("class_weights") == "1.0,1.5,5.5"


def test_replay_finds_what_is_wrong_and_nothing_else(file):
    found = import_legacy(file, PICKED)
    by_kind = {
        kind: [one for one in found.findings if one.kind == kind] for kind in ("collapsed", "fingerprint")
    }
    assert {one.runs[0] for one in by_kind["collapsed"]} == {f"p1_{name}_seed42" for name in COLLAPSED}
    assert set(found.refused) == {f"p1_{name}_seed42" for name in COLLAPSED}
    assert [len(one.runs) for one in by_kind["fingerprint"]] == [29]
    others = [one for one in found.findings if one.kind not in by_kind]
    assert [(one.kind, one.runs) for one in others] == [("picked on test", (PICKED,))]
    assert "p2_kd_tinycnn_a0p6_t3_seed42 (0.7634; test 0.7839)" in others[0].message
    assert "best epoch 1 of 6" in by_kind["collapsed"][0].message
    assert "4 not admitted" in found.text()
    assert len(found.to_json()["rows"]) == 29


@pytest.mark.parametrize(
    "honest", ["p2_kd_cbam_a0p9_t3_seed42", "p2_kd_tinycnn_a0p6_t3_seed42", "p1_crnn_seed42"]
)
def test_a_run_that_is_best_on_validation_or_not_on_test_was_not_picked_on_test(file, honest):
    assert not [one for one in import_legacy(file, honest).findings if one.kind == "picked on test"]


def test_a_run_that_is_not_there_cannot_have_been_picked(file):
    with pytest.raises(StageError, match="no run 'p9'"):
        import_legacy(file, "p9")


def test_rows_with_fingerprints_are_not_named():
    rows = [
        LegacyRow(row.line, {**row.cells, "dataset_commit": "5", "cache_fingerprint": "a"})
        for row in earlier()
    ]
    rows[3] = earlier()[3]
    (found,) = [one for one in replay(rows) if one.kind == "fingerprint"]
    assert found.runs == (rows[3].name,)


def test_a_row_that_stands_twice_is_found():
    rows = earlier()
    found = [one for one in replay([*rows, LegacyRow(31, rows[5].cells)]) if one.kind == "duplicate"]
    assert [one.runs for one in found] == [(rows[5].name,)] * 2
    assert "lines 7, 31" in found[0].message


def test_runs_that_agree_in_every_score_are_one_run():
    """As distillation with soft weight 0 at three temperatures does."""
    rows = earlier()
    same = [
        LegacyRow(
            40 + tau, cells(f"a0_t{tau}", "tinycnn", (0.7478, 0.77, 0.75), (0.79, 0.82, 0.81), tau=f"{tau}")
        )
        for tau in (3, 4, 5)
    ]
    (found,) = [one for one in replay([*rows, *same]) if one.kind == "repeat"]
    assert found.runs == ("a0_t3", "a0_t4", "a0_t5")
    assert "differ in tau" in found.message


def test_another_seed_among_the_rows_is_found():
    rows = earlier()
    other = LegacyRow(31, {**rows[1].cells, "seed": "7", "run_name": "x", "run_id": "x", "test_loss": "0.1"})
    (found,) = [one for one in replay([*rows, other]) if one.kind == "seeds"]
    assert found.runs == ("x",)


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (lambda text: text.replace("run_name,", "", 1), "missing run_name"),
        (lambda text: text.replace("run_name,", "run_title,", 1), "unknown run_title"),
        (lambda text: text.replace("run_id,run_name,", "run_name,run_id,", 1), "out of order: column 2"),
        (lambda text: text.replace("alpha,tau", "alpha,alpha", 1), "twice alpha"),
        (lambda text: text.replace("0.795672", "nan", 1), "best_val_f1 is nan"),
        (lambda text: text.replace("0.795672", "7.95672", 1), r"not in \[0, 1\]"),
        (lambda text: text.replace("0.795672", "", 1), "best_val_f1 is blank"),
        (lambda text: text.replace(",73411,", ",many,", 1), "line 2: params"),
        (lambda text: text[:-40], "cells for 68 columns"),
        (lambda text: "", "empty file"),
    ],
)
def test_a_file_that_is_not_whole_is_refused(file, damage, said):
    file.write_text(damage(file.read_text()))
    with pytest.raises(StageError, match=said):
        read_legacy(file)


@pytest.mark.parametrize("k", [2, 3, 9])
@pytest.mark.parametrize("share", [0.3, 0.5384, 0.9])
def test_the_score_of_one_class_is_known_for_any_share_and_number(k, share):
    f1 = 2 * share / (1 + share) / k
    assert classes_of_collapse(round(f1, 6), round(share, 6), round(1 / k, 6)) == k
    assert classes_of_collapse(f1 + 1e-4, share, 1 / k) is None
    assert classes_of_collapse(f1, share, 1 / k + 1e-4) is None
