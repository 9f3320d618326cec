"""One request from its files to its answer: decoded in a child, answered in the lane, told part by part."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from pydantic import ValidationError

from rushes.errors import AnswerError, ModelError, QuestionError
from rushes.recipe_file import near
from rushes.runs.door.contract import Answered, Door, Part, Reply
from rushes.serve.envelope import Clock
from rushes.serve.refusal import Refusal

if TYPE_CHECKING:
    from rushes.serve.children import Children, Stream
    from rushes.serve.lane import Lane
    from rushes.serve.metrics import Metrics

T = TypeVar("T")

LONGEST_NAME = 60  # characters of a field that is not there, as it is told

Show = Callable[[str, Mapping[str, Any]], Awaitable[None]]
"""Takes the name of an event and its data while a request is worked on."""


async def show_nothing(event: str, data: Mapping[str, Any]) -> None:
    """For whoever waits for the whole answer."""


def asked_of(door: Door, fields: Mapping[str, Any]) -> Any:
    """What was asked beside the files, from the texts of a form.

    Raises:
        Refusal: 422, with every fault.
    """
    try:
        return door.asked.model_validate(dict(fields))
    except ValidationError as error:
        raise wrong_fields(error, door.asked.model_fields) from None


def asked_of_json(door: Door, body: bytes) -> Any:
    """What was asked in a JSON object; text is no number there.

    Raises:
        Refusal: 422, with every fault.
    """
    try:
        return door.asked.model_validate_json(body, strict=True)
    except ValidationError as error:
        raise wrong_fields(error, door.asked.model_fields) from None


def wrong_fields(error: ValidationError, known: Iterable[str]) -> Refusal:
    """Says each fault with its place, and nothing of what was sent but names of fields.

    Args:
        error: of pydantic.
        known: fields that there are.
    """
    known, faults, unknown = list(known), [], ""
    for fault in error.errors(include_url=False, include_input=False, include_context=False):
        place = ".".join(str(part)[:LONGEST_NAME] for part in fault["loc"]) or "the body"
        if fault["type"] == "extra_forbidden":
            unknown = unknown or f"{near(place, known)}; " * bool(known)
            faults.append(f"{place}: there is no such field; there are {', '.join(known) or 'none'}")
        else:
            faults.append(f"{place}: {fault['msg'].removeprefix('Value error, ')}")
    cure = f"{unknown}/docs has the fields of this route"
    return Refusal(422, "wrong_fields", "; ".join(faults), cure=cure)


@dataclass(frozen=True, slots=True)
class Session:
    """The way of a request through the parts of a service.

    Attributes:
        children: decode.
        lane: of the model.
        metrics: told how long decoding takes.
        deadline_s: longest time for an answer.
        remote: another server answers.
    """

    children: Children
    lane: Lane
    metrics: Metrics
    deadline_s: float
    remote: bool = False

    async def answer(
        self,
        door: Door,
        asked: Any,
        files: Mapping[str, Path],
        clock: Clock,
        show: Show = show_nothing,
    ) -> Answered:
        """Answer a request.

        Args:
            door: that is asked.
            asked: beside the files, an instance of ``door.asked``.
            files: name of a form field -> where it lies.
            clock: of the request.
            show: is shown ``progress`` and ``partial`` answers.

        Raises:
            Refusal: with the status of what does not hold.
        """
        try:
            if not files:
                return await self._without_files(door, asked, clock)
            return await self._of_files(door, asked, files, clock, show)
        except ModelError as error:
            status, code = (502, "engine_unavailable") if self.remote else (503, "no_model")
            raise Refusal(status, code, error.message, cure=error.cure) from error

    async def _without_files(self, door: Door, asked: Any, clock: Clock) -> Answered:
        """Ask with words alone."""
        try:
            reply = door.reply(asked, {})
            with clock.on("model"):
                return await self.lane.run(reply.finish)
        except AnswerError as error:
            raise Refusal(422, "unanswerable", error.message, cure=error.cure) from None

    async def _of_files(
        self, door: Door, asked: Any, files: Mapping[str, Path], clock: Clock, show: Show
    ) -> Answered:
        decoding = self.children.decode(door.decode(asked), files, self.deadline_s)
        before_s = clock.spent_s.get("decode", 0.0)  # by other files of a batch
        try:
            async with clock.entering("decode", decoding) as stream:
                reply = _begun(door, asked, stream.about)
                await self._gather(door, stream, reply, clock, show)
        finally:
            self.metrics.took("decode", clock.spent_s.get("decode", 0.0) - before_s)
        try:
            with clock.on("model"):
                return await self.lane.run(reply.finish)
        except QuestionError as error:
            raise Refusal(422, "unanswerable", error.message, cure=error.cure) from None
        except AnswerError as error:
            raise Refusal(500, "unreadable_answer", error.message, cure=error.cure) from error

    async def _gather(self, door: Door, stream: Stream, reply: Reply, clock: Clock, show: Show) -> None:
        """Ask about all parts in full batches; while one is answered, the next one is decoded: two are held."""
        done, total = 0, stream.about.get("parts")
        await show("progress", {"done": done, "total": total})
        coming = asyncio.ensure_future(full(stream, door.batch_size))
        try:
            while True:
                with clock.on("decode"):
                    parts = await coming
                if not parts:
                    return
                coming = asyncio.ensure_future(full(stream, door.batch_size))
                with clock.on("model"):
                    answers = await self.lane.ask(door, parts)
                for part, said in zip(parts, answers, strict=True):
                    partial = reply.add(part, said)
                    if partial is not None:
                        await show("partial", partial)
                done += len(parts)
                await show("progress", {"done": done, "total": total})
        finally:
            await ended(coming)


def _begun(door: Door, asked: Any, about: Mapping[str, Any]) -> Reply:
    try:
        return door.reply(asked, about)
    except AnswerError as error:
        raise Refusal(422, "unanswerable", error.message, cure=error.cure) from None


async def full(stream: AsyncIterator[Part], size: int) -> Sequence[Part]:
    """The next ``size`` parts, or what is left: so a request that comes alone is always cut the same."""
    held: list[Part] = []
    async for part in stream:
        held.append(part)
        if len(held) == size:
            break
    return held


async def ended(*tasks: asyncio.Task[Any]) -> None:
    """Cancel tasks and wait until they have ended, whatever they raise."""
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


async def while_there(
    work: Coroutine[Any, Any, T], gone: Coroutine[Any, Any, None], deadline_s: float, left: type[Exception]
) -> T:
    """Do ``work`` as long as somebody waits for it, and not beyond its deadline.

    Args:
        work: what is to be done; cancelled, and waited for, where it is not to be finished.
        gone: ends when the client has left.
        deadline_s: longest time.
        left: raised when the client has left.

    Raises:
        Refusal: 504 deadline.
    """
    doing, leaving = asyncio.ensure_future(work), asyncio.ensure_future(gone)
    try:
        await asyncio.wait({doing, leaving}, timeout=deadline_s, return_when=asyncio.FIRST_COMPLETED)
        if doing.done():
            return doing.result()
        if leaving.done():
            raise left
        raise Refusal(
            504,
            "deadline",
            f"no answer within {deadline_s:g} s",
            cure="send a shorter recording, or ask again when there is less to do",
        )
    finally:
        await ended(doing, leaving)
