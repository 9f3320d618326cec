"""The trained net of a run before sounds that somebody sends: a short one to its class, a night to its timeline."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Mapping, Sequence
from secrets import token_hex
from typing import Annotated, Any

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from rushes.predict.remote import Engine
from rushes.runs.door.analyze import AnalyzeAsked, Analyzed, AnalyzeDoor, AnalyzeReply
from rushes.runs.door.applied import ApplyDoor
from rushes.runs.door.contract import Answered, Asked, Door, Part, Reply, Verb
from rushes.runs.door.here import require_here
from rushes.runs.run import Run
from rushes.shards.member import read_array
from rushes.tasks.sounds.apply import ApplyToSounds
from rushes.tasks.sounds.prepare.clip import DecodeClip
from rushes.tasks.sounds.prepare.sample import FEATURES
from rushes.tasks.sounds.recipe import SoundsRecipe
from rushes.tasks.sounds.report.overview import Overview


def doors_of(run: Run[SoundsRecipe], engine: Engine | None = None) -> Mapping[Verb, Door]:
    """The doors of a run, over one net.

    Raises:
        RecipeError: another server is to answer.
    """
    require_here(run, engine)
    apply = ApplyToSounds(run)
    return {"predict": ClipDoor(apply), "analyze": SoundDoor(apply)}


# --- a short sound ------------------------------------------------------------------------------------------


class ClipAsked(Asked):
    """What is wanted of a short sound.

    Attributes:
        clip_id: comes back with the answer.
        spectrogram: whether to draw what the net heard.
    """

    clip_id: Annotated[str, Field(min_length=1, max_length=200)] | None = None
    spectrogram: bool = False


class ClipAnswer(Answered):
    """What is heard in a short sound.

    Attributes:
        clip_id: as it was sent.
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


class ClipDoor(ApplyDoor[ApplyToSounds]):
    """See `Door`.

    Args:
        apply: the trained net.
    """

    verb = "predict"
    summary = "Which of the classes is heard in a short sound."
    asked = ClipAsked
    answered = ClipAnswer

    def __init__(self, apply: ApplyToSounds) -> None:
        super().__init__(apply)
        self.preload = ("rushes.tasks.sounds.prepare.clip",)

    def decode(self, asked: ClipAsked) -> DecodeClip:
        """See `Door.decode`."""
        return DecodeClip(self.apply.net.preprocessing, self.apply.run.recipe.prepare.longest_s)

    def reply(self, asked: ClipAsked, about: Mapping[str, Any]) -> Reply:
        """See `Door.reply`."""
        return _ClipReply(asked, about["duration_s"], self.apply.labels)


class _ClipReply(Reply):
    """See `Reply`: of the one sound."""

    def __init__(self, asked: ClipAsked, duration_s: float, labels: Sequence[str]) -> None:
        self._asked, self._duration_s, self._labels = asked, duration_s, labels
        self._said: ClipAnswer | None = None

    def add(self, part: Part, said: NDArray[np.float64]) -> None:
        """See `Reply.add`."""
        scores = dict(zip(self._labels, said.tolist(), strict=True))
        label = self._labels[int(said.argmax())]
        overview = Overview()
        if self._asked.spectrogram:
            overview.add(read_array(part.members[FEATURES]))
        self._said = ClipAnswer(
            clip_id=self._asked.clip_id or f"req_{token_hex(4)}",
            label=label,
            confidence=scores[label],
            scores=scores,
            duration_s=self._duration_s,
            spectrogram=_drawn(overview),
        )

    def finish(self) -> ClipAnswer:
        """See `Reply.finish`."""
        assert self._said is not None, "a sound was decoded, or there is no reply"
        return self._said


def _drawn(overview: Overview) -> str | None:
    """A picture as text; None of nothing."""
    return b64encode(overview.png()).decode() if overview.moments else None


# --- a recording --------------------------------------------------------------------------------------------


class SoundAsked(AnalyzeAsked):
    """What may be said beside a recording, see `AnalyzeAsked`.

    Attributes:
        spectrogram: whether to draw what the net heard, from the first moment to the last.
    """

    spectrogram: bool = False


class SoundAnalyzed(Analyzed):
    """See `Analyzed`.

    Attributes:
        spectrogram: PNG in base64, if it was asked for; as wide as the recording is long. Where levels are told
            against the loudest cell of a window, so they are here.
    """

    spectrogram: str | None


class SoundDoor(AnalyzeDoor):
    """See `AnalyzeDoor`.

    Args:
        apply: the trained net.
    """

    asked = SoundAsked
    answered = SoundAnalyzed

    def __init__(self, apply: ApplyToSounds) -> None:
        super().__init__(apply, "What is heard in a recording, from when to when.")
        self._sounds = apply

    def reply(self, asked: AnalyzeAsked, about: Mapping[str, Any]) -> AnalyzeReply:
        """See `Door.reply`."""
        assert isinstance(asked, SoundAsked), "of this door"
        return _SoundReply(self._sounds, asked, about)


class _SoundReply(AnalyzeReply):
    """See `AnalyzeReply`; draws while windows come: of each the middle, as its answer stands for it."""

    def __init__(self, apply: ApplyToSounds, asked: SoundAsked, about: Mapping[str, Any]) -> None:
        super().__init__(apply, asked, about)
        front, cutting = apply.net.preprocessing, apply.cutting
        a_second = front.sample_rate / front.hop
        self._draws, self._overview = asked.spectrogram, Overview()
        self._hop = cutting.hop_s * a_second
        self._heard = (
            (cutting.clip_s + cutting.hop_s) / 2 * a_second
        )  # of a window, until the next one's turn
        self._end = 1 + round(
            about["duration_s"] * a_second
        )  # behind it there is silence that nobody recorded
        self._behind: NDArray[np.floating[Any]] | None = None

    def add(self, part: Part, said: Any) -> Mapping[str, Any]:
        """See `Reply.add`."""
        if self._draws:
            features = read_array(part.members[FEATURES])
            start = self.gathering.asked * self._hop
            begun = self._overview.moments - round(start)
            end = round(start + self._heard) - round(start)
            self._draw(features[:, begun:end])
            self._behind = features[:, end:]
        return super().add(part, said)

    def finish(self) -> SoundAnalyzed:
        """See `Reply.finish`."""
        if self._behind is not None:
            self._draw(self._behind)
        return SoundAnalyzed(**self.found(), spectrogram=_drawn(self._overview))

    def _draw(self, features: NDArray[np.floating[Any]]) -> None:
        self._overview.add(features[:, : self._end - self._overview.moments])
