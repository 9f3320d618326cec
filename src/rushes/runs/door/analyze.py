"""A whole recording to its labels over time: what ``rushes apply`` says of it, said window by window."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import AfterValidator, Field

from rushes.errors import QuestionError, RecipeError, SourceError
from rushes.predict.ticks import Stretch, Ticks
from rushes.runs.apply.contract import Apply
from rushes.runs.apply.gathering import Gathering
from rushes.runs.apply.labelled import Labelled
from rushes.runs.apply.labels import WRITABLE, formats_of, label_file
from rushes.runs.door.applied import ApplyDoor
from rushes.runs.door.contract import Answered, Asked, Decode, Part, Reply


def _writable(name: str) -> str:
    try:
        [found] = formats_of([name])
    except RecipeError as error:
        raise ValueError(f"{error.message}: {error.cure}") from error
    return found


class AnalyzeAsked(Asked):
    """What may be said beside a recording.

    Attributes:
        name: of the recording, as a label file is to name it.
        write: format of a label file that comes with the answer, by the names of ``rushes apply --as``, e.g.
            ``vtt``, ``csv``, ``eaf``, ``labelstudio``; none without it.
        scores: whether the probability of every label comes with every tick.
    """

    name: Annotated[str, Field(min_length=1, max_length=200)] = "recording"
    write: Annotated[
        Annotated[str, AfterValidator(_writable)] | None,
        Field(
            description="a label file that comes with the answer, for the tool of your choice",
            examples=list(WRITABLE),
        ),
    ] = None
    scores: bool = False


class SegmentSaid(Answered):
    """Ticks of one label in a row.

    Attributes:
        start_s, end_s: on the recording's clock.
        label: of all its ticks.
        confidence: mean probability of the label over its ticks; None where the model does not say how sure it is.
        rival: the label that is the most probable beside it; empty where there is no other, or nobody says.
        rival_confidence: likewise.
    """

    start_s: float
    end_s: float
    label: str
    confidence: float | None
    rival: str
    rival_confidence: float | None


class TickSaid(Answered):
    """A tick; it lasts to the start of the next one.

    Attributes:
        start_s: on the recording's clock.
        label: None where nothing could be asked.
        confidence: probability of the label; None also where the model does not say how sure it is.
    """

    start_s: float
    label: str | None
    confidence: float | None


class LabelFile(Answered):
    """An annotation file of a tool of the field.

    Attributes:
        name: that it may be saved under.
        text: its content.
    """

    name: str
    text: str


class Analyzed(Answered):
    """The labels of a recording over time.

    Attributes:
        duration_s: length of the recording.
        fps: frames a second; None of a sound.
        labels: the K labels.
        tick_s: length of a tick.
        windows: windows that the model was asked about.
        segments: in order of time; labels that mean that nothing happens have none.
        ticks: in order of time.
        scores: (ticks, K) probabilities in the order of ``labels``, null where nothing could be asked; only where
            asked for, and where the model says them.
        boundaries: seconds at which a label gives way to another.
        unasked_s: seconds in which nothing could be asked, since the recording has a hole there.
        remark: how labels follow from what the model says.
        file: an annotation file, where asked for.
    """

    duration_s: float
    fps: float | None
    labels: tuple[str, ...]
    tick_s: float
    windows: int
    segments: tuple[SegmentSaid, ...]
    ticks: tuple[TickSaid, ...]
    scores: tuple[tuple[float, ...] | None, ...] | None
    boundaries: tuple[float, ...]
    unasked_s: float
    remark: str
    file: LabelFile | None


class AnalyzeDoor(ApplyDoor[Apply[Any]]):
    """The door ``analyze`` of a task whose trained model labels recordings.

    Args:
        apply: how it labels them.
        summary: what it says about what, in one line.
    """

    verb = "analyze"
    asked: type[Asked] = AnalyzeAsked
    answered: type[Answered] = Analyzed

    def __init__(self, apply: Apply[Any], summary: str) -> None:
        super().__init__(apply)
        self.summary = summary

    def decode(self, asked: Any) -> Decode:
        """See `Door.decode`."""
        return self.apply.reader(self.apply.serving_step_s)

    def reply(self, asked: AnalyzeAsked, about: Mapping[str, Any]) -> AnalyzeReply:
        """See `Door.reply`."""
        return AnalyzeReply(self.apply, asked, about)


class AnalyzeReply(Reply):
    """The labels of one recording, gathered window by window.

    Args:
        apply: how the task labels recordings.
        asked: beside the recording.
        about: the recording.
    """

    def __init__(self, apply: Apply[Any], asked: AnalyzeAsked, about: Mapping[str, Any]) -> None:
        self.apply, self.asked, self.about = apply, asked, about
        self.gathering: Gathering = apply.gather(about)
        self._told = 0

    def add(self, part: Part, said: Any) -> Mapping[str, Any]:
        """Take the answer about the next window.

        Returns:
            ``windows`` so far ``of`` how many at most, and the ``ticks`` that are new since the last call and that no
            later window changes, each with its most probable label: `finish` may smooth them.
        """
        self.gathering.add(part, said)
        first, self._told = self._told, self.gathering.settled
        new = self.gathering.ticks_of(first, self._told)
        ticks = [one.model_dump() for one in _ticks_said(new, self.gathering.scored, first)]
        return {"windows": self.gathering.asked, "of": self.about["parts"], "ticks": ticks}

    def finish(self) -> Analyzed:
        """See `Reply.finish`."""
        return Analyzed(**self.found())

    def found(self) -> dict[str, Any]:
        """Fields of `Analyzed`.

        Raises:
            QuestionError: nothing could be asked, or the label file cannot say what was found.
        """
        ticks = self.gathering.ticks()
        if not ticks.asked.any():
            raise QuestionError(
                "no window of the recording could be asked about",
                cure="send one that is longer, or that has more frames",
            )
        shown, remark = self.apply.served(ticks)
        scored = self.gathering.scored
        duration_s, fps = self.about["duration_s"], self.about["fps"]
        row = Labelled.of(
            self.asked.name,
            "recording",
            {"duration_s": duration_s, "rate": fps},
            ticks,
            shown,
            self.apply.background,
        )
        changes = zip(shown.said, shown.said[1:], strict=False)
        return {
            "duration_s": duration_s,
            "fps": None if row.about.fps is None else float(row.about.fps),
            "labels": ticks.names,
            "tick_s": ticks.stride_s,
            "windows": self.gathering.asked,
            "segments": tuple(_segment_said(one, scored) for one in row.stretches),
            "ticks": tuple(_ticks_said(shown, scored)),
            "scores": _scores(ticks) if self.asked.scores and scored else None,
            "boundaries": tuple(
                shown.start_s(tick) for tick, (before, then) in enumerate(changes, 1) if before != then
            ),
            "unasked_s": row.unasked_s,
            "remark": remark,
            "file": None if self.asked.write is None else self._file(row),
        }

    def _file(self, row: Labelled) -> LabelFile:
        [format] = formats_of([str(self.asked.write)])
        try:
            name, content = label_file(
                row, format, self.apply.model, self.apply.player, self.gathering.scored
            )
        except SourceError as error:
            raise QuestionError(error.message, cure=error.cure) from error
        return LabelFile(name=name, text=content.decode())


def _segment_said(one: Stretch, scored: bool) -> SegmentSaid:
    """A segment as it is told; of labels alone, without how sure the model is."""
    sure = {"confidence": one.confidence, "rival": one.rival, "rival_confidence": one.rival_confidence}
    unsure = {"confidence": None, "rival": "", "rival_confidence": None}
    return SegmentSaid(start_s=one.start_s, end_s=one.end_s, label=one.label, **(sure if scored else unsure))


def _ticks_said(ticks: Ticks, scored: bool, first: int = 0) -> list[TickSaid]:
    """Ticks as they are told, of which the first one is the ``first`` of its recording."""
    return [
        TickSaid(
            start_s=ticks.offset_s + number * ticks.stride_s if first + number else 0.0,
            label=label,
            confidence=float(row[ticks.names.index(label)]) if scored and label is not None else None,
        )
        for number, (label, row) in enumerate(zip(ticks.said, ticks.probabilities, strict=True))
    ]


def _scores(ticks: Ticks) -> tuple[tuple[float, ...] | None, ...]:
    return tuple(
        tuple(row) if known else None
        for known, row in zip(ticks.asked, ticks.probabilities.tolist(), strict=True)
    )
