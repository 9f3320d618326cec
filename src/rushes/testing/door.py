"""Checks that every door must pass, see `rushes.runs.door.contract`; a test gives each a request that it answers."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from importlib import import_module
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from rushes.engine import Unit, map_units
from rushes.errors import AnswerError, MediaError, RecipeError, RushesError, StageError
from rushes.media.limits import DEFAULT_LIMITS, Limits
from rushes.runs.door.contract import Answered, Decode, Door, Part, Verb
from rushes.testing.subject import Finished

TIGHT = Limits(max_pixels=1, max_frames=1, max_duration_s=1e-6, max_decoded_bytes=1)
"""Nothing is as small as that."""

REFUSALS = (MediaError, AnswerError)
"""What is wrong with what is sent."""

MODELS = ("torch", "transformers", "onnxruntime")
"""Modules that no process loads that decodes."""


@dataclass(frozen=True, slots=True)
class Request:
    """What is sent to a door, and answered.

    Attributes:
        door: that is asked.
        asked: beside the files.
        files: name of a form field -> a file of the run's own recordings, or one like them.
    """

    door: Door
    asked: Mapping[str, Any] = field(default_factory=dict)
    files: Mapping[str, Path] = field(default_factory=dict)

    def decoding(self) -> Decode:
        """How its files are read."""
        return self.door.decode(self.door.asked(**self.asked))

    def answer(self) -> Answered:
        """Ask the door, as a service does.

        Raises:
            MediaError, AnswerError: it is refused.
        """
        asked = self.door.asked(**self.asked)
        about: dict[str, Any] = {}
        parts: Iterator[Part] = iter(())
        if self.files:
            decoded = self.door.decode(asked)(self.files, DEFAULT_LIMITS)
            about, parts = dict(decoded.about), decoded.parts
        reply = self.door.reply(asked, about)
        for some in _batches(parts, self.door.batch_size):
            for part, said in zip(some, self.door.answer(some), strict=True):
                json.dumps(reply.add(part, said), allow_nan=False)
        return reply.finish()


DoorCheck = Callable[[Request, Path], None]


def door_checks() -> Sequence[DoorCheck]:
    """All checks of a request that a door answers, for ``pytest.mark.parametrize``."""
    return (
        the_door_answers,
        the_same_is_answered_again,
        whoever_decodes_loads_no_model,
        what_is_broken_is_refused,
        limits_hold,
        what_no_door_knows_is_refused,
    )


# --- of a request -----------------------------------------------------------------------------------------


def the_door_answers(request: Request, folder: Path) -> None:
    """The answer is what the door says that it answers, also when it comes back from JSON."""
    answer = request.answer()
    told = answer.model_dump_json()
    assert isinstance(answer, request.door.answered), f"answered with a {type(answer).__name__}"
    assert type(answer).model_validate_json(told) == answer, "an answer is another one when it is read again"
    if not request.files:
        return
    decoded = request.decoding()(request.files, DEFAULT_LIMITS)
    about = json.loads(json.dumps(decoded.about, allow_nan=False))
    assert {"duration_s", "fps", "parts"} <= about.keys(), f"nobody is told of {sorted(about)} what there is"
    keys = [part.key for part in decoded.parts]
    assert 0 < len(keys) <= about["parts"], f"{len(keys)} parts, announced were {about['parts']}"
    assert len(set(keys)) == len(keys), "two parts have one key"


def the_same_is_answered_again(request: Request, folder: Path) -> None:
    """Nothing of one request is left in the next; only how long it took (``*_ms``) may be another time."""
    first, second = (
        {name: value for name, value in request.answer() if not name.endswith("_ms")} for _ in range(2)
    )
    assert first == second, "the second answer is another one"


def whoever_decodes_loads_no_model(request: Request, folder: Path) -> None:
    """A fresh process decodes, without any library of models."""
    if not request.files:
        return
    job = (request.decoding(), dict(request.files), tuple(request.door.preload))
    with closing(map_units(_decoded_afar, [Unit("decode", job)], workers=1)) as results:
        [result] = results
    if result.error is not None:
        raise result.error.to_error(result.key)
    parts, loaded = result.value
    assert parts > 0, "nothing is decoded in a process of its own"
    assert not loaded, f"whoever decodes loads {', '.join(loaded)}"


def what_is_broken_is_refused(request: Request, folder: Path) -> None:
    """Each file in turn is empty, a text, or cut: a typed error, of a cut one perhaps an answer."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, path in request.files.items():
        data = path.read_bytes()
        for how, broken in {"empty": b"", "a text": b"nothing of the kind\n" * 99}.items():
            refused = _refused(request, name, broken, folder)
            assert refused is not None, f"{name} is {how}, and is answered"
            assert refused.cure, f"{name} is {how}, and nobody is told what to do: {refused}"
        for share in (0.1, 0.5, 0.9):
            _refused(request, name, data[: int(share * len(data))], folder)


