"""Questions that are answered with ranked items, as parts of a scorecard: figures, what is right, what moves together.

A part is one kind of question (words for a picture, a picture for words) or those of it about one class. All
systems answer the same questions, so every difference is paired; questions about items that are near-duplicates, or
are asked for in the same words, are left out together.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from rushes.errors import MetricError
from rushes.evaluate.clusters import clusters
from rushes.evaluate.figures import Figure
from rushes.evaluate.parts import MODEL, Measured, Measures, part_of, parts_by
from rushes.evaluate.scorecard import Part, Scorecard, System, standing_sentence
from rushes.evaluate.search_figures import MEDIAN, figures_of
from rushes.metrics.estimate import CONFIDENCE, Estimate, of_differences
from rushes.metrics.jackknife import Jackknife
from rushes.metrics.retrieval import Ranked
from rushes.metrics.sharing import Names
from rushes.metrics.verdict import Verdict


def scores(ranked: Ranked, ks: Sequence[int]) -> dict[str, NDArray[np.float64]]:
    """What each question adds to every figure of `figures_of`, (Q,) for the questions that are scored."""
    at = {
        "hit_rate": ranked.hit_rate,
        "recall": ranked.recall,
        "precision": ranked.precision,
        "ndcg": ranked.ndcg,
    }
    return {
        **{f"{name}_{k}": of(k) for name, of in at.items() for k in sorted(set(ks))},
        "map": ranked.average_precision,
        "mrr": ranked.reciprocal_rank,
        MEDIAN: ranked.first_rank,
    }


# --- parts ------------------------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class Asked:
    """Questions of one kind with what every system answers.

    Attributes:
        name: in words: "text to picture".
        ks: depths.
        ranked: system -> where the right items stand, of the same `Relevant`.
        family: (queries,) number of what moves together.
        label: (queries,) class of what is asked for; empty where it is not known.
    """

    name: str
    ks: tuple[int, ...]
    ranked: Mapping[str, Ranked]
    family: NDArray[np.int64]
    label: Names

    @cached_property
    def scored(self) -> NDArray[np.int64]:
        """Numbers of the questions that have a right item, (Q,); the others are counted in `unanswerable`."""
        return self.ranked[MODEL].asked

    @property
    def figures(self) -> dict[str, Figure]:
        """With what ranks can be at most."""
        return figures_of(self.ks, self.ranked[MODEL].relevant.items)

    @property
    def unanswerable(self) -> int:
        """Questions without a right item among those that are searched."""
        return len(self.family) - len(self.scored)

    @cached_property
    def scores(self) -> Mapping[str, Mapping[str, NDArray[np.float64]]]:
        """System -> figure -> what each scored question adds, (Q,)."""
        return {system: scores(ranked, self.ks) for system, ranked in self.ranked.items()}

    @cached_property
    def levels(self) -> dict[str, NDArray[np.int64]]:
        """What moves together among the scored questions, (Q,), from the widest level."""
        return {"group": self.family[self.scored], "question": np.arange(len(self.scored))}

    def measures(self, rows: NDArray[np.int64], jackknife: Jackknife) -> Measures:
        """Every figure of every system over some of the scored questions."""
        return {
            system: {
                figure: Measured(jackknife, jackknife.medians(values[rows]))
                if figure == MEDIAN
                else Measured.mean(jackknife, values[rows])
                for figure, values in found.items()
            }
            for system, found in self.scores.items()
        }

    def part(
        self, systems: Mapping[str, System], *, against: Sequence[str] = (), whole: bool = False
    ) -> Part:
        """All questions of this kind.

        Args:
            systems: with their roles.
            against: figures by which the model is held against each other system alone.
            whole: whether they are the questions of the side, others being subsets.
        """
        rows = np.arange(len(self.scored))
        among = clusters(self.levels, rows)
        return part_of(
            self.measures(rows, Jackknife.of(among.ids)),
            self.figures,
            systems,
            among,
            kind="all" if whole else "subset",
            name="" if whole else self.name,
            against=against,
        )

    def by_label(self, systems: Mapping[str, System], least: int) -> Iterator[Part]:
        """A part for each class with at least so many questions, in the order of their names."""
        labels = self.label[self.scored].astype(str)
        rows = {str(name): np.flatnonzero(labels == name) for name in np.unique(labels) if name}
        large = {name: found for name, found in rows.items() if len(found) >= least}
        yield from parts_by(large, self.measures, self.figures, systems, self.levels, kind="class")


def paired(ours: Asked, theirs: Asked, figure: str, confidence: float = CONFIDENCE) -> Estimate:
    """A figure of one model less that of another, over the same questions in the same order.

    Raises:
        MetricError: not as many questions.
    """
    values = [one.scores[MODEL][figure] for one in (ours, theirs)]
    if len(values[0]) != len(values[1]):
        raise MetricError(f"{len(values[0])} and {len(values[1])} questions cannot be paired")
    among = clusters(ours.levels, np.arange(len(ours.scored)))
    jackknife = Jackknife.of(among.ids)
    of = jackknife.medians if figure == MEDIAN else jackknife.means
    bounds = of_differences(ours.figures[figure].range)
    return jackknife.estimate(of(values[0]) - of(values[1]), bounds, confidence=confidence)


def against_sentences(card: Scorecard, part: Part, rival: str) -> Iterator[tuple[str, Verdict]]:
    """How the model stands to another system in each headline figure by which it is held against it."""
    for name in card.headline:
        if standing := part.against.get(name, {}).get(rival):
            value = part.estimates[card.model][name].value
            yield standing_sentence(card.figures[name], standing, value), standing.verdict
