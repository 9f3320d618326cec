import dataclasses

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch

from rushes.errors import ShardError
from rushes.models import vlm as family
from rushes.models.pixels import Pictures
from rushes.models.vlm import Vlm
from rushes.predict.table import FILE, read_predictions, write_predictions
from rushes.predict.units import predict
from rushes.recipe.turns import Turn
from rushes.runs.families import FAMILIES
from rushes.tasks.operations.predict.answer import Answerer, Question, question
from rushes.tasks.operations.predict.read_off import Track, read_off
from rushes.tasks.operations.predict.table import QUESTIONS, SCHEMA, train_answers
from rushes.tasks.operations.prepare.sample import Sample

torch.set_num_threads(1)

MOMENTS = (0.0, 0.04, 0.1, 0.3, 0.999, 2.5, 4.1, 4.85, 4.9, 4.999999)


@pytest.fixture(scope="module")
def clips(make_clips, tmp_path_factory):
    return make_clips(tmp_path_factory.mktemp("shards"), count=6, timeline=True)


@pytest.fixture(scope="module")
def samples(clips):
    return [Sample.of(clips.key(number), clips.sample(number)) for number in range(len(clips))]


@pytest.fixture(scope="module")
def vlm(clips_contract):
    vlm = family.load("tiny", clips_contract, seed=2)
    vlm.model.eval()
    return vlm


def wild(vlm: Vlm, seed: int) -> Vlm:
    """Large random weights, so that answers are sure of something and different from each other."""
    generator = torch.Generator().manual_seed(seed)
    other = family.load("tiny", vlm.preprocessing, seed=seed)
    other.model.eval()
    with torch.no_grad():
        for weight in other.model.parameters():
            if weight.ndim > 1:
                weight.mul_(1.0 + 3.0 * torch.rand((), generator=generator))
    return other


def ask(frames, times_s, moments=MOMENTS):
    return [Question([frames], times_s, moment_s, 5.0) for moment_s in moments]


@pytest.mark.parametrize("seed", range(6))
def test_every_answer_is_legal(vlm, samples, seed):
    labels = vlm.preprocessing.labels
    model = vlm if seed == 0 else wild(vlm, seed)
    sample = samples[seed]
    for asked, answer in zip(
        MOMENTS, Answerer(model).answer(ask(sample.pixels(), sample.times_s)), strict=True
    ):
        assert answer.operation in labels
        assert answer.next in labels
        assert 0.0 <= answer.start_s <= asked < answer.end_s <= vlm.preprocessing.clip_s
        for probabilities, label in (
            (answer.probabilities, answer.operation),
            (answer.next_probabilities, answer.next),
        ):
            assert probabilities.shape == (len(labels),)
            assert probabilities.sum() == pytest.approx(1.0)
            assert (probabilities >= 0).all()
            assert label == labels[int(probabilities.argmax())]
        assert answer.confidence == answer.probabilities.max()


def as_numbers(answer):
    return np.concatenate(
        [[answer.start_s, answer.end_s, answer.confidence], answer.probabilities, answer.next_probabilities]
    )


@pytest.mark.parametrize("batch_size", [1, 3, 100])
def test_the_batch_size_changes_nothing(vlm, samples, batch_size):
    model = wild(vlm, 11)
    questions = [question(sample, "model", 0) for sample in samples[:7]]
    # Clips of unlike length in one batch.
    short = dataclasses.replace(questions[1], views=[questions[1].views[0][:2]], times_s=(0.1, 3.0))
    questions[1:2] = [short]
    expected = Answerer(model, batch_size=2).answer(questions)
    for ours, theirs in zip(Answerer(model, batch_size).answer(questions), expected, strict=True):
        assert (ours.operation, ours.next) == (theirs.operation, theirs.next)
        np.testing.assert_allclose(as_numbers(ours), as_numbers(theirs), atol=1e-5)


def test_shared_pairs_of_frames_change_nothing(vlm, samples):
    """Windows of four frames that share two with the next, asked one after the other and together."""
    model = wild(vlm, 11)
    frames = np.concatenate([sample.pixels() for sample in samples[:4]])
    starts = range(0, len(frames) - 3, 2)
    questions = [Question([frames[start : start + 4]], (0.0, 1.5, 3.0, 4.5), 2.0, 5.0) for start in starts]
    expected = Answerer(model).answer(questions)
    for batch_size in (1, 5):
        answerer = Answerer(model, batch_size)
        FAMILIES["vlm"].share(answerer)
        for ours, theirs in zip(answerer.answer(questions), expected, strict=True):
            assert (ours.operation, ours.next) == (theirs.operation, theirs.next)
            np.testing.assert_allclose(as_numbers(ours), as_numbers(theirs), atol=1e-5)
        assert (answerer.pairs.asked, answerer.pairs.encoded) == (2 * len(questions), len(questions) + 1)


