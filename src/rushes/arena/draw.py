"""How a study is made: questions drawn, both systems asked, everything renamed so that nothing tells who answered."""

from __future__ import annotations

import random
import re
import secrets
import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import NamedTuple

import numpy as np

from rushes.arena.study import (
    KEY,
    NAME,
    PICTURES,
    SHOWN,
    STUDY,
    VERSION,
    Contestant,
    Key,
    Pair,
    Rater,
    Slot,
    Study,
    System,
    other,
    picture_path,
    write_record,
)
from rushes.errors import RecipeError, StageError
from rushes.media.image import decode_jpeg_scaled, encode_jpeg, jpeg_size
from rushes.runs.contest import Contender, Question
from rushes.stages import make_folder, sha256_file, write_atomic

REPEATS = 0.08
"""Share of pairs that each rater sees a second time."""

SIDE = 640
"""Pixels to which larger pictures are brought down, roughly: one is never less than this."""

MOST_PIXELS = 40_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Ask:
    """How large a study is to be.

    Attributes:
        pairs: that every rater judges; those with two different lists alone are counted.
        raters: names.
        checks: further pairs of which one list answers another question.
        repeats: share of pairs that are shown twice, 0 to .2.
        seed: of the draw, of orders and of sides.
        names: of both systems for whoever reads the result; those that they have if None.
    """

    pairs: int = 100
    raters: tuple[str, ...] = ("1",)
    checks: int = 0
    repeats: float = REPEATS
    seed: int = 0
    names: tuple[str, str] | None = None

    def __post_init__(self) -> None:
        odd = [name for name in self.raters if not re.fullmatch(NAME, name)]
        if odd or not self.raters or len(set(self.raters)) < len(self.raters):
            raise RecipeError(
                f"raters need names of their own, of small letters, digits and hyphens, found {', '.join(self.raters)}",
                cure="type --rater anna --rater ben",
            )


class _Answered(NamedTuple):
    """A question, and what each system answers."""

    question: Question
    lists: Mapping[System, tuple[str, ...]]


class _Shown(NamedTuple):
    """What raters will see of it: both slots; whose list the first is, or which slot is right in a check."""

    question: Question
    slots: tuple[tuple[str, ...], tuple[str, ...]]
    first: System | None
    right: Slot | None


@dataclass(slots=True)
class _Names:
    """Names that mean nothing, a new one for each picture that is asked for the first time."""

    given: dict[str, str] = field(default_factory=dict)

    def of(self, key: str) -> str:
        return self.given.setdefault(key, secrets.token_hex(8))


def make_study(
    folder: Path, a: Contender, b: Contender, ask: Ask, coin: random.Random | None = None
) -> Study:
    """Draw a study and write it; one that was broken off while it was made is made anew.

    Of each cluster of questions one is asked, so that queries are independent of each other. Which list is in
    which slot is tossed with ``coin``: the machine's source of secrets unless it is given, never the seed, which
    raters may know.

    Raises:
        RecipeError: the systems cannot be compared so.
        StageError: the folder holds something else.
        MediaError: an item's picture cannot be read.
    """
    _require_room(folder)
    coin = coin or random.SystemRandom()
    answered = _answered(_shuffled(_common(a, b), ask.seed), a, b)
    different, identical = _different(answered, ask.pairs)
    drawn = [
        *(_in_slots(one, coin) for one in different),
        *(_check(*two, coin) for two in _unlike(answered, ask.checks)),
    ]
    names = _Names()
    pairs = [_pair(shown, names) for shown in drawn]
    _write_pictures(folder, names, a)
    called = ask.names or (a.name, b.name)
    named = [(pair.id, shown) for pair, shown in zip(pairs, drawn, strict=True)]
    key = Key(
        systems={
            "A": Contestant(name=called[0], signature=a.signature()),
            "B": Contestant(name=called[1], signature=b.signature()),
        },
        first={token: shown.first for token, shown in named if shown.first is not None},
        questions={token: shown.question.key for token, shown in named},
        pictures={token: item for item, token in names.given.items()},
        checks={token: shown.right for token, shown in named if shown.right is not None},
        identical=tuple(identical),
        salt=secrets.token_hex(16),
    )
    write_record(folder / KEY, key)
    study = Study(
        version=VERSION,
        app=version("rushes"),
        created=datetime.now(UTC),
        seed=ask.seed,
        key_sha256=sha256_file(folder / KEY),
        raters=tuple(Rater(name=name, token=secrets.token_hex(8)) for name in ask.raters),
        repeats=round(ask.repeats * len(pairs)),
        pairs=tuple(pairs),
    )
    write_record(folder / STUDY, study)  # last: a study is there when this is
    return study


def _require_room(folder: Path) -> None:
    """A folder that is new, empty, or holds what is left of a study that was never finished."""
    make_folder(folder)
    if (folder / STUDY).exists():
        raise StageError(
            "a study is there already", where=folder, cure="go on with it: `rushes arena serve FOLDER`"
        )
    torn = {path for name in (KEY, STUDY) for path in folder.glob(f".{name}.*.tmp")}
    ours = {folder / KEY, folder / PICTURES} | torn
    if strange := sorted(path.name for path in folder.iterdir() if path not in ours):
        raise StageError(
            f"the folder of a study must be empty, found {strange[0]}",
            where=folder,
            cure="name another: --study",
        )
    shutil.rmtree(folder / PICTURES, ignore_errors=True)
    for path in ours - {folder / PICTURES}:
        path.unlink(missing_ok=True)


