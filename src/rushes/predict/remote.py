"""An OpenAI-compatible server that answers with an export of the model, such as vLLM or SGLang.

It gets the prompt that the model was taught, with the same pictures. Each value of an answer is one of a few, and the
engine is held to them: by a choice behind the answer so far, which is how the model was taught, or by a schema. What
comes back is read strictly all the same; what cannot be read is asked once more, and then it is no answer.
"""

from __future__ import annotations

import base64
import json
import math
import random
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import httpx

from rushes.errors import AnswerError, ModelError
from rushes.models.conversation import messages
from rushes.models.pixels import PAIR
from rushes.predict.free_text import read_slots
from rushes.recipe.preprocessing import FramePreprocessing

Form = Literal["choice", "schema", "text"]
"""How an engine is held to legal values: ``choice`` continues the answer with one of them (vLLM), ``schema`` asks for
a JSON object of them (SGLang and others), ``text`` asks and hopes."""

Pictures = Literal["frames", "images"]
"""How pictures travel: the frames of a pair as one short video (vLLM), as the model was taught, or each as an image,
which is twice the tokens and another prompt than it was taught."""

Said = Literal["choice", "json", "fence", "object", "fields"]
"""What it took to find an answer; ``choice``: the engine could say nothing else."""

TRIES = 4
MOST_BYTES = 1 << 20
MOST_WAIT_S = 30.0
CONNECT_S = 10.0
_BUSY = frozenset({408, 409, 425, 429})
CURE = "see that the engine runs, that its address ends with /v1, and that it serves an export of this model"


@dataclass(frozen=True, slots=True)
class Engine:
    """Where it listens, and how it is asked.

    Attributes:
        url: up to and with ``/v1``.
        model: its name there; None takes the only one that it has.
        key: sent as a bearer token; None sends none.
        form, pictures: see `Form` and `Pictures`; None is what suits the engine that says it is there.
        timeout_s: longest time for an answer, its repetitions included.
        at_once: requests that are on their way together.
    """

    url: str
    model: str | None = None
    key: str | None = field(default=None, repr=False)
    form: Form | None = None
    pictures: Pictures | None = None
    timeout_s: float = 120.0
    at_once: int = 8


@dataclass(frozen=True, slots=True)
class Shown:
    """Pictures of a clip as they lie in a shard.

    Attributes:
        views: JPEG frames of each view.
        times_s: of each frame, on the clip's clock.
    """

    views: Sequence[Sequence[bytes | memoryview]]
    times_s: Sequence[float]

    def until(self, count: int) -> Shown:
        """The first ``count`` frames of each view."""
        return Shown([frames[:count] for frames in self.views], self.times_s[:count])


