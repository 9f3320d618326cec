"""Marks of one recording -> its segments: one label at a time, by stated rules, every loss counted."""

from __future__ import annotations

import heapq
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from fractions import Fraction
from itertools import pairwise
from operator import itemgetter

from rushes.annotations.clock import TOLERANCE_S
from rushes.annotations.mark import Mark, Note, join_notes
from rushes.errors import SourceError
from rushes.recipe.annotation import Background, Overlaps
from rushes.records import Segment


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """How labels become segments.

    Attributes:
        labels: that may be there, after merging; None allows any.
        merge: label as written -> label to take for it.
        ignore: labels as written, or after merging, whose time is neither theirs nor background.
        background: label of time without a label; None leaves gaps.
        background_in: where it is background.
        overlaps: see `Overlaps`.
    """

    labels: tuple[str, ...] | None = None
    merge: Mapping[str, str] = field(default_factory=dict)
    ignore: frozenset[str] = frozenset()
    background: str | None = None
    background_in: Background = "labels"
    overlaps: Overlaps = "refuse"


SLIVER_S = Fraction(2, 1000)
"""Times in milliseconds leave such gaps between labels that touch, and BORIS ends a state 1 ms before the next."""

_Stretch = tuple[Fraction, Fraction, str]
"""Start, end and label."""


@dataclass(frozen=True, slots=True)
class _Piece:
    """A stretch of a recording under a label that is not ignored, or under an ignored one (None)."""

    start: Fraction
    end: Fraction
    label: str | None
    mark: Mark


def segments_of(
    marks: Sequence[Mark], duration_s: float | Fraction, rule: Rule
) -> tuple[tuple[Segment, ...], tuple[Note, ...]]:
    """Segments of one recording, in order of time, without overlaps; and what was changed or left out.

    Args:
        marks: of this recording.
        duration_s: its length.
        rule: how labels become segments.

    Returns:
        Segments on the recording's clock, float64 seconds; a note for each reason.

    Raises:
        SourceError: a mark that ends before it starts or lies outside of the recording, a label that is not
            asked for, or an overlap that no rule resolves.
    """
    duration = Fraction(duration_s)
    notes: list[Note] = []
    pieces = [piece for mark in marks if (piece := _piece(mark, duration, rule, notes)) is not None]
    labelled = [piece for piece in pieces if piece.label is not None]
    if rule.overlaps == "refuse":
        _require_apart(labelled)
    kept = _resolved(_joined(labelled, notes), rule.overlaps, notes)
    if rule.background is not None:
        gaps = _gaps(pieces, duration, rule, rule.background, notes)
        kept = sorted(kept + gaps, key=itemgetter(0))
    segments = [
        Segment(float(start), float(end), label) for start, end, label in kept if end - start > TOLERANCE_S
    ]
    return tuple(segments), join_notes(notes)


def _piece(mark: Mark, duration: Fraction, rule: Rule, notes: list[Note]) -> _Piece | None:
    """What a mark says within the recording; None for a point or an ignored label without length."""
    label = rule.merge.get(mark.label, mark.label)
    ignored = bool({mark.label, label} & rule.ignore)
    if not ignored and rule.labels is not None and label not in rule.labels:
        raise SourceError(
            f"label {label!r} is not one of {', '.join(rule.labels)}",
            where=mark.where,
            cure="add it to the labels of the recipe, merge it into one of them, or ignore it",
        )
    if ignored:
        notes.append(Note(f"label {label!r} is ignored", mark.where))
    if mark.kind == "file":
        return _Piece(Fraction(0), duration, None if ignored else label, mark)
    start, end = mark.start_s, duration if mark.end_s is None else mark.end_s
    if mark.end_s is not None and end < start - TOLERANCE_S:
        raise SourceError(
            f"{mark.label!r} ends at {float(end):.3f} s, before it starts at {float(start):.3f} s",
            where=mark.where,
            cure="exchange or correct the two times",
        )
    point = mark.kind == "point" or (mark.end_s is not None and end - start <= TOLERANCE_S)
    within = (
        start <= duration and end >= 0
        if point
        else max(start, Fraction(0)) < min(end, duration) - TOLERANCE_S
    )
    if not within:
        raise SourceError(
            f"{mark.label!r} at {float(start):.3f} s lies outside of its recording of {float(duration):.3f} s",
            where=mark.where,
            cure="correct the time or its unit, or name the right recording",
        )
    if point:
        notes.append(Note("a point has no length: left out", mark.where))
        return None
    if start < -TOLERANCE_S or end > duration + TOLERANCE_S:
        notes.append(Note("a label beyond the recording is cut to it", mark.where))
    return _Piece(max(start, Fraction(0)), min(end, duration), None if ignored else label, mark)


