"""The twin of operations, its script: who packs, in which order, how long, and what can be seen coming.

No pixels here. A session is a chain of `Step`s drawn from a branching grammar, on a clock that starts with
the first frame. Each step says what is done, in which state the box and the desk are, and which *cue* stands
in the picture meanwhile: the prop that the next operation will need (goods waiting in the rack, a label
hanging out of the printer, a cleared back table). A table of "what follows what" is right in about 55 of 100
cases; whoever looks at the cue can be right in 95 of them at the default difficulty.

`motion` turns a step and a moment into poses, `scene` draws them, `writer` writes them down in OpenPack's
layout.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Literal, get_args

import numpy as np

from rushes.runs.drawing import require, seeded
from rushes.tasks.operations.sources.openpack.tables import load_persons, operation_names, person_of

MediaForm = Literal["video", "frames"]
BoxState = Literal["none", "open", "closed"]

MEDIA_FORMS: tuple[MediaForm, ...] = get_args(MediaForm)
SUBJECT_IDS: tuple[str, ...] = tuple(load_persons())
IDS: Mapping[str, int] = {name: id_ for id_, name in operation_names().items()}

LEAD_S = 2.0
"""Footage before the first operation and after the last one, in seconds; the worker just stands there."""


@dataclass(frozen=True, slots=True)
class TwinSettings:
    """How much of a twin, how hard, and in which form.

    Attributes:
        subjects: how many subject ids, in OpenPack's order (U0101, U0102, ...), or the ids themselves. From
            13 ids on some persons carry two, as in the real dataset.
        sessions: sessions a subject: S0100, S0200, ...
        boxes: boxes packed in a session; a box takes about 45 s.
        difficulty: 0 (trivial) to 1 (hard): noise, clutter, subjects' differences, size and reliability of
            cues, likeness of alike pairs.
        media: ``video`` (one H.264 file a session), ``frames`` (OpenPack's JPEG folders), or both.
        video_size: width and height of the video, pixels.
        video_fps: frames a second of the video.
        frame_size: width and height of the JPEG frames, pixels; their rate is OpenPack's, 15 Hz.
        seed: same seed and settings, same files.

    Raises:
        SourceError: a value out of its range, an id that OpenPack does not know.
    """

    subjects: int | tuple[str, ...] = 8
    sessions: int = 1
    boxes: int = 4
    difficulty: float = 0.5
    media: tuple[MediaForm, ...] = ("video",)
    video_size: tuple[int, int] = (640, 480)
    video_fps: int = 25
    frame_size: tuple[int, int] = (1280, 720)
    seed: int = 0

    def __post_init__(self) -> None:
        ids, sides = self.subject_ids, (*self.video_size, *self.frame_size)
        known = not isinstance(self.subjects, int) or 1 <= self.subjects <= len(SUBJECT_IDS)
        forms = bool(self.media) and set(self.media) <= set(MEDIA_FORMS)
        require(
            {
                f"subjects must be 1 to {len(SUBJECT_IDS)}, found {self.subjects}": known,
                f"subjects must be some ids, each once, found {self.subjects}": 0 < len(ids) == len(set(ids)),
                f"sessions must be 1 to 9, found {self.sessions}": 1 <= self.sessions <= 9,
                f"boxes must be at least 1, found {self.boxes}": self.boxes >= 1,
                f"difficulty must be 0 to 1, found {self.difficulty}": 0.0 <= self.difficulty <= 1.0,
                f"media must name some of {', '.join(MEDIA_FORMS)}, found {self.media}": forms,
                f"sizes must be even, 16 to 4096, found {self.video_size} and {self.frame_size}": all(
                    side % 2 == 0 and 16 <= side <= 4096 for side in sides
                ),
                f"video_fps must be 1 to 120, found {self.video_fps}": 1 <= self.video_fps <= 120,
            }
        )
        for subject in self.subject_ids:
            person_of(subject)

    @property
    def subject_ids(self) -> tuple[str, ...]:
        """The ids under which persons appear."""
        return SUBJECT_IDS[: self.subjects] if isinstance(self.subjects, int) else tuple(self.subjects)


@dataclass(frozen=True, slots=True)
class TwinUnit:
    """One session of one subject: what is written by itself."""

    subject: str
    session: str

    @property
    def key(self) -> str:
        """Unique in the twin, e.g. ``U0101_S0100``."""
        return f"{self.subject}_{self.session}"


@dataclass(frozen=True, slots=True)
class Step:
    """One operation, or an idle moment between two, and all that its picture depends on.

    Attributes:
        operation: OpenPack's name; None while idle (not annotated).
        start_s, end_s: on the recording's clock.
        box: number of the box that is being packed, from 1.
        box_state: before the operation.
        labels: of `LABELLING`, those that the box went through already: its label, the shipping label.
        cue: operation whose prop can be seen waiting; None at the very end, or where nothing waits.
        clutter: further props that wait without a meaning (difficulty above the default).
        seed: for the small differences between two times the same is done.
    """

    operation: str | None
    start_s: float
    end_s: float
    box: int
    box_state: BoxState
    labels: frozenset[str] = frozenset()
    cue: str | None = None
    clutter: tuple[str, ...] = ()
    seed: int = 0


@dataclass(frozen=True, slots=True)
class Node:
    """A state of the grammar: an operation in a context, and where it can lead."""

    operation: str
    box_state: BoxState
    to: Mapping[str, float]


GRAMMAR: Mapping[str, Node] = {
    "pick": Node("Picking", "none", {"relocate": 0.6, "assemble": 0.4}),
    "relocate": Node("Relocate Item Label", "none", {"assemble": 0.75, "pick": 0.25}),
    "assemble": Node("Assemble Box", "none", {"insert": 0.6, "relocate open": 0.4}),
    "relocate open": Node("Relocate Item Label", "open", {"insert": 0.8, "pick open": 0.2}),
    "pick open": Node("Picking", "open", {"insert": 0.65, "relocate open": 0.35}),
    "insert": Node("Insert Items", "open", {"close": 0.75, "pick open": 0.25}),
    "close": Node("Close Box", "open", {"box label": 0.5, "scan": 0.38, "insert": 0.12}),
    "box label": Node("Attach Box Label", "closed", {"scan": 0.55, "ship": 0.45}),
    "scan": Node("Scan Label", "closed", {"ship": 0.42, "order": 0.58}),
    "ship": Node("Attach Shipping Label", "closed", {"order last": 0.5, "put": 0.5}),
    "order": Node("Fill out Order", "closed", {"ship last": 0.5, "put": 0.5}),
    "ship last": Node("Attach Shipping Label", "closed", {"put": 0.6, "pick": 0.4}),
    "order last": Node("Fill out Order", "closed", {"put": 0.55, "pick": 0.45}),
    "put": Node("Put on Back Table", "closed", {"pick": 0.55, "assemble": 0.45}),
}
"""OpenPack's order made to branch: node -> where it leads, with probabilities that sum to one.

``close -> insert`` reopens the box for a forgotten item, ``-> pick`` and ``pick open`` fetch a missing one:
the rework of the real sample. ``put -> assemble`` is an order whose goods a colleague has brought already.
"""

NEXT_BOX = frozenset({("ship last", "pick"), ("order last", "pick"), ("put", "pick"), ("put", "assemble")})
"""Edges on which one box ends and the next begins."""

LABELLING = frozenset({"Attach Box Label", "Attach Shipping Label"})
"""Operations that leave a label on the box."""

AFTER: Mapping[str, BoxState] = {"Assemble Box": "open", "Close Box": "closed", "Put on Back Table": "none"}
"""What the box has become after an operation that changes it."""

IDLE_SHARE = 0.08
"""Share of operations that are followed by an idle moment, which is not annotated."""

MEDIAN_S: Mapping[str, float] = {
    "Picking": 4.0,
    "Relocate Item Label": 3.8,
    "Assemble Box": 5.2,
    "Insert Items": 3.8,
    "Close Box": 4.8,
    "Attach Box Label": 3.0,
    "Scan Label": 4.4,
    "Attach Shipping Label": 3.8,
    "Put on Back Table": 3.0,
    "Fill out Order": 3.8,
}
"""Median duration at pace 1, seconds: about half of the sample's, long ones shortened most, so that a few
minutes hold every kind of boundary many times."""


def units(settings: TwinSettings) -> list[TwinUnit]:
    """The sessions of a twin, in order."""
    sessions = [f"S{100 * (number + 1):04d}" for number in range(settings.sessions)]
    return [TwinUnit(subject, session) for subject in settings.subject_ids for session in sessions]


def pace_of(person: str, settings: TwinSettings) -> float:
    """How fast a person works: durations are divided by it, 0.8 to 1.25 at most."""
    spread = 0.25 * settings.difficulty
    return float(np.exp(seeded(settings.seed, "pace", person).uniform(-spread, spread)))


def plan_session(unit: TwinUnit, settings: TwinSettings) -> list[Step]:
    """The script of a session: steps without holes from 0 s to the end, idle ones included.

    Raises:
        SourceError: the subject's id is not in OpenPack's table.
    """
    rng = seeded(settings.seed, "script", unit.subject, unit.session)
    pace = pace_of(person_of(unit.subject), settings)
    chain = _chain(rng, settings.boxes)
    steps = [Step(None, 0.0, LEAD_S, 1, "none", cue=GRAMMAR[chain[0][0]].operation, seed=_small(rng))]
    for (name, box), (following, next_box) in zip(chain, [*chain[1:], (None, 0)], strict=True):
        node, last = GRAMMAR[name], steps[-1]
        cue = _cue(rng, name, following, settings.difficulty)
        step = Step(
            operation=node.operation,
            start_s=last.end_s,
            end_s=round(last.end_s + _duration_s(rng, node.operation, pace), 3),
            box=box,
            box_state=node.box_state,
            labels=last.labels | LABELLING.intersection({last.operation}) if last.box == box else frozenset(),
            cue=cue,
            clutter=_clutter(rng, (node.operation, cue), settings.difficulty),
            seed=_small(rng),
        )
        steps.append(step)
        if following is None or rng.random() < IDLE_SHARE:
            idle_s = LEAD_S if following is None else float(rng.uniform(0.8, 2.0))
            steps.append(
                replace(
                    step,
                    operation=None,
                    start_s=step.end_s,
                    end_s=round(step.end_s + idle_s, 3),
                    box_state="none" if next_box > box else AFTER.get(node.operation, node.box_state),
                    labels=step.labels | LABELLING.intersection({step.operation}),
                    seed=_small(rng),
                )
            )
    return steps


def _chain(rng: np.random.Generator, boxes: int) -> list[tuple[str, int]]:
    """Nodes with the number of their box, until ``boxes`` boxes are packed."""
    chain: list[tuple[str, int]] = []
    name, box = "pick", 1
    while box <= boxes:
        chain.append((name, box))
        choices = GRAMMAR[name].to
        following = str(rng.choice(list(choices), p=list(choices.values())))
        box += (name, following) in NEXT_BOX
        name = following
    return chain


def _duration_s(rng: np.random.Generator, operation: str, pace: float) -> float:
    median_s = MEDIAN_S[operation] / pace
    return round(float(np.clip(median_s * np.exp(rng.normal(0.0, 0.2)), 2.0, 9.0)), 3)


def _cue(rng: np.random.Generator, name: str, following: str | None, difficulty: float) -> str | None:
    """The operation announced: the next one, or with a small probability another that could have come."""
    if following is None:
        return None
    misleads = rng.random() < 0.1 * difficulty
    others = sorted({GRAMMAR[other].operation for other in GRAMMAR[name].to} - {GRAMMAR[following].operation})
    return str(rng.choice(others)) if misleads and others else GRAMMAR[following].operation


def _clutter(rng: np.random.Generator, busy: tuple[str | None, ...], difficulty: float) -> tuple[str, ...]:
    share = 0.3 * max(0.0, difficulty - 0.5)
    return tuple(name for name in MEDIAN_S if rng.random() < share and name not in busy)


def _small(rng: np.random.Generator) -> int:
    return int(rng.integers(2**31))