class Remote:
    """Asks one engine; may be used from several threads.

    Args:
        engine: where it is.
        preprocessing: how the model was taught to be asked.
        client: to send with; one is made without it.
        sleep, rng: by which waits are waited and drawn.

    Raises:
        ModelError: the address or the key cannot be one.
    """

    def __init__(
        self,
        engine: Engine,
        preprocessing: FramePreprocessing,
        client: httpx.Client | None = None,
        sleep: Callable[[float], None] = time.sleep,
        rng: random.Random | None = None,
    ) -> None:
        self.engine, self.preprocessing = engine, preprocessing
        self._url, self._sleep, self._rng = engine.url.rstrip("/"), sleep, rng or random.Random()
        if not _is_address(self._url):
            raise ModelError(
                "an engine's address begins with http:// or https:// and names a host",
                where=engine.url,
                cure=CURE,
            )
        if engine.key is not None and not all("!" <= char <= "~" for char in engine.key):
            raise ModelError(
                "the engine's key holds a character that no key has", where=engine.url, cure="set it again"
            )
        self._headers = {"Accept-Encoding": "identity"}
        if engine.key:
            self._headers["Authorization"] = f"Bearer {engine.key}"
        self._client = client or httpx.Client(trust_env=False)
        self._lock, self._met = threading.Lock(), False
        self._model, self._form, self._pictures = engine.model, engine.form, engine.pictures

    def close(self) -> None:
        """Leave the engine."""
        self._client.close()

    def connect(self) -> str:
        """Ask which model the engine has, once, and choose how it is asked; the model's name there.

        Raises:
            ModelError: it cannot be reached, or has no such model, or several and none was named.
        """
        with self._lock:
            if not self._met:
                self._meet()
                self._met = True
        assert self._model is not None
        return self._model

    def _meet(self) -> None:
        told = self._call("GET", "/models", None)
        listed = told.get("data")
        models = {
            str(one["id"]): str(one.get("owned_by", ""))
            for one in (listed if isinstance(listed, list) else ())
            if isinstance(one, dict) and "id" in one
        }
        if self._model is None and len(models) == 1:
            self._model = next(iter(models))
        if self._model is None or self._model not in models:
            asked = "none was named" if self._model is None else f"{self._model!r} was asked for"
            raise ModelError(
                f"the engine has {', '.join(sorted(models)[:8]) or 'no model'}, and {asked}",
                where=self.engine.url,
                cure="name the model as the engine does",
            )
        ours = models[self._model] == "vllm"
        self._form = self._form or ("choice" if ours else "schema")
        self._pictures = self._pictures or ("frames" if ours else "images")

    # --- one answer -----------------------------------------------------------------------------------------------

    def ask(self, shown: Shown) -> tuple[tuple[str, ...], Said]:
        """The answer behind the last frame: its values in the order of the slots, and what it took to read them.

        Raises:
            ModelError: the engine cannot be asked now.
            AnswerError: it was asked twice, and what it said is no answer.
        """
        self.connect()
        turn = _filled(
            messages(self.preprocessing, shown.times_s), self._clips(shown), self._pictures == "images"
        )
        if self._form == "choice":
            return self._twice(lambda: self._by_choice(turn, shown))
        return self._twice(lambda: self._at_once(turn, shown))

    def _twice(self, ask: Callable[[], tuple[tuple[str, ...], Said]]) -> tuple[tuple[str, ...], Said]:
        try:
            return ask()
        except AnswerError:
            return ask()

    def _by_choice(self, turn: list[dict[str, Any]], shown: Shown) -> tuple[tuple[str, ...], Said]:
        """One value after the other, each as the next piece of the answer so far."""
        slots, values, so_far = self.preprocessing.slots(), list[str](), ""
        for slot in slots:
            so_far += slot.before
            text = self._complete(
                [*turn, {"role": "assistant", "content": so_far}],
                shown,
                max(map(len, slot.choices)) + 8,
                add_generation_prompt=False,
                continue_final_message=True,
                structured_outputs={"choice": list(slot.choices)},
            )
            if text not in slot.choices:  # whoever is not held to choices may have said the whole answer
                begins = text.lstrip()[:1] in ("{", "[", "`")
                return read_slots(text if begins else so_far + text, slots)
            values.append(text)
            so_far += text
        return tuple(values), "choice"

    def _at_once(self, turn: list[dict[str, Any]], shown: Shown) -> tuple[tuple[str, ...], Said]:
        """The whole answer."""
        slots = self.preprocessing.slots()
        held: dict[str, Any] = {}
        if self._form == "schema":
            schema = {
                "type": "object",
                "properties": {slot.name: {"type": "string", "enum": list(slot.choices)} for slot in slots},
                "required": [slot.name for slot in slots],
                "additionalProperties": False,
            }
            held["response_format"] = {
                "type": "json_schema",
                "json_schema": {"name": "answer", "strict": True, "schema": schema},
            }
        longest = sum(len(slot.before) + max(map(len, slot.choices)) for slot in slots)
        return read_slots(self._complete(turn, shown, longest + 64, **held), slots)

    def _clips(self, shown: Shown) -> list[list[bytes]]:
        """Frames of each video of the conversation, in order; the last may stand for its pair alone, twice."""
        frames = [[bytes(frame) for frame in view] for view in shown.views]
        if not self.preprocessing.time_marks:
            return frames
        starts = range(0, len(shown.times_s), PAIR)
        return [(view[start : start + PAIR] * PAIR)[:PAIR] for start in starts for view in frames]

    def _complete(self, turns: list[dict[str, Any]], shown: Shown, most: int, **more: Any) -> str:
        body = {
            "model": self._model,
            "messages": turns,
            "temperature": 0.0,
            "seed": 0,
            "max_tokens": most,
            **more,
        }
        if self._pictures == "frames" and not self.preprocessing.time_marks:
            # Else it would take its own clock and at most 32 frames; vLLM wants --trust-request-mm-kwargs for that.
            body["media_io_kwargs"] = {"video": {"num_frames": -1, "fps": _rate(shown.times_s)}}
        told = self._call("POST", "/chat/completions", body)
        try:
            text = told["choices"][0]["message"]["content"]
        except (KeyError, IndexError, TypeError) as error:
            raise AnswerError(
                f"the engine's reply holds no message: {error!r}", where=self.engine.url
            ) from error
        if not isinstance(text, str):
            raise AnswerError(
                f"the engine's message is a {type(text).__name__}, no text", where=self.engine.url
            )
        return text

    # --- the wire -------------------------------------------------------------------------------------------------

    def _call(self, method: str, path: str, body: Mapping[str, Any] | None) -> Mapping[str, Any]:
        """What the engine replies, asked again while it is busy or fails and time is left."""
        content = None if body is None else json.dumps(body).encode()
        ends_s, why = time.monotonic() + self.engine.timeout_s, "no time was left"
        for number in range(TRIES):
            left_s = ends_s - time.monotonic()
            if left_s <= 0.0:
                break
            try:
                status, headers, reply = self._send(method, path, content, left_s)
            except httpx.HTTPError as error:
                why, wait_s = f"{type(error).__name__}: {error}", None
            else:
                if status == 200:
                    return _object(reply, self.engine.url)
                why, wait_s = f"{status} {_message(reply)}", _retry_after_s(headers)
                if status < 500 and status not in _BUSY:
                    raise ModelError(
                        f"the engine refuses: {self._told(why)}", where=self.engine.url, cure=CURE
                    )
            if number + 1 < TRIES:
                wait_s = 0.25 * 2**number * (0.5 + self._rng.random()) if wait_s is None else wait_s
                self._sleep(max(0.0, min(wait_s, ends_s - time.monotonic())))
        raise ModelError(f"the engine does not answer: {self._told(why)}", where=self.engine.url, cure=CURE)

    def _send(
        self, method: str, path: str, content: bytes | None, left_s: float
    ) -> tuple[int, httpx.Headers, bytes]:
        headers = self._headers | ({} if content is None else {"Content-Type": "application/json"})
        limits = httpx.Timeout(left_s, connect=min(CONNECT_S, left_s))
        reply, ends_s = bytearray(), time.monotonic() + left_s
        with self._client.stream(
            method, self._url + path, content=content, headers=headers, timeout=limits, follow_redirects=False
        ) as response:
            for chunk in response.iter_raw():
                reply += chunk
                if len(reply) > MOST_BYTES:
                    raise ModelError(
                        f"the engine's reply is longer than {MOST_BYTES} bytes",
                        where=self.engine.url,
                        cure=CURE,
                    )
                if time.monotonic() > ends_s:
                    raise httpx.ReadTimeout("the reply came too slowly")
            return response.status_code, response.headers, bytes(reply)

    def _told(self, why: str) -> str:
        """What the engine said, without the key, should it repeat it."""
        key = self.engine.key
        return why.replace(key, "***")[:400] if key else why[:400]


