"""Praat's TextGrid: tiers of intervals without overlaps, and of points, of one recording.

Praat reads free-standing numbers, texts in quotes and flags, and nothing else, in this order; so one reader
serves the long and the short form (manual of Praat, "TextGrid file formats"). praatio 6.2 is not used: in the
long form it leaves the quotes of points doubled, and fails where a label holds ``item [`` or ``intervals [``.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

from rushes.annotations.clock import decimal, number_of, require_bounded
from rushes.annotations.files import read_text
from rushes.annotations.how import How
from rushes.annotations.layers import layers_of, tracks_of
from rushes.annotations.mark import About, Labels, Mark, Note, by_recording, join_notes, kind_of
from rushes.errors import SourceError

_TOKEN = re.compile(r'"((?:[^"]|"")*)"|(?<!\S)(-?\d[\d.eE+-]*)(?!\S)|<(\w+)>|!.*')
_HEADER = ("ooTextFile", "TextGrid")
_AGAIN = "open the file in Praat and save it as a text file"


def is_one(head: str) -> bool:
    """Whether a text begins as a TextGrid."""
    lines = [line.strip() for line in head.split("\n", 3)]
    return "ooTextFile" in lines[0] and any("TextGrid" in line for line in lines[1:3])


class _Tokens:
    """What Praat reads of a file, one after the other."""

    def __init__(self, text: str, path: Path) -> None:
        self._found = _TOKEN.finditer(text)
        self._text, self._path = text, path
        self._at, self._line = 0, 1

    def where(self) -> str:
        """Place of the token that was read last."""
        return f"{self._path}:{self._line}"

    def _next(self, kind: int, wanted: str) -> str:
        for token in self._found:
            if token.lastindex is None:  # a comment
                continue
            self._line += self._text.count("\n", self._at, token.start())
            self._at = token.start()
            if token.lastindex == kind:
                return token[kind]
            break
        raise SourceError(f"{wanted} is missing in a TextGrid", where=self.where(), cure=_AGAIN)

    def text(self, wanted: str) -> str:
        """The next token, a text."""
        return self._next(1, wanted).replace('""', '"')

    def number(self, wanted: str) -> Fraction:
        """The next token, a number."""
        value = number_of(self._next(2, wanted))
        if value is None:
            raise SourceError(f"{wanted} is no number", where=self.where(), cure=_AGAIN)
        return require_bounded(value, self.where())

    def flag(self, wanted: str) -> str:
        """The next token, a flag."""
        return self._next(3, wanted)


def read(path: Path, how: How, name: str) -> Labels:
    """Labels of all tiers but the empty ones; the track is the tier.

    Raises:
        SourceError: no TextGrid, or one that ends before its tiers do.
    """
    tokens = _Tokens(read_text(path), path)
    header = tokens.text("the kind of file"), tokens.text("the class")
    if header[0].removesuffix(" short") != _HEADER[0] or header[1] != _HEADER[1]:
        raise SourceError(f"no TextGrid: {header[1][:40]!r}", where=path, cure=_AGAIN)
    begin, end = tokens.number("xmin"), tokens.number("xmax")
    notes: list[Note] = []
    tiers = list(_tiers(tokens, name, notes)) if tokens.flag("<exists>") == "exists" else []
    tracks = tracks_of(dict.fromkeys(tier for tier, _ in tiers))
    if begin != 0:
        notes.append(Note(f"a TextGrid that begins at {float(begin):g} s", str(path)))
    marks = tuple(replace(mark, track=tracks[tier]) for tier, marks in tiers for mark in marks)
    return Labels(marks, {name: About(duration_s=end - begin if begin == 0 else None)}, join_notes(notes))


def _tiers(tokens: _Tokens, recording: str, notes: list[Note]) -> Iterator[tuple[str, list[Mark]]]:
    """Name and labels of each tier."""
    for _ in range(int(tokens.number("the number of tiers"))):
        kind, tier = tokens.text("the class of a tier"), tokens.text("the name of a tier")
        tokens.number("xmin"), tokens.number("xmax")
        marks = []
        for _ in range(int(tokens.number("the size of a tier"))):
            start = tokens.number("the start of a label")
            end = tokens.number("the end of a label") if kind == "IntervalTier" else start
            label = tokens.text("the text of a label").strip()
            if label:
                marks.append(
                    Mark(
                        recording=recording,
                        start_s=start,
                        end_s=end,
                        label=label,
                        kind=kind_of(start, end),
                        where=tokens.where(),
                    )
                )
            elif kind != "IntervalTier":
                notes.append(Note("a point without text is left out", tokens.where()))
        yield tier, marks


def write(labels: Labels, how: How) -> bytes:
    """A TextGrid in the long form, UTF-8: a tier for each track, others for points and for what overlaps.

    Raises:
        SourceError: a label before 0 s.
    """
    [(recording, own)] = by_recording(labels).items()
    ends = [mark.start_s if mark.end_s is None else mark.end_s for mark in own.marks]
    length = max([own.about[recording].duration_s or Fraction(0), *ends])
    if any(mark.start_s < 0 for mark in own.marks):
        raise SourceError("a label before 0 s", where=recording, cure="cut the labels to their recording")
    lengths = [mark for mark in own.marks if mark.kind != "point"]
    points = [mark for mark in own.marks if mark.kind == "point"]
    tiers = [("IntervalTier", name, marks) for name, marks in layers_of(lengths).items()]
    tiers += [("TextTier", name, marks) for name, marks in layers_of(points).items()]
    lines = ['File type = "ooTextFile"', 'Object class = "TextGrid"', ""]
    lines += ["xmin = 0", f"xmax = {decimal(length)}", "tiers? <exists>", f"size = {len(tiers)}", "item []:"]
    for number, (kind, name, marks) in enumerate(tiers, start=1):
        lines += [f"    item [{number}]:", f'        class = "{kind}"', f"        name = {_quoted(name)}"]
        lines += ["        xmin = 0", f"        xmax = {decimal(length)}"]
        lines += _points(marks) if kind == "TextTier" else _intervals(marks, length)
    return ("\n".join(lines) + "\n").encode()


def _intervals(marks: Sequence[Mark], length: Fraction) -> list[str]:
    """Lines of a tier that covers [0, length) without gaps; an empty text is none."""
    entries: list[tuple[Fraction, Fraction, str]] = []
    reached = Fraction(0)
    for mark in marks:
        if mark.start_s > reached:
            entries.append((reached, mark.start_s, ""))
        reached = mark.start_s if mark.end_s is None else mark.end_s
        entries.append((mark.start_s, reached, mark.label))
    if reached < length:
        entries.append((reached, length, ""))
    lines = [f"        intervals: size = {len(entries)}"]
    for number, (start, end, label) in enumerate(entries, start=1):
        lines += [f"        intervals [{number}]:", f"            xmin = {decimal(start)}"]
        lines += [f"            xmax = {decimal(end)}", f"            text = {_quoted(label)}"]
    return lines


def _points(marks: Sequence[Mark]) -> list[str]:
    lines = [f"        points: size = {len(marks)}"]
    for number, mark in enumerate(marks, start=1):
        lines += [f"        points [{number}]:", f"            number = {decimal(mark.start_s)}"]
        lines += [f"            mark = {_quoted(mark.label)}"]
    return lines


def _quoted(text: str) -> str:
    return '"{}"'.format(text.replace('"', '""'))
