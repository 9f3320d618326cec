"""Figures and systems of the task, in the order in which they stand in every table."""

from __future__ import annotations

from rushes.evaluate.scorecard import System
from rushes.evaluate.search_figures import BASE, COLOUR, POPULAR, RANDOM, UNTRAINED, figures_of

MODEL = "model"

FIGURES = figures_of((1, 5, 10))
"""At the depths of a recipe that does not say others."""

SYSTEMS = {
    MODEL: System(role="model", what="the trained encoders"),
    BASE: System(role="reference", what="the encoders that training began from"),
    UNTRAINED: System(role="ablation", what="the same architecture with random weights"),
    POPULAR: System(
        role="baseline",
        what="products of the type that is most frequent on the training side first, in any order, whatever is asked",
    ),
    RANDOM: System(
        role="baseline", what="any order; its figures are exact expectations, not those of a draw"
    ),
    COLOUR: System(
        role="baseline",
        what="the picture of the most similar histogram of colours, white left out; it cannot be asked in words",
    ),
}
