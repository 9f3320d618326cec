"""What other engines read of a trained folder gives our own tokens and patches."""

from __future__ import annotations

import json

import numpy as np
import pytest
from transformers import AutoImageProcessor, AutoModelForImageTextToText, AutoTokenizer

from rushes.models import trained
from rushes.models import vlm as family
from rushes.models.chat import VIDEO_PAD
from rushes.models.pixels import patchify, visual_tokens


@pytest.fixture(params=[True, False], ids=["marked", "plain"])
def vlm(request, preprocessing):
    return family.load("tiny", preprocessing.model_copy(update={"time_marks": request.param}), seed=3)


def test_the_chat_template_gives_our_tokens(vlm, tmp_path):
    trained.save(vlm, tmp_path / "model")
    words = AutoTokenizer.from_pretrained(tmp_path / "model")
    chat, times_s, grid = vlm.chat(), (0.0, 0.4, 0.8, 1.2), (2, 4, 6)
    prompt = chat.prompt(grid, times_s)
    asking, _ = chat.turn(vlm.preprocessing.asking())
    opening = chat.tokens(vlm.preprocessing.asking().answer[0])
    ours = [*prompt.ids, *asking[: -len(opening)]]

    text = words.apply_chat_template(chat.messages(times_s), tokenize=False, add_generation_prompt=True)
    videos = text.count(VIDEO_PAD)
    assert videos == (2 if vlm.preprocessing.time_marks else 1)
    pads = VIDEO_PAD * (visual_tokens(grid) // videos)
    assert words.encode(text.replace(VIDEO_PAD, pads), add_special_tokens=False) == ours


def test_the_image_processor_gives_our_patches(vlm, tmp_path, noise):
    """A picture of the right size is not resized; one picture is a pair of it."""
    trained.save(vlm, tmp_path / "model")
    processor = AutoImageProcessor.from_pretrained(tmp_path / "model")
    width, height = vlm.preprocessing.picture_size
    (frame,) = noise(1, height, width)
    theirs = processor(images=[frame], return_tensors="np")
    patches, grid = patchify(np.stack([frame, frame]))
    assert theirs["image_grid_thw"].tolist() == [list(grid)]
    np.testing.assert_allclose(theirs["pixel_values"], patches, atol=2e-6)


def test_a_trained_model_opens_in_the_library(vlm, tmp_path):
    trained.save(vlm, tmp_path / "model")
    model = AutoModelForImageTextToText.from_pretrained(tmp_path / "model")
    assert type(model) is type(vlm.model)
    said = json.loads((tmp_path / "model" / "processor_config.json").read_text())
    assert said["processor_class"] == "Qwen2_5_VLProcessor"
    assert "default_chat_template" not in said
