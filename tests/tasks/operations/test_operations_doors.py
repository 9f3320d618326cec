"""The model asked from outside: the answers are those that predict and apply give of the same footage."""

from __future__ import annotations

import subprocess
import sys
from itertools import pairwise
from types import SimpleNamespace

import numpy as np
import pytest
from at_the_door import SERVED, ask, farthest_from_predictions, still
from pydantic import ValidationError

from rushes.annotations import How, read
from rushes.errors import AnswerError, MediaError, ModelError, RecipeError, StageError
from rushes.media.limits import Limits
from rushes.predict.remote import Engine
from rushes.recipe.sections import Frozen
from rushes.runs.door.contract import Part
from rushes.shards.member import json_member
from rushes.tasks.operations.predict.asks import asks_of
from rushes.tasks.operations.predict.gathering import AsAsked, Fused
from rushes.tasks.operations.predict.read_off import Track
from rushes.tasks.operations.prepare.clips import overlapping
from rushes.tasks.operations.prepare.reading import nameless
from rushes.tasks.operations.prepare.unit import choose_by_halves
from rushes.tasks.operations.preprocessing import ClipPreprocessing
from rushes.testing import Request, door_checks

EARLIER = ("clip_id", "dominant_operation", "temporal_segment", "anticipated_next_operation", "confidence")


@pytest.fixture(scope="module")
def run(finished):
    return finished.job.run()


@pytest.fixture(scope="module")
def doors(run):
    found = run.task.doors(run)
    for door in found.values():
        door.load()
    return found


@pytest.fixture(scope="module")
def video(finished):
    return finished.job.one("twin", "raw/U0102/**/*.mp4")


@pytest.fixture(scope="module")
def analyzed(doors, video):
    return ask(doors["analyze"], video, scores=True, write="vtt", video_id="bench-3")


# --- a clip -------------------------------------------------------------------------------------------------


def test_a_clip_is_answered_as_predict_answered_it(run, doors):
    assert farthest_from_predictions(run, doors["predict"], 4) <= 1e-6


def test_a_clip_alone_is_asked_about_the_operation_that_has_most_of_it(doors, tmp_path):
    still(tmp_path / "clip", 4.0)
    found, _ = ask(doors["predict"], tmp_path / "clip")
    assert found.clip_id.startswith("req_")
    assert len(found.clip_id) == 12
    assert set(EARLIER) <= set(found.model_dump())
    assert found.dominant_operation == max(found.scores, key=found.scores.get)
    assert sum(found.scores.values()) == pytest.approx(1.0)
    assert (found.fps, found.duration_s, found.parse_stage) == (25.0, 4.0, "scored")
    # One pair of frames: all of the clip is one operation.
    assert found.temporal_segment.model_dump() == {"start_frame": 1, "end_frame": 100}
    assert found.segment_s.model_dump() == {"start_s": 0.0, "end_s": 4.0}


def test_the_operation_with_most_of_a_clip_is_asked_about_where_it_is_surest():
    operations = np.array([[0.95, 0.05], [0.3, 0.7], [0.1, 0.9], [0.2, 0.8]])
    track = Track(np.array([0.5, 1.5, 2.5, 3.5]), operations, operations)
    assert track.surest_of_most(4.0) == 2.5
    # The first moment stands for more of the clip than the three others together.
    assert Track(np.array([2.8, 3.0, 3.1, 3.2]), operations, operations).surest_of_most(4.0) == 2.8


@pytest.mark.parametrize(
    ("seconds", "asked", "said"),
    [
        (9.0, {}, "a clip has 4 s, the file 9.000 s"),
        (9.0, {"start_s": 6.0}, "from 6 s on does not lie in a file of 9.000 s"),
        (4.0, {"asked_s": 4.0}, "the moment 4 s does not lie in a clip of 4 s"),
        (0.04, {}, "fewer than 2 frames"),
    ],
)
def test_a_question_that_cannot_be_asked_says_what_to_do(doors, tmp_path, seconds, asked, said):
    still(tmp_path / "clip", seconds)
    with pytest.raises(AnswerError, match=said) as refused:
        ask(doors["predict"], tmp_path / "clip", **asked)
    assert refused.value.cure


