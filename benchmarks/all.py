"""Every benchmark with `--quick`, one after the other; then what falls short, and what was not measured and why.

    python benchmarks/all.py [NAME ...] [--json]

NAME is a script of this folder without its suffix; without names, all that stand alone. `--json` prints every
figure. Ends with 1 where a figure falls short of its bar or a benchmark fails. Takes about an hour on two
idle cores; timings beside other work say little.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from report import NOT_MEASURED, Figure, emit

HERE = Path(__file__).resolve().parent
THREADS = {
    "annotations": 1,
    "catalog": 1,
    "formats": 1,
    "frozen": 1,
    "labelling": 1,
    "intervals": 1,
    "arena": 1,
    "serving": 1,
    "bad_input": 1,
    "field": 1,
    "reader": 1,
    "sounds": 1,
    "events": 1,
    "table": 1,
    "timeline": 1,
    "prepare": 1,
    "products": 1,
    "scaleout": 1,
    "crash": 1,
    "campaign": 1,
    "cheats": 1,
    "driving": 1,
    "rig": 1,
    "gpu": 2,
    "operations": 2,
    "retrieval": 2,
    "shop": 2,
}
"""Benchmark -> OMP_NUM_THREADS. One wherever CPU seconds or bytes are compared, two where the whole demo is timed."""


def figures_of(script: Path, threads: int) -> list[Figure]:
    """The figures of a quick run of a benchmark; of one that fails, a row that says why."""
    done = subprocess.run(
        [sys.executable, str(script), "--quick", "--json"],
        capture_output=True,
        text=True,
        env=os.environ | {"OMP_NUM_THREADS": str(threads)},
    )
    name = script.stem
    if done.returncode:
        said = done.stderr.strip().splitlines()[-1:] or [f"exit code {done.returncode}"]
        return [Figure(name, f"failed: {said[0]}", "comes to its end", False)]
    figures = [Figure(**figure) for figure in json.loads(done.stdout)]
    return [replace(figure, figure=f"{name}: {figure.figure}") for figure in figures]


def summary(figures: Sequence[Figure]) -> dict[str, list[Figure]]:
    """Figures that somebody should look at, under their headings."""
    return {
        "falls short": [figure for figure in figures if figure.holds is False],
        "not measured": [figure for figure in figures if str(figure.value).startswith(NOT_MEASURED)],
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"among {', '.join(THREADS)}")
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    names = arguments.names or list(THREADS)
    if strange := [name for name in names if name not in THREADS]:
        parser.error(f"no benchmark {', '.join(strange)}; there are {', '.join(THREADS)}")
    figures: list[Figure] = []
    for name in names:
        began_s = time.monotonic()
        figures += figures_of(HERE / f"{name}.py", THREADS[name])
        print(f"{name}: {time.monotonic() - began_s:.0f} s", file=sys.stderr, flush=True)
    found = summary(figures)
    if arguments.json:
        emit(figures, as_json=True)
    else:
        for heading, rows in found.items():
            print(f"\n{heading}: {len(rows)} of {len(figures)} figures")
            if rows:
                emit(rows, as_json=False)
    sys.exit(1 if found["falls short"] else 0)


if __name__ == "__main__":
    main()
