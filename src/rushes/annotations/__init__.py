"""Interval labels of the field's tools, read into marks and written from them, see `reading`."""

from rushes.annotations.formats import FORMATS, Format
from rushes.annotations.how import How, RateOf, rates
from rushes.annotations.mark import About, Labels, Mark, Note, by_recording, join_notes, of_a_model
from rushes.annotations.matching import match, places, unmatched
from rushes.annotations.reading import (
    files_of,
    fits,
    is_empty,
    joined,
    read,
    read_all,
    recognise,
    with_format,
)
from rushes.annotations.segments import Rule, segments_of
from rushes.annotations.writing import encoded, write

__all__ = [
    "FORMATS",
    "About",
    "Format",
    "How",
    "Labels",
    "Mark",
    "Note",
    "RateOf",
    "Rule",
    "by_recording",
    "encoded",
    "files_of",
    "fits",
    "is_empty",
    "join_notes",
    "joined",
    "match",
    "of_a_model",
    "places",
    "rates",
    "read",
    "read_all",
    "recognise",
    "segments_of",
    "unmatched",
    "with_format",
    "write",
]
