"""A recipe at its desk: whose items, which question, which folder; then all that is to be done there."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

from rushes.errors import LabelError, RecipeError
from rushes.label.clock import Clock
from rushes.label.desk import Desk, asked_of, at_desk, index_of, said_of
from rushes.label.ledger import Ledger
from rushes.label.money import Purse
from rushes.label.prices import sunset
from rushes.label.question import Question
from rushes.label.service import Service
from rushes.label.tickets import Provider, Ticket, Tickets
from rushes.recipe.labelling import Labelling
from rushes.runs.run import Run

FOLDER = Path("labels")

Tell = Callable[[Ticket], None]


def folder_of(run: Run[Any], out: Path | None) -> Path:
    """Where labels of a run go unless somebody says otherwise."""
    return FOLDER / str(run.recipe.name) if out is None else out


def asked_by(run: Run[Any]) -> Labelling:
    """What a recipe asks.

    Raises:
        RecipeError: recipes of its task ask nothing.
    """
    asked = getattr(run.recipe, "label", None)
    if not isinstance(asked, Labelling):
        raise RecipeError(
            f"recipes of the task {run.task.name} have no section label",
            cure="label takes tasks whose recordings are pictures with a title",
        )
    return asked


@contextmanager
def labelling(
    run: Run[Any],
    out: Path | None,
    *,
    model: str | None = None,
    only: int | None = None,
    clock: Clock | None = None,
) -> Iterator[Desk]:
    """Work on the labels of a run, alone, to the end of the block; arguments as of `at_desk`.

    Raises:
        RecipeError: there is nothing that could be labelled.
    """
    asked = asked_by(run)
    question = Question.of(asked, model)
    folder = folder_of(run, out)
    with at_desk(folder, question, asked.limits, lambda: run.task.rows(run), only=only, clock=clock) as desk:
        if not desk.items:
            raise RecipeError("there is nothing to label: the source has no items", where=run.recipe.name)
        yield desk


@contextmanager
def looked_at(run: Run[Any], out: Path | None, model: str | None = None) -> Iterator[Desk]:
    """Look at the labels of a run, also while somebody works on them; nothing is written.

    Raises:
        LabelError: nobody began to label it.
    """
    asked = asked_by(run)
    question, folder = Question.of(asked, model), folder_of(run, out)
    index = index_of(folder, question)
    if not index.is_file():
        others = asked_of(Tickets(folder))
        raise LabelError(
            "nobody has asked this question yet" + (f"; {said_of(others)}" if others else ""),
            where=folder,
            cure="`rushes label plan RECIPE` says what it costs",
        )
    ledger = Ledger(index, question)
    try:
        yield Desk(folder, question, asked.limits, lambda: run.task.rows(run), ledger)
    finally:
        ledger.close()


def require_living(model: str) -> str | None:
    """What is to be said of the end of a model, see `rushes.label.prices.sunset`."""
    return sunset(model, datetime.now(UTC).date())


def submit(desk: Desk, service: Service, purse: Purse, tell: Tell) -> None:
    """Write requests for whatever is to be asked, and send as many files as the queue has room for."""
    _cut(desk, purse, tell)
    desk.batches(service, purse, tell).step(collect=False)


def watch(desk: Desk, service: Service, purse: Purse, tell: Tell) -> None:
    """Look until every batch has ended; files that wait are sent as soon as there is room."""
    batches = desk.batches(service, purse, tell)
    while (wait_s := batches.step(collect=False)) is not None:
        desk.clock.sleep(wait_s)


def collect(desk: Desk, service: Service, purse: Purse, tell: Tell) -> None:
    """Bring the answers of batches that have ended, and write the result of all answers so far."""
    try:
        desk.batches(service, purse, tell).step()
    finally:
        desk.write()


def run_batches(desk: Desk, service: Service, purse: Purse, tell: Tell) -> None:
    """Ask in batches until every item is answered, refused or asked as often as it may be.

    What is answered is written also where it cannot go on.
    """
    try:
        batches = desk.batches(service, purse, tell)
        while True:
            while (wait_s := batches.step()) is not None:
                desk.clock.sleep(wait_s)
            if not _cut(desk, purse, tell):
                return
    finally:
        desk.write()


def run_chat(desk: Desk, service: Service, purse: Purse, tell: Tell) -> None:
    """Likewise, one by one."""
    try:
        chat = desk.chat(service, purse, tell)
        while chat.ask(desk.requests()):
            pass
    finally:
        desk.write()


def _cut(desk: Desk, purse: Purse, tell: Tell) -> int:
    """Write requests, once somebody has agreed to pay for them."""
    states = desk.states()
    if more := states["open"] + states["again"]:
        desk.require_agreed(purse, more, batch=True)
    return desk.cut(tell) if more else 0


Verb = Literal["submit", "watch", "collect", "run"]

WORK: Mapping[tuple[Provider, Verb], Callable[[Desk, Service, Purse, Tell], None]] = {
    ("batch", "submit"): submit,
    ("batch", "watch"): watch,
    ("batch", "collect"): collect,
    ("batch", "run"): run_batches,
    ("chat", "run"): run_chat,
}
