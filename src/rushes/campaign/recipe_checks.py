"""Whether every run of a campaign has a recipe that holds, before the first of them begins."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from rushes.campaign.cells import Cell
from rushes.campaign.recipes import Recipes, Winners
from rushes.errors import RecipeError
from rushes.recipe import Recipe
from rushes.recipe_file import resolve


def check_recipes(
    recipes: Recipes, stand_ins: Winners, candidates: Mapping[str, Sequence[str]]
) -> Iterator[str]:
    """Everything that is wrong with the recipes of the runs, a fault a line, with the runs that have it.

    Every run is checked with stand-ins in the place of winners; the first run of each group also with every
    other candidate that may win.

    Args:
        recipes: of the campaign.
        stand_ins: group or gate -> the run that stands for it.
        candidates: group or gate -> every run that may win.
    """
    found: dict[str, list[str]] = {}
    resolved: dict[str, Recipe | None] = {}
    for cell in recipes.names.cells:
        resolved[cell.name], faults = _checked(recipes, cell, stand_ins)
        for fault in dict.fromkeys(faults):
            found.setdefault(fault, []).append(cell.name)
    yield from (f"{fault} ({_runs(names)})" for fault, names in found.items())
    if not found:
        yield from _with_other_winners(recipes, stand_ins, candidates)
    yield from _without_control(recipes, resolved)


def _checked(recipes: Recipes, cell: Cell, winners: Winners) -> tuple[Recipe | None, list[str]]:
    seed, taken, faults = recipes.names.manifest.seeds[0], {}, []
    try:
        taken = recipes.taken(cell, seed, winners)
    except RecipeError as error:  # of a giver, or for a section that it does not have
        faults = [line.removeprefix("  - ") for line in error.message.splitlines()[1:]]
    recipe, more = resolve(recipes.recipe_document, list(recipes.applied(cell, seed, taken)))
    return recipe, [*faults, *more]


def _with_other_winners(
    recipes: Recipes, stand_ins: Winners, candidates: Mapping[str, Sequence[str]]
) -> Iterator[str]:
    names = recipes.names
    for cells in names.groups.values():
        givers = dict.fromkeys(names.divide(text)[0] for text in cells[0].entry.take.values())
        for giver in givers:
            for winner in candidates.get(giver, ()):
                _, faults = _checked(recipes, cells[0], {**stand_ins, giver: winner})
                yield from (f"{fault} (run {cells[0].name}, if {winner} wins {giver})" for fault in faults)


def _without_control(recipes: Recipes, resolved: Mapping[str, Recipe | None]) -> Iterator[str]:
    """Groups that learn from a teacher and are compared with nothing that does not."""
    for group, cells in recipes.names.groups.items():
        if not any(_distils(resolved[cell.name]) for cell in cells):
            continue
        control, place = cells[0].entry.control, cells[0].place
        honest = control is not None and not any(
            _distils(resolved[cell.name]) for cell in recipes.names.some(control)
        )
        if not honest:
            where = recipes.document.where((*place, "control"))
            plain = [name for name, recipe in resolved.items() if recipe and not _distils(recipe)]
            nets = {name: resolved[name].model for name in [*plain, cells[0].name] if resolved[name]}
            plain = [name for name in plain if nets[name] == nets.get(cells[0].name)] or plain
            hint = f"control: {plain[0]}" if plain else "a run without distil, and its name as control"
            yield (
                f"{where}: {group} learns from a teacher, and its control is {control or 'nothing'}; "
                f"what that gains can only be told from the same net without distil: add {hint}"
            )


def _distils(recipe: Recipe | None) -> bool:
    return getattr(recipe, "distil", None) is not None


def _runs(names: Sequence[str]) -> str:
    return f"run {names[0]}" if len(names) == 1 else f"{len(names)} runs, the first {names[0]}"
