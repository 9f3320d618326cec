"""The script: its grammar, its cues, its durations, and what a person looks like under two ids."""

from collections import Counter, defaultdict
from itertools import pairwise

import pytest

from rushes.errors import SourceError
from rushes.tasks.operations.sources.openpack.tables import load_label_set, person_of
from rushes.tasks.operations.twin.motion import ACTS
from rushes.tasks.operations.twin.script import (
    GRAMMAR,
    IDS,
    MEDIAN_S,
    NEXT_BOX,
    TwinSettings,
    TwinUnit,
    pace_of,
    plan_session,
    units,
)

MANY = TwinSettings(subjects=21, sessions=3, boxes=8)


@pytest.fixture(scope="module")
def sessions():
    return [plan_session(unit, MANY) for unit in units(MANY)]


def successors(sessions):
    """(operation, announced, next) of every operation that has a successor."""
    for steps in sessions:
        done = [step for step in steps if step.operation is not None]
        for step, following in pairwise(done):
            yield step.operation, step.cue, following.operation


def test_classes_are_the_label_set_of_openpack():
    assert tuple(MEDIAN_S) == load_label_set("openpack").labels
    assert set(ACTS) == set(MEDIAN_S)
    assert [IDS[name] for name in MEDIAN_S] == list(range(100, 1001, 100))


def test_every_node_leads_to_known_nodes_with_certainty():
    for node in GRAMMAR.values():
        assert sum(node.to.values()) == pytest.approx(1.0)
        assert set(node.to) <= set(GRAMMAR)
    assert all(following in GRAMMAR[name].to for name, following in NEXT_BOX)


def test_a_table_of_successors_is_right_six_times_in_ten_and_the_cue_nearly_always(sessions):
    seen = list(successors(sessions))
    table = defaultdict(Counter)
    for operation, _, following in seen:
        table[operation][following] += 1
    prior = sum(max(row.values()) for row in table.values()) / len(seen)
    cue = sum(announced == following for _, announced, following in seen) / len(seen)
    branching = [name for name, row in table.items() if max(row.values()) / row.total() < 0.8]
    assert 0.53 <= prior <= 0.62
    assert 0.93 <= cue <= 0.97
    assert len(branching) >= 7


def test_all_ten_classes_are_frequent_and_some_moments_have_no_label(sessions):
    counts = Counter(step.operation for steps in sessions for step in steps)
    gaps = sum(step.operation is None for steps in sessions for step in steps[1:-1])
    labelled = sum(counts.values()) - counts[None]
    assert min(counts[name] / labelled for name in MEDIAN_S) > 0.04
    assert 0.05 < gaps / labelled < 0.12


def test_there_is_rework_within_a_box(sessions):
    again = 0
    for steps in sessions:
        done = Counter((step.box, step.operation) for step in steps if step.operation == "Insert Items")
        again += sum(count > 1 for count in done.values())
    assert again > 20
    edges = {(operation, following) for operation, _, following in successors(sessions)}
    assert edges >= {
        ("Insert Items", "Picking"),
        ("Close Box", "Insert Items"),
        ("Relocate Item Label", "Picking"),
    }


def test_steps_follow_each_other_without_holes_at_whole_milliseconds(sessions):
    for steps in sessions:
        assert steps[0].start_s == 0.0
        assert all(one.end_s == other.start_s for one, other in pairwise(steps))
        assert all(step.end_s == round(step.end_s, 3) for step in steps)
        assert all(2.0 <= step.end_s - step.start_s <= 9.0 for step in steps if step.operation is not None)


def test_the_box_goes_through_its_states_in_order(sessions):
    needs = {"Insert Items": "open", "Close Box": "open", "Scan Label": "closed", "Assemble Box": "none"}
    for steps in sessions:
        for step in steps:
            assert step.box_state == needs.get(step.operation, step.box_state)
        for one, other in pairwise(steps):
            if one.operation == "Attach Box Label" and one.box == other.box:
                assert "Attach Box Label" in other.labels
            assert other.box - one.box in (0, 1)
            assert other.box == one.box or not other.labels


def test_without_difficulty_no_cue_misleads():
    easy = TwinSettings(subjects=21, boxes=8, difficulty=0.0)
    seen = successors(plan_session(unit, easy) for unit in units(easy))
    assert all(announced == following for _, announced, following in seen)


def test_difficulty_adds_clutter_that_is_not_the_cue():
    def clutter(difficulty):
        hard = TwinSettings(subjects=4, difficulty=difficulty)
        return [step for unit in units(hard) for step in plan_session(unit, hard) if step.clutter]

    assert not clutter(0.5)
    assert clutter(1.0)
    assert all(step.cue not in step.clutter for step in clutter(1.0))


def test_script_depends_on_seed_subject_and_session_only():
    unit = TwinUnit("U0104", "S0200")
    script = plan_session(unit, TwinSettings(sessions=2, seed=3))
    assert script == plan_session(unit, TwinSettings(subjects=20, sessions=5, seed=3))
    assert script != plan_session(unit, TwinSettings(sessions=2, seed=4))
    assert script != plan_session(TwinUnit("U0104", "S0100"), TwinSettings(sessions=2, seed=3))


def test_units_are_named_as_openpack_names_them_and_some_persons_have_two_ids():
    keys = [unit.key for unit in units(TwinSettings(subjects=2, sessions=2))]
    assert keys == ["U0101_S0100", "U0101_S0200", "U0102_S0100", "U0102_S0200"]
    assert len({person_of(unit.subject) for unit in units(TwinSettings(subjects=21))}) == 16
    chosen = TwinSettings(subjects=("U0103", "U0210"))
    assert [unit.subject for unit in units(chosen)] == ["U0103", "U0210"]


def test_paces_differ_within_bounds():
    paces = [pace_of(subject, MANY) for subject in MANY.subject_ids]
    assert len(set(paces)) == len(paces)
    assert all(0.8 < pace < 1.25 for pace in paces)


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"subjects": 0}, "subjects"),
        ({"subjects": 22}, "subjects"),
        ({"subjects": ("U0101", "U0101")}, "each once"),
        ({"subjects": ("U0999",)}, "U0999"),
        ({"sessions": 10}, "sessions"),
        ({"boxes": 0}, "boxes"),
        ({"difficulty": 1.5}, "difficulty"),
        ({"media": ()}, "media"),
        ({"media": ("gif",)}, "gif"),
        ({"video_size": (641, 480)}, "even"),
        ({"video_fps": 0}, "video_fps"),
    ],
)
def test_wrong_settings_are_named(wrong, said):
    with pytest.raises(SourceError, match=said):
        TwinSettings(**wrong)