def test_no_questions_no_answers(vlm):
    assert Answerer(vlm).answer([]) == []


def test_the_answer_is_what_the_model_says_of_a_whole_question(vlm, samples):
    """Labels scored behind the shared pictures are those of a sequence of its own."""
    model, sample = wild(vlm, 4), samples[0]
    pictures = sample.pixels()
    times_s = (0.2, 1.0, 3.0, 4.0)  # questions stand at 1.0 and 4.0 s
    answers = Answerer(model).answer(
        [Question([pictures], times_s, asked_s, 5.0) for asked_s in (0.0, 2.4, 2.6, 4.9)]
    )
    shown = Pictures.of([pictures])
    for pair, pair_answers in ((0, answers[:2]), (1, answers[2:])):
        turn = Turn(model.preprocessing.question, (model.preprocessing.slots()[0].before,))
        encoded = model.chat().encode(shown.view, times_s, [(pair, turn)])
        batch = family.collate([encoded], [shown], model.tokenizer.pad_token_id)
        with torch.inference_mode():
            logits = family.forward(model, batch)[0][0, -1]
        ids = [model.chat().tokens(label)[0] for label in model.preprocessing.labels]
        expected = logits[ids].double().softmax(dim=0).numpy()
        for answer in pair_answers:
            np.testing.assert_allclose(answer.probabilities, expected, atol=1e-5)


# From what is said at some moments to an answer


def random_track(rng):
    count, labels = int(rng.integers(1, 9)), 4
    times_s = np.sort(rng.choice(np.arange(0.05, 5.0, 0.05), count, replace=False))
    sharp = float(rng.uniform(0.05, 3.0))
    return Track(
        times_s, rng.dirichlet(np.full(labels, sharp), count), rng.dirichlet(np.full(labels, sharp), count)
    )


def test_whatever_a_track_says_the_answer_is_legal():
    rng = np.random.default_rng(0)
    labels = ("Pick", "Tape", "Press", "Label")
    for _ in range(3000):
        track = random_track(rng)
        near = [*track.times_s, *(track.times_s[1:] + track.times_s[:-1]) / 2]
        asked_s = float(rng.choice([*MOMENTS, *near, rng.uniform(0.0, 4.9999)]))
        answer = read_off(track, asked_s, labels, 5.0)
        assert 0.0 <= answer.start_s <= asked_s < answer.end_s <= 5.0
        nearest = np.abs(track.times_s - asked_s).argmin()
        np.testing.assert_array_equal(answer.probabilities, track.operations[nearest])
        assert answer.operation == labels[int(answer.probabilities.argmax())]
        assert answer.confidence == answer.probabilities.max()
        assert answer.next_probabilities.sum() == pytest.approx(1.0)
        assert answer.next == labels[int(answer.next_probabilities.argmax())]
        if answer.end_s < 5.0:  # the clip shows what follows, and it is something else
            assert answer.next != answer.operation
            assert answer.next_probabilities[labels.index(answer.operation)] == 0.0


def test_a_certain_track_is_read_off_exactly():
    """Cuts are half-way between moments; what follows inside the clip is seen, behind it foretold."""
    labels = ("Pick", "Tape", "Press")
    times_s = np.array([0.5, 1.5, 2.5, 3.5, 4.5])
    operations = np.eye(3)[[0, 1, 1, 2, 2]] * 0.97 + 0.01
    nexts = np.eye(3)[[2, 2, 2, 2, 0]] * 0.97 + 0.01  # what the last question says
    expected = {
        0.0: ("Pick", 0.0, 1.0, "Tape"),
        1.2: ("Tape", 1.0, 3.0, "Press"),
        2.9: ("Tape", 1.0, 3.0, "Press"),
        4.9: ("Press", 3.0, 5.0, "Pick"),
    }
    for asked_s, answer in expected.items():
        read = read_off(Track(times_s, operations, nexts), asked_s, labels, 5.0)
        assert (read.operation, read.start_s, read.end_s, read.next) == answer


def test_one_doubtful_moment_does_not_cut_a_segment():
    operations = np.array([[0.95, 0.05], [0.4, 0.6], [0.95, 0.05], [0.02, 0.98]])
    track = Track(np.array([0.5, 1.5, 2.5, 3.5]), operations, np.full((4, 2), 0.5))
    answer = read_off(track, 0.4, ("Tape", "Press"), 4.0)
    assert (answer.operation, answer.start_s, answer.end_s) == ("Tape", 0.0, 3.0)


# Variants


