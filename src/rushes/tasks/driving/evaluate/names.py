"""What figures and systems are called, what they mean, and in which order they stand in every table."""

from __future__ import annotations

from dataclasses import dataclass

from rushes.evaluate.figures import Figure
from rushes.evaluate.scorecard import System
from rushes.metrics.egomotion import Statistic


@dataclass(frozen=True, slots=True)
class Quantity:
    """One part of the answer.

    Attributes:
        column: its name in every table of answers.
        stem, suffix: of the names of its figures, as in ``speed_mae_mps``.
        title, unit: what it is called, and its unit, for people.
        what: the same in a few more words.
    """

    column: str
    stem: str
    suffix: str
    title: str
    unit: str
    what: str

    def figure(self, statistic: Statistic) -> str:
        """Name of a figure of this quantity.

        >>> SPEED.figure("rmse")
        'speed_rmse_mps'
        """
        return f"{self.stem}_{statistic}_{self.suffix}"


QUANTITIES = (
    Quantity("mean_speed_mps", "speed", "mps", "mean speed", "m/s", "the mean speed over the window"),
    Quantity("final_speed_mps", "final_speed", "mps", "final speed", "m/s", "the speed at its last frame"),
    Quantity("displacement_m", "displacement", "m", "displacement", "m", "the distance from start to end"),
    Quantity("yaw_deg", "yaw", "deg", "yaw", "°", "the change of direction"),
)
SPEED, FINAL_SPEED, DISPLACEMENT, YAW = QUANTITIES

STATISTICS: dict[Statistic, tuple[str, str]] = {
    "mae": ("MAE", "mean absolute error in {}"),
    "rmse": ("RMSE", "root mean square error in {}: large errors weigh more"),
    "median": ("median error", "half of the windows have a smaller error in {}"),
}
"""Title and meaning of each statistic of a quantity's errors."""

CHARGED = "train_median"
"""The baseline whose answer stands in the place of every answer that could not be read."""

COMPARED = tuple(quantity.figure("mae") for quantity in QUANTITIES)
HEADLINE = (SPEED.figure("mae"), DISPLACEMENT.figure("mae"), YAW.figure("mae"))
FIGURES = {
    quantity.figure(statistic): Figure(
        title=f"{quantity.title} {title}",
        meaning=f"{meaning.format(quantity.what)} (an unreadable answer counts as the train median)",
        unit=quantity.unit,
        better="lower",
        bounds=(0.0, None),
        headline=quantity.figure(statistic) in HEADLINE,
        compared=quantity.figure(statistic) in COMPARED,
    )
    for statistic, (title, meaning) in STATISTICS.items()
    for quantity in QUANTITIES
} | {"parse_rate": Figure(title="parse rate", meaning="share of windows whose answer could be read")}

SYSTEMS = {
    "model": System(role="model", what="the trained model"),
    "untrained": System(role="ablation", what="the model before training"),
    "no_vision": System(role="ablation", what="the trained model with black frames"),
    "shuffled": System(role="ablation", what="the trained model with the frames in random order"),
    "train_mean": System(role="baseline", what="mean of the training windows"),
    "train_median": System(
        role="baseline",
        what="median of the training windows, the constant of least absolute error there",
    ),
    "zero": System(role="baseline", what="no motion at all"),
    "previous_prediction": System(
        role="ablation",
        what="speed and yaw that the model itself answered about the window before, held; train median where "
        "there is none",
    ),
    "previous_truth": System(
        role="ceiling",
        what="true mean speed and yaw of the window before, held; train median where there is none",
    ),
    "constant_velocity": System(
        role="ceiling", what="true speed at the window's first frame, held straight ahead"
    ),
}
