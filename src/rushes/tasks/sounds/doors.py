"""The trained net of a run before sounds that somebody sends.

Imports stand inside of methods, so that a process that decodes loads no net.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import Field

from rushes.runs.door.contract import Answered, Asked, Door, Part, Reply
from rushes.runs.door.trained import trained_model
from rushes.tasks.sounds.prepare.clip import FILE, DecodeClip

if TYPE_CHECKING:
    from rushes.models.nets import SoundNet
    from rushes.runs.run import Run
    from rushes.tasks.sounds.recipe import SoundsRecipe


class ClipAsked(Asked):
    """What is wanted of a short sound.

    Attributes:
        clip_id: told back.
        spectrogram: whether to draw what the net heard.
    """

    clip_id: Annotated[str, Field(min_length=1, max_length=200)] = "clip"
    spectrogram: bool = False


class ClipAnswer(Answered):
    """What is heard in a short sound.

    Attributes:
        clip_id: as it was asked.
        label: the most probable class.
        confidence: its probability.
        scores: class -> probability.
        duration_s: of the whole sound; the net hears its beginning, as long as a clip.
        spectrogram: PNG in base64, if it was asked for.
    """

    clip_id: str
    label: str
    confidence: float
    scores: Mapping[str, float]
    duration_s: float
    spectrogram: str | None = None


class ClipDoor(Door):
    """See `Door`.

    Args:
        run: of the trained net.
    """

    verb = "predict"
    summary = "Which of the classes is heard in a short sound."
    asked = ClipAsked
    answered = ClipAnswer
    files: Mapping[str, bool] = {FILE: True}
    preload = ("numpy", "rushes.tasks.sounds.prepare.clip")

    def __init__(self, run: Run[SoundsRecipe]) -> None:
        self._run = run
        self.batch_size = run.recipe.evaluate.batch_size

    @cached_property
    def _net(self) -> SoundNet:
        from rushes.models.nets import load
        from rushes.tasks.sounds.preprocessing import SoundPreprocessing

        return load(trained_model(self._run), SoundPreprocessing)

    def decode(self, asked: ClipAsked) -> DecodeClip:
        """See `Door.decode`."""
        return DecodeClip(self._net.preprocessing, self._run.recipe.prepare.longest_s)

    def load(self) -> None:
        """See `Door.load`."""
        assert self._net is not None

    def answer(self, parts: Sequence[Part]) -> Sequence[Mapping[str, float]]:
        """See `Door.answer`: the probability of each class."""
        import numpy as np

        from rushes.shards.member import read_array
        from rushes.tasks.sounds.predict.logits import logits_of
        from rushes.tasks.sounds.predict.table import log_probabilities
        from rushes.tasks.sounds.prepare.sample import FEATURES

        features = (read_array(part.members[FEATURES]) for part in parts)
        table = np.exp(log_probabilities(logits_of(self._net, features, self.batch_size)))
        return [dict(zip(self._net.preprocessing.labels, row, strict=True)) for row in table.tolist()]

    def reply(self, asked: ClipAsked, about: Mapping[str, Any]) -> Reply:
        """See `Door.reply`."""
        return _ClipReply(asked, about["duration_s"])


class _ClipReply(Reply):
    """See `Reply`: of the one sound."""

    def __init__(self, asked: ClipAsked, duration_s: float) -> None:
        self._asked, self._duration_s = asked, duration_s
        self._said: ClipAnswer | None = None

    def add(self, part: Part, said: Mapping[str, float]) -> None:
        """See `Reply.add`."""
        label = max(said, key=said.__getitem__)
        self._said = ClipAnswer(
            clip_id=self._asked.clip_id,
            label=label,
            confidence=said[label],
            scores=said,
            duration_s=self._duration_s,
            spectrogram=_drawn(part) if self._asked.spectrogram else None,
        )

    def finish(self) -> ClipAnswer:
        """See `Reply.finish`."""
        assert self._said is not None, "a sound was decoded, or there is no reply"
        return self._said


def _drawn(part: Part) -> str:
    """The spectrogram of a sample as PNG in base64."""
    from rushes.shards.member import read_array
    from rushes.tasks.sounds.prepare.sample import FEATURES
    from rushes.tasks.sounds.report.overview import Overview

    overview = Overview()
    overview.add(read_array(part.members[FEATURES]))
    return b64encode(overview.png()).decode()
