"""Long recordings of anybody: nights or hours of sound below a folder, with labels in the files of whatever tool.

``scan`` finds sounds by their bytes, reads the annotation, matches the two, and takes each length from a head or from
packets: nothing is decoded. A recording that does not hold becomes a fault with file, line and cure.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import NamedTuple

from rushes.annotations import Labels, Note, Rule, join_notes, segments_of, unmatched
from rushes.errors import MediaError, SourceError
from rushes.media.audio import length_s, require_whole
from rushes.media.audio_files import mapped
from rushes.records import KEY, Segment
from rushes.runs.labelled.annotation import matched, misnamed, read_annotation, rule_of
from rushes.runs.labelled.sides import Place, place_of, put_on_sides, require_columns
from rushes.runs.source import Fault, Source
from rushes.stages import Claim, Claims, take_inventory
from rushes.stages.inventory import leaves, walk
from rushes.tasks.sounds.recipe import RecordingSource
from rushes.tasks.sounds.sources.blocks import fingerprint_of, key_of, names_of_sounds
from rushes.tasks.sounds.sources.sides import require_filled
from rushes.tasks.sounds.sources.windows import Cutting

NO_LABEL = "no label of it in the annotation"


@dataclass(frozen=True, slots=True)
class LongRecording:
    """A recording with its labels, and its side.

    Attributes:
        key: unique in the dataset.
        group: whose it is; empty where nobody said.
        split: the side on which it stands.
        path: the sound file.
        length_s: as its head declares it.
        segments: labelled stretches, background among them, in order of time, not overlapping.
    """

    key: str
    group: str
    split: str
    path: Path
    length_s: float
    segments: tuple[Segment, ...]

    def __post_init__(self) -> None:
        assert KEY.fullmatch(self.key) is not None, self.key


@dataclass(frozen=True, slots=True)
class RecordingScan:
    """What a folder of recordings with its annotation holds.

    Attributes:
        root: of the recordings.
        recordings: those that hold and stand on a side, in order of their keys.
        claims: name below the root -> what becomes of the file; others are nobody's.
        faults: recordings that do not hold, and labels of none.
        notes: in words, what was read otherwise than written, and names that the annotation does not have.
    """

    root: Path
    recordings: tuple[LongRecording, ...]
    claims: Mapping[str, Claim]
    faults: tuple[Fault, ...]
    notes: tuple[str, ...]

    @property
    def skipped(self) -> dict[str, str]:
        """Key of each recording that is left out on purpose -> why."""
        return {claim.recording: claim.reason for claim in self.claims.values() if claim.fate == "skipped"}


@dataclass(frozen=True, slots=True)
class Recordings(Source[RecordingScan]):
    """Long recordings below a folder, with their annotation.

    Attributes:
        asked: what the recipe says of them.
        cutting: how they are cut into windows, with the classes that are asked for.
    """

    asked: RecordingSource
    cutting: Cutting

    def scan(self, root: Path) -> RecordingScan:
        """See `Source.scan`.

        Raises:
            SourceError: no sound or no annotation, the two have no name in common, a group stands on two
                sides, or shares leave a side empty.
        """
        root = Path(root)
        sounds = names_of_sounds(root)
        if not sounds:
            raise SourceError(
                f"no sound that is read: {take_inventory(root, lambda name: None).summary()}",
                where=root,
                cure="give the folder of the recordings; convert what is not read: ffmpeg -i IN -c:a flac OUT.flac",
            )
        read = read_annotation(root, [name for name, _ in walk(root)], sounds, self.asked)
        require_columns(read.labels, self.asked)
        own, strays = matched(read, sounds)
        if not own:
            raise unmatched({name: error.message for name, error in strays.items()})
        rule = rule_of(read.labels.marks, self.cutting.labels, self.asked)
        found = {name: self._look(root, name, own.get(name), rule) for name in sounds}
        placed = {one.key: one.place for one in found.values() if one.place is not None}
        sides = put_on_sides(placed, self.asked)
        if self.asked.split == "shares":
            self._require_filled(found.values(), sides.side_of)
        claims = {name: Claim("read", "labels") for name in read.files}
        claims |= {name: one.claim(sides.skipped) for name, one in found.items()}
        faults = [one.fault for one in found.values() if one.fault is not None]
        faults += [Fault.of(error, key_of(f"labels of {name}"), name) for name, error in strays.items()]
        notes = join_notes([*read.labels.notes, *(note for one in found.values() for note in one.notes)])
        learnt = "preprocessing.labels", self.cutting.labels
        return RecordingScan(
            root=root,
            recordings=tuple(
                one.recording(root / name, sides.side_of[one.key])
                for name, one in sorted(found.items(), key=lambda pair: pair[1].key)
                if one.place is not None and one.key in sides.side_of and one.fault is None
            ),
            claims=claims,
            faults=tuple(faults),
            notes=(
                *map(str, notes),
                *misnamed(read.labels.marks, self.asked, learnt),
                *(f"source.split names {name}, of whom there is no recording" for name in sides.absent),
            ),
        )

    def fingerprint(self, found: RecordingScan) -> str:
        """SHA-256 of every byte of the annotation, and of the recordings' sizes and ends."""
        return fingerprint_of(found.root, found.claims)

    def claims(self, found: RecordingScan) -> Claims:
        """See `Source.claims`."""
        return found.claims.get

    def _require_filled(self, found: Iterable[_Found], side_of: Mapping[str, str]) -> None:
        """See that shares leave no side empty; the seed that mends it weighs groups by seconds of each class."""
        sides: dict[str, str] = {}
        seconds: dict[str, dict[str, float]] = {}
        for one in found:
            if one.place is not None:
                group = one.place.group or one.key
                sides[group] = side_of[one.key]
                amounts = seconds.setdefault(group, defaultdict(float))
                for segment in one.segments:
                    amounts[segment.label] += segment.duration_s
        require_filled(sides, seconds, self.asked.shares, "source.groups")

    def _look(self, root: Path, name: str, labels: Labels | SourceError | None, rule: Rule) -> _Found:
        """What becomes of the recording ``name``, given its labels, or why they do not hold."""
        key = key_of(name)
        if labels is None:
            return _Found(key)
        place = None
        try:
            if isinstance(labels, SourceError):
                raise labels
            if leaves(root, root / name):
                raise SourceError(
                    "no file: a link that leads out of the dataset or nowhere, or a pipe",
                    where=root / name,
                    cure="copy the sound itself here",
                )
            place = place_of(name, labels, self.asked)
            with mapped(root / name) as data:
                seconds = length_s(data, root / name)
                if any((mark.end_s or mark.start_s) > seconds for mark in labels.marks):
                    require_whole(data, root / name)  # a label beyond the end is not to blame where it is cut
            segments, notes = segments_of(labels.marks, Fraction(seconds), rule)
        except (SourceError, MediaError) as error:
            return _Found(key, place, fault=Fault.of(error, key))
        return _Found(key, place, seconds, segments, notes)


class _Found(NamedTuple):
    """What is known of one sound before its side is."""

    key: str
    place: Place | None = None
    length_s: float = 0.0
    segments: Sequence[Segment] = ()
    notes: tuple[Note, ...] = ()
    fault: Fault | None = None

    def claim(self, skipped: Mapping[str, str]) -> Claim:
        """What becomes of the file, given the keys that stand on no side, each with why."""
        if self.fault is not None:
            return Claim("faulty", self.fault.message, self.key)
        if self.place is None:
            return Claim("skipped", NO_LABEL, self.key)
        if self.key in skipped:
            return Claim("skipped", skipped[self.key], self.key)
        return Claim("used", "recordings", self.key)

    def recording(self, path: Path, split: str) -> LongRecording:
        """With its side."""
        assert self.place is not None, "only a recording with labels has a side"
        return LongRecording(self.key, self.place.group, split, path, self.length_s, tuple(self.segments))