def _require_apart(pieces: Sequence[_Piece]) -> None:
    """Refuse the first two that overlap under different labels, or by different annotators."""
    latest: dict[tuple[str | None, str], _Piece] = {}  # of each label and annotator, the one that ends last
    for piece in sorted(pieces, key=lambda piece: (piece.start, piece.end)):
        mine = piece.label, piece.mark.annotator
        for key, other in latest.items():
            if key != mine and piece.start < other.end - TOLERANCE_S:
                raise _overlap(other, piece)
        if mine not in latest or piece.end > latest[mine].end:
            latest[mine] = piece


def _overlap(one: _Piece, other: _Piece) -> SourceError:
    tracks = {one.mark.track, other.mark.track}
    people = {one.mark.annotator, other.mark.annotator}
    cure = "correct them, or say which keeps the time: source.overlaps: first, last, shorter or longer"
    if len(tracks) > 1:
        cure += f"; or take one track of {', '.join(sorted(map(repr, tracks)))}: annotation.tracks"
    if len(people) > 1:
        cure += f"; or one annotator of {', '.join(sorted(map(repr, people)))}: annotation.annotators"
    return SourceError(
        f"{one.label!r} until {float(one.end):.3f} s overlaps {other.label!r} from {float(other.start):.3f} s "
        f"({one.mark.where})",
        where=other.mark.where,
        cure=cure,
    )


def _joined(pieces: Sequence[_Piece], notes: list[Note]) -> list[_Piece]:
    """Pieces in the order of the file, overlapping ones of one label made one; those that touch stay two."""
    latest: dict[str | None, int] = {}
    joined: list[tuple[int, _Piece]] = []
    for order, piece in sorted(enumerate(pieces), key=lambda pair: (pair[1].start, pair[0])):
        at = latest.get(piece.label)
        if at is not None and piece.start < joined[at][1].end - TOLERANCE_S:
            notes.append(Note("labels that overlap one of their own kind are joined", piece.mark.where))
            first, before = joined[at]
            joined[at] = min(first, order), replace(before, end=max(before.end, piece.end))
        else:
            latest[piece.label] = len(joined)
            joined.append((order, piece))
    return [piece for _, piece in sorted(joined, key=itemgetter(0))]


def _priority(piece: _Piece, overlaps: Overlaps) -> Fraction:
    """The less, the sooner a piece keeps its time."""
    length = piece.end - piece.start
    by: dict[Overlaps, Fraction] = {
        "refuse": piece.start,  # what overlaps then does so within the tolerance
        "first": piece.start,
        "last": -piece.start,
        "shorter": length,
        "longer": -length,
    }
    return by[overlaps]


def _resolved(pieces: Sequence[_Piece], overlaps: Overlaps, notes: list[Note]) -> list[_Stretch]:
    """Stretches in order of time, each of the piece that keeps it; a piece may be cut or fall apart."""
    starting = sorted(range(len(pieces)), key=lambda index: pieces[index].start, reverse=True)
    bounds = sorted({time for piece in pieces for time in (piece.start, piece.end)})
    waiting: list[tuple[Fraction, int]] = []
    stretches: list[tuple[int, Fraction, Fraction]] = []
    for begin, finish in pairwise(bounds):
        while starting and pieces[starting[-1]].start <= begin:
            index = starting.pop()
            heapq.heappush(waiting, (_priority(pieces[index], overlaps), index))
        while waiting and pieces[waiting[0][1]].end <= begin:
            heapq.heappop(waiting)
        if not waiting:
            continue
        index = waiting[0][1]
        if stretches and stretches[-1][0] == index and stretches[-1][2] == begin:
            stretches[-1] = index, stretches[-1][1], finish
        else:
            stretches.append((index, begin, finish))
    left = [piece.end - piece.start for piece in pieces]
    for index, begin, finish in stretches:
        left[index] -= finish - begin
    notes.extend(
        Note(f"labels that overlap lose time to the {overlaps} one", piece.mark.where)
        for piece, lost in zip(pieces, left, strict=True)
        if lost > TOLERANCE_S
    )
    return [(begin, finish, pieces[index].label or "") for index, begin, finish in stretches]


def _gaps(
    pieces: Sequence[_Piece], duration: Fraction, rule: Rule, background: str, notes: list[Note]
) -> list[_Stretch]:
    """Time under no label, not even one that is ignored, as background."""
    labelled = [piece for piece in pieces if piece.label is not None]
    first, last = Fraction(0), duration
    if rule.background_in == "labels":
        first = min((piece.start for piece in labelled), default=first)
        last = max((piece.end for piece in labelled), default=first)
    gaps: list[_Stretch] = []
    for piece in sorted(pieces, key=lambda piece: piece.start):
        end = min(piece.start, last)
        if first < end <= first + SLIVER_S:
            notes.append(Note("a gap of 2 ms or less between labels is no background", piece.mark.where))
        elif first < end:
            gaps.append((first, end, background))
        first = max(first, piece.end)
    if last > first + SLIVER_S:
        gaps.append((first, last, background))
    return gaps