def test_a_clip_in_a_longer_file_is_found_where_it_is_said_to_be(doors, tmp_path):
    still(tmp_path / "long", 9.0)
    found, _ = ask(doors["predict"], tmp_path / "long", start_s=5.0)
    assert (found.start_s, found.duration_s) == (5.0, 9.0)


@pytest.mark.parametrize("asked", [{"start_s": -1}, {"start_s": "nan"}, {"clip_id": ""}, {"view": 1}])
def test_what_cannot_be_said_beside_a_clip_is_refused(doors, video, asked):
    with pytest.raises(ValidationError):
        ask(doors["predict"], video, **asked)


# --- a recording --------------------------------------------------------------------------------------------


def test_a_timeline_has_the_earlier_fields_and_ours(analyzed, run):
    found, _ = analyzed
    labels, duration_s = run.recipe.preprocessing.labels, found.total_duration_seconds
    assert found.video_id == "bench-3"
    assert [one.second for one in found.operations] == list(range(int(duration_s)))
    assert {one.operation for one in found.operations} <= set(labels)
    assert found.windows_processed == found.windows
    assert found.next_operation_prediction.label != found.segments[-1].label
    assert found.next_operation_prediction.predicted_at_second == duration_s
    assert found.model_version.startswith("tiny ")
    assert (found.fps, found.labels, found.unasked_s) == (25.0, labels, 0.0)


def test_segments_seconds_boundaries_and_scores_tell_the_same(analyzed):
    found, _ = analyzed
    assert [one.start_s for one in found.segments] == [0.0, *found.boundaries]
    assert found.segments[-1].end_s == found.duration_s
    for earlier, later in pairwise(found.segments):
        assert earlier.end_s == later.start_s
        assert earlier.label != later.label
    for tick, scores in zip(found.ticks, found.scores, strict=True):
        assert sum(scores) == pytest.approx(1.0)
        assert tick.confidence == scores[found.labels.index(tick.label)]
    for second in found.operations:
        [segment] = [one for one in found.segments if one.start_s <= second.second + 0.5 < one.end_s]
        assert second.operation == segment.label


def test_windows_stand_half_a_clip_apart_and_ticks_are_told_as_they_settle(analyzed):
    found, told = analyzed
    assert found.tick_s == 2.0
    assert found.windows == len(told) == int((found.duration_s - 4.0) / 2.0) + 2
    assert [one["windows"] for one in told] == list(range(1, len(told) + 1))
    early = [tick for one in told for tick in one["ticks"]]
    assert 0 < len(early) < len(found.ticks)
    assert [tick["start_s"] for tick in early] == [tick.start_s for tick in found.ticks[: len(early)]]
    most = [found.labels[int(np.argmax(scores))] for scores in found.scores[: len(early)]]
    assert [tick["label"] for tick in early] == most


def test_the_label_file_reads_back_as_the_segments(analyzed, tmp_path):
    found, _ = analyzed
    (tmp_path / found.file.name).write_text(found.file.text)
    assert found.file.name == "recording.vtt"
    marks = read(tmp_path / found.file.name, How()).marks
    assert [mark.label for mark in marks] == [one.label for one in found.segments]


def test_without_being_asked_no_scores_and_no_file_come(doors, video):
    found, _ = ask(doors["analyze"], video)
    assert (found.scores, found.file) == (None, None)


@pytest.mark.parametrize("asked", [{"write": "docx"}, {"write": "names"}, {"step_s": 0.001}])
def test_what_cannot_be_said_beside_a_recording_is_refused(doors, video, asked):
    with pytest.raises(ValidationError):
        ask(doors["analyze"], video, **asked)


def test_a_recording_shorter_than_a_clip_is_one_window(doors, tmp_path):
    still(tmp_path / "short", 1.6)
    found, told = ask(doors["analyze"], tmp_path / "short")
    assert (found.windows, len(told), len(found.ticks)) == (1, 1, 1)
    assert [(one.start_s, one.end_s) for one in found.segments] == [(0.0, found.duration_s)]


