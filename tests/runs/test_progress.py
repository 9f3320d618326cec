"""Progress where there is no terminal: few lines, each with how long the rest takes."""

from __future__ import annotations

import pytest

from rushes.cli.progress import Progress


def lines(capsys: pytest.CaptureFixture[str], *told: tuple[float, float]) -> list[str]:
    """What is printed of (second, steps done of 100)."""
    now = [0.0]
    with Progress(["train"], clock=lambda: now[0]) as progress:
        for second, done in told:
            now[0] = second
            progress.tell("train", done, 100, "loss 1.0")
    return capsys.readouterr().err.splitlines()


def test_a_line_comes_at_most_every_half_minute_with_the_time_left(capsys):
    assert lines(capsys, *((float(second), second / 2) for second in range(100))) == [
        "train: 0/100 loss 1.0",
        "train: 15/100 loss 1.0, about 2 min 50 s left",
        "train: 30/100 loss 1.0, about 2 min 20 s left",
        "train: 45/100 loss 1.0, about 1 min 50 s left",
    ]


def test_what_was_done_before_does_not_count_as_speed(capsys):
    assert lines(capsys, (0.0, 80), (60.0, 90)) == [
        "train: 80/100 loss 1.0",
        "train: 90/100 loss 1.0, about 1 min left",
    ]


def test_the_end_is_always_told(capsys):
    assert lines(capsys, (0.0, 0), (1.0, 100)) == ["train: 0/100 loss 1.0", "train: 100/100 loss 1.0"]
