"""Answers as label files of the field's tools, to be corrected there: what somebody corrected is never replaced.

``segments.csv`` and ``segments.json`` (Label Studio) hold all recordings, ``labels/<recording>.eaf`` and the
like one each. A file that was changed since it was written here is left as it is, and said.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from hashlib import sha256
from pathlib import Path
from typing import Any, Literal, NamedTuple
from urllib.parse import quote_from_bytes

from rushes.annotations import How, Labels, Mark, write
from rushes.recipe.annotation import FormatName
from rushes.runs.apply.labelled import Labelled
from rushes.stages import read_json, sha256_file, write_json
from rushes.stages.inventory import printable

LabelKind = Literal["csv", "eaf", "vtt", "labelstudio"]


class LabelFile(NamedTuple):
    """A kind of label file.

    Attributes:
        format: as `rushes.annotations` names it.
        suffix: of its name.
        each: whether every recording has its own; else one file holds all.
    """

    format: FormatName
    suffix: str
    each: bool


LABEL_FILES: Mapping[LabelKind, LabelFile] = {
    "csv": LabelFile("table", ".csv", False),
    "eaf": LabelFile("elan", ".eaf", True),
    "vtt": LabelFile("webvtt", ".vtt", True),
    "labelstudio": LabelFile("label_studio", ".json", False),
}

WROTE = "labels.json"
"""Label files with the hash of what was written here, in the folder of the stage."""

LONGEST = 200
"""Bytes of a name that a file system takes with a suffix behind them."""

SAFE = " !#$&'()+,-.;=@[]^_`{}~"


@dataclass(frozen=True, slots=True)
class Written:
    """Label files, by their names below ``--out``.

    Attributes:
        tables: of all recordings.
        each: of one recording.
        kept: those that somebody changed, which were left as they are.
    """

    tables: tuple[str, ...]
    each: tuple[str, ...]
    kept: tuple[str, ...]

    def to_json(self) -> dict[str, Any]:
        """As the command line prints it."""
        return {"tables": list(self.tables), "each": list(self.each), "kept": list(self.kept)}


def write_labels(
    rows: Sequence[Labelled], out: Path, folder: Path, kinds: Sequence[LabelKind], weights: str
) -> Written:
    """Write label files of these kinds.

    Args:
        rows: recordings with their labels.
        out: where the files go.
        folder: of the stage, which remembers what was written.
        kinds: of label files.
        weights: hash of the model that is named as annotator.
    """
    rows = sorted(rows, key=lambda row: row.name)
    wrote: dict[str, str] = read_json(folder / WROTE) if (folder / WROTE).is_file() else {}
    kept = []
    names: dict[bool, list[str]] = {True: [], False: []}
    for kind in dict.fromkeys(kinds):
        file = LABEL_FILES[kind]
        for name, some in _files(file, rows).items():
            names[file.each].append(name)
            data = _content(labels_of(some, weights), out / name, file)
            if _is_ours(out / name, data, wrote.get(name)):
                wrote[name] = sha256(data).hexdigest()
            else:
                kept.append(name)
    write_json(folder / WROTE, wrote)
    return Written(tuple(names[False]), tuple(names[True]), tuple(kept))
