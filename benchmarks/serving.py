"""Whether a service stays up, stays small and stays honest: under load, before hostile files, hour after hour.

    python benchmarks/serving.py [--quick] [--json] [--parts broken,overload,oversize,killed,hostile,contract,
        engine,soak] [--recipe RECIPE --workspace DIR]

`broken`: 1,000 uploads that break off at random offsets. `overload`: four times what it can do, for 5 minutes,
with a stub model of 200 ms. `oversize`: bodies of 1 GB to a service that takes 100 MB. `killed`: kill -9 under
load, and a new start; with --recipe also of `rushes serve` with a trained run. `soak`: two hours of mixed traffic
at half of what it can do. The service is a process of its own, with real uploads, decoding processes and lane,
over a stub of a model; requests come from this process. `hostile`: see `serving_hostile.py`; `contract` and
`engine`: see `serving_contract.py` and `serving_engine.py`. Takes two and a half hours; with --quick, 200 uploads,
20 seconds and 5 minutes. Times want a core of their own: `chrt -r 1 python benchmarks/serving.py`.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path

from report import Figure, emit, not_measured
from serving_client import running_run
from serving_load import broken_figures, killed, killed_figures, overload_figures, oversize_figures
from serving_soak import soak_figures


def _hostile(quick: bool, folder: Path) -> Iterator[Figure]:
    from serving_hostile import hostile_figures

    yield from hostile_figures(quick, folder)


def _contract(quick: bool, folder: Path) -> Iterator[Figure]:
    from serving_contract import contract_figures

    yield from contract_figures(quick, folder)


def _engine(quick: bool, folder: Path) -> Iterator[Figure]:
    from serving_engine import engine_figures

    yield from engine_figures(quick, folder)


PARTS: Mapping[str, Callable[[bool, Path], Iterator[Figure]]] = {
    "broken": broken_figures,
    "overload": overload_figures,
    "oversize": oversize_figures,
    "killed": killed_figures,
    "hostile": _hostile,
    "contract": _contract,
    "engine": _engine,
    "soak": soak_figures,
}
"""Each takes whether it is to be quick, and a folder for what it needs."""


def run_figures(quick: bool, folder: Path, recipe: Path | None, workspace: Path | None) -> Iterator[Figure]:
    """Kill -9 of `rushes serve` with a trained run, where one was named."""
    if recipe is None or workspace is None:
        yield not_measured("kill -9 of rushes serve", None, "no --recipe and --workspace of a trained run")
        return
    yield from killed(
        quick, folder / "run", recipe.stem, partial(running_run, recipe=recipe, workspace=workspace)
    )


def main() -> None:
    """Measure, and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="fewer and shorter")
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.add_argument("--parts", default=",".join(PARTS), help="some of %(default)s")
    parser.add_argument(
        "--recipe", type=Path, help="of a trained run, which is killed and started again as well"
    )
    parser.add_argument("--workspace", type=Path, help="of that run")
    asked = parser.parse_args()
    figures: list[Figure] = []
    with tempfile.TemporaryDirectory() as name:
        for part in asked.parts.split(","):
            try:
                figures += PARTS[part](asked.quick, Path(name))
            except (ImportError, FileNotFoundError) as error:
                figures.append(not_measured(part, None, error))
        figures += run_figures(asked.quick, Path(name), asked.recipe, asked.workspace)
    emit(figures, asked.json)


if __name__ == "__main__":
    main()
