"""From phases to trials: names, the order in which settings apply, sections taken from winners."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from rushes.campaign.manifest.cells import MAX_NAME
from rushes.campaign.manifest.trials import Campaign, open_campaign
from rushes.errors import RecipeError, StageError

Open = Callable[..., Campaign]

MANIFEST = """\
campaign: study
recipe: base.yaml
seeds: [3, 4]
metric: f1_macro
set: {train.epochs: 7, distil: null}
phases:
  - name: base
    set: {train.patience: 2}
    runs:
      teacher: {set: {model: {net: crnn, hidden: 32}, train.epochs: 9}}
      student: {}
      cbam:
        set: {model.attention: cbam}
        grid: {model.reduction: [4, 8], model.kernel: [3, 7]}
        control: student
  - name: gate
    gate:
      better: [teacher]
      than: [student, cbam]
      otherwise:
        budget: 3
        runs:
          tuned:
            take: {model: teacher.model}
            grid: {train.learning_rate: [0.01, 0.001], train.clip_norm: [null, 0.5]}
            control: teacher
  - name: kd
    after: gate
    runs:
      pupil:
        take: {model: cbam.model, distil.teacher.model: gate.model, distil.teacher.train: gate.train}
        cells: [{distil.soft_weight: 0.3, model.kernel: 3}, {distil.soft_weight: 0.9}]
        control: cbam
select: [gate, cbam, pupil]
reasons: {cbam: too small, cbam-reduction4-kernel3: too narrow}
"""


@pytest.fixture
def opened(tmp_path: Path) -> Open:
    def write_and_open(text: str = MANIFEST, base: str = "task: sounds\n") -> Campaign:
        (tmp_path / "base.yaml").write_text(base, encoding="utf-8")
        (tmp_path / "study.yaml").write_text(text, encoding="utf-8")
        return open_campaign(tmp_path / "study.yaml")

    return write_and_open


WINNERS = {"gate": "tuned-learning_rate0.01-clip_norm0.5", "cbam": "cbam-reduction8-kernel7"}


def test_every_run_is_done_with_every_seed(opened: Open):
    campaign = opened()
    base = campaign.trials(campaign.phases[0], {})
    assert [trial.key for trial in base] == [
        f"{name}-s{seed}"
        for name in (
            "teacher",
            "student",
            "cbam-reduction4-kernel3",
            "cbam-reduction4-kernel7",
            "cbam-reduction8-kernel3",
            "cbam-reduction8-kernel7",
        )
        for seed in (3, 4)
    ]
    assert {trial.phase for trial in base} == {"base"}
    assert [(trial.group, trial.control) for trial in base[4:6]] == [("cbam", "student")] * 2
    assert campaign.trials(campaign.phases[1], {}) == ()


def test_what_is_said_nearer_goes_before_what_is_said_further_away(opened: Open):
    campaign = opened(base="task: sounds\ntrain: {epochs: 50, patience: 9, batch_size: 16}\n")
    teacher, _, student, *_ = campaign.trials(campaign.phases[0], {})
    how = campaign.recipe_of(teacher).train
    assert (how.epochs, how.patience, how.batch_size, how.seed) == (9, 2, 16, 3)
    assert campaign.recipe_of(teacher).evaluate.split == "val"
    assert campaign.recipe_of(student).train.epochs == 7
    assert campaign.recipe_of(teacher).model.hidden == 32


def test_sections_come_from_the_winner_of_the_same_seed(opened: Open):
    campaign = opened()
    third, fourth, *others = campaign.trials(campaign.phases[2], WINNERS)
    for trial, seed in ((third, 3), (fourth, 4)):
        recipe = campaign.recipe_of(trial)
        teacher = recipe.distil.teacher
        assert (recipe.train.seed, teacher.train.seed) == (seed, seed)
        assert (teacher.train.learning_rate, teacher.train.clip_norm) == (0.01, 0.5)
        assert (teacher.model.net, teacher.model.hidden) == (
            "crnn",
            32,
        )  # through what the winner took itself
        assert (recipe.model.reduction, recipe.model.kernel) == (8, 3)  # the cell goes before what is taken
        assert recipe.distil.soft_weight == 0.3
    assert campaign.recipe_of(others[0]).model.kernel == 7


def test_the_section_that_is_taken_is_the_givers_to_the_last_key(opened: Open):
    """So that the teacher's training is the stage that is done already."""
    campaign = opened()
    giver = campaign.recipe_of(campaign.seeds_of(WINNERS["gate"], WINNERS)[1])
    taker = campaign.recipe_of(campaign.trials(campaign.phases[2], WINNERS)[1])
    assert (taker.distil.teacher.model, taker.distil.teacher.train) == (giver.model, giver.train)


def test_overrides_mean_the_same_in_any_order(opened: Open):
    campaign = opened()
    for trial in campaign.trials(campaign.phases[2], WINNERS):
        keys = list(trial.overrides)
        assert not any(one != other and other.startswith(f"{one}.") for one in keys for other in keys)
        backwards = {key: trial.overrides[key] for key in reversed(keys)}
        again = type(trial)(trial.name, trial.group, trial.phase, trial.seed, backwards, trial.control)
        assert campaign.recipe_of(again) == campaign.recipe_of(trial)


