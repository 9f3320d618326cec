"""What a closed study shows: votes and key together, for the first time."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from math import ceil
from pathlib import Path
from statistics import median
from typing import Any, Literal

from rushes.arena.ballot import Vote, read_events, standing
from rushes.arena.schedule import schedule
from rushes.arena.study import (
    Closed,
    Contestant,
    Key,
    Pair,
    Study,
    System,
    read_closed,
    read_key,
    read_study,
    votes_file,
)
from rushes.errors import MetricError, StageError
from rushes.metrics.estimate import SHARE, Estimate
from rushes.metrics.jackknife import Jackknife
from rushes.metrics.preference import (
    Preference,
    detectable,
    exact_share,
    krippendorff_alpha,
    needed,
    preference,
    queries_for,
)
from rushes.stages import sha256_file

Outcome = Literal["A", "B", "tie", "bad", "skip"]
SCORES: Mapping[Outcome, int] = {"A": 1, "B": -1, "tie": 0, "bad": 0}
"""What an answer adds to its query; a skipped one is none."""

REACH = 0.05


@dataclass(frozen=True, slots=True)
class Answer:
    """A vote, with what the key says of it.

    Attributes:
        rater: name.
        vote: as it was stored.
        pair: that was shown.
        outcome: the system that was preferred, or that neither was; None in a check.
        right: whether a check was seen through; None where it is no check, or was skipped.
        a_on_top: whether the upper row was A's; None in a check.
    """

    rater: str
    vote: Vote
    pair: Pair
    outcome: Outcome | None
    right: bool | None
    a_on_top: bool | None

    @property
    def counts(self) -> bool:
        """Whether the tests rest on it: a first answer that was not skipped, to a pair that is no check."""
        return self.outcome in SCORES and not self.vote.again


@dataclass(frozen=True, slots=True)
class RaterRow:
    """How one rater judged.

    Attributes:
        votes: answers that count.
        skipped: pairs.
        upper: share of the upper row among decisive answers; None without any.
        alike: repeated pairs answered the same way both times, and all that were.
        checks: that were seen through, and all that were answered.
        seconds: median for an answer; None without any.
    """

    name: str
    votes: int
    skipped: int
    upper: float | None
    alike: tuple[int, int]
    checks: tuple[int, int]
    seconds: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """What a study shows.

    Attributes:
        systems: that were compared.
        created, closed: when.
        unfinished: raters who had not finished when it was closed.
        asked: pairs, without checks.
        identical: questions with the same list twice, tied, on top of those.
        counts: answers that count, by outcome.
        skipped: pairs, over all raters.
        all: the test that is shown, and intervals, over all queries.
        strata: the same by part of the questions; nothing is tested there.
        upper: share of the upper row among decisive answers, interval by query.
        repeats: share of repeated pairs answered the same way; None where none was.
        alpha: agreement of raters; None with one rater, or where all agree on one answer.
        detectable: true share of A that as many decisive queries show in four of five studies; None where none.
        needed: decisive queries to show the share that was found so often; None where it is one half.
        more: further queries until the interval reaches five points to either side.
        raters: each.
    """

    systems: Mapping[System, Contestant]
    created: datetime
    closed: datetime
    unfinished: tuple[str, ...]
    asked: int
    identical: int
    counts: Mapping[Outcome, int]
    skipped: int
    all: Preference
    strata: Mapping[str, Preference]
    upper: Estimate | None
    repeats: Estimate | None
    alpha: float | None
    detectable: float | None
    needed: int | None
    more: int | None
    raters: tuple[RaterRow, ...]

    def to_json(self) -> dict[str, Any]:
        """As ``result.json`` has it."""
        plain = asdict(self) | {
            "systems": {system: one.model_dump() for system, one in self.systems.items()},
            "created": self.created.isoformat(),
            "closed": self.closed.isoformat(),
            "verdict": self.all.verdict,
        }
        return plain


def read_answers(folder: Path) -> tuple[Study, Key, Closed, list[Answer]]:
    """A closed study, its key, how it ended, and every vote that stands.

    Raises:
        StageError: it is not closed, a file is damaged, or votes were changed since.
    """
    study, closed = read_study(folder), read_closed(folder)
    if closed is None:
        raise StageError(
            "the study is not closed, and nobody looks before",
            where=folder,
            cure="let every rater finish, or end it early: `rushes arena close FOLDER`",
        )
    key = read_key(folder, study)
    pairs = {pair.id: pair for pair in study.pairs}
    answers = []
    for number, rater in enumerate(study.raters):
        path = folder / votes_file(rater.name)
        if not path.is_file() or sha256_file(path) != closed.votes.get(path.name):
            raise StageError("votes were changed since the study was closed", where=path, cure="restore them")
        votes = standing(read_events(path)[0], schedule(study, number))
        answers += [_answer(key, rater.name, vote, pairs[vote.pair]) for vote in votes]
    return study, key, closed, answers


def _answer(key: Key, rater: str, vote: Vote, pair: Pair) -> Answer:
    if pair.id in key.checks:
        right = key.checks[pair.id]
        seen = None if vote.choice == "skip" else vote.slot == right
        return Answer(rater, vote, pair, None, seen, None)
    outcome: Outcome
    if vote.slot is not None:
        outcome = key.system(pair.id, vote.slot)
    else:
        outcome = "bad" if vote.choice == "bad" else "skip" if vote.choice == "skip" else "tie"
    return Answer(rater, vote, pair, outcome, None, key.system(pair.id, vote.top) == "A")


def measure(study: Study, key: Key, closed: Closed, answers: Sequence[Answer]) -> Result:
    """The result of a closed study.

    Raises:
        StageError: nobody judged a pair.
    """
    counted = [one for one in answers if one.counts]
    if not counted:
        raise StageError("nobody judged a pair, so there is no result")
    found = _preference(counted)
    strata = {name: _preference(part) for name, part in sorted(_by_stratum(counted).items())}
    share = found.share.value if found.share else None
    decisive = found.wins + found.losses
    return Result(
        systems=key.systems,
        created=study.created,
        closed=closed.at,
        unfinished=closed.unfinished,
        asked=len(study.pairs) - len(key.checks),
        identical=len(key.identical),
        counts={name: sum(one.outcome == name for one in counted) for name in SCORES},
        skipped=sum(one.vote.choice == "skip" and not one.vote.again for one in answers),
        all=found,
        strata=strata,
        upper=_upper(counted),
        repeats=_share(*_alike(answers)),
        alpha=_alpha(counted),
        detectable=detectable(decisive),
        needed=needed(share) if share is not None and share != 0.5 else None,
        more=None
        if share is None
        else ceil(max(0, queries_for(share, REACH) - decisive) * found.queries / decisive),
        raters=tuple(_rater(one.name, [a for a in answers if a.rater == one.name]) for one in study.raters),
    )


def _preference(answers: Sequence[Answer]) -> Preference:
    return preference(
        [one.pair.id for one in answers], [SCORES[one.outcome] for one in answers if one.outcome]
    )


def _by_stratum(answers: Iterable[Answer]) -> dict[str, list[Answer]]:
    parts: dict[str, list[Answer]] = {}
    for one in answers:
        parts.setdefault(one.pair.stratum, []).append(one)
    return parts


def _decisive(answers: Iterable[Answer]) -> list[Answer]:
    return [one for one in answers if one.vote.slot is not None]


def _upper(answers: Sequence[Answer]) -> Estimate | None:
    decisive = _decisive(answers)
    if not decisive:
        return None
    jackknife = Jackknife.of([one.pair.id for one in decisive])
    return jackknife.estimate(jackknife.means([one.vote.choice == "top" for one in decisive]), SHARE)


def _alike(answers: Iterable[Answer]) -> tuple[int, int]:
    """Pairs that a rater answered alike both times, and all that were answered twice; checks apart."""
    given: dict[tuple[str, str], list[Outcome]] = {}
    for one in answers:
        if one.outcome is not None and one.outcome != "skip":
            given.setdefault((one.rater, one.pair.id), []).append(one.outcome)
    twice = [outcomes for outcomes in given.values() if len(outcomes) == 2]
    return sum(first == second for first, second in twice), len(twice)


def _share(hits: int, n: int) -> Estimate | None:
    return exact_share(hits, n) if n else None


def _alpha(answers: Iterable[Answer]) -> float | None:
    """Agreement on A, B and neither."""
    given = {(one.rater, one.pair.id): SCORES[one.outcome] + 1 for one in answers if one.outcome}
    raters, pairs = ({key[place] for key in given} for place in (0, 1))
    try:
        return krippendorff_alpha(
            [[given.get((rater, pair), -1) for pair in sorted(pairs)] for rater in sorted(raters)]
        )
    except MetricError:
        return None


def _rater(name: str, answers: Sequence[Answer]) -> RaterRow:
    counted = [one for one in answers if one.counts]
    decisive = _decisive(counted)
    choices = Counter(one.vote.choice for one in decisive)
    checks = [one.right for one in answers if one.right is not None and not one.vote.again]
    return RaterRow(
        name=name,
        votes=len(counted),
        skipped=sum(one.vote.choice == "skip" and not one.vote.again for one in answers),
        upper=choices["top"] / len(decisive) if decisive else None,
        alike=_alike(answers),
        checks=(sum(checks), len(checks)),
        seconds=median(one.vote.ms for one in counted) / 1000 if counted else None,
    )
