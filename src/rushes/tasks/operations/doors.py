"""How the trained model is asked from outside: a clip to what goes on in it, a recording to its timeline.

Answers have the fields of the earlier systems, and ours beside them. Frames are counted from 1, the last one
included, at the file's own rate; seconds are half-open.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fractions import Fraction
from secrets import token_hex
from time import perf_counter
from typing import Annotated, Any

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from rushes.errors import AnswerError
from rushes.metrics.temporal import seconds_to_frames
from rushes.predict.remote import Engine
from rushes.runs.door.analyze import AnalyzeAsked, Analyzed, AnalyzeDoor, AnalyzeReply
from rushes.runs.door.applied import ApplyDoor
from rushes.runs.door.contract import Answered, Asked, Door, Part, Reply, Verb
from rushes.runs.run import Run
from rushes.tasks.operations.apply import ApplyToFootage
from rushes.tasks.operations.predict.asks import asks_of
from rushes.tasks.operations.predict.gathering import OfWindows, Window
from rushes.tasks.operations.predict.read_off import SCORED, Track, read_off
from rushes.tasks.operations.prepare.reading import ReadClip
from rushes.tasks.operations.recipe import OperationsRecipe

Seconds = Annotated[float, Field(ge=0.0, le=1e7, allow_inf_nan=False)]
Named = Annotated[str, Field(min_length=1, max_length=200)]


def doors_of(run: Run[OperationsRecipe], engine: Engine | None = None) -> Mapping[Verb, Door]:
    """The doors of a run, over one model.

    Args:
        run: the run.
        engine: another server that answers with an export of the model; None answers in this process.

    Raises:
        RecipeError: the model cannot be asked by way of another server.
    """
    apply = ApplyToFootage(run, asks_of(run, engine))
    return {"predict": PredictDoor(apply), "analyze": TimelineDoor(apply)}


# --- a clip -------------------------------------------------------------------------------------------------


class ClipAsked(Asked):
    """What may be said beside a clip.

    Attributes:
        clip_id: comes back with the answer.
        start_s: where in a longer file the clip begins.
        asked_s: the moment asked about, on the clip's clock; without it, the operation that has most of the clip
            is asked about, where it is surest.
    """

    clip_id: Named | None = None
    start_s: Annotated[Seconds | None, Field(description="where in a longer file the clip begins")] = None
    asked_s: Annotated[
        Seconds | None,
        Field(
            description="moment asked about, from the beginning of the clip; by itself where the model is surest"
        ),
    ] = None


class FramesSaid(Answered):
    """Frames of a clip, counted from 1, both included."""

    start_frame: int
    end_frame: int


class SecondsSaid(Answered):
    """A stretch of a clip, ``[start_s, end_s)`` on its clock."""

    start_s: float
    end_s: float


class ClipAnswered(Answered):
    """What goes on in a clip.

    Attributes:
        clip_id: as it was sent.
        dominant_operation: label under way at the asked moment.
        temporal_segment: from when to when, in frames of the clip.
        anticipated_next_operation: label that follows.
        confidence: probability of the operation; None where an engine says which it is, and not how likely.
        segment_s: from when to when, in seconds.
        asked_s: the moment asked about, on the clip's clock.
        start_s: where the clip begins in the file.
        scores, next_scores: label -> probability; None likewise.
        parse_stage: what it took to find the answer in what the model said; ``scored`` where every label was
            scored, so that there was nothing to parse.
        duration_s: length of the file.
        fps: frames a second of the file.
    """

    clip_id: str
    dominant_operation: str
    temporal_segment: FramesSaid
    anticipated_next_operation: str
    confidence: float | None
    segment_s: SecondsSaid
    asked_s: float
    start_s: float
    scores: Mapping[str, float] | None
    next_scores: Mapping[str, float] | None
    parse_stage: str
    duration_s: float
    fps: float


class PredictDoor(ApplyDoor[ApplyToFootage]):
    """The door ``predict``.

    Args:
        apply: whose model and preprocessing answer.
    """

    verb = "predict"
    summary = "Which operation goes on in a clip, from when to when, and what comes next."
    asked = ClipAsked
    answered = ClipAnswered

    def decode(self, asked: ClipAsked) -> ReadClip:
        """See `Door.decode`."""
        return ReadClip(self.apply.preprocessing, asked.start_s, asked.asked_s)

    def reply(self, asked: ClipAsked, about: Mapping[str, Any]) -> ClipReply:
        """See `Door.reply`."""
        return ClipReply(self.apply.labels, asked, about)


class ClipReply(Reply):
    """The answer about one clip.

    Args:
        labels: the K labels.
        asked: beside the file.
        about: the file.
    """

    def __init__(self, labels: Sequence[str], asked: ClipAsked, about: Mapping[str, Any]) -> None:
        self.labels, self.asked, self.about = labels, asked, about
        self._said: tuple[Window, Track] | None = None

    def add(self, part: Part, said: Track | AnswerError) -> None:
        """See `Reply.add`; a clip is one part.

        Raises:
            AnswerError: what was said cannot be read.
        """
        if isinstance(said, AnswerError):
            raise said
        self._said = Window.of(part), said

    def finish(self) -> ClipAnswered:
        """See `Reply.finish`."""
        assert self._said is not None, "a clip was decoded, or there is no reply"
        window, track = self._said
        clip_s = window.clip_s
        asked_s = track.surest_of_most(clip_s) if self.asked.asked_s is None else window.asked_s
        answer = read_off(track, asked_s, self.labels, clip_s)
        fps = Fraction(self.about["fps"])
        first, last = seconds_to_frames(answer.start_s, answer.end_s, fps)
        scored = track.stage == SCORED  # else the rows are ones and noughts, which no model said
        return ClipAnswered(
            clip_id=self.asked.clip_id or f"req_{token_hex(4)}",
            dominant_operation=answer.operation,
            temporal_segment=FramesSaid(start_frame=first, end_frame=last),
            anticipated_next_operation=answer.next,
            confidence=answer.confidence if scored else None,
            segment_s=SecondsSaid(start_s=answer.start_s, end_s=answer.end_s),
            asked_s=asked_s,
            start_s=window.start_s,
            scores=self._by_label(answer.probabilities) if scored else None,
            next_scores=self._by_label(answer.next_probabilities) if scored else None,
            parse_stage=track.stage,
            duration_s=self.about["duration_s"],
            fps=float(fps),
        )

    def _by_label(self, probabilities: NDArray[np.float64]) -> dict[str, float]:
        return dict(zip(self.labels, probabilities.tolist(), strict=True))


# --- a recording --------------------------------------------------------------------------------------------


class RecordingAsked(AnalyzeAsked):
    """What may be said beside a recording.

    Attributes:
        video_id: comes back with the answer.
    """

    video_id: Named | None = None


class SecondSaid(Answered):
    """A second of a recording; None where nothing could be asked, and the confidence also where nobody says it."""

    second: int
    operation: str | None
    confidence: float | None


class NextSaid(Answered):
    """What comes next after the end of a recording, the second at which that was said, and how sure the model is."""

    label: str
    predicted_at_second: float
    confidence: float | None


class RecordingAnswered(Analyzed):
    """The timeline of a recording.

    Attributes:
        video_id: as it was sent.
        total_duration_seconds: length of the recording.
        processing_time_ms: from when it was opened on.
        model_version: name of the run and beginning of the hash of its weights.
        operations: second by second; a last second that is not whole has none.
        next_operation_prediction: what comes next after its end.
        windows_processed: windows that the model was asked about.
    """

    video_id: str
    total_duration_seconds: float
    processing_time_ms: int
    model_version: str
    operations: tuple[SecondSaid, ...]
    next_operation_prediction: NextSaid
    windows_processed: int


class TimelineDoor(AnalyzeDoor):
    """The door ``analyze``.

    Args:
        apply: how recordings are labelled.
    """

    asked = RecordingAsked
    answered = RecordingAnswered

    def __init__(self, apply: ApplyToFootage) -> None:
        super().__init__(
            apply,
            "The operations in a recording, from when to when each lasts, and which one comes after its end.",
        )
        self.footage = apply

    def reply(self, asked: AnalyzeAsked, about: Mapping[str, Any]) -> TimelineReply:
        """See `Door.reply`."""
        assert isinstance(asked, RecordingAsked), "as `asked` says"
        return TimelineReply(self.footage, asked, about)


class TimelineReply(AnalyzeReply):
    """The timeline of one recording.

    Args:
        apply: how recordings are labelled.
        asked: beside the recording.
        about: the recording.
    """

    gathering: OfWindows

    def __init__(self, apply: ApplyToFootage, asked: RecordingAsked, about: Mapping[str, Any]) -> None:
        super().__init__(apply, asked, about)
        self.gathering = apply.gather(about)
        self._footage, self._video_id, self._began_s = apply, asked.video_id, perf_counter()

    def finish(self) -> RecordingAnswered:
        """See `Reply.finish`."""
        found = self.found()
        duration_s, ticks, tick_s = found["duration_s"], found["ticks"], found["tick_s"]
        last = max(number for number, tick in enumerate(ticks) if tick.label is not None)
        seconds = range(max(int(duration_s), 1))
        at = [ticks[min(int((second + 0.5) / tick_s), len(ticks) - 1)] for second in seconds]
        assert self.gathering.nexts is not None, "windows were asked about, as `found` requires"
        nexts = self._footage.next_of(ticks[last].label, self.gathering.nexts)
        most = int(nexts.argmax())
        return RecordingAnswered(
            **found,
            video_id=self._video_id or token_hex(8),
            total_duration_seconds=duration_s,
            processing_time_ms=round(1000 * (perf_counter() - self._began_s)),
            model_version=self.apply.model,
            operations=tuple(
                SecondSaid(second=second, operation=tick.label, confidence=tick.confidence)
                for second, tick in zip(seconds, at, strict=True)
            ),
            next_operation_prediction=NextSaid(
                label=self._footage.labels[most],
                predicted_at_second=duration_s,
                confidence=float(nexts[most]) if self.gathering.scored else None,
            ),
            windows_processed=found["windows"],
        )
