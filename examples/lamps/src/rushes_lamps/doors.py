"""The trained map before a clip that somebody sends. Whoever decodes imports this, so it imports no torch."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from rushes.errors import MediaError
from rushes.runs.do import require_done
from rushes.runs.door.contract import Answered, Asked, Decoded, Door, Part, Reply
from rushes.runs.door.here import require_here


def doors_of(run: Any, engine: Any = None) -> Mapping[str, Door]:
    """The ways in which a run can be asked."""
    require_here(run, engine)
    return {"predict": ClipDoor(run)}


def power_of(light: Any, moments: int) -> bytes:
    """What the map sees of a clip: for a dataset, and for a request."""
    power = np.abs(np.fft.rfft(np.array(light)[:, :moments]))[:, 1:] / moments
    return json.dumps(power.ravel().tolist()).encode()


@dataclass(frozen=True, slots=True)
class ReadClip:
    """A file ``{"light": [[...], [...]]}`` becomes a sample; it travels to a process of its own."""

    moments: int

    def __call__(self, files: Mapping[str, Path], limits: Any) -> Decoded:  # noqa: D102
        path = files["file"]
        try:
            light = np.array(json.loads(path.read_bytes())["light"], float)
            if light.ndim != 2 or len(light) != 2 or light.shape[1] < self.moments:
                raise ValueError(f"two lamps over {self.moments} moments are asked about")
            if not np.isfinite(light).all():
                raise ValueError("light that is not finite")
        except (KeyError, TypeError, ValueError, RecursionError) as error:
            cure = 'send JSON like {"light": [[0.1, ...], [0.3, ...]]}'
            raise MediaError(f"no clip: {error!r}", where=path, cure=cure) from error
        limits.check(path, frames=light.shape[1], decoded_bytes=light.nbytes)
        part = Part("clip", {"power.json": power_of(light, self.moments)})
        return Decoded({"duration_s": None, "fps": None, "parts": 1}, iter([part]))


class Faster(Answered):
    """The lamp that blinks faster, and the probability of each."""

    label: str
    scores: Mapping[str, float]


class ClipDoor(Door):
    """See `Door`."""

    verb, summary = "predict", "Which of two lamps blinks faster."
    asked, answered = Asked, Faster
    files, preload = {"file": True}, ("rushes_lamps.doors",)

    def __init__(self, run: Any) -> None:
        self._run = run

    @cached_property
    def _net(self) -> Any:
        from safetensors.torch import load_file

        from rushes_lamps.work import net_of

        require_done(self._run, "train", "serve")
        net = net_of(self._run)
        net.load_state_dict(load_file(self._run.folder("train") / "model" / "model.safetensors"))
        return net

    def decode(self, asked: Asked) -> ReadClip:  # noqa: D102
        return ReadClip(self._run.recipe.preprocessing.moments)

    def load(self) -> None:  # noqa: D102
        assert self._net is not None

    def answer(self, parts: Sequence[Part]) -> Sequence[Any]:  # noqa: D102
        import torch

        powers = torch.tensor([json.loads(bytes(part.members["power.json"])) for part in parts])
        with torch.no_grad():
            scores: list[Any] = self._net(powers).softmax(dim=1).tolist()
        return scores

    def reply(self, asked: Asked, about: Mapping[str, Any]) -> Reply:  # noqa: D102
        return _Reply()


class _Reply(Reply):
    """Of the one clip."""

    def add(self, part: Part, said: Any) -> None:
        from rushes_lamps.work import LABELS

        self._scores = dict(zip(LABELS, said, strict=True))

    def finish(self) -> Faster:
        return Faster(label=max(self._scores, key=self._scores.__getitem__), scores=self._scores)
