from pathlib import Path
from typing import get_args

import pytest

from rushes.errors import SourceError
from rushes.records import Media, Recording
from rushes.tasks.operations.recipe import LabelSetName, SplitName
from rushes.tasks.operations.sources.openpack.tables import (
    LabelSet,
    assign_splits,
    load_label_set,
    load_persons,
    operation_names,
    person_of,
    split_subjects,
)


def recording(subject: str, session: str = "S0100", group: str | None = None) -> Recording:
    return Recording(
        key=f"{subject}_{session}",
        group=group or person_of(subject),
        subject=subject,
        session=session,
        media=Media("video", Path("a.mp4")),
        segments=(),
        origin_unix_s=0.0,
    )


# --- label sets -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", get_args(LabelSetName))
def test_a_label_set_maps_every_operation(name: str) -> None:
    label_set = load_label_set(name)
    assert set(label_set.of_id) == set(operation_names())
    assert len(label_set.labels) == 10
    assert label_set.label_of(8100) is None


def test_the_default_set_is_openpacks_own_ten_names() -> None:
    label_set, names = load_label_set("openpack"), operation_names()
    assert names.pop(8100) == "Null"
    assert label_set.labels == tuple(names.values())
    assert all(label_set.label_of(operation_id) == name for operation_id, name in names.items())


def test_the_mapping_to_the_earlier_classes() -> None:
    label_set = load_label_set("classes10")
    mapped = {operation_id: label for operation_id, label in label_set.of_id.items() if label}
    assert mapped == {
        300: "Box Setup",
        400: "Put Items",
        500: "Tape",
        600: "Label",
        700: "Final Check",
        800: "Label",
    }
    assert {"Unknown", "Idle"} & set(mapped.values()) == set()


def test_unknown_names_and_ids_are_errors_that_list_what_there_is() -> None:
    with pytest.raises(SourceError) as caught:
        load_label_set("openpak")
    assert "openpack, classes10" in str(caught.value)
    with pytest.raises(SourceError, match="8105 is not mapped by label set 'openpack'; mapped are 100, 200"):
        load_label_set("openpack").label_of(8105)


def test_a_label_that_is_not_listed_is_refused() -> None:
    with pytest.raises(SourceError, match=r"\['Wrap'\]"):
        LabelSet("mine", 1, ("Tape",), {100: "Wrap"})
    with pytest.raises(SourceError, match="occur twice"):
        LabelSet("mine", 1, ("Tape", "Tape"), {100: "Tape"})


# --- persons ----------------------------------------------------------------------------------------------


def test_sixteen_persons_stand_behind_twenty_one_ids() -> None:
    persons = load_persons()
    assert len(persons) == 21
    assert len(set(persons.values())) == 16
    twice = {
        ("U0202", "U0105"),
        ("U0203", "U0108"),
        ("U0204", "U0110"),
        ("U0205", "U0107"),
        ("U0210", "U0103"),
    }
    assert all(person_of(a) == person_of(b) for a, b in twice)


def test_an_unknown_id_is_an_error_that_lists_the_known() -> None:
    with pytest.raises(SourceError, match=r"'U0112'; known ids are U0101, .*U0210"):
        person_of("U0112")
    assert person_of("U0112", {"U0112": "Aiko"}) == "Aiko"


# --- splits -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", get_args(SplitName))
def test_named_splits_separate_persons(name: str) -> None:
    sides = split_subjects(name)
    persons = {side: {person_of(subject) for subject in subjects} for side, subjects in sides.items()}
    assert not persons["train"] & persons["val"]
    assert not persons["train"] & persons["test"]
    assert not persons["val"] & persons["test"]


def test_the_colour_split_holds_exactly_the_ids_with_colour_frames() -> None:
    subjects = sorted(subject for side in split_subjects("colour").values() for subject in side)
    assert subjects == ["U0103", "U0201", "U0206", "U0207", "U0208", "U0209", "U0210"]


def test_recordings_are_put_on_sides_skipped_ones_and_absent_subjects_are_told() -> None:
    found = assign_splits([recording("U0101"), recording("U0108"), recording("U0203")], "earlier")
    assert found.side_of == {"U0101_S0100": "train", "U0108_S0100": "test"}
    assert found.skipped == {"U0203_S0100": "on no side of the split"}
    assert found.absent == ("U0102", "U0103", "U0104", "U0105", "U0106", "U0107")


def test_a_split_of_ones_own() -> None:
    split = {"train": ["U0103", "U0210"], "val": [], "test": ["U0108"]}
    found = assign_splits([recording("U0210"), recording("U0108", "S0500")], split)
    assert found.side_of == {"U0210_S0100": "train", "U0108_S0500": "test"}


@pytest.mark.parametrize("recordings", [[], [recording("U0107"), recording("U0205")]])
def test_a_person_on_two_sides_is_refused_by_name_ids_and_sides(recordings: list[Recording]) -> None:
    with pytest.raises(SourceError) as caught:
        assign_splits(recordings, {"train": ["U0101", "U0205"], "test": ["U0107"]})
    assert (
        caught.value.message == "person U0107 stands on 2 sides of the split: U0205 in train, U0107 in test"
    )
    with pytest.raises(SourceError, match="U0101 in train, U0101 in test"):
        assign_splits(recordings, {"train": ["U0101"], "test": ["U0101"]})


def test_recordings_know_their_person_better_than_the_table() -> None:
    recordings = [recording("U0101", group="Aiko"), recording("U0102", group="Aiko")]
    with pytest.raises(SourceError, match="person Aiko"):
        assign_splits(recordings, {"train": ["U0101"], "test": ["U0102"]})


def test_unknown_splits_sides_and_subjects_are_errors() -> None:
    with pytest.raises(SourceError) as caught:
        assign_splits([], "pilot")
    assert "earlier, colour" in str(caught.value)
    with pytest.raises(SourceError, match="no side 'dev'"):
        assign_splits([], {"dev": ["U0101"]})
    with pytest.raises(SourceError, match="U0999"):
        assign_splits([], {"train": ["U0999"]})
