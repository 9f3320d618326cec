"""What a manifest says as a whole: names that lead somewhere, nothing taken from what comes later."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from rushes.campaign.manifest.cells import Cell, Place
from rushes.campaign.manifest.schema import Manifest
from rushes.recipe_file import near

Found = tuple[Place, str]
"""Where something is wrong in the manifest, and what."""

RESERVED = {
    "task": "a campaign is about one task: write it in the recipe",
    "evaluate.split": "the campaign measures on val, and opens test for what it selected: leave it out",
    "train.seed": "every run is done with each of the campaign's seeds: leave it out",
}


@dataclass(frozen=True)
class Names:
    """What the names of a manifest and its runs stand for."""

    manifest: Manifest
    cells: tuple[Cell, ...]

    @cached_property
    def groups(self) -> Mapping[str, tuple[Cell, ...]]:
        """Runs of each group; a run without a grid is a group of one."""
        groups: dict[str, tuple[Cell, ...]] = {}
        for cell in self.cells:
            groups[cell.group] = (*groups.get(cell.group, ()), cell)
        return groups

    @cached_property
    def runs(self) -> Mapping[str, Cell]:
        """Each run by its name."""
        return {cell.name: cell for cell in self.cells}

    @cached_property
    def gates(self) -> Mapping[str, int]:
        """Number of the phase of each gate."""
        phases = enumerate(self.manifest.phases)
        return {phase.name: number for number, phase in phases if phase.gate is not None}

    @cached_property
    def behind(self) -> tuple[frozenset[str], ...]:
        """For each phase the gates that must have passed for it to begin."""
        numbers: dict[str, int] = {}
        found: list[frozenset[str]] = []
        for number, phase in enumerate(self.manifest.phases):
            before = numbers.get(phase.after or "")
            inherited = frozenset() if before is None else found[before]
            own: set[str] = set() if before is None else self.gates.keys() & {phase.after}
            found.append(inherited | own)
            numbers.setdefault(phase.name, number)
        return tuple(found)

    def known(self) -> list[str]:
        """Every name that can be referred to, groups first."""
        return list(dict.fromkeys([*self.groups, *self.gates, *self.runs]))

    def number(self, reference: str) -> int:
        """Number of the phase in which a run, a group or a gate is settled."""
        if reference in self.gates:
            return self.gates[reference]
        return self.some(reference)[0].number

    def some(self, reference: str) -> tuple[Cell, ...]:
        """The runs of a group, or the run of that name; none for a gate or an unknown name."""
        if reference in self.groups:
            return self.groups[reference]
        return (self.runs[reference],) if reference in self.runs else ()

    def divide(self, text: str) -> tuple[str, str]:
        """``gate.train.phases`` as ``gate`` and ``train.phases``; names of runs may hold dots themselves.

        An unknown name is cut at its first dot.
        """
        fitting = [name for name in self.known() if text == name or text.startswith(f"{name}.")]
        name = max(fitting, key=len) if fitting else text.partition(".")[0]
        return name, text[len(name) + 1 :]


def check(names: Names) -> Iterator[Found]:
    """Everything that is wrong with a manifest beyond the form of each value."""
    yield from _twice(names)
    yield from _order(names)
    yield from _reserved(names)
    yield from _groups(names)
    yield from _gates(names)
    yield from _ends(names)


def _twice(names: Names) -> Iterator[Found]:
    """Names that stand for two things, or that one file system takes for one."""
    phases = names.manifest.phases
    yield from _repeated(((("phases", n, "name"), phase.name) for n, phase in enumerate(phases)), "phase")
    places = {}
    for number, phase in enumerate(phases):
        way = ("runs",) if phase.gate is None else ("gate", "otherwise", "runs")
        for name in phase.groups:
            places["phases", number, *way, name] = name
    yield from _repeated(places.items(), "group")
    taken = {name.casefold(): f"the group {name}" for name in names.groups}
    for name, number in names.gates.items():
        if name.casefold() in taken:
            yield ("phases", number, "name"), f"{name}: {taken[name.casefold()]} has this name; take another"
        taken[name.casefold()] = f"the gate {name}"
    seen: dict[str, Cell] = {}
    for cell in names.cells:
        place = next(iter(cell.places.values()), cell.place)
        other = seen.setdefault(cell.name.casefold(), cell)
        if other is not cell and other.place == cell.place:
            yield place, f"the run {cell.name} stands here twice"
        elif other is not cell and (cell.values or other.values):
            yield place, f"the run {cell.name} has the name of a run of {other.group}; rename one group"
        elif cell.values and cell.name.casefold() in taken:
            yield place, f"the run {cell.name} has the name of {taken[cell.name.casefold()]}; rename it"


def _repeated(named: Iterable[tuple[Place, str]], what: str) -> Iterator[Found]:
    seen: dict[str, str] = {}
    for place, name in named:
        other = seen.get(name.casefold())
        seen.setdefault(name.casefold(), name)
        if other == name:
            yield place, f"{name}: there is a {what} of this name already"
        elif other is not None:
            yield place, f"{name}: differs from the {what} {other} in case only; rename it"


def _order(names: Names) -> Iterator[Found]:
    earlier: list[str] = []
    every = [phase.name for phase in names.manifest.phases]
    for number, phase in enumerate(names.manifest.phases):
        place: Place = ("phases", number, "after")
        if phase.after is not None and phase.after not in every:
            yield place, f"no phase {phase.after}; {near(phase.after, earlier)}"
        elif phase.after is not None and phase.after not in earlier:
            yield place, f"{phase.after} is not an earlier phase; put it before {phase.name}"
        earlier.append(phase.name)


def _reserved(names: Names) -> Iterator[Found]:
    """Keys that are the campaign's own."""
    manifest = names.manifest
    settings: list[tuple[Place, Mapping[str, Any]]] = [(("set",), manifest.set)]
    for number, phase in enumerate(manifest.phases):
        settings.append((("phases", number, "set"), phase.set))
    for cells in names.groups.values():
        place, entry = cells[0].place, cells[0].entry
        settings += [((*place, "set"), entry.set), ((*place, "take"), entry.take)]
        settings.append(((*place, "grid"), entry.grid))
        settings += [((*place, "cells", index), values) for index, values in enumerate(entry.cells)]
    for place, asked in settings:
        in_take = place[-1] == "take"
        for key, value in asked.items():
            for reserved, why in RESERVED.items():
                values = value if place[-1] == "grid" else [value]
                # A section that is taken whole brings a seed or a side along, which is then set anew.
                if key == reserved or (not in_take and any(_holds(key, item, reserved) for item in values)):
                    yield (*place, key), f"{key} would set {reserved}: {why}" if key != reserved else why


