"""What real files, real users and worn disks do to rushes: nothing may be silent.

    python benchmarks/field.py [--quick] [--json] [--parts rows,account,damage] [--mutations N] [--seed S]

Three parts. `rows`: every case that got past us once, with the right result. `account`: folders of recordings
among everything else that lies about, whose account must add up to the files that there are. `damage`: random
mutations of videos, sounds, tables, archives, recipes, manifests, datasets and finished runs, each of which must
come out right, be refused, or be accounted for. What no checksum can tell is counted by itself, and must be found
once `SHA256SUMS` lies beside the recordings.

Rows of pictures want the program ffmpeg, or the package imageio-ffmpeg; those that are missing are told as not
measured. Campaigns and cheats are in `cheats.py`, Ray in `ray_attacks.py`, foreign readers in `formats.py`.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import field_evening
import field_outputs
import field_pictures
import field_places
import field_sounds
from field_account import account_figures
from field_damage import ACCOUNTED, CRASH, HANG, OWN, REFUSED, RIGHT, SILENT, Outcome, campaign, known
from field_row import Row, Skipped
from report import Figure, at_least, at_most, emit, not_measured

from rushes.engine import Unit, map_units

ROW_LIMIT_S = 240.0
MUTATIONS, QUICK_MUTATIONS = 3000, 400
FOLDERS, QUICK_FOLDERS = 500, 60
ORDER = (RIGHT, REFUSED, ACCOUNTED, *OWN, SILENT, CRASH, HANG)


@dataclass(frozen=True, slots=True)
class Asked:
    """How the benchmark was asked: how much of it, its seed, and a folder for what is thrown away."""

    mutations: int
    folders: int
    seed: int
    folder: Path
    only: str


# --- rows -------------------------------------------------------------------------------------------------


@cache
def rows() -> dict[str, Row]:
    """All of them, by id, in the order of the list."""
    modules = (field_pictures, field_sounds, field_outputs, field_places, field_evening)
    return {row.id: row for module in modules for row in module.ROWS}


def look(asked: tuple[str, str]) -> tuple[str, str]:
    """What came of a row: ``right``, ``wrong`` or ``skipped``, and what was found."""
    name, folder = asked
    with tempfile.TemporaryDirectory(dir=folder) as temporary:
        try:
            found = rows()[name].check(Path(temporary))
        except Skipped as reason:
            return "skipped", str(reason)
        except Exception as error:
            return "wrong", f"{type(error).__name__}: {error}"
    return ("right", "") if found is None else ("wrong", found)


def row_figures(asked: Asked) -> Iterator[Figure]:
    """One figure for each row, and how many hold."""
    wanted = {name: row for name, row in rows().items() if asked.only in name}
    units = [Unit(name, (name, str(asked.folder))) for name in wanted]
    came: dict[str, tuple[str, str]] = {}
    for result in map_units(look, units, workers=2, timeout_s=ROW_LIMIT_S, retries=0):
        error = result.error
        came[result.key] = result.value if error is None else ("wrong", f"{error.kind}: {error.message}")
    for name, row in wanted.items():
        state, found = came[name]
        figure = f"{name}: {row.says}"
        if state == "skipped":
            yield not_measured(figure, "right", found)
        else:
            yield Figure(figure, " ".join(found.split())[:300] or state, "right", state == "right")
    tried = [state for state, _ in came.values() if state != "skipped"]
    yield at_least(
        f"rows with the right result, of {len(tried)} that could be tried", tried.count("right"), len(tried)
    )


# --- damage -----------------------------------------------------------------------------------------------


def damage_figures(asked: Asked) -> Iterator[Figure]:
    """What became of every kind of thing; then what is silent, each with its kind and its seed."""
    wanted = [one for one in known().values() if asked.only in f"{one.kind}/{one.name}"]
    outcomes = []
    for outcome in campaign(asked.mutations, asked.seed, asked.folder, wanted):
        outcomes.append(outcome)
        if outcome.outcome in (SILENT, CRASH, HANG) or outcome.listed is False:
            print(outcome, file=sys.stderr, flush=True)
    for name in dict.fromkeys(f"{one.kind}, {one.subject}" for one in outcomes):
        yield Figure(
            f"damage, {name}", _counted([one for one in outcomes if f"{one.kind}, {one.subject}" == name])
        )
    yield Figure(f"damage, all {len(outcomes)}", _counted(outcomes))
    for word in OWN:
        found = Counter(one.subject for one in outcomes if one.outcome == word)
        total = Counter(one.subject for one in outcomes)
        shares = ", ".join(f"{name} {count} of {total[name]}" for name, count in sorted(found.items()))
        yield Figure(f"nothing tells, {word}", shares or "none")
    for word in (SILENT, CRASH, HANG):
        found = [one for one in outcomes if one.outcome == word]
        yield at_most(f"{word}, of {len(outcomes)} mutations{_first(found)}", len(found), 0)
    asked_sums = [one for one in outcomes if one.listed is not None]
    missed = [one for one in asked_sums if not one.listed]
    yield at_most(f"not found with SHA256SUMS, of {len(asked_sums)}{_first(missed)}", len(missed), 0)


def _counted(outcomes: list[Outcome]) -> str:
    found = Counter(one.outcome for one in outcomes)
    return ", ".join(f"{found[word]} {word}" for word in ORDER if found[word])


def _first(outcomes: list[Outcome]) -> str:
    """How often which kind of subject is among them."""
    found = Counter(one.subject for one in outcomes)
    return f" ({', '.join(f'{count} {name}' for name, count in found.most_common())})" if found else ""


PARTS: Mapping[str, Callable[[Asked], Iterator[Figure]]] = {
    "rows": row_figures,
    "account": lambda asked: account_figures(asked.folders, asked.seed, asked.folder / "account"),
    "damage": damage_figures,
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument(
        "--quick", action="store_true", help=f"{QUICK_MUTATIONS} mutations, {QUICK_FOLDERS} folders"
    )
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--parts", default=",".join(PARTS), help=f"among {', '.join(PARTS)}")
    parser.add_argument("--mutations", type=int)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument(
        "--only", default="", metavar="TEXT", help="rows, or KIND/NAME of what is damaged, with TEXT in it"
    )
    arguments = parser.parse_args()
    if strange := [name for name in arguments.parts.split(",") if name not in PARTS]:
        parser.error(f"no part {', '.join(strange)}; there are {', '.join(PARTS)}")
    mutations = arguments.mutations or (QUICK_MUTATIONS if arguments.quick else MUTATIONS)
    folders = QUICK_FOLDERS if arguments.quick else FOLDERS
    figures: list[Figure] = []
    with tempfile.TemporaryDirectory() as temporary:
        for name in arguments.parts.split(","):
            folder = Path(temporary) / name
            folder.mkdir()
            figures += PARTS[name](Asked(mutations, folders, arguments.seed, folder, arguments.only))
    emit(figures, arguments.json)


if __name__ == "__main__":
    main()
