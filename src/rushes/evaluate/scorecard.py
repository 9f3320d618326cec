"""The scorecard: figures of systems on parts of a side, and how the model stands to its baselines.

One schema for every task. Report, terminal, ``--json``, campaigns, service and arena read this one; its JSON
schema lies beside this file as ``scorecard.schema.json``::

    systems     who answered, each with its role
    figures     what is measured: title, meaning, unit, which way is better
    parts       the whole side first, then parts of it (a class, a group, a band): for each the estimates of
                every system, and the standing of the model to the best of its baselines
    remarks     in words: whatever keeps the figures from meaning what they seem to
    details     what only this task has: confusion matrices, timelines, calibration

A figure without its interval and its baselines is no result, so there is no place here to put one.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from rushes.errors import StageError
from rushes.evaluate.figures import Figure
from rushes.metrics.estimate import Estimate
from rushes.metrics.verdict import Verdict
from rushes.stages import write_atomic

VERSION: Literal[2] = 2
SCHEMA_FILE = Path(__file__).with_name("scorecard.schema.json")

Role = Literal["model", "baseline", "ablation", "ceiling", "reference"]
"""``model`` is what was trained; a ``baseline`` is trivial: it saw no input of the side; an ``ablation`` is the
model with something taken away; a ``ceiling`` was told the truth; a ``reference`` is another trained model."""

PartKind = Literal["all", "subset", "timeline", "class", "group", "band"]
Finite = Annotated[float, Field(allow_inf_nan=False)]


class _Row(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class System(_Row):
    """Whatever answers the questions of a side.

    Attributes:
        role: what it is to the model.
        what: in words.
    """

    role: Role
    what: str


class FigureRow(_Row):
    """A figure, see `rushes.evaluate.figures.Figure`."""

    title: str
    meaning: str
    unit: str
    better: Literal["higher", "lower"]
    bounds: tuple[Finite | None, Finite | None]
    headline: bool
    compared: bool


class Value(_Row):
    """A figure with its 95 % interval.

    Attributes:
        value: the figure.
        low, high: ends of the interval; None where nothing tells the spread.
        n: rows it rests on; misses count.
        clusters: rows that move together, counted once.
    """

    value: Finite
    low: Finite | None
    high: Finite | None
    n: Annotated[int, Field(ge=1)]
    clusters: Annotated[int, Field(ge=1)]

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if (self.low is None) != (self.high is None):
            raise ValueError("an interval has two ends or none")
        if self.low is not None and self.high is not None and self.low > self.high:
            raise ValueError(f"an interval from {self.low} to {self.high}")
        return self

    @classmethod
    def of(cls, estimate: Estimate) -> Self:
        """An estimate as it stands in a scorecard."""
        return cls(
            value=estimate.value,
            low=estimate.low,
            high=estimate.high,
            n=estimate.n,
            clusters=estimate.clusters or estimate.n,
        )


class Standing(_Row):
    """The model beside another system, on the same rows.

    Attributes:
        rival: the other system.
        value: its figure.
        difference: of the model's figure to it; of the best of several baselines the interval is wider, since
            that one was chosen by its figure.
        verdict: by that interval alone.
    """

    rival: str
    value: Finite
    difference: Value
    verdict: Verdict


class Clusters(_Row):
    """Rows that move together, so that they count as one.

    Attributes:
        by: what a cluster is: a person, a recording.
        count: how many there are.
    """

    by: str
    count: Annotated[int, Field(ge=1)]


class Part(_Row):
    """Some of the rows of the side.

    Attributes:
        kind: ``all`` of them, a named ``subset``, whole recordings as a ``timeline``, those of a true
            ``class``, a ``group``, or a ``band`` of some condition.
        name: of the class, group or band; empty for all.
        condition: which condition a band is one of, as ``speed``; empty otherwise.
        n: rows.
        clusters: what moves together.
        estimates: system -> figure -> value with its interval.
        standings: figure -> the model beside the best of its baselines.
        against: figure -> system -> the model beside each other one.
    """

    kind: PartKind
    name: str = ""
    condition: str = ""
    n: Annotated[int, Field(ge=1)]
    clusters: Clusters
    estimates: dict[str, dict[str, Value]]
    standings: dict[str, Standing] = {}
    against: dict[str, dict[str, Standing]] = {}


class Scorecard(_Row):
    """Everything that was measured of a run.

    Attributes:
        version: of this schema.
        task: what was learnt.
        split: the side that was measured.
        model: name of the system that was trained.
        systems, figures, parts: see above.
        intervals: in words, where the intervals come from.
        remarks: in words.
        details: of this task alone.
        provenance: signatures, hashes and seeds that the figures belong to.
    """

    version: Literal[2] = VERSION
    task: str
    split: str
    model: str = "model"
    systems: dict[str, System]
    figures: dict[str, FigureRow]
    parts: Annotated[tuple[Part, ...], Field(min_length=1)]
    intervals: str
    remarks: tuple[str, ...] = ()
    details: dict[str, Any] = {}
    provenance: dict[str, Any] = {}

    @model_validator(mode="after")
    def _names_are_known(self) -> Self:
        if self.parts[0].kind != "all":
            raise ValueError("the first part must be the whole side")
        if self.systems.get(self.model, System(role="baseline", what="")).role != "model":
            raise ValueError(f"no system {self.model} with the role model")
        for part in self.parts:
            named = {name for figures in part.estimates.values() for name in figures}
            named |= part.standings.keys() | part.against.keys()
            rivals = {standing.rival for standing in part.standings.values()}
            rivals |= {name for found in part.against.values() for name in found} | part.estimates.keys()
            if strange := sorted((named - self.figures.keys()) | (rivals - self.systems.keys())):
                raise ValueError(f"unknown here: {', '.join(strange)}")
        return self

    @property
    def all(self) -> Part:
        """The whole side."""
        return self.parts[0]

    def of_kind(self, kind: PartKind, condition: str = "") -> tuple[Part, ...]:
        """Parts of a kind, in order."""
        return tuple(part for part in self.parts if part.kind == kind and part.condition == condition)

    @property
    def headline(self) -> tuple[str, ...]:
        """Figures of tiles and of the heads of tables, in order."""
        return tuple(name for name, figure in self.figures.items() if figure.headline)

    def with_role(self, *roles: Role) -> tuple[str, ...]:
        """Systems of these roles, in order."""
        return tuple(name for name, system in self.systems.items() if system.role in roles)

    def summary(self) -> dict[str, Any]:
        """``metrics`` of the model and ``baselines``, plain values on the whole side, as ``--json`` prints them."""
        values = {
            system: {name: found.value for name, found in figures.items()}
            for system, figures in self.all.estimates.items()
        }
        baselines = {name: values[name] for name in self.with_role("baseline") if name in values}
        return {"metrics": values[self.model], "baselines": baselines}

    def write(self, path: Path) -> None:
        """Write ``metrics.json``, whole or not at all; systems and figures keep the order of tables."""
        write_atomic(path, self.model_dump_json(indent=2) + "\n")


def read_scorecard(path: Path) -> Scorecard:
    """The scorecard of a finished evaluation.

    Raises:
        StageError: the file is missing, torn, of an older version, or holds something else.
    """
    try:
        found = json.loads(Path(path).read_bytes())
        return Scorecard.model_validate(found)
    except FileNotFoundError:
        raise StageError("the scorecard is missing", where=path, cure=_CURE) from None
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        place = ".".join(map(str, first["loc"]))
        raise StageError(
            f"no scorecard of version {VERSION}: {place}: {first['msg']}", where=path, cure=_CURE
        ) from None
    except ValueError as error:
        raise StageError(f"no whole JSON file: {error}", where=path, cure=_CURE) from None


_CURE = (
    "`rushes verify RECIPE --repair` writes it again; a run of an older rushes needs `rushes evaluate RECIPE`"
)


def figure_rows(figures: Mapping[str, Figure]) -> dict[str, FigureRow]:
    """The figures of a task as they stand in its scorecard."""
    return {name: FigureRow.model_validate(one, from_attributes=True) for name, one in figures.items()}


def standing_sentence(figure: FigureRow, standing: Standing, value: float) -> str:
    """How the model stands to a rival, in the one wording that all pages and terminals use.

    >>> row = FigureRow(title="accuracy", meaning="", unit="", better="higher", bounds=(0, 1), headline=True,
    ...                 compared=True)
    >>> off = Value(value=0.2, low=0.1, high=0.3, n=9, clusters=9)
    >>> standing_sentence(row, Standing(rival="majority", value=0.5, difference=off, verdict="better"), 0.7)
    'accuracy 0.700: better than majority (0.500), difference +0.200 [+0.100, +0.300]'
    """
    unit = f" {figure.unit}" if figure.unit else ""
    words = {"better": "better than", "worse": "worse than", "cannot be told": "cannot be told from"}
    off = standing.difference
    spread = "" if off.low is None else f" [{off.low:+.3f}, {off.high:+.3f}]"
    return (
        f"{figure.title} {value:.3f}{unit}: {words[standing.verdict]} {standing.rival} "
        f"({standing.value:.3f}{unit}), difference {off.value:+.3f}{spread}"
    )


def standing_remarks(figures: Mapping[str, FigureRow], part: Part, model: str) -> Iterator[str]:
    """A sentence for each compared figure on which the model is not better than its best baseline."""
    for name, standing in part.standings.items():
        if standing.verdict != "better":
            yield standing_sentence(figures[name], standing, part.estimates[model][name].value)


def clusters_sentence(part: Part) -> str:
    """How many clusters stand behind the figures of a part, in words."""
    few = "; so few tell little" if part.clusters.count < 12 else ""
    among = counted(part.clusters.count, part.clusters.by)
    return f"{counted(part.n, 'answer')} in {among}; the answers of one move together{few}"


def counted(n: int, noun: str) -> str:
    """A number of things in words.

    >>> counted(1, "clip"), counted(1602, "block of windows"), counted(3, "boundary")
    ('1 clip', '1,602 blocks of windows', '3 boundaries')
    """
    return f"{n:,} {noun if n == 1 else plural(noun)}"


def plural(noun: str) -> str:
    """Several of what a noun names.

    >>> plural("clip"), plural("block of 10 minutes")
    ('clips', 'blocks of 10 minutes')
    """
    head, of, rest = noun.partition(" of ")
    return f"{head[:-1]}ies{of}{rest}" if head.endswith("ry") else f"{head}s{of}{rest}"