def _holds(key: str, value: Any, reserved: str) -> bool:
    """Whether setting ``key`` to ``value`` sets ``reserved``."""
    if not reserved.startswith(f"{key}."):
        return False
    for part in reserved[len(key) + 1 :].split("."):
        if not isinstance(value, Mapping) or part not in value:
            return False
        value = value[part]
    return True


def _groups(names: Names) -> Iterator[Found]:
    """What groups take, and what they are compared with."""
    for group, cells in names.groups.items():
        place, entry, number = cells[0].place, cells[0].entry, cells[0].number
        for key, text in entry.take.items():
            at: Place = (*place, "take", key)
            reference, section = names.divide(text)
            if reference in names.known() and not section:
                yield at, f"{text}: write the section of the recipe that is taken, e.g. {text}.model"
            else:
                yield from _refers(names, at, reference, number, "taken from", strictly=True)
        if (control := entry.control) is not None:
            at = (*place, "control")
            if control == group or control in {cell.name for cell in cells}:
                yield at, f"{control}: a run is no control of its own group"
            elif control in names.gates:
                yield at, f"{control} is a gate; write a run or a group"
            else:
                yield from _refers(names, at, control, number, "compared with", strictly=False)


def _gates(names: Names) -> Iterator[Found]:
    for name, number in names.gates.items():
        gate = names.manifest.phases[number].gate
        assert gate is not None
        sides: dict[str, set[str]] = {}
        for side, references in (("better", gate.better), ("than", gate.than)):
            for index, reference in enumerate(references):
                at: Place = ("phases", number, "gate", side, index)
                if reference == name:
                    yield at, f"{name} is this gate itself"
                else:
                    yield from _refers(names, at, reference, number, "compared by the gate", strictly=True)
            own = {cell.name for reference in references for cell in names.some(reference)}
            sides[side] = own | {reference for reference in references if reference in names.gates}
        if both := sorted(sides["better"] & sides["than"]):
            yield ("phases", number, "gate", "than"), f"{', '.join(both)}: on both sides of the gate"


def _refers(
    names: Names, place: Place, reference: str, number: int, how: str, *, strictly: bool
) -> Iterator[Found]:
    """What is wrong with what phase ``number`` refers to; ``strictly`` wants it settled before."""
    if reference not in names.known():
        yield place, f"no run, group or gate {reference}; {near(reference, names.known())}"
        return
    there = names.number(reference)
    phases = names.manifest.phases
    tried = any(cell.optional for cell in names.some(reference))
    if there > number or (there == number and strictly):
        yield place, f"{reference} is {how} before it is known: it belongs to phase {phases[there].name}"
    elif tried and there != number:
        gate = phases[there].name
        yield place, f"{reference} may never run; write {gate}, which stands for the gate's winner"
    else:
        needed = names.behind[there] | ({reference} & names.gates.keys())
        if missing := sorted(needed - names.behind[number]):
            gates, phase = " and ".join(missing), phases[number].name
            text = f"{reference} is there only where {gates} passed; write after: {missing[-1]} in {phase}"
            yield place, text


def _ends(names: Names) -> Iterator[Found]:
    """What is opened in the end, and whose failings are explained."""
    select: Sequence[str] = names.manifest.select
    for index, reference in enumerate(select):
        at: Place = ("select", index)
        if reference not in names.known():
            yield at, f"no run, group or gate {reference}; {near(reference, names.known())}"
        elif reference in select[:index]:
            yield at, f"{reference}: selected twice"
        elif any(cell.optional for cell in names.some(reference)):
            gate = names.manifest.phases[names.number(reference)].name
            yield at, f"{reference} may never run; write {gate}, which stands for the gate's winner"
    for reference in names.manifest.reasons:
        if not names.some(reference):
            known = [*names.groups, *names.runs]
            yield ("reasons", reference), f"no run or group {reference}; {near(reference, known)}"
