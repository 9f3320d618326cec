"""Interval labels of the field's tools, read into marks and written from them; see `rushes.annotations.formats`."""

from rushes.annotations.formats import FORMATS, Format, files_of, fits, read, read_all, recognise, write
from rushes.annotations.how import How, RateOf, rates
from rushes.annotations.mark import About, Labels, Mark, Note, by_recording, join_notes
from rushes.annotations.matching import match, places, unmatched
from rushes.annotations.segments import Background, Overlaps, Rule, segments_of

__all__ = [
    "FORMATS",
    "About",
    "Background",
    "Format",
    "How",
    "Labels",
    "Mark",
    "Note",
    "Overlaps",
    "RateOf",
    "Rule",
    "by_recording",
    "files_of",
    "fits",
    "join_notes",
    "match",
    "places",
    "rates",
    "read",
    "read_all",
    "recognise",
    "segments_of",
    "unmatched",
    "write",
]
