"""A door as a service asks it, in one process: files are read, parts answered in batches, answers gathered."""

from __future__ import annotations

import pickle
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rushes.media.limits import Limits
from rushes.runs.apply.contract import RECORDING, batches
from rushes.runs.door.contract import Answered, Door

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
