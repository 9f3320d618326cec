"""Who is asked about samples from outside: the model of the run, here, or whoever stands in for it."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import Any, Protocol

from rushes.errors import AnswerError
from rushes.predict.remote import Engine
from rushes.recipe.sections import family_of
from rushes.runs.door.contract import Part
from rushes.runs.door.here import require_here
from rushes.runs.families import Sees
from rushes.runs.run import Run, RunJob
from rushes.runs.vlm_work import Panel
from rushes.tasks.operations.predict.by_engine import EngineAnswerer
from rushes.tasks.operations.predict.read_off import Track
from rushes.tasks.operations.prepare.sample import Sample
from rushes.tasks.operations.preprocessing import ClipPreprocessing


class Asks(Protocol):
    """Says what goes on in clips."""

    def load(self) -> None:
        """Make ready what answers; whoever asks without it waits for that.

        Raises:
            ModelError: it cannot be made ready.
        """

    def tracks(self, parts: Sequence[Part]) -> Sequence[Track | AnswerError]:
        """What is said at the moments of each sample, as preparation cut it; the error where that cannot be read.

        Raises:
            ModelError: nobody can be asked now.
        """


class AsksHere:
    """The trained model of a run, in this process; frames that a frozen encoder saw a short while ago are known.

    Args:
        run: its training is done.
        shares: see `Panel`; a frozen encoder's frames are always shared.
    """

    def __init__(self, run: Run[Any], shares: bool = False) -> None:
        self._panel = Panel(RunJob.of(run), shares)

    def load(self) -> None:
        """See `Asks.load`."""
        self._answerer, self._sees  # noqa: B018

    def tracks(self, parts: Sequence[Part]) -> list[Track]:
        """See `Asks.tracks`."""
        questions, seed = self._panel.questions, self._panel.run.recipe.train.seed
        samples = [questions.sample_of(part.key, self._sees(part.key, part.members)) for part in parts]
        asked = [questions.question(sample, "model", seed) for sample in samples]
        return list(self._answerer.tracks(asked))

    @cached_property
    def _answerer(self) -> Any:
        return self._panel.trained

    @cached_property
    def _sees(self) -> Sees:
        return self._panel.family.sees()


class AsksThere:
    """An engine that holds an export of the model.

    Args:
        engine: where it is.
        preprocessing: how the model was taught to be asked.
    """

    def __init__(self, engine: Engine, preprocessing: ClipPreprocessing) -> None:
        self._answerer = EngineAnswerer(engine, preprocessing)

    def load(self) -> None:
        """See `Asks.load`: whether it is there."""
        self._answerer.connect()

    def tracks(self, parts: Sequence[Part]) -> list[Track | AnswerError]:
        """See `Asks.tracks`."""
        samples = [Sample.of(part.key, part.members) for part in parts]
        try:
            return list(self._answerer.tracks(samples))
        except AnswerError as error:
            if len(samples) == 1:
                return [error]
        return [said for part in parts for said in self.tracks([part])]


def asks_of(run: Run[Any], engine: Engine | None = None) -> Asks:
    """Who is asked by a service: the windows of a recording overlap by half, and share what they have in common.

    Args:
        run: its training is done.
        engine: another server that answers with an export of the model; None asks the model here.

    Raises:
        RecipeError: it cannot be asked by way of another server.
    """
    if engine is None:
        return AsksHere(run, shares=True)
    if family_of(run.recipe.model) != "vlm":
        require_here(run, engine)
    return AsksThere(engine, run.recipe.preprocessing)
