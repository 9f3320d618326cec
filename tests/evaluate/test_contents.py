"""What is counted of a dataset, and what is remarked."""

from __future__ import annotations

from rushes.evaluate.contents import Amount, Contents, Place


def contents(*rows: tuple[str, str, str, int]) -> Contents:
    samples = [Place(side, group, label) for side, group, label, count in rows for _ in range(count)]
    return Contents.of(
        samples, [(Place(side, group, label), 2.5 * count) for side, group, label, count in rows]
    )


def test_sums_along_each_axis_are_sums_of_all():
    found = contents(
        ("train", "a", "x", 12), ("train", "b", "x", 3), ("test", "c", "y", 5), ("extra", "", "", 1)
    )
    assert found.along("side") == {
        ("train",): Amount(15, 37.5),
        ("test",): Amount(5, 12.5),
        ("extra",): Amount(1, 2.5),
    }
    assert found.along("label", "side")["x", "train"] == Amount(15, 37.5)
    assert sum(amount.samples for amount in found.along("group").values()) == 21
    assert found.sides == ["train", "test", "extra"]
    assert (found.names("label"), found.names("group", "train")) == (["x", "y"], ["a", "b"])


def test_seconds_without_a_sample_are_kept_and_name_no_class():
    found = Contents.of([Place("train", "a", "x")], [(Place("train", "a", "rest"), 9.0)])
    assert found.along("label") == {("x",): Amount(1, 0.0), ("rest",): Amount(0, 9.0)}
    assert found.names("label") == ["x"]


def test_a_dataset_with_enough_of_everything_has_no_remark():
    rows = [(side, f"{side}{n}", label, 10) for side in ("train", "test") for n in (0, 1) for label in "xy"]
    assert list(contents(*rows).remarks("xy")) == []


def test_what_would_be_suffered_from_is_remarked():
    rows = [("train", "a", "x", 50), ("train", "b", "x", 50), ("train", "a", "y", 4), ("test", "", "x", 8)]
    said = list(contents(*rows).remarks(["x", "y", "z"]))
    assert said == [
        "No side has a sample of z.",
        "Side test has no sample of y, which other sides have.",
        "Fewer than 10 training samples: y.",
        "Only one of 2 training groups has y: what is learnt may be the group.",
        "8 of 112 samples belong to no known group: whether a side has somebody of another one cannot be told.",
    ]


def test_a_remark_names_some_and_counts_the_others():
    one, others = contents(("train", "a", "x", 20)).remarks(
        ["x", *(f"class {number}" for number in range(300))]
    )
    assert one == "Every labelled sample is of one class: x."
    assert others == (
        "No side has a sample of class 0, class 1, class 2, class 3, class 4, class 5 and 294 others."
    )


def test_a_side_of_another_kind_lacks_nothing_and_nobody_lacks_it():
    """Its classes are others by design."""
    found = contents(
        ("train", "a", "x", 12), ("train", "b", "x", 12), ("test", "c", "x", 5), ("probe", "d", "fish", 9)
    )
    assert [remark for remark in found.remarks() if "no sample" in remark] == []
    assert found.timed
    assert not Contents.of([Place("train", "a", "x")], []).timed
