"""Names of recordings that tell their label, as those of NTU RGB+D do: one label a file."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

from rushes.annotations.how import How
from rushes.annotations.mark import About, Labels, Mark
from rushes.errors import SourceError
from rushes.recipe.pattern import groups_of, match_whole

NTU = (
    r"(?:.*/)?S(?P<setup>\d{3})C(?P<camera>\d{3})P(?P<person>\d{3})R(?P<repetition>\d{3})"
    r"(?P<label>A\d{3})(?:_[a-z]+)?"
)
"""``S001C002P003R001A004_rgb``: setup, camera, person, repetition, action, all from 1."""


def read(path: Path, how: How, name: str) -> Labels:
    """The label of one recording, out of its name; the file is not opened.

    Args:
        path: of the recording.
        how: its pattern fits a name as a whole, folders included and without the suffix; none is NTU's.
        name: of the recording, without its suffix.

    Raises:
        SourceError: the name does not fit, or the pattern has no group ``label``.
    """
    pattern = NTU if how.pattern is None else how.pattern
    if "label" not in groups_of(pattern):
        raise SourceError(
            f"the pattern names no group label: {pattern}",
            where="annotation.pattern",
            cure="write one such as (?P<label>[^/]+)/(?P<person>[^/_]+)_.*",
        )
    found = match_whole(pattern, name, "annotation.pattern")
    if found is None or not found["label"]:
        raise SourceError(
            f"a name that does not fit the pattern: {name!r}",
            where=path,
            cure=f"narrow annotation.files, or correct annotation.pattern: {pattern}",
        )
    columns = {key: value for key, value in found.items() if key != "label" and value}
    recording = f"{name}{path.suffix}"
    mark = Mark(
        recording=recording,
        start_s=Fraction(0),
        end_s=None,
        label=found["label"],
        kind="file",
        where=str(path),
    )
    return Labels((mark,), {recording: About(columns=columns)})