def _filled(
    turn: list[dict[str, Any]], clips: Sequence[Sequence[bytes]], as_images: bool
) -> list[dict[str, Any]]:
    """A conversation with pictures in the places of its videos."""
    left = iter(clips)
    content: list[dict[str, Any]] = []
    for part in turn[0]["content"]:
        if part["type"] != "video":
            content.append(part)
            continue
        frames = [base64.b64encode(frame).decode() for frame in next(left)]
        if as_images:
            urls = [f"data:image/jpeg;base64,{frame}" for frame in frames]
            content += [{"type": "image_url", "image_url": {"url": url}} for url in urls]
        else:
            url = f"data:video/jpeg;base64,{','.join(frames)}"
            content.append({"type": "video_url", "video_url": {"url": url}})
    return [{"role": "user", "content": content}]


def _rate(times_s: Sequence[float]) -> float:
    """Frames a second, for the clock of a plain video.

    >>> _rate([0.0, 0.5, 1.0])
    2.0
    """
    span_s = times_s[-1] - times_s[0] if len(times_s) > 1 else 0.0
    return (len(times_s) - 1) / span_s if span_s > 0.0 else 1.0


def _object(reply: bytes, url: str) -> Mapping[str, Any]:
    found = _json(reply)
    if not isinstance(found, dict):
        raise ModelError(
            "what answers there is no such engine: its reply is no JSON object", where=url, cure=CURE
        )
    return found


def _json(reply: bytes) -> Any:
    try:
        return json.loads(reply)
    except (ValueError, RecursionError):
        return None


def _message(reply: bytes) -> str:
    """The message of an error, in a line."""
    found = _json(reply)
    error = found.get("error", found) if isinstance(found, dict) else None
    told = error.get("message") if isinstance(error, dict) else None
    return " ".join(str(told or reply[:300].decode("utf-8", "replace")).split())


def _retry_after_s(headers: httpx.Headers) -> float | None:
    """Seconds that an engine asks to be left alone for; None where it does not, or not in seconds."""
    try:
        asked_s = float(headers["retry-after"])
    except (KeyError, ValueError):
        return None
    return min(max(asked_s, 0.0), MOST_WAIT_S) if math.isfinite(asked_s) else None


def _is_address(url: str) -> bool:
    """Whether something can be asked there."""
    try:
        address = httpx.URL(url)
    except httpx.InvalidURL:
        return False
    return address.scheme in ("http", "https") and bool(address.host)
