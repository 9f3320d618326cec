"""Cheats on campaigns: each is tried on a copy of an honest study, and ends in a refusal or on record.

    python benchmarks/cheats.py [--quick] [--json] [--only WORDS]

`--quick` tries those that train nothing anew. A table says of each cheat what came of it and what caught it.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import campaign_cheats  # noqa: F401 - enters its cheats in the table
import look_cheats  # noqa: F401 - likewise
from campaign_study import Study
from cheat_table import CHEATS, Outcome, tried
from report import Figure, at_most, emit

QUICK = ("C1", "C2 a figure", "C3 the record of looks deleted", "label set", "a verdict", "record and test")
"""How the words of those begin that are tried in a quick run."""


def figures(found: dict[str, Outcome]) -> Iterator[Figure]:
    """A row a cheat, then how many were not caught."""
    for words, outcome in found.items():
        yield Figure(words, f"{outcome.kind}: {outcome.by}", "caught", outcome.caught)
    looks = [words for words, one in found.items() if not one.caught and "look" in words]
    yield at_most(
        "cheats that came to a false verdict", sum(not one.caught for one in found.values()) - len(looks), 0
    )
    yield at_most("looks that are not on record", len(looks), 0)
    yield Figure("cheats tried", len(found))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--only", default="", metavar="WORDS", help="cheats with these words in their name")
    asked = parser.parse_args()
    names = {words: one for words, one in CHEATS.items() if asked.only in words}
    if asked.quick:
        names = {words: one for words, one in names.items() if words.startswith(QUICK)}
    with tempfile.TemporaryDirectory(prefix="rushes-cheats-") as folder:
        study = Study.honest(Path(folder) / "honest")
        found = {}
        for words, outcome in tried(study, Path(folder) / "cheats", names):
            print(f"{words}: {outcome.kind}", file=sys.stderr, flush=True)
            found[words] = outcome
    emit(figures(found), asked.json)


if __name__ == "__main__":
    main()
