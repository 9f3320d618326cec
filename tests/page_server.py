"""A service that the page can be tried against: the page's own files under the policy, and answers that tests write.

Answers have the fields of the doors; what stands in them is drawn here, from no model.
"""

from __future__ import annotations

import asyncio
import base64
import io
import json
import socket
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from fractions import Fraction
from importlib import resources
from pathlib import Path
from typing import Any

import av
import numpy as np
import uvicorn
from fastapi import FastAPI, Request, Response
from fastapi.responses import JSONResponse, StreamingResponse
from PIL import Image, ImageDraw

from rushes.serve.docs_page import docs_page

POLICY = (
    "default-src 'none'; img-src 'self' blob: data:; media-src 'self' blob:; script-src 'self'; "
    "style-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
KINDS = {".html": "text/html", ".css": "text/css", ".js": "text/javascript"}
LABELS = [
    "Picking",
    "Relocate Item Label",
    "Assemble Box",
    "Insert Items",
    "Close Box",
    "Attach Box Label",
    "Final Check",
]
TEXT = {"type": "string"}
NAMED = {"properties": {"clip_id": TEXT}}
RECORDING = {
    "properties": {
        "name": {**TEXT, "default": "recording"},
        "write": {
            "anyOf": [TEXT, {"type": "null"}],
            "description": "a label file",
            "examples": ["csv", "eaf"],
        },
        "scores": {"type": "boolean", "default": False},
    }
}
DESCRIPTION = {"info": {"title": "packing-bench", "description": "What it says."}, "paths": {}}
FOUND = {
    "properties": {
        "words": {"anyOf": [{**TEXT, "maxLength": 2000}, {"type": "null"}]},
        "k": {"type": "integer", "minimum": 1, "maximum": 100, "default": 10},
        "where": {"type": "object"},
        "weight": {"type": "number", "minimum": 0, "maximum": 1, "default": 0.5},
    }
}


@dataclass
class Service:
    """What the service says next, and what it was asked.

    Attributes:
        about: of ``/about.json``.
        answers: path -> the answer, made of the fields of the form.
        refusals: those that come before, in order: status, problem, headers.
        partials: segments of each partial answer of ``/analyze``.
        key: that must be sent; empty takes everybody.
        goes_on: set where events after the partials may follow.
        breaks: the stream of events ends with this problem.
        asked: path, fields, files of each form that was read.
        left: clients that went away before the end.
        url: of the page.
    """

    about: dict[str, Any]
    answers: dict[str, Callable[[Mapping[str, str]], Mapping[str, Any]]]
    refusals: list[tuple[int, dict[str, Any], dict[str, str]]] = field(default_factory=list)
    partials: list[list[dict[str, Any]]] = field(default_factory=list)
    key: str = ""
    goes_on: threading.Event = field(default_factory=threading.Event)
    breaks: dict[str, Any] | None = None
    asked: list[tuple[str, dict[str, str], dict[str, bytes]]] = field(default_factory=list)
    left: int = 0
    url: str = ""


def app_of(service: Service) -> FastAPI:
    """The service."""
    app = FastAPI(openapi_url=None)

    @app.middleware("http")
    async def guard(request: Request, go_on: Any) -> Response:
        open_to_all = request.url.path == "/" or request.url.path.startswith("/page/")
        if service.key and not open_to_all and request.headers.get("x-api-key") != service.key:
            said = "no key" if "x-api-key" not in request.headers else "the key is not known"
            answer: Response = JSONResponse({"error": "no_key", "detail": said, "request_id": "r-401"}, 401)
        else:
            answer = await go_on(request)
        answer.headers["Content-Security-Policy"] = POLICY
        return answer

    @app.get("/")
    async def page() -> Response:
        return _file("index.html")

    @app.get("/page/{name}")
    async def asset(name: str) -> Response:
        return _file(name)

    @app.get("/about.json")
    async def about() -> Any:
        return service.about

    @app.get("/docs")
    async def docs() -> Response:
        return Response(docs_page(DESCRIPTION), media_type="text/html")

    @app.get("/openapi.json")
    async def description() -> Any:
        return DESCRIPTION

    @app.get("/items/{key}.jpg")
    async def picture(key: str) -> Response:
        return Response(item_picture(key), media_type="image/jpeg")

    @app.post("/{verb}")
    async def ask(verb: str, request: Request) -> Response:
        async with request.form() as form:
            fields = {name: value for name, value in form.items() if isinstance(value, str)}
            files = {name: await value.read() for name, value in form.items() if not isinstance(value, str)}
        service.asked.append((f"/{verb}", fields, files))
        if service.refusals:
            status, problem, headers = service.refusals.pop(0)
            return JSONResponse(problem, status, headers)
        answer = service.answers[f"/{verb}"](fields)
        if "text/event-stream" in request.headers["accept"]:
            return StreamingResponse(_events(service, answer), media_type="text/event-stream")
        return JSONResponse(answer)

    return app


async def _events(service: Service, answer: Mapping[str, Any]) -> AsyncIterator[str]:
    def event(name: str, data: Any) -> str:
        return f"event: {name}\ndata: {json.dumps(data)}\n\n"

    total = len(service.partials) + 1
    yield ": at work\n\n" + event("progress", {"done": 0, "total": total})
    for done, segments in enumerate(service.partials, 1):
        yield event("partial", {"windows": done, "of": total, "ticks": ticks_of(segments)})
        yield event("progress", {"done": done, "total": total})
    try:
        while not service.goes_on.is_set():
            await asyncio.sleep(0.02)
    except asyncio.CancelledError:
        service.left += 1
        raise
    last = event("result", answer) if service.breaks is None else event("error", service.breaks)
    yield last[: len(last) // 2]
    yield last[len(last) // 2 :]


def _file(name: str) -> Response:
    path = resources.files("rushes.serve").joinpath("page", name)
    return Response(path.read_bytes(), media_type=KINDS[Path(name).suffix])


@contextmanager
def running(service: Service) -> Iterator[Service]:
    """Serve until the block is left."""
    listening = socket.create_server(("127.0.0.1", 0))
    config = uvicorn.Config(app_of(service), log_level="error", lifespan="off", ws="none")
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
    thread.start()
    service.url = f"http://127.0.0.1:{listening.getsockname()[1]}/"
    try:
        while not server.started:
            time.sleep(0.01)
        yield service
    finally:
        service.goes_on.set()
        server.should_exit = True
        server.force_exit = True
        thread.join()
        listening.close()


# --- what it says -------------------------------------------------------------------------------------------


def about(player: str | None, labels: Sequence[str], **verbs: Any) -> dict[str, Any]:
    """Of ``/about.json``."""
    limits = {
        "max_mb": 512.0,
        "max_s": 14400.0,
        "max_pixels": 9437184,
        "max_frames": 432000,
        "at_once": 4,
        "queue": 8,
    }
    return {
        "name": "packing-bench",
        "player": player,
        "labels": list(labels),
        "verbs": verbs,
        "limits": limits,
        "version": "0.1.0",
    }


def verb(summary: str, files: Mapping[str, bool], asked: Mapping[str, Any] = NAMED) -> dict[str, Any]:
    """Of a verb of ``/about.json``."""
    return {"summary": summary, "files": dict(files), "asked": dict(asked)}


def segments_of(lengths: Sequence[tuple[int, float]], labels: Sequence[str] = LABELS) -> list[dict[str, Any]]:
    """Segments one after the other, from places of labels and seconds."""
    made, start, draw = [], 0.0, np.random.default_rng(5)
    for place, length in lengths:
        sure = float(draw.uniform(0.62, 0.98))
        rival = labels[(place + 1) % len(labels)]
        made.append(
            {
                "start_s": start,
                "end_s": start + length,
                "label": labels[place],
                "confidence": sure,
                "rival": rival,
                "rival_confidence": (1 - sure) * 0.7,
            }
        )
        start += length
    return made


def timeline(
    segments: Sequence[Mapping[str, Any]], labels: Sequence[str] = LABELS, tick_s: float = 0.5
) -> dict[str, Any]:
    """An answer of ``/analyze``: scores follow the segments with some noise, the last tick was not asked."""
    duration_s = segments[-1]["end_s"]
    draw = np.random.default_rng(2)
    scores: list[Any] = []
    for tick in range(int(duration_s / tick_s)):
        time_s = (tick + 0.5) * tick_s
        row = draw.gamma(0.4, 0.06, len(labels))
        for one in segments:
            place = labels.index(one["label"])
            distance = max(one["start_s"] - time_s, time_s - one["end_s"], 0.0)
            row[place] += (
                one["confidence"]
                * np.exp(-distance / (1.2 * tick_s))
                * (1 if distance else draw.uniform(0.7, 1.1))
            )
        scores.append([round(float(value), 4) for value in row / row.sum()])
    scores[-1] = [None] * len(labels)
    return {
        "duration_s": duration_s,
        "fps": 25.0,
        "tick_s": tick_s,
        "labels": list(labels),
        "segments": list(segments),
        "scores": scores,
        "boundaries": [one["start_s"] for one in segments[1:]],
        "remark": "smoothed by the order of the training sessions: F1@50 61.2 as they come, 74.8 smoothed",
        "next_of_it": {"label": labels[0], "predicted_at_second": duration_s, "confidence": 0.71},
        "windows": 2 * len(scores) - 1,
        "ticks": ticks_of(segments, tick_s),
        "unasked_s": tick_s,
        "file": None,
        **provenance(),
    }


def ticks_of(segments: Sequence[Mapping[str, Any]], tick_s: float = 0.5) -> list[dict[str, Any]]:
    """Labels tick by tick, as partial answers bring them."""
    made = []
    for one in segments:
        for tick in range(round(one["start_s"] / tick_s), round(one["end_s"] / tick_s)):
            made.append({"start_s": tick * tick_s, "label": one["label"], "confidence": one["confidence"]})
    return made


def provenance() -> dict[str, Any]:
    """What a service adds."""
    return {
        "request_id": "0c5e1f7a9b3d4e62",
        "model": {
            "recipe": "packing-bench",
            "task": "packing",
            "train": "8c2f3a91d0be",
            "weights": "4be1a90c" * 8,
            "preprocessing": "77d0f1e2" * 8,
            "rushes": "0.1.0",
        },
        "timings_ms": {"upload": 41.2, "queue": 0.0, "decode": 902.4, "model": 2210.7, "total": 3190.1},
    }


def spectrogram(seconds: float) -> str:
    """A picture of a sound, as base64 of a PNG."""
    draw = np.random.default_rng(3)
    wide, high = int(seconds * 8), 64
    grid = draw.uniform(0, 60, (high, wide))
    for start in range(0, wide, 50):
        grid[20 + start % 30 : 24 + start % 30, start : start + 22] += 150
        grid[:, start + 30 : start + 33] += 90
    heat = np.clip(grid, 0, 255).astype(np.uint8)
    shown = np.stack([heat, (heat * 0.55).astype(np.uint8), 90 - heat // 4], axis=-1)
    file = io.BytesIO()
    Image.fromarray(shown).save(file, "PNG")
    return base64.b64encode(file.getvalue()).decode()


def item_picture(key: str) -> bytes:
    """The JPEG of an item; each has its own colour."""
    draw = np.random.default_rng(sum(key.encode()))
    picture = Image.new("RGB", (240, 240), "white")
    pen, colour = ImageDraw.Draw(picture), tuple(int(value) for value in draw.integers(60, 190, 3))
    pen.rounded_rectangle((40, 90, 200, 170), 10, fill=colour)
    for left in (52, 176):
        pen.rectangle((left, 170, left + 12, 215), fill=tuple(value // 2 for value in colour))
    file = io.BytesIO()
    picture.save(file, "JPEG")
    return file.getvalue()


def hits(fields: Mapping[str, str]) -> dict[str, Any]:
    """An answer of ``/search``."""
    kinds = [
        "sideboard",
        "bedside table",
        "dresser",
        "tv bench",
        "settee",
        "lounge chair",
        "accent chair",
        "pouf",
    ]
    made = [
        {
            "key": f"shop/{number:04d}",
            "rank": number + 1,
            "score": 0.912 - 0.013 * number,
            "fields": {
                "title": f"{['grey', 'oak', 'green'][number % 3]} {kinds[number % len(kinds)]}",
                "style": ["scandinavian", "classic"][number % 2],
                "colour": ["grey", "oak", "green"][number % 3],
                "material": "wood",
                "price": 120 + 15 * number,
            },
            "picture": f"/items/{number:04d}.jpg",
        }
        for number in range(min(int(fields.get("k", 10)), 24))
    ]
    where = json.loads(fields.get("where", "{}"))
    made = [one for one in made if all(one["fields"].get(name) == value for name, value in where.items())]
    return {"hits": made, "said": "", **provenance()}


# --- what is sent -------------------------------------------------------------------------------------------


def video(
    path: Path, seconds: float, colours: Sequence[tuple[int, int, int]] = ((190, 90, 40), (40, 120, 90))
) -> Path:
    """H.264 in MP4: a box that goes across, on a ground that changes in the middle."""
    rate, (wide, high) = 25, (320, 180)
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=rate)
        stream.width, stream.height, stream.pix_fmt = wide, high, "yuv420p"
        stream.time_base = Fraction(1, rate)
        frames = int(seconds * rate)
        for number in range(frames):
            pixels = np.full((high, wide, 3), colours[2 * number // frames], np.uint8)
            left = int((wide - 60) * number / frames)
            pixels[70:120, left : left + 60] = (235, 220, 180)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(pixels, format="rgb24")))
        container.mux(stream.encode())
    return path
