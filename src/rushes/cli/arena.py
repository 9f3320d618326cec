"""The verb that lets people compare two systems without knowing which is which."""

from __future__ import annotations

import json
import secrets
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperGroup

from rushes.cli.app import app
from rushes.cli.options import WORKSPACE, AsJson, Cache, Overrides, Workspace, failing_well, wide_console
from rushes.cli.runs import open_recipe
from rushes.errors import RecipeError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from rushes.arena.box import Box
    from rushes.runs.contest import Contender

PORT = 8765


class _ComparesByDefault(TyperGroup):
    """``rushes arena A B`` is ``rushes arena compare A B``."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        if args and not args[0].startswith("-") and args[0] not in self.commands:
            args = ["compare", *args]
        return super().parse_args(ctx, args)


arena = typer.Typer(
    cls=_ComparesByDefault,
    no_args_is_help=True,
    rich_markup_mode=None,
    help="Let people compare two systems side by side, blind: rushes arena A B.",
)
app.add_typer(arena, name="arena")

StudyFolder = Annotated[Path, typer.Argument(metavar="STUDY", help="Folder of the study.")]
Host = Annotated[
    str, typer.Option(help="To listen at; 0.0.0.0 lets other machines in, by their links alone.")
]
Port = Annotated[int, typer.Option(min=0, max=65535, help="To listen at; 0 takes any that is free.")]
Terminal = Annotated[bool, typer.Option("--terminal", help="Vote here, without a browser.")]
RaterName = Annotated[
    str | None, typer.Option("--as", help="Rater that votes in the terminal; needed where there are several.")
]


@arena.command()
@failing_well
def compare(
    a: Annotated[str, typer.Argument(metavar="A", help="Recipe of a finished run, or RECIPE:SYSTEM.")],
    b: Annotated[str, typer.Argument(metavar="B", help="The other one.")],
    study: Annotated[Path, typer.Option(help="Folder of the study; the same one goes on.")] = Path("study"),
    pairs: Annotated[int, typer.Option(min=1, help="That every rater judges; fixed from the start.")] = 100,
    raters: Annotated[
        list[str] | None, typer.Option("--rater", help="Name of a rater, letters and digits; repeatable.")
    ] = None,
    checks: Annotated[
        int, typer.Option(min=0, help="Further pairs of which one list answers another question.")
    ] = 0,
    repeats: Annotated[
        float, typer.Option(min=0.0, max=0.2, help="Share of pairs shown twice, sides swapped.")
    ] = 0.08,
    seed: Annotated[int | None, typer.Option(min=0, help="Of questions, orders and sides.")] = None,
    workspace: Workspace = WORKSPACE,
    cache: Cache = None,
    overrides: Overrides = None,
    host: Host = "127.0.0.1",
    port: Port = PORT,
    terminal: Terminal = False,
    rater: RaterName = None,
) -> None:
    """Draw a study of two systems, or go on with it, and take votes.

    A system is the trained model of a recipe, or another of its run: mine.yaml:base. What --set overrides counts for
    both recipes. Nothing shows a result before every rater has finished, or the study was closed.
    """
    from rushes.arena.draw import Ask, make_study
    from rushes.arena.study import STUDY
    from rushes.arena.words import can_show

    begun = (study / STUDY).exists()
    named = tuple(raters or ["1"])
    voter = _voter(study, _raters_of(study) if begun else named, terminal, rater)
    one, two = (_contender(asked, workspace, cache, overrides) for asked in (a, b))
    if begun:
        _require_same(study, one, two)
        typer.echo(f"{study}: goes on as it was drawn, whatever else was typed", err=True)
    else:
        drawn = secrets.randbits(31) if seed is None else seed
        ask = Ask(
            pairs=pairs,
            raters=named,
            checks=checks,
            repeats=repeats,
            seed=drawn,
            names=_names(a, b),
        )
        make_study(study, one, two, ask)
        typer.echo(f"{study}: {pairs} pairs, seed {drawn}; {can_show(pairs)}", err=True)
    _vote(study, host, port, voter)


@arena.command()
@failing_well
def serve(
    study: StudyFolder,
    host: Host = "127.0.0.1",
    port: Port = PORT,
    terminal: Terminal = False,
    rater: RaterName = None,
) -> None:
    """Go on with a study; neither runs nor recipes are needed."""
    _vote(study, host, port, _voter(study, _raters_of(study), terminal, rater))


@arena.command()
@failing_well
def close(study: StudyFolder) -> None:
    """End a study before every rater has finished; the result says so."""
    from rushes.arena.box import open_box

    with open_box(study) as box:
        closed = box.close()
    missing = f", before {', '.join(closed.unfinished)} finished" if closed.unfinished else ""
    typer.echo(f"{study} is closed{missing}; see `rushes arena result {study}`")


@arena.command()
@failing_well
def result(study: StudyFolder, as_json: AsJson = False) -> None:
    """Say what a closed study shows; writes result.html, result.json and votes.csv into its folder."""
    from rushes.arena.report import PAGE, write_result
    from rushes.arena.words import print_result

    found = write_result(study)
    if as_json:
        typer.echo(json.dumps(found.to_json(), allow_nan=False))
    else:
        console = wide_console()
        print_result(found, console)
        console.print(f"result: {study / PAGE}", soft_wrap=True, highlight=False, markup=False)


def _raters_of(study: Path) -> tuple[str, ...]:
    from rushes.arena.study import read_study

    return tuple(rater.name for rater in read_study(study).raters)


def _voter(study: Path, raters: Sequence[str], terminal: bool, rater: str | None) -> str | None:
    """Who votes in the terminal; None where all vote by their links.

    Raises:
        RecipeError: there is no such rater, no telling which, or no terminal.
    """
    if rater is not None and rater not in raters:
        raise RecipeError(
            f"the study has no rater {rater}; it has {', '.join(raters)}",
            where=study,
            cure=f"name one of them, as with --as {raters[0]}",
        )
    if not terminal:
        if rater is not None:
            raise RecipeError("--as names who votes in the terminal", where=study, cure="add --terminal")
        return None
    if rater is None and len(raters) > 1:
        raise RecipeError(
            f"--terminal takes the votes of one rater, and the study has {', '.join(raters)}",
            where=study,
            cure=f"say whose: --as {raters[0]}",
        )
    if not _is_at_a_terminal():
        raise RecipeError(
            "--terminal reads keys, and there is no terminal",
            where=study,
            cure="type it in a terminal; in a container: docker run -it; or leave out --terminal",
        )
    return rater or raters[0]


def _is_at_a_terminal() -> bool:
    return sys.stdin.isatty()


def _contender(asked: str, workspace: str, cache: Path | None, overrides: Sequence[str] | None) -> Contender:
    """The system that ``RECIPE`` or ``RECIPE:SYSTEM`` names."""
    recipe, _, system = (asked, "", "") if Path(asked).is_file() else asked.rpartition(":")
    run = open_recipe(Path(recipe or asked), overrides, workspace, cache)
    contenders: Mapping[str, Contender] = run.task.contenders(run)
    if not system:
        return next(iter(contenders.values()))
    if system not in contenders:
        raise RecipeError(
            f"this run has no system {system}; it has {', '.join(contenders)}",
            where=recipe,
            cure=f"type {recipe}:{next(iter(contenders))}, say",
        )
    return contenders[system]


def _names(a: str, b: str) -> tuple[str, str]:
    """What the result calls the systems: as they were asked for, without folders where that tells them apart."""
    short = Path(a).name, Path(b).name
    return short if short[0] != short[1] else (a, b)


def _require_same(study: Path, a: Contender, b: Contender) -> None:
    """A study that is there already must compare these systems."""
    from rushes.arena.study import read_key, read_study

    systems = read_key(study, read_study(study)).systems
    found = [systems["A"].signature, systems["B"].signature]
    if found != [a.signature(), b.signature()]:
        raise RecipeError(
            f"the study in {study} compares {systems['A'].name} and {systems['B'].name} of other signatures",
            where=study,
            cure="name another folder: --study; or go on with that one: `rushes arena serve STUDY`",
        )


def _vote(study: Path, host: str, port: int, voter: str | None) -> None:
    """Take votes: of one rater in the terminal, or of all by their links."""
    from rushes.arena.box import open_box

    with open_box(study) as box:
        try:
            if not box.complete:
                _vote_by_link(box, host, port) if voter is None else _vote_here(box, voter)
            if box.complete and not box.closed:
                box.close()
        finally:
            typer.echo(_progress(box), err=True)


def _vote_here(box: Box, voter: str) -> None:
    from rich.console import Console

    from rushes.arena.terminal import judge, keys_of

    with keys_of(sys.stdin) as key:
        judge(box.ballots[voter], box.folder, Console(), key)


def _vote_by_link(box: Box, host: str, port: int) -> None:
    from rushes.arena.server import links, serve
    from rushes.runs.listening import listen

    with listen(host, port) as listening:
        for name, link in links(box, listening).items():
            typer.echo(f"rater {name}: {link}")
        typer.echo("Ctrl-C stops; the same command goes on", err=True)
        serve(box, listening, lambda: typer.echo(_progress(box), err=True))


def _progress(box: Box) -> str:
    """How far raters are, and what to type next."""
    judged = sum(ballot.position for ballot in box.ballots.values())
    asked = sum(len(ballot.showings) for ballot in box.ballots.values())
    following = f"; see `rushes arena result {box.folder}`" if box.closed else ""
    return f"{box.folder}: {judged} of {asked} judged{following}"
