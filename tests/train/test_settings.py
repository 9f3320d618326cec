"""What a training is does not change with settings that came later."""

import pytest

from rushes.errors import RecipeError
from rushes.train.progress import Progress
from rushes.train.settings import FREE, LATER, LoopSettings

USUAL = {"steps": 9, "batch_size": 2, "learning_rate": 0.01}
OF_THE_FIRST = {
    "steps", "batch_size", "learning_rate", "accumulate", "floor", "warmup", "weight_decay", "betas", "muon",
    "clip_norm", "precision", "seed", "eval_every", "monitor", "patience",
}  # fmt: skip
"""Settings in the checkpoints of version 0.1, which must still be found."""


def test_at_their_defaults_later_settings_are_not_part_of_a_training():
    assert LoopSettings(**USUAL).decisive().keys() == OF_THE_FIRST
    assert all(getattr(LoopSettings(**USUAL), name) == value for name, value in LATER.items())
    assert not LATER.keys() & FREE


@pytest.mark.parametrize(
    ("name", "value"),
    [("schedule", "onecycle"), ("rates", {"map": 0.1}), ("optimizer", "adamw8bit"), ("min_delta", 0.1)],
)
def test_another_value_is_another_training(name, value):
    assert LoopSettings(**USUAL, **{name: value}).decisive() == LoopSettings(**USUAL).decisive() | {
        name: value
    }


def test_what_contradicts_is_refused():
    with pytest.raises(RecipeError) as caught:
        LoopSettings(**USUAL, rates={"map": 0.0}, optimizer="adamw8bit", muon=2.0, min_delta=-1.0)
    for words in ("rates.map: above 0", "adamw8bit has no Muon", "min_delta: at least 0"):
        assert words in str(caught.value)


# Patience


def judged(figures, min_delta):
    progress = Progress()
    for step, figure in enumerate(figures, start=1):
        progress.step = step
        progress.judge(figure, min_delta)
    return progress


def test_a_plateau_uses_patience_up():
    """Between the best and the best plus `min_delta` nothing is better."""
    progress = judged([0.50, 0.505, 0.509, 0.509], 0.01)
    assert progress.stale == 3
    assert progress.out_of_patience(3)
    assert (progress.best, progress.best_step) == (0.509, 3)  # and still the highest figure is the result


def test_a_rise_beyond_the_bar_gives_patience_back():
    progress = judged([0.50, 0.505, 0.511, 0.512], 0.01)
    assert (progress.stale, progress.bar) == (1, 0.511)


def test_progress_of_an_older_checkpoint_goes_on():
    saved = {"step": 4, "total": {}, "since": {}, "best": 0.5, "best_step": 2, "stale": 1}
    progress = Progress.of(saved)
    progress.judge(0.5)
    assert progress.stale == 2
