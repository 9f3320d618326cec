"""OpenPack: people packing boxes, filmed from the front and labelled with ten operations.

``scan`` turns a folder in OpenPack's layout (`openpack_layout`) into recordings. A session that does not hold
becomes a fault with file, line and cure, never another session's sample; what is masked or left open is
counted. Data: https://open-pack.github.io, CC BY-NC-SA 4.0, colour frames on request.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from rushes.errors import MediaError, SourceError
from rushes.recipe.sections import Side
from rushes.records import MediaKind, Recording, Segment
from rushes.runs.labelled.sides import Sides
from rushes.runs.source import Fault
from rushes.stages import Claim, Claims
from rushes.tasks.operations.sources.openpack.claims import claims_of
from rushes.tasks.operations.sources.openpack.footage import Footage, find_footage, fingerprint
from rushes.tasks.operations.sources.openpack.layout import (
    RELEASE,
    OperationRow,
    format_time,
    frames_dir,
    key_of,
    operations_csv,
    video_file,
)
from rushes.tasks.operations.sources.openpack.rows import gaps, read_operations
from rushes.tasks.operations.sources.openpack.tables import LabelSet, assign_splits, load_persons, person_of
from rushes.tasks.operations.sources.sessions import Scan, SessionSource, Tally, check_coverage


@dataclass(frozen=True, slots=True)
class OpenPack(SessionSource[Scan]):
    """OpenPack as a source.

    Attributes:
        labels: the label set to learn.
        media: form of the footage.
        split: a named split, or side -> subject ids.
    """

    labels: LabelSet
    media: MediaKind
    split: str | Mapping[Side, Sequence[str]] = "earlier"

    def scan(self, root: Path) -> Scan:
        """See `Source.scan`."""
        return scan(root, self.labels, self.media)

    def sides(self, found: Scan) -> Sides:
        """See `SessionSource.sides`; by subject ids."""
        return assign_splits(found.recordings, self.split, found.faults)

    def fingerprint(self, found: Scan) -> str:
        """See `Source.fingerprint`; of annotation and footage."""
        return fingerprint(found.root, found.recordings)

    def claims(self, found: Scan) -> Claims:
        """See `Source.claims`."""
        fates = {one.key: Claim("used", "", one.key) for one in found.recordings}
        fates |= {fault.key: Claim("faulty", fault.message, fault.key) for fault in found.faults}
        subjects = {one.subject for one in found.recordings} | {fault.owner for fault in found.faults}
        return claims_of(fates, subjects, self.media)


def scan(
    root: Path,
    label_set: LabelSet,
    media: MediaKind,
    *,
    persons: Mapping[str, str] | None = None,
    max_gap_s: float = 10.0,
    tolerance_s: float = 0.5,
) -> Scan:
    """Read the annotation of every session below ``root`` and find its footage.

    The clock of a recording starts with its first frame: the earliest name in a folder of frames, the
    sidecar's ``start`` of a video. The length of a video is known only after decoding it: call
    `check_coverage` then; for frames it is checked here by their names.

    Args:
        root: folder that holds the subjects, with or without ``v1.0.0`` in between.
        label_set: what becomes of the operations.
        media: which footage to take.
        persons: subject id -> person; OpenPack's own table if not given.
        max_gap_s: a stretch without a label or without a frame that is longer is noted.
        tolerance_s: by how much labels may lie outside of the frames.

    Raises:
        SourceError: ``root`` is not in OpenPack's layout.
    """
    root = dataset_root(root)
    table = load_persons() if persons is None else persons
    recordings: list[Recording] = []
    faults: list[Fault] = []
    notes: list[Fault] = []
    unlabelled: list[Tally] = []
    masked: dict[str, Tally] = {}
    for subject, session in _sessions(root, media):
        unit = key_of(subject, session)
        try:
            group = person_of(subject, table)
            rows = _read_annotation(root, subject, session)
            footage = find_footage(root, subject, session, media)
            recording = _recording(rows, footage, label_set, group)
            if footage.duration_s is not None:
                check_coverage(recording, footage.duration_s, tolerance_s)
        except (SourceError, MediaError) as error:
            faults.append(replace(Fault.of(error, unit, subject), where=error.where or str(root)))
            continue
        recordings.append(recording)
        notes += _notes(recording, rows, footage, max_gap_s)
        unlabelled += [Tally(1, (end_us - start_us) / 1e6) for start_us, end_us in gaps(rows)]
        for row in rows:
            if label_set.of_id[row.id] is None:
                tally = Tally(1, (row.end_us - row.start_us) / 1e6)
                masked[row.operation] = masked.get(row.operation, Tally()) + tally
    return Scan(
        root=root,
        recordings=tuple(recordings),
        faults=tuple(faults),
        notes=tuple(notes),
        masked=masked,
        gaps=sum(unlabelled, Tally()),
    )


def dataset_root(root: Path) -> Path:
    """The folder of the subjects: ``root``, or the ``v1.0.0`` below it.

    Raises:
        SourceError: neither holds a subject; says what was found instead.
    """
    root = Path(root)
    for candidate in (root, root / RELEASE):
        if _subjects(candidate):
            return candidate
    found = sorted(entry.name for entry in root.iterdir()) if root.is_dir() else []
    listing = ", ".join(found[:8]) + (", ..." if len(found) > 8 else "")
    is_subject = {"annotation", "kinect"} & set(found)
    raise SourceError(
        "not the root of an OpenPack dataset: expected folders such as U0209/annotation/openpack-operations, "
        + (f"found {listing or 'an empty folder'}" if root.is_dir() else "found no folder at all"),
        where=root,
        cure=f"give {root.resolve().parent}, the folder above this subject"
        if is_subject
        else "give the folder that holds the subject ids (U0101, ...), or v1.0.0 with them; for videos with a "
        "table of labels, or with the files of an annotation tool, write source.kind: table",
    )


def _subjects(root: Path) -> list[str]:
    """Names of the folders that hold an annotation or colour footage."""
    if not root.is_dir():
        return []
    return sorted(
        folder.name
        for folder in root.iterdir()
        if not folder.name.startswith(".")
        and (
            (folder / "annotation/openpack-operations").is_dir() or (folder / "kinect/color-masked").is_dir()
        )
    )


def _sessions(root: Path, media: MediaKind) -> list[tuple[str, str]]:
    """Subject and session of everything that has an annotation or footage, or both."""
    found: set[tuple[str, str]] = set()
    for subject in _subjects(root):
        annotations = operations_csv(root, subject, "*")
        found |= {(subject, path.stem) for path in annotations.parent.glob(annotations.name)}
        if media == "video":
            videos = video_file(root, subject, "*")
            found |= {(subject, path.stem) for path in videos.parent.glob(videos.name)}
        else:
            folders = frames_dir(root, subject, "*").parent.glob("*")
            found |= {(subject, path.name) for path in folders if path.is_dir()}
    return sorted((subject, session) for subject, session in found if not session.startswith("."))


def _read_annotation(root: Path, subject: str, session: str) -> list[OperationRow]:
    path = operations_csv(root, subject, session)
    if not path.is_file():
        raise SourceError(
            "footage without its annotation",
            where=path,
            cure="fetch the annotation; where there is none, remove the footage",
        )
    return read_operations(path, subject, session)


def _recording(rows: Sequence[OperationRow], footage: Footage, label_set: LabelSet, group: str) -> Recording:
    """Rows as segments on the clock of the footage; what has no label in the set leaves a gap."""
    subject, session = rows[0].user, rows[0].session
    labelled = ((row, label_set.label_of(row.id)) for row in rows)
    segments = tuple(
        Segment((row.start_us - footage.origin_us) / 1e6, (row.end_us - footage.origin_us) / 1e6, label)
        for row, label in labelled
        if label is not None
    )
    if not segments:
        raise SourceError(
            f"none of the {len(rows)} operations has a label in {label_set.name!r}",
            where=footage.media.path,
            cure="take another label set, or leave the session out",
        )
    return Recording(
        key=f"{subject}_{session}",
        group=group,
        subject=subject,
        session=session,
        media=footage.media,
        segments=segments,
        origin_unix_s=footage.origin_us / 1e6,
    )


def _notes(
    recording: Recording, rows: Sequence[OperationRow], footage: Footage, max_gap_s: float
) -> Iterator[Fault]:
    where = str(footage.media.path)
    for start_us, end_us in gaps(rows):
        if end_us - start_us > max_gap_s * 1e6:
            message = f"no label for {(end_us - start_us) / 1e6:.3f} s from {format_time(start_us)}"
            cure = "complete the annotation if somebody works there"
            yield Fault(recording.key, "Note", message, where, cure, recording.subject)
    if footage.longest_hole_s > max_gap_s:
        message = f"no frame for up to {footage.longest_hole_s:.3f} s"
        cure = "fetch the frames again if they are not missing at the source"
        yield Fault(recording.key, "Note", message, where, cure, recording.subject)
