"""What figures and systems are called, and in which order they stand in every table."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from rushes.evaluate.figures import Figure
from rushes.metrics.egomotion import SPEED_BANDS, TURNS

MODEL = "model"
STATISTICS = ("mae", "rmse", "median")


@dataclass(frozen=True, slots=True)
class Quantity:
    """One part of the answer.

    Attributes:
        column: its name in every table of answers.
        stem, unit: of the names of its figures, as in ``speed_mae_mps``.
        title, symbol: what it is called, and its unit, for people.
    """

    column: str
    stem: str
    unit: str
    title: str
    symbol: str

    def figure(self, statistic: str) -> str:
        """Name of a figure of this quantity; ``statistic`` is one of `STATISTICS`."""
        return f"{self.stem}_{statistic}_{self.unit}"


QUANTITIES = (
    Quantity("mean_speed_mps", "speed", "mps", "mean speed", "m/s"),
    Quantity("final_speed_mps", "final_speed", "mps", "final speed", "m/s"),
    Quantity("displacement_m", "displacement", "m", "displacement", "m"),
    Quantity("yaw_deg", "yaw", "deg", "yaw", "°"),
)
SPEED, FINAL_SPEED, DISPLACEMENT, YAW = QUANTITIES

COMPARED = tuple(quantity.figure("mae") for quantity in QUANTITIES)
HEADLINE = (SPEED.figure("mae"), DISPLACEMENT.figure("mae"), YAW.figure("mae"))
QUANTITY_OF = {quantity.figure(name): quantity for quantity in QUANTITIES for name in STATISTICS}

_SHORT = {"mae": "MAE", "rmse": "RMSE", "median": "median error"}
TITLES = {
    quantity.figure(name): f"{quantity.title} {_SHORT[name]} ({quantity.symbol})"
    for quantity in QUANTITIES
    for name in STATISTICS
} | {"parse_rate": "parsed"}
_LONG = {
    "mae": "mean of |answer - truth| over all windows; a failed answer is charged the train median's error",
    "rmse": "root of the mean squared error over all windows, failures charged likewise",
    "median": "median of |answer - truth| over all windows, failures charged likewise",
}
MEANINGS = {figure: _LONG[figure.split("_")[-2]] for figure in QUANTITY_OF} | {
    "parse_rate": "share of windows whose answer could be read"
}

FIGURES = {
    name: Figure(
        title=title,
        meaning=MEANINGS[name],
        better="lower" if name in QUANTITY_OF else "higher",
        headline=name in HEADLINE,
        compared=name in COMPARED,
    )
    for name, title in TITLES.items()
}

SYSTEMS = {
    "model": "the trained model",
    "untrained": "the model before training",
    "no_vision": "the trained model with black frames",
    "shuffled": "the trained model with the frames in random order",
    "train_mean": "mean of the training windows",
    "train_median": "median of the training windows, the constant of least absolute error there",
    "zero": "no motion at all",
    "previous_prediction": (
        "speed and yaw that the model itself answered about the window before, held; "
        "train median where there is none"
    ),
    "previous_truth": (
        "privileged: true mean speed and yaw of the window before, held; train median where there is none"
    ),
    "constant_velocity": "privileged: true speed at the window's first frame, held straight ahead",
}
PRIVILEGED = ("previous_truth", "constant_velocity")


def in_order(systems: Iterable[str]) -> list[str]:
    """Systems in the order of `SYSTEMS`, unknown ones last; JSON files sort their keys.

    >>> in_order(["zero", "other", "model"])
    ['model', 'zero', 'other']
    """
    known = list(SYSTEMS)
    return sorted(systems, key=lambda name: (known.index(name) if name in known else len(known), name))


def values_in_order(values: Iterable[str]) -> list[str]:
    """Values of a condition: speed bands and turns in their own order, numbers as numbers, others by name.

    >>> values_in_order(["9", "unknown", "10"]), values_in_order(["fast", "still"])
    (['9', '10', 'unknown'], ['still', 'fast'])
    """
    known = (*SPEED_BANDS, *TURNS)
    return sorted(
        values,
        key=lambda text: (
            known.index(text) if text in known else len(known),
            not text.isdecimal(),
            text.zfill(8) if text.isdecimal() else text,
        ),
    )


def shown(value: float) -> str:
    """A figure with as many digits as a table needs.

    >>> shown(0.8571), shown(5.678), shown(56.02)
    ('0.857', '5.68', '56.0')
    """
    size = abs(value)
    return f"{value:.3f}" if size < 1 else f"{value:.2f}" if size < 10 else f"{value:.1f}"