def test_what_each_variant_is_shown(samples):
    sample = samples[0]
    frames = sample.pixels()
    shown = {
        variant: question(sample, variant, 0) for variant in ("model", "untrained", "no_vision", "shuffled")
    }
    assert all(asked.asked_s == sample.asked_s for asked in shown.values())
    assert all(asked.times_s == sample.times_s for asked in shown.values())
    np.testing.assert_array_equal(shown["model"].views[0], frames)
    np.testing.assert_array_equal(shown["untrained"].views[0], frames)
    assert shown["no_vision"].views[0].shape == frames.shape
    assert not shown["no_vision"].views[0].any()
    order = [
        next(number for number, frame in enumerate(frames) if np.array_equal(frame, seen))
        for seen in shown["shuffled"].views[0]
    ]
    assert sorted(order) == list(range(len(frames)))


def test_a_shuffle_is_the_same_every_time_and_another_for_other_clips(samples):
    def orders(seed):
        return [
            tuple(
                next(n for n, frame in enumerate(sample.pixels()) if np.array_equal(frame, seen))
                for seen in question(sample, "shuffled", seed).views[0]
            )
            for sample in samples[:12]
        ]

    assert orders(0) == orders(0)
    assert orders(0) != orders(1)
    assert len(set(orders(0))) > 3


# The table


@pytest.fixture(scope="module")
def table(vlm, clips):
    told = []
    answerer = Answerer(vlm)
    made = predict(
        lambda chunk: QUESTIONS.rows_of(answerer, clips, chunk, "test", 0),
        {variant: QUESTIONS.asked_about(clips, variant) for variant in ("model", "no_vision", "shuffled")},
        SCHEMA,
        batch_size=16,
        on_progress=lambda done, total: told.append((done, total)),
    )
    assert told[-1] == (len(made), len(made))
    assert [done for done, _ in told] == sorted(done for done, _ in told)
    return made


def test_the_table_has_its_schema_and_every_clip(table, clips, samples):
    assert table.schema == SCHEMA
    rows = table.to_pylist()
    windows = {sample.key for sample in samples if sample.meta["kind"] == "window"}
    everything = {sample.key for sample in samples}
    assert windows
    keys = {
        variant: [row["key"] for row in rows if row["variant"] == variant]
        for variant in ("model", "no_vision")
    }
    assert sorted(keys["model"]) == sorted(everything)
    assert sorted(keys["no_vision"]) == sorted(everything - windows)
    assert {row["split"] for row in rows} == {"test"}
    assert {row["failure"] for row in rows} == {None}


def test_truth_stands_beside_every_answer(table, samples):
    of_key = {sample.key: sample for sample in samples}
    for row in table.to_pylist():
        sample = of_key[row["key"]]
        target = sample.target
        truth = [row[f"truth_{name}"] for name in ("operation", "start_s", "end_s", "next")]
        assert truth == (
            [None] * 4 if target is None else [target.operation, target.start_s, target.end_s, target.next]
        )
        assert row["asked_s"] == sample.asked_s
        assert row["clip_end_s"] - row["clip_start_s"] == pytest.approx(5.0)
        for name in ("recording", "subject", "group", "kind"):
            assert row[name] == sample.meta[name]


def test_without_vision_only_times_and_moments_can_matter(table, vlm, samples):
    """The same clip in other colours gets the same answer."""
    sample = samples[0]
    blind = question(sample, "no_vision", 0)
    row = next(r for r in table.to_pylist() if (r["key"], r["variant"]) == (sample.key, "no_vision"))
    other = Question([np.zeros_like(blind.views[0])], sample.times_s, sample.asked_s, sample.clip_s)
    (answer,) = Answerer(vlm).answer([other])
    np.testing.assert_allclose(row["probabilities"], answer.probabilities, atol=1e-6)
    seen = next(r for r in table.to_pylist() if (r["key"], r["variant"]) == (sample.key, "model"))
    assert not np.allclose(seen["probabilities"], row["probabilities"], atol=1e-6)


def test_written_predictions_come_back(table, tmp_path):
    write_predictions(table, tmp_path)
    assert read_predictions(tmp_path, SCHEMA).equals(table)
    assert [path.name for path in tmp_path.iterdir()] == [FILE]


@pytest.mark.parametrize("damage", ["missing", "torn", "other"])
def test_broken_predictions_are_refused(table, tmp_path, damage):
    write_predictions(table, tmp_path)
    path = tmp_path / FILE
    if damage == "missing":
        path.unlink()
    elif damage == "torn":
        path.write_bytes(path.read_bytes()[:-50])
    else:
        pq.write_table(pa.table({"key": ["a"]}), path)
    with pytest.raises(ShardError) as caught:
        read_predictions(tmp_path, SCHEMA)
    assert str(path) in str(caught.value)


def test_what_baselines_are_fitted_on(clips, samples):
    with_answer = [sample.key for sample in samples if sample.target is not None]
    assert [sample.key for sample in train_answers(clips)] == with_answer
