"""A look at every input before units can be planned: what they look like decides who belongs together.

Answers lie block by block in ``survey/<number>.json`` of the stage's folder, so that a run that was killed goes on
where it was. Whatever the number of workers and the kills, they are the same.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping
from contextlib import closing
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Final, TypeVar

from rushes.engine import LOCAL, Engine, Failure, Unit, map_units
from rushes.errors import MediaError, SourceError, StageError
from rushes.prepare.stage import is_bad_input, reason_of
from rushes.recipe.sections import Prepare as Settings
from rushes.stages import read_json, write_json
from rushes.storage import Home

BLOCK: Final = 256
"""Inputs of a block."""

T = TypeVar("T")
Answers = dict[str, dict[str, Any]]
"""Key of an input -> ``{"told": ...}``, or ``{"bad": reason}``."""


@dataclass(frozen=True, slots=True)
class Survey:
    """What was seen.

    Attributes:
        told: key of an input -> what it looks like, as JSON holds it; in the order in which they were given.
        bad: key -> why it cannot be looked at, as an entry of the quarantine.
    """

    told: Mapping[str, Any] = field(default_factory=dict)
    bad: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)


def survey(
    inputs: Mapping[str, T],
    look: Callable[[T], Any],
    home: Home,
    settings: Settings,
    *,
    engine: Engine = LOCAL,
    on_progress: Callable[[int, int, str], None] = lambda done, total, key: None,
) -> Survey:
    """Look at all inputs; call it inside of ``working``, which holds the lock.

    A block whose process dies, or takes too long or too much memory, is looked at once more, each input in a unit of
    its own, so that one bad input is no reason to leave out its neighbours.

    Args:
        inputs: key -> input, small and fit to travel to another process.
        look: at one of them; importable by name. What it returns is JSON; its `MediaError` or `SourceError` makes the
            input a bad one.
        home: of the stage.
        settings: workers and their bounds.
        engine: where the workers run.
        on_progress: told how many of how many inputs are done, those of an earlier run among them.

    Raises:
        UnitError: the machine refuses, or ``look`` is at fault.
    """
    keys = list(inputs)
    blocks = {
        f"{start // BLOCK:06d}": {key: inputs[key] for key in keys[start : start + BLOCK]}
        for start in range(0, len(keys), BLOCK)
    }
    answers: Answers = {}
    for name in blocks:
        answers |= _known(home, name)
    on_progress(len(answers), len(keys), "looking")
    run = partial(_results, look=look, settings=settings, engine=engine)
    todo = {name: block for name, block in blocks.items() if not block.keys() <= answers.keys()}
    with closing(run(todo)) as results:
        for name, found in results:
            if isinstance(found, Failure):
                alone = run({key: {key: one} for key, one in blocks[name].items()})
                found = {}
                for key, answer in alone:
                    found |= {key: {"bad": reason_of(answer, 1)}} if isinstance(answer, Failure) else answer
            path = home.folder / "survey" / f"{name}.json"
            write_json(path, found)
            home.publish([path])
            answers |= found
            on_progress(len(answers), len(keys), "looking")
    told = {key: answers[key]["told"] for key in keys if "told" in answers[key]}
    return Survey(told, {key: answers[key]["bad"] for key in keys if "bad" in answers[key]})


def _known(home: Home, name: str) -> Answers:
    """The answers of a block as an earlier run left them; none where there are none, or they are torn."""
    try:
        found = read_json(home.folder / "survey" / f"{name}.json")
    except StageError:
        return {}
    return found if isinstance(found, dict) else {}


def _results(
    blocks: Mapping[str, Mapping[str, T]], look: Callable[[T], Any], settings: Settings, engine: Engine
) -> Generator[tuple[str, Answers | Failure]]:
    """What each block gave, or why it gave nothing."""
    results = map_units(
        partial(_look_at, look),
        [Unit(name, block) for name, block in blocks.items()],
        workers=settings.workers,
        engine=engine,
        timeout_s=settings.timeout_s,
        memory_bytes=settings.memory_bytes,
    )
    with closing(results):
        for result in results:
            if result.error is not None and not is_bad_input(result.error):
                raise result.error.to_error(result.key)
            yield result.key, result.value if result.error is None else result.error


def _look_at(look: Callable[[T], Any], block: Mapping[str, T]) -> Answers:
    answers: Answers = {}
    for key, one in block.items():
        try:
            answers[key] = {"told": look(one)}
        except (MediaError, SourceError) as error:
            answers[key] = {"bad": reason_of(Failure.of(error), 1)}
    return answers
