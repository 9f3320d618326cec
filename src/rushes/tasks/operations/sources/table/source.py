"""Recordings of anybody: videos and folders of frames below a folder, with labels in the files of whatever tool.

``scan`` finds footage by its names, reads the annotation and matches the two. A recording that does not hold
becomes a fault with file, line and cure; one without a label is left out, with its reason and a count.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from itertools import pairwise
from operator import attrgetter
from pathlib import Path
from typing import NamedTuple

from rushes.annotations import Labels, Note, Rule, join_notes, segments_of, unmatched
from rushes.errors import MediaError, SourceError
from rushes.media.names import VIDEOS
from rushes.media.video import probe
from rushes.records import Media, Recording, Segment
from rushes.runs.labelled.annotation import label_file, matched, misnamed, read_annotation, rule_of
from rushes.runs.labelled.sides import Place, Sides, place_of, put_on_sides, require_columns
from rushes.runs.shares import best_seed
from rushes.runs.source import Bring, Fault
from rushes.stages import Claim, Claims, take_inventory
from rushes.stages.inventory import walk
from rushes.tasks.operations.recipe import TableSource
from rushes.tasks.operations.sources.pictures import digest, footage_digest
from rushes.tasks.operations.sources.sessions import Scan, SessionSource, Tally
from rushes.tasks.operations.sources.table.labels import vocabulary
from rushes.tasks.operations.sources.table.names import hashed, is_video, keys_of, recording_of

NO_LABEL, NONE_LEFT = "no label of it in the annotation", "none of its labels is learnt"


@dataclass(frozen=True, slots=True)
class TableScan(Scan):
    """What a folder of footage with its annotation holds.

    Attributes:
        label_files: names of the files of the annotation.
        claims: name of a recording below the root -> what becomes of its files.
        places: key of a labelled recording, as far as that is known -> what is known of it beside its labels.
    """

    label_files: tuple[str, ...]
    claims: Mapping[str, Claim]
    places: Mapping[str, Place]


@dataclass(frozen=True, slots=True)
class Table(SessionSource[TableScan]):
    """A folder of footage with its annotation as a source.

    Attributes:
        asked: what the recipe says of it.
    """

    asked: TableSource

    def scan(self, root: Path) -> TableScan:
        """See `Source.scan`; the header of each labelled recording is read, for its length.

        Raises:
            SourceError: no recording or no annotation, or the two have no name in common.
        """
        root = Path(root)
        names, footage = _below(root)
        read = read_annotation(root, names, footage, self.asked)
        require_columns(read.labels, self.asked)
        marks = read.labels.marks
        labels = vocabulary(marks, self.asked)
        rule = rule_of(marks, labels, self.asked)
        own, strays = matched(read, footage)
        if not own:
            raise unmatched({name: error.message for name, error in strays.items()})
        found = [
            self._look(root, name, key, own.get(name), rule) for name, key in keys_of(footage, own).items()
        ]
        faults = [one.fault for one in found if one.fault is not None]
        faults += [Fault.of(error, hashed(f"labels of {name}"), name) for name, error in strays.items()]
        recordings = sorted((one.recording for one in found if one.recording), key=attrgetter("key"))
        notes = join_notes([*read.labels.notes, *(note for one in found for note in one.notes)])
        return TableScan(
            root=root,
            recordings=tuple(recordings),
            faults=tuple(sorted(faults, key=attrgetter("key"))),
            notes=(
                *(Fault("", "Note", f"{note.reason}: {note.count:,}", note.where, "") for note in notes),
                *(
                    Fault("", "Note", message, str(root), "")
                    for message in misnamed(marks, self.asked, ("source.labels", self.asked.labels or ()))
                ),
            ),
            masked={},
            gaps=sum((gap for recording in recordings for gap in _gaps(recording.segments)), Tally()),
            label_files=read.files,
            claims={one.name: one.claim for one in found},
            places={one.claim.recording: one.place for one in found if one.place is not None},
        )

    def sides(self, found: TableScan) -> Sides:
        """See `SessionSource.sides`; of recordings that hold."""
        sides = put_on_sides(found.places, self.asked)
        holds = {recording.key for recording in found.recordings}
        left_out = {one.recording: one.reason for one in found.claims.values() if one.fate == "skipped"}
        side_of = {key: side for key, side in sides.side_of.items() if key in holds}
        cure = self._cure(found.recordings, set(side_of.values()))
        return replace(sides, side_of=side_of, skipped={**sides.skipped, **left_out}, cure=cure)

    def _cure(self, recordings: Sequence[Recording], sides: Collection[str]) -> str:
        """What to do where a side is not among ``sides``."""
        if self.asked.split == "column":
            return f"mend its recordings, or write others under {self.asked.side_column} of the annotation"
        shares = self.asked.shares.of_sides
        if self.asked.split != "shares" or all(side in sides for side, share in shares.items() if share):
            return "mend its recordings, or list others under source.split"
        amounts: dict[str, Counter[str]] = {}
        for one in recordings:
            amounts.setdefault(one.group, Counter()).update(segment.label for segment in one.segments)
        return (
            f"list groups under source.split, or take the draw that spreads these {len(amounts)} best: "
            f"source.shares.seed: {best_seed(amounts, shares)}"
        )

    def fingerprint(self, found: TableScan) -> str:
        """See `Source.fingerprint`; of every byte of the annotation, and of the footage of recordings that hold."""
        whole = hashlib.sha256()
        for name in found.label_files:
            whole.update(
                f"{name}\n{digest((found.root / name).read_bytes())}\n".encode(errors="surrogateescape")
            )
        for recording in found.recordings:
            name = recording.media.path.relative_to(found.root).as_posix()
            whole.update(f"{name}\n{footage_digest(recording.media)}\n".encode(errors="surrogateescape"))
        return whole.hexdigest()

    def claims(self, found: TableScan) -> Claims:
        """See `Source.claims`."""

        def claims(name: str) -> Claim | None:
            if name in found.label_files:
                return Claim("read", "labels")
            recording = recording_of(name)
            return None if recording is None else found.claims.get(recording)

        return claims

    def fetch(self, bring: Bring) -> Path:
        """Bring footage and annotation."""
        is_label_file = label_file(self.asked)
        return bring(lambda name: recording_of(name) is not None or is_label_file(name))

    def _look(
        self, root: Path, name: str, key: str, labels: Labels | SourceError | None, rule: Rule
    ) -> _Found:
        """What becomes of the recording ``name``, given its labels, or why they do not hold."""
        if labels is None:
            return _Found(name, Claim("skipped", NO_LABEL, key))
        place = None
        try:
            if isinstance(labels, SourceError):
                raise labels
            place = place_of(name, labels, self.asked)
            media = Media("video" if is_video(name) else "frames", root / name)
            segments, notes = segments_of(labels.marks, _length_s(media, labels), rule)
        except (SourceError, MediaError) as error:
            return _Found(name, Claim("faulty", error.message, key), place, fault=Fault.of(error, key))
        if not segments:
            why = NONE_LEFT if labels.marks else NO_LABEL
            return _Found(name, Claim("skipped", why, key), notes=notes)
        recording = Recording(
            key=key,
            group=place.group or key,
            subject=place.group,
            session=name,
            media=media,
            segments=segments,
            origin_unix_s=0.0,
            alone=len(segments) == 1,
        )
        return _Found(name, Claim("used", media.kind, key), place, recording, notes=notes)


class _Found(NamedTuple):
    """What becomes of one recording."""

    name: str
    claim: Claim
    place: Place | None = None
    recording: Recording | None = None
    fault: Fault | None = None
    notes: tuple[Note, ...] = ()


def _below(root: Path) -> tuple[list[str], list[str]]:
    """Names of all files below a folder, and of the recordings among them.

    Raises:
        SourceError: there is none.
    """
    if not root.is_dir():
        raise SourceError(
            "no such folder", where=root, cure="give the folder of the recordings as source.root"
        )
    names = [name for name, _ in walk(root)]
    footage = sorted({found for name in names if (found := recording_of(name)) is not None})
    if not footage:
        raise SourceError(
            f"no video and no folder of frames: {take_inventory(root, lambda name: None).summary()}",
            where=root,
            cure="give the folder that holds them; videos that are read end with " + ", ".join(VIDEOS),
        )
    return names, footage


def _length_s(media: Media, labels: Labels) -> Fraction:
    """Length of a recording as its header declares it; where it declares none, until its last label ends.

    Raises:
        MediaError: it cannot be read.
        SourceError: it declares none, and a label lasts to its end.
    """
    declared_s = probe(media).duration_s
    if declared_s is not None:
        return Fraction(declared_s)
    ends = [mark.end_s for mark in labels.marks]
    if None in ends or not ends:
        raise SourceError(
            "the file declares no length, and a label lasts to its end",
            where=media.path,
            cure="write the end of the label, or convert the file: ffmpeg -i IN -c copy OUT.mp4",
        )
    return max(end for end in ends if end is not None)


def _gaps(segments: Sequence[Segment]) -> Iterator[Tally]:
    for earlier, later in pairwise(segments):
        if later.start_s > earlier.end_s:
            yield Tally(1, later.start_s - earlier.end_s)
