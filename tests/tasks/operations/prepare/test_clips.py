from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from rushes.records import Media, Recording, Segment, Target
from rushes.tasks.operations.prepare.clips import Cutting, boundary_clips, followers, plan_clips, windows

WIDE = Cutting(wide_pairs=frozenset({frozenset({"Tape", "Press"})}))
LABELS = ("Pick", "Tape", "Press", "Label")


def session(seed, count=30, gaps=True, shortest_s=0.2):
    """Operations of a few tenths to twenty seconds; some with a stretch nobody labelled before them."""
    rng = np.random.default_rng(seed)
    segments, time_s = [], float(rng.uniform(0.0, 4.0))
    for _ in range(count):
        time_s += float(rng.uniform(0.1, 3.0)) if gaps and rng.random() < 0.15 else 0.0
        length_s = float(np.clip(rng.lognormal(1.2, 1.0), shortest_s, 20.0))
        segments.append(Segment(time_s, time_s + length_s, LABELS[int(rng.integers(4))]))
        time_s += length_s
    media = Media("video", Path("none.mp4"))
    return Recording(f"U{seed:04d}_S0100", "p", "p", "s", media, tuple(segments), 0.0)


def cut(recording, cutting=WIDE, spare_s=1.0):
    return list(boundary_clips(recording, recording.segments[-1].end_s + spare_s, cutting))


@pytest.fixture(scope="module")
def sessions():
    return [session(seed) for seed in range(60)]


@pytest.fixture(scope="module")
def all_clips(sessions):
    return [(recording, clip) for recording in sessions for clip in cut(recording)]


def under_way(recording, time_s):
    found = [number for number, segment in enumerate(recording.segments) if segment.contains(time_s)]
    return found[0] if found else None


def test_enough_of_each_kind(all_clips):
    for kind in ("before", "across", "after"):
        assert sum(clip.kind == kind for _, clip in all_clips) > 500


def test_the_asked_moment_is_in_the_target_and_the_target_is_true(all_clips):
    for recording, clip in all_clips:
        number = under_way(recording, clip.start_s + clip.asked_s)
        segment, follower = recording.segments[number], recording.segments[number + 1]
        assert clip.target.start_s <= clip.asked_s < clip.target.end_s <= 5.0
        assert (clip.target.operation, clip.target.next) == (segment.label, follower.label)
        assert clip.target.start_s == pytest.approx(max(segment.start_s - clip.start_s, 0.0))
        assert clip.target.end_s == pytest.approx(min(segment.end_s - clip.start_s, 5.0))


def test_clips_stay_inside_the_footage(sessions):
    for recording in sessions:
        for spare_s in (0.0, 0.5, 9.0):
            duration_s = recording.segments[-1].end_s + spare_s
            for clip in boundary_clips(recording, duration_s, WIDE):
                assert clip.start_s >= 0.0
                assert clip.end_s <= duration_s
                assert clip.end_s - clip.start_s == pytest.approx(5.0)


def test_which_moment_each_kind_asks_about(all_clips):
    for recording, clip in all_clips:
        boundary_s = int(clip.key.split("_t")[1][:7]) / 1000
        asked_s = clip.start_s + clip.asked_s
        assert clip.asked_s in (0.0, 4.9)
        number = under_way(recording, asked_s)
        first = clip.kind == "before" or (clip.kind == "across" and clip.asked_s == 0.0)
        own = recording.segments[number].end_s if first else recording.segments[number].start_s
        assert own == pytest.approx(boundary_s, abs=6e-4)
        assert bool(asked_s < boundary_s) is first
        if clip.kind != "across":
            assert (clip.asked_s == 0.0) is (clip.kind == "before")


def test_no_moment_nearer_to_a_boundary_than_its_margin(all_clips):
    """On neither side of its operation; wide pairs need more."""
    nearest = {0.5: 9.0, 1.0: 9.0}
    for recording, clip in all_clips:
        asked_s = clip.start_s + clip.asked_s
        number = under_way(recording, asked_s)
        segments = recording.segments
        for edge_s, pair in (
            (segments[number].start_s, segments[max(number - 1, 0) : number + 1]),
            (segments[number].end_s, segments[number : number + 2]),
        ):
            margin_s = WIDE.margin_s(*(segment.label for segment in pair))
            assert abs(asked_s - edge_s) >= margin_s - 1e-9
            nearest[margin_s] = min(nearest[margin_s], abs(asked_s - edge_s))
    assert nearest[0.5] < 0.55
    assert nearest[1.0] < 1.05


