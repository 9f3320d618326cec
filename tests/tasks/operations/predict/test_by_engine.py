"""An engine that holds an export, asked over HTTP, beside the model itself."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from engine_server import EngineServer, serving

from rushes.errors import AnswerError, ModelError
from rushes.models import trained
from rushes.models import vlm as family
from rushes.models.merged import first_value
from rushes.predict.remote import Engine
from rushes.tasks.operations.predict.by_engine import EngineAnswerer
from rushes.tasks.operations.prepare.sample import Sample

torch.set_num_threads(1)


@pytest.fixture(scope="module")
def samples(make_clips, tmp_path_factory):
    clips = make_clips(tmp_path_factory.mktemp("shards"), count=8)
    return [Sample.of(clips.key(number), clips.sample(number)) for number in range(0, len(clips), 2)][:6]


@pytest.fixture(scope="module")
def vlm(clips_contract):
    """Large weights, so that answers differ from each other and are sure."""
    vlm = family.load("tiny", clips_contract, seed=5)
    vlm.model.eval()
    generator = torch.Generator().manual_seed(5)
    with torch.no_grad():
        for weight in vlm.model.parameters():
            if weight.ndim > 1:
                weight.mul_(1.0 + 3.0 * torch.rand((), generator=generator))
    return vlm


@pytest.fixture(scope="module")
def engine(vlm, tmp_path_factory):
    folder = tmp_path_factory.mktemp("export") / "model"
    trained.save(vlm, folder)
    with serving(EngineServer(folder)) as engine:
        yield engine


@pytest.fixture
def asking(vlm, engine):
    """Makes answerers, and closes them."""
    made = []

    def make(**how):
        made.append(EngineAnswerer(Engine(engine.url, **how), vlm.preprocessing))
        return made[-1]

    engine.asked.clear()
    yield make
    for one in made:
        one.close()


def said(tracks):
    return [(track.operations.argmax(1).tolist(), track.nexts.argmax(1).tolist()) for track in tracks]


def test_an_engine_says_what_the_model_says_at_its_positions(vlm, asking, samples):
    """The same tokens and patches behind every pair; rotary positions alone are the engine's own."""
    labels, found = vlm.preprocessing.labels, set()
    for track, sample in zip(asking().tracks(samples), samples, strict=True):
        assert track.stage == "choice"
        assert track.times_s.tolist() == [sample.times_s[1], sample.times_s[3]]
        for rows in (track.operations, track.nexts):
            assert sorted(np.unique(rows)) == [0.0, 1.0]
            assert (rows.sum(axis=1) == 1.0).all()
        for row, end in zip(track.operations, (2, 4), strict=True):
            own = first_value(vlm, [sample.pixels(*range(end))], sample.times_s[:end], of_library=True)
            assert labels[int(row.argmax())] == labels[int(own.argmax())]
            found.add(int(own.argmax()))
    assert len(found) > 1, "a model that always says the same would agree by chance"


def test_the_prompt_is_the_one_that_was_taught(vlm, engine, asking, samples):
    """Token by token, as the engine's tokenizer and template make it of what was sent."""
    asking(at_once=1).tracks(samples[:1])
    chat, sample = vlm.chat(), samples[0]
    opening, _ = chat.turn(vlm.preprocessing.asking())
    height, width = sample.pixels(0).shape[1:3]
    sent = [body for body in engine.asked if body["messages"][-1]["content"] == '{"operation": "']
    assert len(sent) == 2, "one for each pair of frames"
    for pair, body in enumerate(sent):
        turns, videos, _ = engine._opened(body["messages"])
        text = engine.words.apply_chat_template(turns, tokenize=False, continue_final_message=True)
        pads = (height // 28) * (width // 28)
        ids = engine.words.encode(
            text.replace("<|video_pad|>", "<|video_pad|>" * pads), add_special_tokens=False
        )
        prompt = chat.prompt((2, height // 14, width // 14), sample.times_s)
        assert ids == [*prompt.ids[: prompt.ends[pair]], *opening]
        np.testing.assert_array_equal(np.concatenate(videos), sample.pixels(*range(2 * pair + 2)))


@pytest.mark.parametrize("form", ["choice", "schema"])
@pytest.mark.parametrize("pictures", ["frames", "images"])
def test_every_form_gives_legal_answers(vlm, asking, samples, form, pictures):
    answers = asking(form=form, pictures=pictures).answer(samples[:2])
    for answer, sample in zip(answers, samples, strict=False):
        assert answer.operation in vlm.preprocessing.labels
        assert answer.next in vlm.preprocessing.labels
        assert 0.0 <= answer.start_s <= sample.asked_s < answer.end_s <= sample.clip_s


def test_forms_agree_where_they_ask_the_same(asking, samples):
    by_choice, by_schema = (asking(form=form).tracks(samples[:2]) for form in ("choice", "schema"))
    assert said(by_choice) == said(by_schema)
    assert {track.stage for track in by_schema} == {"json"}


def test_a_model_that_is_not_held_to_anything_is_read_strictly(asking, samples):
    """Structure was never taught, so the tiny model's free text is no answer; nobody makes one up."""
    with pytest.raises(AnswerError):
        asking(form="text").tracks(samples[:1])


def test_an_engine_is_known_by_what_it_says(engine, asking, samples):
    engine.owned_by = "somebody"
    try:
        assert asking().connect() == "tiny"
        asking(at_once=1).tracks(samples[:1])
    finally:
        engine.owned_by = "vllm"
    assert all("response_format" in body and "structured_outputs" not in body for body in engine.asked)
    kinds = {part["type"] for body in engine.asked for part in body["messages"][0]["content"]}
    assert kinds == {"text", "image_url"}


def test_a_model_that_the_engine_does_not_have_is_refused(asking, samples):
    with pytest.raises(ModelError, match="the engine has tiny, and 'large' was asked for"):
        asking(model="large").tracks(samples[:1])


def test_a_plain_video_tells_its_clock(clips_contract, vlm, engine, samples):
    """Without time marks the frames are one video, whose times the engine would guess."""
    plain = clips_contract.model_copy(update={"time_marks": False})
    answerer = EngineAnswerer(Engine(engine.url, at_once=1), plain)
    engine.asked.clear()
    answerer.tracks(samples[:1])
    answerer.close()
    times_s = samples[0].times_s
    rates = [body["media_io_kwargs"]["video"]["fps"] for body in engine.asked]
    assert rates[0] == pytest.approx(1 / (times_s[1] - times_s[0]))
    assert rates[-1] == pytest.approx(3 / (times_s[3] - times_s[0]))
    assert {body["media_io_kwargs"]["video"]["num_frames"] for body in engine.asked} == {-1}