def limits_hold(request: Request, folder: Path) -> None:
    """What is larger than a service allows is refused."""
    if not request.files:
        return
    refused = _error_of(lambda: list(request.decoding()(request.files, TIGHT).parts))
    assert refused is not None, "parts are decoded beyond all limits"
    assert refused.cure, f"nobody is told what to do: {refused}"


def what_no_door_knows_is_refused(request: Request, folder: Path) -> None:
    """A key that is none is an error, and not overlooked."""
    try:
        request.door.asked(**{**request.asked, "no_such_key": 1})
    except ValidationError:
        return
    raise AssertionError("no_such_key is asked, and nobody says that there is no such key")


def _refused(request: Request, name: str, data: bytes, folder: Path) -> RushesError | None:
    """Why a request with another file is not answered; None where it is."""
    path = folder / "sent"
    path.write_bytes(data)
    return _error_of(replace(request, files={**request.files, name: path}).answer)


def _error_of(ask: Callable[[], Any], kinds: tuple[type[RushesError], ...] = REFUSALS) -> RushesError | None:
    """The error of these kinds that ``ask`` ends with; None without one."""
    try:
        ask()
    except kinds as error:
        return error
    return None


def _decoded_afar(job: tuple[Decode, Mapping[str, Path], Sequence[str]]) -> tuple[int, list[str]]:
    """How many parts there are, and which libraries of models this process has loaded."""
    decode, files, preload = job
    for name in preload:
        import_module(name)
    count = sum(1 for _ in decode(files, DEFAULT_LIMITS).parts)
    return count, [name for name in MODELS if name in sys.modules]


def _batches(parts: Iterator[Part], size: int) -> Iterator[list[Part]]:
    some: list[Part] = []
    for part in parts:
        some.append(part)
        if len(some) == size:
            yield some
            some = []
    if some:
        yield some


# --- of a task --------------------------------------------------------------------------------------------


def doors_say_what_they_are(finished: Finished, folder: Path) -> None:
    """Each door is under its verb; what it takes and says has a schema; nothing is loaded to say so."""
    for verb, door in _doors(finished).items():
        assert door.verb == verb, f"the door {door.verb} is under {verb}"
        assert door.summary.endswith("."), f"{verb}: its summary is help: a sentence"
        assert door.batch_size >= 1, f"{verb}: {door.batch_size} parts at a time"
        for schema in (door.asked, door.answered):
            json.dumps(schema.model_json_schema())
            assert schema.model_config.get("extra") == "forbid", f"{schema.__name__} takes any key"
        assert not set(door.files) & set(door.asked.model_fields), f"{verb}: a file and a field of one name"


def nobody_answers_before_it_is_trained(finished: Finished, folder: Path) -> None:
    """Doors of a run that nobody trained stand, and are shut."""
    for verb, door in _doors(finished.elsewhere(folder / "untrained")).items():
        refused = _error_of(door.load, (StageError,))
        assert refused is not None, f"{verb}: the model is loaded, and there is none"
        assert refused.cure, f"{verb}: nobody is told what to do: {refused}"


def doors_open_when_it_is_trained(finished: Finished, folder: Path) -> None:
    """The weights of a finished run are found and loaded, and answer about something made up."""
    for door in _doors(finished).values():
        door.warm_up()


def _doors(finished: Finished) -> Mapping[Verb, Door]:
    """The doors of a task; empty where it has none, and says so."""
    try:
        return finished.task.doors(finished.run())
    except RecipeError:
        return {}
