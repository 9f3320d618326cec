"""Whether every run of a campaign has a recipe that holds, before the first of them begins."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from rushes.campaign.manifest.cells import Cell
from rushes.campaign.manifest.recipes import Recipes, Winners
from rushes.errors import RecipeError
from rushes.recipe import Recipe
from rushes.recipe_file import near, resolve
from rushes.stages import canonical_json
from rushes.tasks import TASKS


def check_recipes(
    recipes: Recipes, stand_ins: Winners, candidates: Mapping[str, Sequence[str]]
) -> Iterator[str]:
    """Everything that is wrong with the recipes of the runs, a fault a line, with the runs that have it.

    Every run is checked with stand-ins in the place of winners; the first run of each group also with every
    other candidate that may win.

    Args:
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
    if recipes.task in TASKS:
        yield from _on_other_rows(recipes, resolved)
        yield from _metric(recipes)
        yield from _without_test(recipes)


def _checked(recipes: Recipes, cell: Cell, winners: Winners) -> tuple[Recipe | None, list[str]]:
    seed, taken, faults = recipes.names.manifest.seeds[0], {}, []
    try:
        taken = recipes.taken(cell, seed, winners)
    except RecipeError as error:  # of a giver, or for a section that it does not have
        faults = [line.removeprefix("  - ") for line in error.message.splitlines()[1:]]
    recipe, more = resolve(recipes.recipe_document, list(recipes.applied(cell, seed, taken)), TASKS)
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


def _on_other_rows(recipes: Recipes, resolved: Mapping[str, Recipe | None]) -> Iterator[str]:
    """Groups that would be measured on other rows than the first run, or on the same with another meaning.

    All runs of a campaign are compared, in its leaderboard at least. What only the rows themselves show is seen
    when they are measured, see `rushes.campaign.judging.comparable`.
    """
    first: tuple[str, dict[str, Any]] | None = None
    told: set[str] = set()
    for cell in recipes.names.cells:
        recipe = resolved.get(cell.name)
        if recipe is None:
            continue
        decides = _deciding(TASKS[recipes.task].resolve(recipe))
        first = first or (cell.name, decides)
        keys = [key for key, value in decides.items() if value != first[1].get(key)]
        if keys and cell.group not in told:
            told.add(cell.group)
            off = "; ".join(
                f"{key} {_shown(decides[key])} in place of {_shown(first[1].get(key))}" for key in keys
            )
            yield (
                f"{recipes.document.where(cell.place)}: {cell.name} would be measured on other rows than "
                f"{first[0]}, or on the same with another meaning: {off}; runs of a campaign are compared: set "
                f"it for all of them, or make a campaign of its own"
            )


def _deciding(recipe: Recipe) -> dict[str, Any]:
    """What decides which rows are measured, and what they mean, by dotted key."""
    found: dict[str, Any] = {}
    for section in ("source", "twin"):
        values = getattr(recipe, section, None)
        if values is not None:
            found |= {f"{section}.{key}": value for key, value in values.model_dump(mode="json").items()}
    if hasattr(recipe.preprocessing, "labels"):
        found["preprocessing.labels"] = list(recipe.preprocessing.labels)
    return found


def _shown(value: Any) -> str:
    text = canonical_json(value)
    return text if len(text) <= 100 else f"{text[:97]}..."


def _without_control(recipes: Recipes, resolved: Mapping[str, Recipe | None]) -> Iterator[str]:
    """Groups that learn from a teacher and are not compared with the same net without one."""
    nets: dict[str, Any] = {name: one for name, one in resolved.items() if hasattr(one, "distil")}
    for group, cells in recipes.names.groups.items():
        control = cells[0].entry.control
        others = () if control is None else recipes.names.some(control)
        rivals = [nets[cell.name] for cell in others if cell.name in nets]
        pupils = [nets[cell.name] for cell in cells if cell.name in nets and nets[cell.name].distil]
        wrong = [(pupil, why) for pupil in pupils if (why := _dishonest(control, rivals, pupil)) is not None]
        if not wrong:
            continue
        pupil, why = wrong[0]
        where = recipes.document.where((*cells[0].place, "control"))
        same = [name for name, net in nets.items() if not net.distil and net.model == pupil.model]
        hint = f"control: {same[0]}" if same else "a run of this net without distil, and its name as control"
        yield (
            f"{where}: {group} learns from a teacher, and its control is {why}; "
            f"what that gains can only be told from the same net without distil: add {hint}"
        )


def _dishonest(control: str | None, rivals: Sequence[Any], pupil: Any) -> str | None:
    """What is wrong with a pupil's control; of a group one net that is the pupil's is enough."""
    if control is None or any(rival.distil for rival in rivals):
        return control or "nothing"
    known = [rival.model for rival in rivals]
    if not known or pupil.model in known:
        return None
    ours, theirs = (model.model_dump(mode="json") for model in (pupil.model, known[0]))
    keys = [key for key in sorted(ours.keys() | theirs.keys()) if ours.get(key) != theirs.get(key)]
    shown = [["null" if net.get(key) is None else str(net[key]) for key in keys] for net in (theirs, ours)]
    off = ", ".join(f"model.{key} {a} in place of {b}" for key, a, b in zip(keys, *shown, strict=True))
    return f"{control}, another net ({off})"


def _metric(recipes: Recipes) -> Iterator[str]:
    """A metric that the task does not have, or that points the other way."""
    manifest = recipes.names.manifest
    figures = {name: one for name, one in TASKS[recipes.task].figures.items() if one.on == "all"}
    metric, given = manifest.metric, "lower_is_better" in recipes.document.tree
    if metric not in figures:
        # `near` lists them itself where none is near.
        hints = dict.fromkeys((near(metric, figures), f"known are {', '.join(figures)}"))
        where = recipes.document.where(("metric",))
        yield f"{where}: metric: {recipes.task} has no figure {metric}; {' '.join(hints)}"
    elif manifest.lower_is_better != (lower := figures[metric].better == "lower"):
        where = recipes.document.where(("lower_is_better" if given else "metric",))
        better = "lower" if lower else "higher"
        yield (
            f"{where}: lower_is_better: {metric} is better where it is {better}: "
            f"write lower_is_better: {str(lower).lower()}"
        )


def _without_test(recipes: Recipes) -> Iterator[str]:
    """Gates that ask for a confidence which nothing can tell."""
    manifest, task = recipes.names.manifest, recipes.task
    if len(manifest.seeds) > 1 or manifest.metric in TASKS[task].compare:
        return
    tests = ", ".join(f"{metric} of {name}" for name, one in TASKS.items() for metric in one.compare)
    for name, number in recipes.names.gates.items():
        gate = manifest.phases[number].gate
        if gate is not None and gate.confidence is not None:
            where = recipes.document.where(("phases", number, "gate", "confidence"))
            yield (
                f"{where}: the gate {name} can never pass: one seed has no spread, "
                f"and over clips there is a test for {tests}, not for "
                f"{manifest.metric} of {task}: write two seeds or more, or leave confidence out"
            )


def _runs(names: Sequence[str]) -> str:
    return f"run {names[0]}" if len(names) == 1 else f"{len(names)} runs, the first {names[0]}"