@pytest.mark.parametrize("verb", ["predict", "analyze"])
@pytest.mark.parametrize("limits", [{"max_duration_s": 3.0}, {"max_pixels": 1000}, {"max_frames": 20}])
def test_no_more_is_read_than_the_service_allows(doors, tmp_path, verb, limits):
    still(tmp_path / "clip", 4.0)
    with pytest.raises(MediaError, match=r"at most .* accepted"):
        ask(doors[verb], tmp_path / "clip", Limits(**{**_as_dict(SERVED), **limits}))


def _as_dict(limits: Limits) -> dict[str, int | float]:
    return {name: getattr(limits, name) for name in Limits.__slots__}


# --- windows that overlap -----------------------------------------------------------------------------------


def starts_of(duration_s: float, clip_s: float, step_s: float, tmp_path) -> list[float]:
    return [one.start_s for one in overlapping(nameless(tmp_path), duration_s, clip_s, step_s)]


def test_windows_cover_a_recording_to_its_end(tmp_path):
    assert starts_of(10.0, 5.0, 2.5, tmp_path) == [0.0, 2.5, 5.0]
    assert starts_of(11.0, 5.0, 2.5, tmp_path) == [0.0, 2.5, 5.0, 6.0]
    assert starts_of(3.0, 5.0, 2.5, tmp_path) == [0.0]


def test_clips_of_two_seconds_step_by_one_as_the_earlier_system_did(tmp_path):
    """Every second lies in the window that begins with it and in the one that has it behind a second of context."""
    starts = starts_of(60.0, 2.0, 1.0, tmp_path)
    assert starts == [float(second) for second in range(59)]
    fused = Fused(("a", "b"), 60.0, 1.0)
    for start_s in starts:
        fused.add(window(start_s, 2.0), track([0.5, 1.5], [[0.9, 0.1], [0.4, 0.6]]))
    rows = fused.ticks().probabilities
    assert len(rows) == 60
    np.testing.assert_allclose(rows[0], [0.9, 0.1])
    np.testing.assert_allclose(rows[-1], [0.4, 0.6])
    logs = np.log([[0.9, 0.1], [0.4, 0.6]]).mean(axis=0)
    np.testing.assert_allclose(rows[30], np.exp(logs) / np.exp(logs).sum())


@pytest.mark.parametrize("sampler", ["uniform", "entropy", "motion", "coverage"])
def test_windows_half_a_clip_apart_share_the_frames_of_a_half(sampler):
    rng = np.random.default_rng(3)
    footage = np.stack([np.arange(250) / 25, rng.random(250), rng.random(250)], axis=1)
    preprocessing = ClipPreprocessing(sampler=sampler, frames=8)
    chosen = []
    for start_s in (0.0, 2.5, 5.0):
        first, behind = np.searchsorted(footage[:, 0], [start_s, start_s + 5.0])
        numbers = choose_by_halves(footage[first:behind] - [start_s, 0.0, 0.0], preprocessing, 5.0)
        assert len(numbers) == 8
        chosen.append([first + number for number in numbers])
    assert chosen[0][4:] == chosen[1][:4]
    assert chosen[1][4:] == chosen[2][:4]


def window(start_s: float, clip_s: float, asked_s: float = 0.0) -> Part:
    meta = {"clip_start_s": start_s, "clip_end_s": start_s + clip_s, "asked_s": asked_s}
    return Part(f"{start_s}", {"meta.json": json_member(meta)})


def track(times_s, operations) -> Track:
    rows = np.array(operations, float)
    return Track(np.array(times_s, float), rows, rows)


def test_a_window_counts_most_in_its_middle():
    fused = Fused(("a", "b"), 6.0, 1.0)
    fused.add(window(0.0, 4.0), track([2.0], [[0.9, 0.1]]))
    fused.add(window(2.0, 4.0), track([2.0], [[0.1, 0.9]]))
    rows = fused.rows(0, 6)[:, 0]
    assert rows[:2].tolist() == pytest.approx([0.9, 0.9])
    assert rows[4:].tolist() == pytest.approx([0.1, 0.1])
    assert rows[2] > 0.5 > rows[3]
    assert rows[2] == pytest.approx(1 - rows[3])


def test_what_no_window_holds_is_not_asked_about():
    fused = Fused(("a", "b"), 6.0, 1.0)
    fused.add(window(4.0, 2.0), track([1.0], [[0.9, 0.1]]))
    assert fused.ticks().asked.tolist() == [False] * 4 + [True] * 2
    assert fused.settled == 4


