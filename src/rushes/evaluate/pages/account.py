"""What became of every recording and of every file, as tables."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from markupsafe import Markup

from rushes.evaluate.markup import join
from rushes.evaluate.pages.blocks import note
from rushes.evaluate.pages.tables import Cell, Column, Row, table
from rushes.evaluate.scorecard import counted

SAID: Mapping[str, str] = {
    "used": "of a recording that gave samples",
    "read": "labels, tables, clocks",
    "empty": "of a recording that holds, and gave no sample",
    "faulty": "of a recording that does not hold",
    "skipped": "understood, and left out on purpose",
    "unread": "nothing here reads it",
}
LOOKS: Mapping[str, str] = {"empty": "warn", "faulty": "bad"}


def account(told: Mapping[str, Any]) -> Markup:
    """The account of a dataset, its ``account.json``: first the recordings, then the files."""
    recordings, files = told["recordings"], told["files"]
    size = f"{files['bytes'] / 1e6:,.1f} MB"
    words = "; ".join(f"{fate}: {meaning}" for fate, meaning in SAID.items())
    return join(
        (
            _lines(recordings["lines"], "recordings", counted(recordings["planned"], "recording")),
            _lines(files["lines"], "files", f"{counted(files['files'], 'file')}, {size}")
            if files["files"]
            else None,
            note(f"The lines of a table add up to its heading. {words}."),
        )
    )


def _lines(lines: Sequence[Mapping[str, Any]], noun: str, caption: str) -> Markup:
    words = [Column(name, text=True) for name in ("fate", "reason", "such as")]
    rows = [
        Row(
            [Cell(line["fate"], number), line["reason"], line[noun], ", ".join(line["examples"])],
            LOOKS.get(line["fate"], ""),
        )
        for number, line in enumerate(lines)
    ]
    return table([words[0], words[1], Column(noun), words[2]], rows, caption)