def test_margins_of_pairs():
    assert WIDE.margin_s("Tape", "Press") == WIDE.margin_s("Press", "Tape") == 1.0
    assert WIDE.margin_s("Tape", "Label") == WIDE.margin_s("Tape") == WIDE.margin_s("Tape", "Tape") == 0.5


def test_places_are_log_uniform():
    """With long operations the logarithm of the distance is spread evenly over [margin, clip)."""
    distances = {"before": [], "after": [], "across": []}
    for seed in range(40):
        recording = session(seed, gaps=False, shortest_s=8.0)
        for clip in cut(recording, Cutting()):
            number = under_way(recording, clip.start_s + clip.asked_s)
            segment, asked_s = recording.segments[number], clip.start_s + clip.asked_s
            near = segment.end_s - asked_s if clip.asked_s == 0.0 else asked_s - segment.start_s
            distances[clip.kind].append(near)
    for kind in ("before", "after"):
        share = np.log(np.array(distances[kind]) / 0.5) / np.log(4.9 / 0.5)
        assert len(share) > 800
        assert share.min() >= -1e-9
        assert share.max() <= 1.0
        quartiles = np.quantile(share, (0.25, 0.5, 0.75))
        np.testing.assert_allclose(quartiles, (0.25, 0.5, 0.75), atol=0.06)
    middle = np.array(distances["across"]) / 5.0
    assert middle.min() >= 0.35
    assert middle.max() <= 0.65


def test_whatever_a_clip_touches_is_listed(all_clips):
    for recording, clip in all_clips:
        touched = [s for s in recording.segments if s.start_s < clip.end_s and s.end_s > clip.start_s]
        assert [segment.label for segment in clip.segments] == [segment.label for segment in touched]
        for ours, theirs in zip(clip.segments, touched, strict=True):
            assert ours.start_s == pytest.approx(max(theirs.start_s - clip.start_s, 0.0))
            assert ours.end_s == pytest.approx(min(theirs.end_s - clip.start_s, 5.0))


def test_the_key_and_the_seed_decide_and_nothing_else(sessions):
    for recording in sessions[:10]:
        assert cut(recording) == cut(recording)
        other = Cutting(wide_pairs=WIDE.wide_pairs, seed=1)
        assert cut(recording) != cut(recording, other)
    starts = [
        [clip.start_s - recording.segments[0].start_s for clip in cut(recording)] for recording in sessions
    ]
    assert len({tuple(start) for start in starts}) == len(sessions)


def test_leaving_a_clip_out_moves_no_other(sessions):
    """Less footage, or a wider margin elsewhere, takes clips away and changes none."""
    for recording in sessions[:20]:
        everything = {clip.key: clip for clip in cut(recording)}
        fewer = cut(recording, spare_s=-40.0)
        assert len(fewer) < len(everything)
        assert all(everything[clip.key] == clip for clip in fewer)


def test_keys_are_unique(sessions):
    for recording in sessions:
        clips = cut(recording) + list(windows(recording, recording.segments[-1].end_s, WIDE))
        assert len({clip.key for clip in clips}) == len(clips)


@pytest.mark.parametrize("count", [0, 1])
def test_a_session_without_a_boundary_has_no_clips(count):
    full = session(0)
    few = Recording(full.key, "p", "p", "s", full.media, full.segments[:count], 0.0)
    assert list(boundary_clips(few, 60.0, WIDE)) == []


# Timelines


def test_ticks_cover_the_footage_once(sessions):
    for recording in sessions[:20]:
        duration_s = recording.segments[-1].end_s + 0.3
        ticks = list(windows(recording, duration_s, Cutting(stride_s=1.0)))
        asked = [clip.start_s + clip.asked_s for clip in ticks]
        np.testing.assert_allclose(asked, np.arange(int(duration_s)) + 0.5, atol=2e-6)
        for clip in ticks:
            assert clip.kind == "window"
            assert clip.start_s >= 0.0
            assert clip.end_s <= duration_s + 1e-9
            number = under_way(recording, clip.start_s + clip.asked_s)
            known = number is not None and number + 1 < len(recording.segments)
            assert (clip.target is not None) is known
            if known:
                assert clip.target.operation == recording.segments[number].label
                assert clip.target.start_s <= clip.asked_s < clip.target.end_s


