"""The preprocessing of sounds: what no net could hear is refused when it is asked for."""

import pytest
from pydantic import ValidationError

from rushes.tasks.sounds.preprocessing import SoundPreprocessing


def test_a_clip_must_outlast_two_poolings():
    assert SoundPreprocessing(clip_s=0.03).frames == 4
    with pytest.raises(ValidationError, match="has 3 moments"):
        SoundPreprocessing(clip_s=0.0299)
