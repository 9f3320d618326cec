from __future__ import annotations

import numpy as np

from rushes.evaluate.clusters import clusters
from rushes.metrics.estimate import SHARE
from rushes.metrics.jackknife import Jackknife
from rushes.tasks.operations.evaluate.answers import ladder, read_answers


def test_one_person_is_resampled_by_blocks_of_neighbouring_boundaries(world, right):
    clips, _ = read_answers(world.table(model=right))
    found = clusters(ladder(clips), np.arange(len(clips)))
    assert found.by == "block of boundaries"
    for unit in np.unique(found.ids):
        assert len(np.unique(clips.boundary_ms[found.ids == unit])) <= 2
    boundaries = np.unique(clips.boundary_ms)
    assert found.count == -(-len(boundaries) // 2)
    first = found.ids[np.isin(clips.boundary_ms, boundaries[:2])]
    assert len(np.unique(first)) == 1, "neighbours share an operation"


def test_the_three_clips_of_a_boundary_are_never_parted(world, right):
    clips, _ = read_answers(world.table(model=right))
    for ids in ladder(clips).values():
        for boundary in np.unique(clips.boundary_ms):
            assert len(np.unique(ids[clips.boundary_ms == boundary])) == 1


def test_enough_people_are_resampled_as_people(six_people, right):
    clips, _ = read_answers(six_people.table(model=right))
    levels = ladder(clips)
    assert clusters(levels, np.arange(len(clips))).by == "person"
    few = np.flatnonzero(np.isin(clips.group, ["U0200", "U0201"]))
    found = clusters(levels, few)
    assert found.by == "block of boundaries"
    for unit in np.unique(found.ids):
        assert len(np.unique(clips.recording[few][found.ids == unit])) == 1


def test_few_clips_fall_back_to_single_boundaries(world, right):
    clips, _ = read_answers(world.table(model=right))
    rows = np.flatnonzero(clips.boundary_ms <= np.unique(clips.boundary_ms)[2])
    found = clusters(ladder(clips), rows)
    assert (found.by, found.count) == ("boundary", 3)


def test_wider_units_give_wider_intervals(world):
    """Answers that are right for whole stretches of a session: rows alone would promise too much."""

    def by_stretch(true, rng):
        late = int(true["key"].split("_t")[1][:7]) // 20_000 % 2
        return true | ({"operation": "Label"} if late else {})

    table = world.table(model=by_stretch)
    clips, systems = read_answers(table)
    hits = np.array(
        [one == two for one, two in zip(systems["model"].operation, clips.operation, strict=True)]
    )
    every = np.arange(len(clips))
    wide, narrow = (
        jackknife.estimate(jackknife.means(hits), SHARE)
        for jackknife in map(Jackknife.of, (clusters(ladder(clips), every).ids, every))
    )
    assert wide.high - wide.low > 1.3 * (narrow.high - narrow.low)
