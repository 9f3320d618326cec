"""Manifests: every fault at once, each with its line; names that lead nowhere; recipes that cannot be."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from rushes.campaign.manifest.schema import MAX_TRIALS
from rushes.campaign.manifest.trials import Campaign, open_campaign
from rushes.errors import RecipeError

Open = Callable[..., Campaign]

BASE = "task: sounds\nname: small\ntwin: {train: 2, val: 1, test: 1, clips: 4}\n"
HEAD = "campaign: c\nrecipe: base.yaml\nmetric: f1_macro\n"
RUNS = "{teacher: {set: {model.net: crnn}}, student: {}}"
PHASES = f"""\
phases:
  - name: base
    runs: {RUNS}
  - name: gate
    gate: {{better: [teacher], than: [student], margin: 0.03}}
  - name: kd
    after: gate
    runs:
      pupil:
        take: {{distil.teacher.model: gate.model, distil.teacher.train: gate.train}}
        grid: {{distil.temperature: [3, 5]}}
        control: student
select: [teacher, pupil]
"""


@pytest.fixture
def opened(tmp_path: Path) -> Open:
    def write_and_open(text: str, base: str = BASE) -> Campaign:
        (tmp_path / "base.yaml").write_text(base, encoding="utf-8")
        path = tmp_path / "c.yaml"
        path.write_text(text, encoding="utf-8")
        return open_campaign(path)

    return write_and_open


def faults(opened: Open, text: str, base: str = BASE) -> list[str]:
    with pytest.raises(RecipeError) as caught:
        opened(text, base)
    assert caught.value.exit_code == 2
    return [line.removeprefix("  - ") for line in caught.value.message.splitlines()[1:]]


def runs(text: str) -> str:
    """A manifest of one phase with these runs, in flow style."""
    return f"{HEAD}phases:\n  - name: base\n    runs: {text}\n"


def test_a_whole_manifest_holds(opened: Open):
    campaign = opened(HEAD + PHASES)
    assert campaign.name == "c"
    assert [phase.name for phase in campaign.phases] == ["base", "gate", "kd"]
    assert [cell.name for cell in campaign.cells] == [
        "teacher",
        "student",
        "pupil-temperature3",
        "pupil-temperature5",
    ]


def test_the_manifest_of_the_earlier_study_holds():
    campaign = open_campaign(Path(__file__).parents[2] / "recipes" / "campaigns" / "sleep-earlier.yaml")
    assert [sum(cell.number == number for cell in campaign.cells) for number in range(3)] == [11, 18, 18]


def test_faults_of_form_come_at_once_with_line_and_near_name(opened: Open):
    text = """\
campain: c
recipe: base.yaml
seeds: [1, -1]
phases:
  - name: base one
    runs:
      a: {sett: {model.net: crnn}}
      b/c: {}
      d: {grid: {model.kernel: []}}
      e:
"""
    found = faults(opened, text)
    assert "c.yaml:1: campain: unknown key; did you mean campaign?" in found
    assert any(fault.startswith("c.yaml:1: campaign: missing; write one such as name") for fault in found)
    assert any(fault.startswith("c.yaml:1: metric: missing; write one such as name") for fault in found)
    assert any(fault.startswith("c.yaml:3: seeds.1: expected") for fault in found)
    assert any(
        fault.startswith("c.yaml:5: phases.0.name: expected a letter or digit, then") for fault in found
    )
    assert "c.yaml:7: phases.0.runs.a.sett: unknown key; did you mean set?" in found
    assert any(
        fault.startswith("c.yaml:8: phases.0.runs.b/c: expected a letter or digit, then") for fault in found
    )
    assert any(
        fault.startswith(
            "c.yaml:9: phases.0.runs.d.grid.model.kernel: expected a list of 1 item or more, found an empty list"
        )
        for fault in found
    )
    assert any(fault.startswith("c.yaml:10: phases.0.runs.e: expected keys such as take") for fault in found)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("a: &x 1\nb: *x\n", "a manifest has no aliases"),
        ("[" * 25 + "]" * 25, "nested more than 20 deep"),
        ("# " + "x" * 100_001, "a manifest is at most 100000 bytes long"),
        ("", "expected keys such as campaign, recipe and phases, found an empty file"),
        (HEAD + "metric: loss\n" + PHASES, "c.yaml:4: metric: stands here again, first in line 3"),
        (HEAD + "recipe: other.yaml\n" + PHASES, "recipe: stands here again"),
        (HEAD + "seeds: [1, 1]\n" + PHASES, "seeds: each once, found 1, 1"),
        (runs("{a: {grid: {model.kernel: [3]}, cells: [{model.kernel: 5}]}}"), "grid and cells both say"),
        (runs("{a: {set: {model..kernel: 3}}}"), "a.set.model..kernel: expected keys of a recipe with dots"),
        (HEAD + "worth: -0.1\n" + PHASES, "c.yaml:4: worth: expected 0 or more"),
        (HEAD + "worth: .inf\n" + PHASES, "c.yaml:4: worth: expected a finite number"),
        (HEAD + "phases:\n  - name: p\n", "a phase has runs or a gate; write one of them"),
        (runs("{../a: {}}"), "expected a letter or digit, then letters"),
        (runs("{.a: {}}"), "expected a letter or digit, then letters"),
        (runs(f"{{{'a' * 65}: {{}}}}"), "at most 64 characters"),
    ],
)
def test_traps_and_forms_are_refused(opened: Open, text: str, says: str):
    assert any(says in fault for fault in faults(opened, text))


def test_a_grid_that_would_explode_is_counted_and_not_built(opened: Open):
    values = ", ".join(map(str, range(1, 300)))
    text = runs(
        f"{{a: {{grid: {{train.epochs: [{values}], train.patience: [{values}], model.layers: [{values}]}}}}}}"
    )
    assert any(
        f"phases.0.runs.a: 26730899 runs; a campaign has at most {MAX_TRIALS}" in fault
        for fault in faults(opened, text)
    )


@pytest.mark.parametrize(
    ("old", "new", "fault"),
    [
        ("after: gate", "after: gat", "c.yaml:10: phases.2.after: no phase gat; did you mean gate?"),
        ("after: gate", "after: kd", "phases.2.after: kd is not an earlier phase; put it before kd"),
        ("    after: gate\n", "", "gate is there only where gate passed; write after: gate in kd"),
        ("gate.model", "gte.model", "no run, group or gate gte; did you mean gate?"),
        ("gate.model", "gate", "gate: write the section of the recipe that is taken, e.g. gate.model"),
        ("gate.model", "pupil.model", "pupil is taken from before it is known: it belongs to phase kd"),
        ("control: student", "control: studnt", "no run, group or gate studnt; did you mean student?"),
        ("control: student", "control: pupil", "pupil: a run is no control of its own group"),
        ("control: student", "control: gate", "gate is a gate; write a run or a group"),
        ("better: [teacher]", "better: [techer]", "no run, group or gate techer; did you mean teacher?"),
        ("better: [teacher]", "better: [student]", "student: on both sides of the gate"),
        ("better: [teacher]", "better: [gate]", "gate is this gate itself"),
        ("better: [teacher]", "better: [pupil]", "pupil is compared by the gate before it is known"),
        ("select: [teacher, pupil]", "select: [teacher, pupl]", "select.1: no run, group or gate pupl"),
        ("select: [teacher, pupil]", "select: [pupil, pupil]", "select.1: pupil: selected twice"),
        ("select:", "reasons: {techer: slow}\nselect:", "reasons.techer: no run or group techer; did you"),
        ("name: kd", "name: base", "phases.2.name: base: there is a phase of this name already"),
        ("name: kd", "name: Base", "differs from the phase base in case only; rename it"),
        ("pupil:", "student:", "phases.2.runs.student: student: there is a group of this name already"),
        ("name: gate", "name: student", "student: the group student has this name; take another"),
        ("[3, 5]", "[3, 3]", "the run pupil-temperature3 stands here twice"),
        ("pupil:", "teacher-x: {}\n      pupil:", None),
        (
            "      pupil:",
            "      pupil-temperature3: {}\n      pupil:",
            "the run pupil-temperature3 has the name of a run of pupil-temperature3; rename one group",
        ),
        ("student: {}", "student: {set: {evaluate.split: test}}", "the campaign measures on val, and opens"),
        (
            "student: {}",
            "student: {set: {evaluate: {split: test}}}",
            "evaluate would set evaluate.split: the",
        ),
        (
            "student: {}",
            "student: {grid: {train.seed: [1, 2]}}",
            "every run is done with each of the campaig",
        ),
        ("student: {}", "student: {cells: [{train: {seed: 3}}]}", "train would set train.seed: every run"),
        ("student: {}", "student: {set: {train: {epochs: 3}}}", None),
        ("student: {}", "student: {set: {task: driving}}", "task: a campaign is about one task: write it in"),
    ],
)
def test_names_must_lead_somewhere(opened: Open, old: str, new: str, fault: str | None):
    text = (HEAD + PHASES).replace(old, new, 1)
    assert text != HEAD + PHASES
    if fault is None:
        opened(text)
    else:
        assert any(fault in found for found in faults(opened, text))


def test_what_may_never_run_is_named_by_its_gate_alone(opened: Open):
    tuned = "margin: 0.03, otherwise: {budget: 2, runs: {tuned: {set: {model.net: crnn}}}}"
    text = (HEAD + PHASES).replace("margin: 0.03", tuned)
    opened(text)
    opened(text.replace("select: [teacher", "select: [gate"))
    found = faults(opened, text.replace("gate.model", "tuned.model").replace("select: [", "select: [tuned, "))
    wanted = "tuned may never run; write gate, which stands for the gate's winner"
    assert sum(wanted in fault for fault in found) == 2


def test_recipes_of_all_runs_are_checked_with_the_lines_of_the_manifest(opened: Open):
    text = (HEAD + PHASES).replace("[3, 5]", "[3, 500]").replace("model.net: crnn", "model.nett: crnn")
    found = faults(opened, text)
    assert "c.yaml:6: model.nett: unknown key; did you mean net? (3 runs, the first teacher)" in found
    wanted = "c.yaml:14: distil.temperature: expected 100 or less, found 500"
    assert f"{wanted} (run pupil-temperature500)" in found


def test_a_fault_of_the_recipe_itself_has_its_own_line_and_stands_once(opened: Open):
    found = faults(opened, HEAD + PHASES, BASE + "train: {epochs: 0}\n")
    assert found[0].startswith("base.yaml:4: train.epochs: expected 1 or more")
    assert found[0].endswith("(4 runs, the first teacher)")
    assert len(found) == 1


def test_rules_across_fields_name_the_run(opened: Open):
    text = runs("{a: {set: {model.net: crnn, model.attention: cbam}}}")
    assert faults(opened, text) == ["c.yaml:6: model: crnn has no attention: leave it out (run a)"]


def test_a_section_that_is_taken_must_exist(opened: Open):
    text = (HEAD + PHASES).replace("gate.model", "gate.modell")
    assert any(
        "c.yaml:13: no section modell in the recipe; did you mean model?" in f for f in faults(opened, text)
    )


def test_a_recipe_that_is_missing_is_said(opened: Open):
    assert any("cannot be read" in fault for fault in faults(opened, HEAD.replace("base", "gone") + PHASES))


@pytest.mark.parametrize("control", ["", "control: teacher"])
def test_no_distillation_without_an_honest_control(opened: Open, control: str):
    text = (HEAD + PHASES).replace("control: student", control)
    if control:  # the teacher of this campaign learns from a teacher itself
        text = text.replace("teacher: {set: {", "teacher: {set: {distil.temperature: 2, ")
    found = faults(opened, text)
    of_pupil = [fault for fault in found if "pupil learns from a teacher, and its control is" in fault]
    assert [fault.endswith("add control: student") for fault in of_pupil] == [True]


def test_the_control_of_a_pupil_is_the_same_net(opened: Open):
    text = (HEAD + PHASES).replace("grid:", "set: {model.attention: cbam}\n        grid:")
    (found,) = faults(opened, text)
    assert found == (
        "c.yaml:16: pupil learns from a teacher, and its control is student, another net "
        "(model.attention null in place of cbam); what that gains can only be told from the same "
        "net without distil: add a run of this net without distil, and its name as control"
    )
    grid = "student: {set: {model.attention: cbam}, grid: {model.kernel: [3, 7]}}"
    wide = text.replace("student: {}", grid)
    opened(wide)  # of a group one net that is the pupil's is enough
    other = wide.replace("model.attention: cbam}\n", "model.attention: cbam, model.kernel: 11}\n")
    assert "another net (model.kernel 3 in place of 11)" in faults(opened, other)[0]


FIGURES = "f1_macro, balanced_accuracy, accuracy, precision_macro, recall_macro, loss, ece"


@pytest.mark.parametrize(
    ("metric", "says"),
    [
        ("f1_marco", f"metric: sounds has no figure f1_marco; did you mean f1_macro? known are {FIGURES}"),
        ("oca", f"metric: sounds has no figure oca; known are {FIGURES}"),
        ("f1", f"metric: sounds has no figure f1; known are {FIGURES}"),  # of one class
        ("loss", "lower_is_better: loss is better where it is lower: write lower_is_better: true"),
    ],
)
def test_a_metric_that_no_run_will_have_is_refused_before_any_begins(opened: Open, metric: str, says: str):
    text = (HEAD + PHASES).replace("f1_macro", metric)
    assert faults(opened, text) == [f"c.yaml:3: {says}"]
    others = faults(opened, text.replace("[3, 5]", "[3, 500]"))  # with all other faults
    assert f"c.yaml:3: {says}" in others
    assert len(others) == 2


def test_a_metric_points_the_way_that_it_points(opened: Open):
    opened((HEAD + PHASES).replace("f1_macro", "loss\nlower_is_better: true"))
    (found,) = faults(opened, (HEAD + PHASES).replace("f1_macro", "f1_macro\nlower_is_better: true"))
    wanted = "f1_macro is better where it is higher: write lower_is_better: false"
    assert found == f"c.yaml:4: lower_is_better: {wanted}"


@pytest.mark.parametrize(
    ("metric", "seeds", "holds"),
    [("f1_macro", "[0]", True), ("accuracy", "[0]", False), ("accuracy", "[0, 1]", True)],
)
def test_a_confidence_that_nothing_can_tell_is_refused(opened: Open, metric: str, seeds: str, holds: bool):
    text = (HEAD + PHASES).replace("f1_macro", f"{metric}\nseeds: {seeds}")
    sure = text.replace("margin: 0.03", "margin: 0.03, confidence: 0.95")
    opened(text)
    if holds:
        opened(sure)
        return
    (found,) = faults(opened, sure)
    assert found.startswith("c.yaml:9: the gate gate can never pass: one seed has no spread")
    assert "not for accuracy of sounds: write two seeds or more, or leave confidence out" in found