def test_a_window_for_each_tick_says_what_it_was_asked():
    asked = AsAsked(("a", "b"), 3.0, 1.0)
    asked.add(window(0.0, 2.0, asked_s=1.5), track([0.5, 1.5], [[0.9, 0.1], [0.4, 0.6]]))
    assert asked.ticks().said == (None, "b", None)


def test_labels_alone_are_told_without_a_confidence(doors, run):
    """An engine says which operation, and not how likely it is."""
    door, rows = doors["analyze"], np.eye(len(run.recipe.preprocessing.labels))
    about = {"duration_s": 12.0, "fps": "25", "parts": 5, "tick_s": 2.0, "step_s": 2.0}
    reply = door.reply(door.asked(scores=True, write="csv"), about)
    for number in range(5):
        said = Track(np.array([1.0, 3.0]), rows[[0, number % 2]], rows[[1, 1]], "choice")
        told = reply.add(window(2.0 * number, 4.0), said)
        assert all(tick["label"] and tick["confidence"] is None for tick in told["ticks"])
    found = reply.finish()
    assert reply.gathering.ticks().probabilities.min() > 0, "smoothing finds a sequence, whatever was said"
    assert {one.confidence for one in (*found.segments, *found.ticks, *found.operations)} == {None}
    assert {(one.rival, one.rival_confidence) for one in found.segments} == {("", None)}
    assert (found.scores, found.next_operation_prediction.confidence) == (None, None)
    assert found.next_operation_prediction.label
    head, *lines = found.file.text.splitlines()
    assert "score" not in head or {line.split(",")[head.split(",").index("score")] for line in lines} == {""}


# --- what stands behind the doors ---------------------------------------------------------------------------


def test_the_decoding_process_imports_no_torch(doors):
    names = {name for door in doors.values() for name in door.preload}
    code = f"import sys, {', '.join(names)}; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_a_model_that_is_not_trained_opens_no_door(copy_of):
    run = copy_of("twin", "prepare").run()
    for door in run.task.doors(run).values():
        with pytest.raises(StageError, match="serve needs train, which is not done"):
            door.load()


def test_an_engine_that_is_not_there_opens_no_door(run):
    for door in run.task.doors(run, Engine("http://127.0.0.1:1/v1", timeout_s=0.2)).values():
        with pytest.raises(ModelError, match="does not answer"):
            door.load()


def test_an_engine_is_refused_where_it_cannot_know_the_model(run):
    frozen = SimpleNamespace(recipe=run.recipe.model_copy(update={"model": Frozen()}))
    with pytest.raises(RecipeError, match="the model of tiny is none that another server knows"):
        asks_of(frozen, Engine("http://127.0.0.1:1/v1"))


def test_a_service_shares_what_windows_have_in_common_and_the_verb_apply_does_not(run):
    assert run.task.doors(run)["analyze"].apply.asks._panel.shares
    assert not run.task.apply(run).asks._panel.shares


def test_what_follows_is_weighed_by_the_order_of_work(doors, run):
    apply, labels = doors["predict"].apply, run.recipe.preprocessing.labels
    even = np.full(len(labels), 1 / len(labels))
    sessions = [one for one in run.scan.recordings if one.subject == "U0101"]
    order = [segment.label for one in sessions for segment in one.segments]
    follows = [then for now, then in pairwise(order) if now == order[0]]
    found = apply.next_of(order[0], even)
    assert labels[int(found.argmax())] == max(set(follows), key=follows.count)
    assert found[labels.index(order[0])] == 0.0
    assert found.sum() == pytest.approx(1.0)


@pytest.mark.parametrize(("verb", "name"), [("predict", "clip_id"), ("analyze", "video_id")])
@pytest.mark.parametrize("check", door_checks(), ids=lambda check: check.__name__)
def test_the_doors_keep_their_contract(check, doors, verb, name, tmp_path):
    still(tmp_path / "clip.mp4", 4.0)
    check(Request(doors[verb], {name: "mine"}, {"file": tmp_path / "clip.mp4"}), tmp_path / "room")
