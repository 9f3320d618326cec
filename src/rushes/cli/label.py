"""The verbs that label items by a language model."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, cast
from urllib.parse import urlsplit

import typer

from rushes.cli.app import app
from rushes.cli.options import WORKSPACE, AsJson, Cache, Overrides, RecipePath, Workspace, failing_well
from rushes.cli.runs import open_recipe
from rushes.errors import LabelError

if TYPE_CHECKING:
    from rushes.label.clock import Clock
    from rushes.label.service import Service
    from rushes.label.tickets import Provider, Ticket
    from rushes.runs.labelling.work import Verb

verbs = typer.Typer(
    no_args_is_help=True, rich_markup_mode=None, help="Attributes of items from a vision language model."
)
app.add_typer(verbs, name="label")

KEY_ENV = "OPENAI_API_KEY"

Out = Annotated[Path | None, typer.Option(help="Folder of everything; labels/NAME without it.")]
Model = Annotated[str | None, typer.Option(help="In place of the recipe's label.model.")]
ProviderName = Annotated[
    str, typer.Option("--provider", metavar="KIND", help="batch: files, half the price; chat: one by one.")
]
Url = Annotated[str | None, typer.Option(help="Of the service, up to and with /v1; OpenAI's without it.")]
KeyEnv = Annotated[
    str | None,
    typer.Option(
        help=f"Environment variable that holds the key; {KEY_ENV} for OpenAI's service, none for others."
    ),
]
Smoke = Annotated[
    int | None,
    typer.Option(
        min=1,
        metavar="N",
        help="Ask N items in all, spread over all; their answers count, also those of before.",
    ),
]
Yes = Annotated[bool, typer.Option("--yes", help="Spend what it costs.")]
Budget = Annotated[
    float | None,
    typer.Option(
        min=0.0,
        metavar="USD",
        help="Spend at most so much, with what was spent before; a file is sent as a whole or not at all.",
    ),
]

Forget = Annotated[
    list[str] | None,
    typer.Option(metavar="FILE", help="Give up the answers of a file, and ask its items anew; repeatable."),
]


@verbs.command()
@failing_well
def plan(
    recipe: RecipePath,
    out: Out = None,
    provider: ProviderName = "batch",
    model: Model = None,
    smoke: Smoke = None,
    workspace: Workspace = WORKSPACE,
    cache: Cache = None,
    overrides: Overrides = None,
    as_json: AsJson = False,
) -> None:
    """Say what is to be asked, in how many files, for how many tokens and how much money; ask nothing."""
    from rushes.runs.labelling.told import plan_of
    from rushes.runs.labelling.work import labelling, require_living

    batch = _provider(provider) == "batch"
    with labelling(open_recipe(recipe, overrides, workspace, cache), out, model=model, only=smoke) as desk:
        found = plan_of(desk, batch=batch, warning=require_living(desk.question.model))
    typer.echo(json.dumps(found.to_json()) if as_json else found.text())


def _add_verb(name: Verb, purpose: str) -> None:
    """A verb that talks to the service."""

    @verbs.command(name, help=purpose)
    @failing_well
    def verb(
        recipe: RecipePath,
        out: Out = None,
        provider: ProviderName = "batch",
        url: Url = None,
        key_env: KeyEnv = None,
        model: Model = None,
        smoke: Smoke = None,
        yes: Yes = False,
        budget: Budget = None,
        forget: Forget = None,
        workspace: Workspace = WORKSPACE,
        cache: Cache = None,
        overrides: Overrides = None,
        as_json: AsJson = False,
    ) -> None:
        from rushes.label.money import Purse
        from rushes.runs.labelling.told import progress_of
        from rushes.runs.labelling.work import WORK, labelling, require_living

        asked = (_provider(provider), name)
        if asked not in WORK:
            raise LabelError(
                f"there is nothing to {name} with --provider {provider}",
                cure="write `rushes label run RECIPE`",
            )
        run = open_recipe(recipe, overrides, workspace, cache)
        with labelling(run, out, model=model, only=smoke) as desk:
            if warning := require_living(desk.question.model):
                typer.echo(f"warning: {warning}", err=True)
            for file in forget or ():
                desk.forget(file)
            if smoke is not None:
                desk.require_no_more(smoke)
            with _service(url, key_env, desk.clock) as service:
                WORK[asked](desk, service, Purse(yes, budget), _Teller())
            found = progress_of(desk)
        typer.echo(json.dumps(found.to_json()) if as_json else found.text())


_add_verb("submit", "Write requests for whatever is to be asked, and send as many as the queue has room for.")
_add_verb("watch", "Look until every batch has ended; what waits is sent as soon as there is room.")
_add_verb(
    "collect", "Bring the answers of batches that have ended, and write the result of all answers so far."
)
_add_verb(
    "run",
    "Submit, watch and collect until every item has its answer; the same command resumes and pays nothing twice.",
)


class _Teller:
    """Says each new state of a file once, on standard error."""

    def __init__(self) -> None:
        self._said: dict[str, str] = {}

    def __call__(self, ticket: Ticket) -> None:
        state = "finalized" if ticket.collected else ticket.state
        if self._said.get(ticket.name) != state:
            self._said[ticket.name] = state
            why = f": {ticket.errors[0][0]}, waits" if ticket.errors and state == "prepared" else ""
            typer.echo(f"{ticket.name}: {ticket.rows:,} items {state.replace('_', ' ')}{why}", err=True)


def _service(url: str | None, key_env: str | None, clock: Clock) -> Service:
    """The service; another one than OpenAI's is sent the key that was named for it, and never OpenAI's."""
    from rushes.label.service import OPENAI, Service

    address = url or OPENAI
    if not _is_address(address):
        raise LabelError(
            "--url is no address of a service: one begins with http:// or https://, ends in /v1, and has neither user "
            "nor password, and no ? or #",
            cure="write --url https://HOST/v1, or --url http://127.0.0.1:8400/v1; a key goes by --key-env",
        )
    named = key_env or (KEY_ENV if address == OPENAI else None)
    if named is not None and not os.environ.get(named):
        raise LabelError(
            f"the service wants a key, and the variable {named} is not set",
            where=address,
            cure=f"export {named}=..., or name another variable by --key-env; to try it without a key: "
            "`rushes label offline`",
        )
    key = os.environ[named] if named else ""
    return Service(address, key, clock, tell=lambda said: typer.echo(said, err=True))


def _is_address(url: str) -> bool:
    try:
        found = urlsplit(url)
        named = bool(found.hostname) and found.port != 0  # which raises, too, where it is none
    except ValueError:
        return False
    return named and found.scheme in ("http", "https") and not set("@?# ") & set(url)


def _provider(name: str) -> Provider:
    if name not in ("batch", "chat"):
        raise LabelError(f"there is no provider {name!r}", cure="write --provider batch or --provider chat")
    return cast("Provider", name)


@verbs.command()
@failing_well
def status(
    recipe: RecipePath,
    out: Out = None,
    model: Model = None,
    workspace: Workspace = WORKSPACE,
    cache: Cache = None,
    overrides: Overrides = None,
    as_json: AsJson = False,
) -> None:
    """Say how far it is, from what stands on disk; also while another process works on it."""
    from rushes.runs.labelling.told import progress_of
    from rushes.runs.labelling.work import looked_at

    with looked_at(open_recipe(recipe, overrides, workspace, cache), out, model) as desk:
        found = progress_of(desk)
    typer.echo(json.dumps(found.to_json()) if as_json else found.text())


@verbs.command()
@failing_well
def page(
    recipe: RecipePath,
    out: Out = None,
    model: Model = None,
    workspace: Workspace = WORKSPACE,
    cache: Cache = None,
    overrides: Overrides = None,
) -> None:
    """Write a page of titles, answers and pictures, those first that contradict each other."""
    from rushes.runs.labelling.page import write_page
    from rushes.runs.labelling.work import looked_at

    run = open_recipe(recipe, overrides, workspace, cache)
    with looked_at(run, out, model) as desk:
        typer.echo(f"page: {write_page(desk, str(run.recipe.name), f'rushes label page {recipe}')}")


@verbs.command()
@failing_well
def offline(
    port: Annotated[
        int, typer.Option(min=0, max=65535, help="On this machine alone; 0 takes a free one.")
    ] = 8400,
    faults: Annotated[
        str, typer.Option(metavar="none|some|many", help="What goes wrong: lost lines, failures, refusals.")
    ] = "none",
    seed: Annotated[int, typer.Option(help="Of what goes wrong.")] = 0,
    speed: Annotated[float, typer.Option(min=0.001, help="Seconds of its clock for one of ours.")] = 1.0,
) -> None:
    """Serve files, batches and chat completions without a key, to try labelling: no language model, a simple rule."""
    from rushes.label.offline.app import serve
    from rushes.label.offline.faults import Faults
    from rushes.label.offline.world import Pace

    if faults not in ("none", "some", "many"):
        raise LabelError(f"there is no setting {faults!r}", cure="write --faults none, some or many")
    serve(
        port,
        Faults.of(faults, seed),  # type: ignore[arg-type]
        Pace(),
        speed,
        lambda url: typer.echo(f"answers at {url}; stop it with Ctrl-C"),
    )
