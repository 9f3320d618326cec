from __future__ import annotations

import re

import pytest

from rushes.evaluate.pages import (
    Clip,
    Markup,
    confusion,
    drawing,
    fell_into_one_class,
    gallery,
    image,
    palette,
    strips,
    ticks,
    timelines,
)
from rushes.evaluate.pages.timeline import LINES

# --- confusion --------------------------------------------------------------------------------------------


def test_absent_classes_are_left_out_and_named():
    labels = ["Tape", "Pack", "Idle"]
    found = confusion(labels, [*labels, "unreadable"], [[3, 1, 0, 0], [0, 4, 0, 0], [0, 0, 0, 0]])
    heads = re.findall(r'<th scope="(?:col|row)">(?:<span[^>]*>)?([^<]*)', found)
    assert heads == ["Tape", "Pack", "clips", "Tape", "Pack"]
    assert "neither occur nor were answered: Idle, unreadable." in found
    assert 'title="Tape taken for Pack: 1 of 4"' in found


def test_a_class_that_was_only_answered_keeps_its_column():
    found = confusion(["Tape", "Pack"], ["Tape", "Pack"], [[1, 2], [0, 0]])
    assert found.count('scope="row"') == 1
    assert "Answered, though no clips of it occur: Pack." in found


def test_counts_must_fit_and_may_be_empty():
    with pytest.raises(ValueError, match="1 rows of 2"):
        confusion(["Tape"], ["Tape", "Pack"], [[1]])
    assert "No clips." in confusion(["Tape"], ["Tape"], [[0]])


def test_many_classes_show_counts_few_show_shares():
    few = confusion(["a", "b"], ["a", "b"], [[1, 3], [0, 2]])
    assert "75%<small>3</small>" in few
    labels = [f"class {number}" for number in range(9)]
    many = confusion(labels, labels, [[int(a == b) for b in labels] for a in labels])
    assert "%" not in re.sub(r'style="[^"]*"', "", many)
    assert 'class="matrix upright"' in many


# --- gallery ----------------------------------------------------------------------------------------------


def test_clips_can_be_filtered_by_verdict_and_class(evil):
    shown = image(b"\xff\xd8", evil)
    clips = [
        Clip(shown, evil, True, "Tape", "Best"),
        Clip(shown, "b", False, evil, "Worst"),
        Clip(shown, "c"),
    ]
    found = gallery(clips, "clips")
    assert re.findall(r'data-verdict="(\w*)"', found) == ["right", "wrong", ""]
    assert re.findall(r'<button type="button" value="(\w+)"', found) == ["all", "right", "wrong"]
    assert found.count("<option") == 3
    assert re.findall("<h3>(.*?)</h3>", found) == ["Best", "Worst"]
    assert "<script" not in found
    assert 'src="data:image/jpeg;base64,/9g="' in found


def test_nothing_to_choose_from_makes_no_filter():
    clip = Clip(Markup("<svg></svg>"), "a", True, "Tape")
    assert "filter" not in gallery([clip, clip], "clips")
    assert "No clips to show." in gallery([], "clips")


# --- timelines --------------------------------------------------------------------------------------------

TRUTH = [(0.0, 6.0, "Tape"), (6.0, 10.0, "Pack")]


def test_labels_that_fell_into_one_class_are_flagged():
    said = "fell into one class: Tape 100 % of the time, 60 % in truth"
    assert fell_into_one_class(TRUTH, [(0.0, 10.0, "Tape")]) == said
    assert fell_into_one_class(TRUTH, [(0.0, 8.0, None), (8.0, 10.0, "Tape")]) == said
    assert "96 %" in fell_into_one_class(TRUTH, [(0.0, 9.6, "Tape"), (9.6, 10.0, "Pack")])
    assert "0 % in truth" in fell_into_one_class(TRUTH, [(0.0, 10.0, "Idle")])


def test_other_labels_are_not_flagged():
    assert fell_into_one_class(TRUTH, TRUTH) is None
    assert fell_into_one_class(TRUTH, [(0.0, 9.0, "Tape"), (9.0, 10.0, "Pack")]) is None
    assert fell_into_one_class([(0.0, 10.0, "Tape")], [(0.0, 10.0, "Tape")]) is None
    assert fell_into_one_class(TRUTH, [(0.0, 10.0, None)]) is None
    assert fell_into_one_class([], [(0.0, 10.0, "Tape")]) is None


def test_strips_cut_long_recordings_into_lines():
    spans = [(0.0, 300.0, "Tape"), (300.0, 600.0, None)]
    found = strips({"truth": spans, "raw": spans}, {"Tape": "#4e79a7"}, "labels <of> U1")
    assert found.count(">truth<") == 3
    assert found.count("<title>truth: Tape, 0.0 to 300.0 s</title>") == 2
    assert 'aria-label="labels &lt;of&gt; U1"' in found
    with pytest.raises(ValueError, match="nothing to draw"):
        strips({"truth": []}, {}, "x")


def test_a_night_takes_a_bounded_number_of_lines_and_tells_the_time():
    found = strips({"truth": [(0.0, 8 * 3600.0, "Tape")]}, {"Tape": "#4e79a7"}, "night")
    assert found.count(">truth</text>") == LINES
    assert ">1:00:00</text>" in found
    assert re.search(r">\d+ s</text>", found) is None


def test_recordings_are_drawn_under_their_keys_with_what_fell_into_one_class(evil):
    truth, one = [[0.0, 5.0, "Tape"], [5.0, 10.0, evil]], [[0.0, 10.0, "Tape"]]
    recordings = [
        {"key": f"{evil}{number}", "truth": truth, "model": truth, "smoothed": one} for number in range(3)
    ]
    found = timelines(
        recordings, ("model", "smoothed"), palette(["Tape", evil, "Idle"]), noun="night", most=2
    )
    assert found.count("<figcaption>") == 2
    assert found.count("smoothed fell into one class: Tape 100 % of the time, 50 % in truth") == 2
    assert "The first 2 nights are drawn." in found
    assert "Idle" not in found  # occurs nowhere
    assert evil not in found


# --- drawings ---------------------------------------------------------------------------------------------


def test_wide_drawings_scroll():
    assert 'class="wide"' in drawing(1080, 10, label="x")
    assert "class" not in drawing(300, 10, label="x")


def test_every_label_has_a_colour_of_its_own():
    labels = [f"label {number}" for number in range(40)]
    colours = palette(labels)
    assert list(colours) == labels
    assert len(set(colours.values())) == 40
    assert all(re.fullmatch("#[0-9a-f]{6}", colour) for colour in colours.values())


def test_ticks_lie_inside_and_are_round():
    for low, high in [(0, 1), (0, 0.013), (-3, 250), (17.2, 17.9), (0, 1e6)]:
        found = ticks(low, high)
        assert 3 <= len(found) <= 12
        assert low - 1e-9 <= min(found) <= max(found) <= high + 1e-9
    assert ticks(2.0, 2.0) == [2.0]