def test_trials_do_not_share_what_they_hold(opened: Open):
    campaign = opened()
    first, second, *_ = campaign.trials(campaign.phases[0], {})
    first.overrides["model"]["hidden"] = 1
    assert second.overrides["model"]["hidden"] == 32
    assert campaign.recipe_of(campaign.trials(campaign.phases[0], {})[0]).model.hidden == 32


def test_what_a_giver_took_is_needed_as_well(opened: Open):
    text = MANIFEST.replace(
        "select:", "  - name: late\n    after: kd\n    runs: {last: {take: {model: pupil.model}}}\nselect:"
    )
    campaign = opened(text)
    assert campaign.awaits("last") == ("pupil", "cbam", "gate")
    behind_gate = opened(
        text.replace("pupil.model", "gate.model")
    )  # kd is after the gate, so is what follows
    assert behind_gate.awaits("last") == ("gate",)


def test_recipes_must_hold_whoever_wins(opened: Open):
    text = MANIFEST.replace("better: [teacher]", "better: [teacher, student]").replace(
        "than: [student, cbam]", "than: [cbam]"
    )
    opened(text)
    with pytest.raises(RecipeError) as caught:
        opened(
            text.replace("take: {model: cbam.model,", "take: {model: gate.model,")
            .replace(
                "{distil.soft_weight: 0.3, model.kernel: 3}",
                "{distil.soft_weight: 0.3, model.attention: cbam}",
            )
            .replace("[teacher, student]", "[student, teacher]")
        )
    assert "crnn has no attention: leave it out" in str(caught.value)
    assert "if teacher wins gate)" in str(caught.value)


def test_what_a_phase_needs_to_know_first(opened: Open):
    campaign = opened()
    base, gate, kd = campaign.phases
    assert (campaign.needs(base), campaign.needs(gate), campaign.needs(kd)) == ((), (), ("cbam", "gate"))
    assert campaign.awaits("pupil-soft_weight0.9") == ("cbam", "gate")
    with pytest.raises(StageError, match="the winner of cbam is not known yet"):
        campaign.trials(kd, {"gate": WINNERS["gate"]})
    assert campaign.stand_ins()["gate"] == "teacher"
    assert campaign.stand_ins()["cbam"] == "cbam-reduction4-kernel3"


def test_a_gate_asks_about_runs_and_tries_one_after_the_other_within_its_budget(opened: Open):
    campaign = opened()
    gate = campaign.phases[1]
    question = campaign.question(gate, {})
    assert question.better == ("teacher",)
    assert question.than == ("student", *(f"cbam-reduction{r}-kernel{k}" for r in (4, 8) for k in (3, 7)))
    assert (question.gate, question.seeds, question.margin) == ("gate", (3, 4), 0.0)
    attempts = campaign.attempts(gate, {})
    assert [[trial.key for trial in attempt] for attempt in attempts] == [
        [f"tuned-learning_rate{rate}-clip_norm{clip}-s{seed}" for seed in (3, 4)]
        for rate, clip in (("0.01", "none"), ("0.01", "0.5"), ("0.001", "none"))
    ]
    assert campaign.recipe_of(attempts[1][0]).model.net == "crnn"


def test_what_is_selected_among_which_runs(opened: Open):
    campaign = opened()
    assert campaign.selectable({}).keys() == {"cbam", "pupil"}
    assert campaign.selectable(WINNERS)["gate"] == (WINNERS["gate"],)


def runs_named(opened: Open, entry: str) -> list[str]:
    text = f"campaign: c\nrecipe: base.yaml\nmetric: f1_macro\nphases: [{{name: p, runs: {{a: {entry}}}}}]\n"
    return [cell.name for cell in opened(text).cells]


def test_names_are_short_safe_and_tell_runs_apart(opened: Open):
    assert runs_named(opened, "{grid: {train.class_weights: [null, balanced, [1, 1.5, 5.5]]}}") == [
        "a-class_weightsnone",
        "a-class_weightsbalanced",
        "a-class_weights1_1.5_5.5",
    ]
    assert runs_named(opened, '{grid: {source.pattern: ["(?P<label>/a/../b)"]}}') == [
        "a-pattern__P_label__a_.._b_"
    ]
    both = "{set: {model.net: crnn}, grid: {train.epochs: [1], distil.teacher.train.epochs: [2]}, control: b}"
    both = f"{both}, b: {{set: {{model.net: crnn}}}}"
    assert runs_named(opened, both)[0] == "a-train_epochs1-teacher_train_epochs2"


def test_a_long_name_is_cut_and_stays_unique(opened: Open):
    pattern = "x" * 150
    names = runs_named(opened, f'{{grid: {{name: ["{pattern}1", "{pattern}2"]}}}}')
    assert len(set(names)) == 2
    assert all(len(name) <= MAX_NAME for name in names)


def test_a_campaign_of_another_task(opened: Open):
    text = """\
campaign: samplers
recipe: base.yaml
metric: tiou_mean
seeds: [1]
phases:
  - name: all
    runs: {by: {grid: {preprocessing.sampler: [uniform, entropy]}}}
"""
    campaign = opened(text, "task: operations\ntrain: {phases: [{steps: 3}]}\n")
    recipes = [campaign.recipe_of(trial) for trial in campaign.trials(campaign.phases[0], {})]
    assert [recipe.preprocessing.sampler for recipe in recipes] == ["uniform", "entropy"]
    assert {recipe.train.seed for recipe in recipes} == {1}