def test_a_tick_is_in_the_middle_of_its_clip_wherever_it_can_be():
    recording = session(3)
    ticks = list(windows(recording, 40.0, Cutting(stride_s=1.0)))
    inside = [clip for clip in ticks if 2.5 <= clip.start_s + clip.asked_s <= 37.5]
    assert all(clip.asked_s == pytest.approx(2.5) for clip in inside)
    assert ticks[0].start_s == 0.0
    assert ticks[-1].end_s == pytest.approx(40.0)


def short(*segments, key="U0101_S0100"):
    return Recording(key, "p", "p", "s", Media("video", Path("none.mp4")), segments, 0.0)


def test_a_recording_shorter_than_a_clip_is_one_clip_about_its_longest_operation():
    two = short(Segment(0.2, 1.0, "Pick"), Segment(1.0, 3.4, "Tape"))
    (clip,) = plan_clips(two, 3.5, Cutting(), with_windows=False)
    assert (clip.kind, clip.start_s, clip.end_s, clip.asked_s) == ("whole", 0.0, 3.5, pytest.approx(2.2))
    assert clip.target == Target("Tape", 1.0, 3.4, None)
    assert clip.segments == two.segments
    longest_first = short(Segment(0.0, 2.4, "Pick"), Segment(2.4, 3.0, "Tape"))
    (clip,) = plan_clips(longest_first, 3.5, Cutting(), with_windows=False)
    assert clip.target == Target("Pick", 0.0, 2.4, "Tape")


@pytest.mark.parametrize("seconds", [1.6, 3.0, 4.99])
def test_one_label_a_file_is_one_clip_at_any_length(seconds):
    (clip,) = plan_clips(short(Segment(-0.2, seconds + 0.3, "Pick")), seconds, Cutting(), with_windows=False)
    assert clip.target == Target("Pick", 0.0, seconds, None)
    clips = plan_clips(short(Segment(0.0, seconds, "Pick")), seconds, Cutting(), with_windows=True)
    assert {(clip.start_s, clip.end_s) for clip in clips} == {(0.0, seconds)}
    ticks = [clip.asked_s for clip in clips if clip.kind == "window"]
    assert ticks == [tick + 0.5 for tick in range(int(seconds))]
    assert len(clips) == len(ticks) + 1


@pytest.mark.parametrize(
    ("segment", "starts_s"),
    [
        (Segment(0.0, 12.0, "Pick"), [1.0, 6.0]),
        (Segment(0.0, 15.0, "Pick"), [0.0, 5.0, 10.0]),
        (Segment(7.0, 8.0, "Pick"), [5.0]),
        (Segment(0.5, 1.5, "Pick"), [0.0]),
        (Segment(-0.3, 15.4, "Pick"), [0.0, 5.0, 10.0]),
    ],
)
def test_an_operation_that_stands_alone_is_cut_along_it(segment, starts_s):
    recording = replace(short(segment), alone=True)
    clips = plan_clips(recording, 15.0, Cutting(), with_windows=False)
    assert [clip.start_s for clip in clips] == pytest.approx(starts_s)
    assert {clip.kind for clip in clips} == {"whole"}
    for clip in clips:
        assert clip.end_s - clip.start_s == pytest.approx(5.0)
        assert clip.target is not None
        assert segment.contains(clip.start_s + clip.asked_s)
    assert len({clip.key for clip in clips}) == len(clips)


def test_a_recording_of_a_clip_or_more_is_cut_as_ever(sessions):
    for recording in sessions[:5]:
        whole_s = recording.segments[-1].end_s + 1.0
        planned = plan_clips(recording, whole_s, WIDE, with_windows=True)
        cut_each = [*boundary_clips(recording, whole_s, WIDE), *windows(recording, whole_s, WIDE)]
        assert planned == sorted(cut_each, key=lambda clip: (clip.start_s, clip.key))


def test_followers():
    segments = session(0, count=3).segments
    assert followers(segments) == (segments[1].label, segments[2].label, None)
    assert followers(()) == ()
