"""How a sound becomes a question: which of the classes is heard in its spectrogram?"""

from __future__ import annotations

from typing import Literal

from rushes.recipe.spectrogram import SpectrogramPreprocessing


class SoundPreprocessing(SpectrogramPreprocessing):
    """The spectrogram of a clip.

    Attributes:
        task: whose preprocessing this is.
    """

    task: Literal["sounds"] = "sounds"
