"""A door as a service asks it, in one process: files are read, parts answered in batches, answers gathered."""

from __future__ import annotations

import pickle
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np

from rushes.media.limits import Limits
from rushes.predict.table import read_predictions
from rushes.runs.apply.contract import RECORDING, batches
from rushes.runs.door.contract import Answered, Door
from rushes.runs.run import Run
from rushes.tasks.operations.predict.table import SCHEMA

SERVED = Limits(max_pixels=1920 * 1080, max_frames=100_000, max_duration_s=3600.0, max_decoded_bytes=1 << 36)


def ask(door: Door, path: Path, limits: Limits = SERVED, **asked: Any) -> tuple[Answered, Sequence[Any]]:
    """The answer about a file, and what was told before; the way to the decoding process is made as well."""
    said = door.asked.model_validate({name: str(value) for name, value in asked.items()})
    decode = pickle.loads(pickle.dumps(door.decode(said)))
    decoded = decode({RECORDING: path}, limits)
    reply, told = door.reply(said, decoded.about), []
    for parts in batches(decoded.parts, door.batch_size):
        for part, answer in zip(parts, door.answer(parts), strict=True):
            told.append(reply.add(part, answer))
    answered = reply.finish()
    assert door.answered.model_validate_json(answered.model_dump_json()) == answered
    return answered, told


def farthest_from_predictions(run: Run[Any], door: Door, count: int) -> float:
    """Asks about clips of the test session again; gives the largest difference of a probability."""
    rows = read_predictions(run.folder("predict"), SCHEMA).to_pylist()
    rows = [row for row in rows if row["variant"] == "model"]
    path_of = {one.key: one.media.path for one in run.scan.recordings}
    farthest = 0.0
    for row in rows[:: max(len(rows) // count, 1)]:
        where = {"start_s": row["clip_start_s"], "asked_s": row["asked_s"], "clip_id": row["key"]}
        found, _ = ask(door, path_of[row["recording"]], **where)
        assert (found.clip_id, found.start_s, found.asked_s) == tuple(
            row[name] for name in ("key", "clip_start_s", "asked_s")
        )
        assert (found.dominant_operation, found.anticipated_next_operation) == (
            row["operation"],
            row["next"],
        )
        assert (found.segment_s.start_s, found.segment_s.end_s) == (row["start_s"], row["end_s"])
        for ours, theirs in (
            (found.scores, "probabilities"),
            (found.next_scores, "next_probabilities"),
        ):
            assert tuple(ours) == run.recipe.preprocessing.labels
            farthest = max(farthest, float(np.abs(np.array([*ours.values()]) - row[theirs]).max()))
    return farthest


def still(path, seconds: float, rate: int = 25, size: tuple[int, int] = (64, 48)) -> None:
    """A grey video."""
    with av.open(str(path), "w", format="mp4") as container:
        stream = container.add_stream("mpeg4", rate)
        stream.width, stream.height, stream.pix_fmt = *size, "yuv420p"
        for number in range(round(seconds * rate)):
            picture = np.full((size[1], size[0]), 100 + number % 50, np.uint8)
            frame = av.VideoFrame.from_ndarray(picture, "gray").reformat(format="yuv420p")
            frame.pts, frame.time_base = number, Fraction(1, rate)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