# --- questions and answers ----------------------------------------------------------------------------------


def _common(a: Contender, b: Contender) -> list[Question]:
    """Questions that both can be asked, in the order of the first."""
    theirs = {question.key: question for question in b.questions()}
    common = [question for question in a.questions() if question.key in theirs]
    if not common:
        raise RecipeError(
            f"{a.name} and {b.name} have no question in common",
            cure="compare systems of runs whose dataset is the same",
        )
    if odd := next((one for one in common if theirs[one.key] != one), None):
        raise RecipeError(f"{a.name} and {b.name} mean different things by the question {odd.key}")
    return common


def _shuffled(questions: Sequence[Question], seed: int) -> list[Question]:
    """One question of each cluster, in an order of the seed."""
    order = np.random.default_rng(seed).permutation(len(questions))
    first = {questions[place].cluster: questions[place] for place in reversed(order.tolist())}
    return list(reversed(first.values()))


def _answered(questions: Sequence[Question], a: Contender, b: Contender) -> Iterator[_Answered]:
    for question in questions:
        yield _Answered(question, {"A": _list_of(a, question), "B": _list_of(b, question)})


def _list_of(contender: Contender, question: Question) -> tuple[str, ...]:
    items = contender.ranked(question, SHOWN)
    if len(items) != SHOWN or len(set(items)) != SHOWN:
        raise RecipeError(
            f"{contender.name} must answer with {SHOWN} different items, found {len(items)}",
            where=f"question {question.key}",
        )
    return items


def _different(answered: Iterator[_Answered], asked: int) -> tuple[list[_Answered], list[str]]:
    """As many as are asked with two different lists; keys of the questions on the way whose lists are the same."""
    found: list[_Answered] = []
    identical = []
    for one in answered:
        if one.lists["A"] == one.lists["B"]:
            identical.append(one.question.key)
        else:
            found.append(one)
        if len(found) == asked:
            return found, identical
    cure = f"type --pairs {len(found)}" if found else "there is nothing to compare: name other systems"
    raise RecipeError(
        f"{asked} pairs were asked; of all questions that do not move together {len(found)} have two different "
        f"lists, {len(identical)} the same list twice",
        cure=cure,
    )


def _unlike(answered: Iterator[_Answered], count: int) -> Iterator[tuple[_Answered, _Answered]]:
    """Questions of two strata with no answer in common, none of them twice."""
    rest = list(answered) if count else []
    for found in range(count):
        while rest:
            right = rest.pop(0)
            wrong = next((one for one in rest if _are_unlike(right, one)), None)
            if wrong is not None:
                rest.remove(wrong)
                yield right, wrong
                break
        else:
            raise RecipeError(
                f"{count} checks were asked; the questions that are left give {found}",
                cure=f"type --checks {found}, or fewer pairs; a check takes two questions of different strata",
            )


def _are_unlike(one: _Answered, two: _Answered) -> bool:
    items = [{item for items in each.lists.values() for item in items} for each in (one, two)]
    return one.question.stratum != two.question.stratum and not items[0] & items[1]


# --- what raters see ----------------------------------------------------------------------------------------


def _in_slots(answered: _Answered, coin: random.Random) -> _Shown:
    first: System = "A" if coin.getrandbits(1) else "B"
    slots = answered.lists[first], answered.lists[other(first)]
    return _Shown(answered.question, slots, first, None)


def _check(right: _Answered, wrong: _Answered, coin: random.Random) -> _Shown:
    system: System = "A" if coin.getrandbits(1) else "B"
    slot: Slot = 1 if coin.getrandbits(1) else 0
    slots = right.lists[system], wrong.lists[system]
    return _Shown(right.question, slots if slot == 0 else slots[::-1], None, slot)


def _pair(shown: _Shown, names: _Names) -> Pair:
    question = shown.question
    first, second = (tuple(map(names.of, items)) for items in shown.slots)
    picture = None if question.picture is None else names.of(question.picture)
    return Pair(
        id=secrets.token_hex(8),
        text=question.text,
        picture=picture,
        lists=(first, second),
        stratum=question.stratum,
    )


def _write_pictures(folder: Path, names: _Names, contender: Contender) -> None:
    """Every picture once, encoded anew: no header of its file says where it came from."""
    for item, token in sorted(names.given.items(), key=lambda pair: pair[1]):
        data = contender.picture(item)
        width, height = jpeg_size(data, item)
        if width * height > MOST_PIXELS:
            raise RecipeError(f"a picture of at most {MOST_PIXELS:,} pixels is shown, found {width}x{height}")
        picture = decode_jpeg_scaled(data, (SIDE, SIDE), item)
        write_atomic(picture_path(folder, token), encode_jpeg(picture, quality=92))
