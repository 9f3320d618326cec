import math
from itertools import pairwise

import pytest
import torch

from rushes.train.optimizer import SCHEDULES, START, one_cycle, warmup_cosine


def test_curve_is_the_formula():
    updates, peak, warmup, floor = 100, 2e-4, 10, 1e-5
    curve = [warmup_cosine(u, updates, peak, warmup, floor) for u in range(updates)]
    assert curve[:10] == pytest.approx([2e-5 * k for k in range(1, 11)])
    assert curve[10] == peak
    assert curve[55] == pytest.approx((peak + floor) / 2)  # half of the fall
    assert curve[99] == pytest.approx(floor + (peak - floor) * (1 + math.cos(math.pi * 89 / 90)) / 2)
    assert all(later < earlier for earlier, later in pairwise(curve[10:]))
    assert min(curve) > floor


def test_worked_example():
    curve = [round(warmup_cosine(u, updates=6, peak=1.0, warmup=2), 3) for u in range(6)]
    assert curve == [0.5, 1.0, 1.0, 0.854, 0.5, 0.146]


def test_warmup_may_fill_the_run():
    assert [warmup_cosine(u, 4, 1.0, warmup=4) for u in range(4)] == [0.25, 0.5, 0.75, 1.0]


@pytest.mark.parametrize(("updates", "warmup"), [(40, 4), (40, 12), (7, 3), (10, 10)])
def test_one_cycle_is_torchs(updates, warmup):
    peak, floor = 3e-3, 1e-6
    parameter = torch.nn.Parameter(torch.zeros(1))
    optimizer = torch.optim.AdamW([parameter], lr=1.0)
    cycle = torch.optim.lr_scheduler.OneCycleLR(
        optimizer,
        peak,
        total_steps=updates,
        pct_start=warmup / updates,
        div_factor=START,
        final_div_factor=peak / START / floor,
        cycle_momentum=False,
    )
    expected = []
    for _ in range(updates):
        expected.append(cycle.get_last_lr()[0])
        optimizer.step()
        if len(expected) < updates:
            cycle.step()
    found = [one_cycle(update, updates, peak, warmup, floor) for update in range(updates)]
    assert found == pytest.approx(expected, rel=1e-9)


def test_one_cycle_without_a_rise_begins_at_its_peak():
    for warmup in (0, 1):
        assert one_cycle(0, 5, 1.0, warmup) == pytest.approx(1.0 if warmup else 0.9045, abs=1e-4)
        assert one_cycle(4, 5, 1.0, warmup) == pytest.approx(0, abs=1e-12)


@pytest.mark.parametrize("schedule", SCHEDULES.values())
@pytest.mark.parametrize("update", [-1, 6])
def test_no_schedule_has_updates_outside_of_the_run(schedule, update):
    with pytest.raises(ValueError, match="6 updates"):
        schedule(update, 6, 1.0, 2, 0.0)
