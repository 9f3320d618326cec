"""A trained model before footage that nobody labelled: windows as a timeline has them, an answer for each tick.

Windows are cut, frames chosen and questions asked by the code that prepares and predicts, so the answers about
a recording of a dataset are those that its timeline was measured on.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from rushes.errors import AnswerError
from rushes.metrics.decode import smooth, smooth_or_say
from rushes.metrics.grammar import Grammar, fit_grammar, minimum_durations
from rushes.models.stored import PREPROCESSING_FILE, description
from rushes.predict.ticks import Ticks
from rushes.prepare.stage import RECORDINGS
from rushes.runs.apply.contract import Apply
from rushes.runs.door.contract import Part
from rushes.runs.run import Run
from rushes.stages import read_json
from rushes.tasks.operations.evaluate.timeline import train_ticks
from rushes.tasks.operations.predict.asks import Asks, AsksHere
from rushes.tasks.operations.predict.gathering import NEVER, OfWindows, gathering_of
from rushes.tasks.operations.predict.read_off import Track
from rushes.tasks.operations.prepare.clips import cutting_of
from rushes.tasks.operations.prepare.reading import ReadWindows, grey_clip
from rushes.tasks.operations.preprocessing import ClipPreprocessing
from rushes.tasks.operations.recipe import OperationsRecipe
from rushes.tasks.operations.sources.table.names import recording_of

TOLD = "F1@50 in the report {model:.1f} as they come, {smoothed:.1f} smoothed"
LASTING = "an operation between two others lasts as long as nine in ten of its kind in training"


class Order(NamedTuple):
    """The order of work of the training sessions, tick by tick.

    Attributes:
        grammar: which label follows which.
        minimum: (K,) ticks that a label lasts at least.
    """

    grammar: Grammar
    minimum: NDArray[np.int64]

    @classmethod
    def of(cls, sequences: Sequence[Sequence[str]], labels: Sequence[str]) -> Order:
        """Of labels tick by tick, a sequence a session."""
        return cls(fit_grammar(sequences, labels), minimum_durations(sequences, labels))


class ApplyToFootage(Apply[OperationsRecipe]):
    """See `Apply`: which operation is under way, tick after tick, smoothed by the order of work.

    Args:
        run: its training is done.
        asks: who is asked; None is the model of the run, in this process.
    """

    player = "video"
    preload = ("rushes.tasks.operations.prepare.reading",)

    def __init__(self, run: Run[OperationsRecipe], asks: Asks | None = None) -> None:
        super().__init__(run)
        self.asks = AsksHere(run) if asks is None else asks
        self._orders: dict[float, Order | None] = {}

    @property
    def labels(self) -> tuple[str, ...]:
        """See `Apply.labels`."""
        return self.run.recipe.preprocessing.labels

    @property
    def signs(self) -> Mapping[str, Any]:
        """See `Apply.signs`."""
        return {"stride_s": self.run.recipe.prepare.window_stride_s}

    def recording_of(self, name: str) -> str | None:
        """See `Apply.recording_of`: videos, and folders of frames."""
        return recording_of(name)

    @property
    def serving_step_s(self) -> float:
        """See `Apply.serving_step_s`: half a clip."""
        return self.preprocessing.clip_s / 2

    def reader(self, step_s: float | None = None) -> ReadWindows:
        """See `Apply.reader`."""
        cutting = cutting_of(self.preprocessing, self.run.recipe.prepare)
        if step_s is not None:
            cutting = replace(cutting, stride_s=min(cutting.stride_s, step_s))
        return ReadWindows(self.preprocessing, cutting, step_s)

    def load(self) -> None:
        """See `Apply.load`; what smooths the labels as well."""
        self.asks.load()
        self._smooths, self._prior  # noqa: B018

    @property
    def made_up(self) -> Part:
        """See `Apply.made_up`."""
        return grey_clip(self.preprocessing)

    def answer(self, parts: Sequence[Part]) -> Sequence[Track | AnswerError]:
        """See `Apply.answer`."""
        return self.asks.tracks(parts)

    def gather(self, about: Mapping[str, Any]) -> OfWindows:
        """See `Apply.gather`."""
        return gathering_of(self.labels, about)

    @property
    def remark(self) -> str:
        """See `Apply.remark`."""
        return self._smooths[1]

    def shown(self, ticks: Ticks) -> Ticks:
        """See `Apply.shown`: the report's labels, smoothed or not, whichever found more segments there."""
        order = self._order_for(ticks)
        if order is None:
            return ticks
        said = smooth(order.grammar, _known(ticks), self._prior)
        return ticks.saying([str(label) for label in said])

    def served(self, ticks: Ticks) -> tuple[Ticks, str]:
        """See `Apply.served`: as `shown`, and operations last as they did in training."""
        order = self._order_for(ticks)
        if order is None:
            return ticks, self.remark
        found = smooth_or_say(order.grammar, _known(ticks), self._prior, order.minimum)
        remark = f"{self.remark}; {found.remark or LASTING}"
        return ticks.saying([str(label) for label in found.labels]), remark

    def _order_for(self, ticks: Ticks) -> Order | None:
        """The order of work that smooths; None where labels stay as they are."""
        stride_s = ticks.stride_s if len(ticks.said) > 1 else self.run.recipe.prepare.window_stride_s
        return self._order_of(stride_s) if self._smooths[0] else None

    @cached_property
    def _smooths(self) -> tuple[bool, str]:
        """Whether labels follow the order of work; and why."""
        if self._order_of(self.run.recipe.prepare.window_stride_s) is None:
            return False, "as they come: no training recording has two operations, which would show an order"
        figures = self.reported("f1_50")
        told = TOLD.format(**figures) if figures else ""
        if figures and figures["smoothed"] <= figures["model"]:
            return False, f"as they come: {told}"
        smoothed = "smoothed by the order of the training sessions"
        return True, f"{smoothed}: {told}" if told else smoothed

    def _order_of(self, stride_s: float) -> Order | None:
        """The order of work tick by tick; None where no training recording has two operations."""
        if stride_s not in self._orders:
            ticks = (train_ticks(row, stride_s) for row in self._train_sessions)
            sequences = [sequence for sequence in ticks if sequence]
            two = any(len(set(sequence)) > 1 for sequence in sequences)
            self._orders[stride_s] = Order.of(sequences, self.labels) if two else None
        return self._orders[stride_s]

    @cached_property
    def _train_sessions(self) -> list[Mapping[str, Any]]:
        """Lines of ``recordings.json``."""
        rows = read_json(self.run.folder(self.run.dataset) / RECORDINGS)
        return [row for row in rows if row["split"] == "train"]

    def next_of(self, label: str, nexts: NDArray[np.float64]) -> NDArray[np.float64]:
        """What follows the operation that goes on, (K,): what the model expects, weighed by the order of work.

        Probabilities are multiplied with those of the successor in the training sessions, never 0, and made a sum
        of 1; an operation does not follow itself.

        Args:
            label: of the operation that goes on.
            nexts: (K,) what the model expects.
        """
        own = np.arange(len(self.labels)) == self.labels.index(label)
        weighed = np.where(own, 0.0, np.maximum(nexts, NEVER))
        if self._successors is not None:
            weighed = weighed * self._successors.transition[self.labels.index(label)]
        shares: NDArray[np.float64] = weighed / weighed.sum()
        return shares

    @cached_property
    def _successors(self) -> Grammar | None:
        """Which operation follows which in the training sessions, one step an operation; None where none has any."""
        sequences = [[label for _, _, label in row["segments"]] for row in self._train_sessions]
        labelled = [sequence for sequence in sequences if sequence]
        return fit_grammar(labelled, self.labels) if labelled else None

    @cached_property
    def preprocessing(self) -> ClipPreprocessing:
        """As it is stored with the weights."""
        folder = self.run.folder(self.run.maker("weights"))
        return description(folder / "model" / PREPROCESSING_FILE, ClipPreprocessing)

    @cached_property
    def _prior(self) -> NDArray[np.float64]:
        """Shares of the labels among the training clips, as where the report's timelines are smoothed."""
        labels = list(self.run.samples("train").labels())
        counts = np.array([labels.count(label) for label in self.labels]) + 1.0
        shares: NDArray[np.float64] = counts / counts.sum()
        return shares


def _known(ticks: Ticks) -> NDArray[np.float64]:
    """Probabilities (T, K); where nothing was asked, all labels are the same."""
    return np.where(ticks.asked[:, None], ticks.probabilities, 1 / len(ticks.names))
