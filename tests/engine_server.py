"""An OpenAI-compatible engine on this machine: an exported folder, asked by the library with its own positions.

The chat template, the tokenizer, the image processor and the positions are the library's. Its video processor needs
torchvision; patches of videos come from `patchify`, which `benchmarks/formats.py` holds against it. Choices and schemas
are kept by scoring every legal continuation.
"""

from __future__ import annotations

import base64
import io
import socket
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
import uvicorn
from fastapi import FastAPI
from PIL import Image
from transformers import AutoImageProcessor, AutoTokenizer, Qwen2_5_VLForConditionalGeneration

from rushes.models.pixels import patchify

VIDEO, IMAGE = "<|video_pad|>", "<|image_pad|>"


@dataclass
class EngineServer:
    """The engine, and what it was asked.

    Attributes:
        folder: the export.
        owned_by: what it says that it is.
        asked: bodies of all requests.
    """

    folder: Path
    owned_by: str = "vllm"
    url: str = ""
    asked: list[dict[str, Any]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.words = AutoTokenizer.from_pretrained(self.folder)
        self.images = AutoImageProcessor.from_pretrained(self.folder)
        self.model = Qwen2_5_VLForConditionalGeneration.from_pretrained(self.folder)
        self.model.eval()
        self._one = threading.Lock()

    def app(self) -> FastAPI:
        """Its routes."""
        app = FastAPI()

        @app.get("/v1/models")
        def models() -> dict[str, Any]:
            return {"object": "list", "data": [{"id": "tiny", "object": "model", "owned_by": self.owned_by}]}

        @app.post("/v1/chat/completions")
        def complete(body: dict[str, Any]) -> dict[str, Any]:
            self.asked.append(body)
            with self._one, torch.inference_mode():
                text = self.say(body)
            message = {"role": "assistant", "content": text}
            return {"object": "chat.completion", "choices": [{"index": 0, "message": message}]}

        return app

    def say(self, body: dict[str, Any]) -> str:
        """What the model says, held to what is legal."""
        turns, videos, pictures = self._opened(body["messages"])
        prompt = self.words.apply_chat_template(
            turns,
            tokenize=False,
            add_generation_prompt=body.get("add_generation_prompt", True),
            continue_final_message=body.get("continue_final_message", False),
        )
        seen: dict[str, Any] = {}
        if videos:
            patches, grids = zip(*map(patchify, videos), strict=True)
            prompt = _expanded(prompt, VIDEO, grids)
            rate = body.get("media_io_kwargs", {}).get("video", {}).get("fps", 1.0)
            seen |= {
                "pixel_values_videos": torch.from_numpy(np.concatenate(patches)),
                "video_grid_thw": torch.tensor(grids),
                "second_per_grid_ts": torch.full((len(grids),), 2.0 / rate),
            }
        if pictures:
            found = self.images(images=pictures, return_tensors="pt")
            prompt = _expanded(prompt, IMAGE, [tuple(grid) for grid in found["image_grid_thw"].tolist()])
            seen |= dict(found)
        if choices := body.get("structured_outputs", {}).get("choice"):
            return self._likeliest(prompt, choices, seen)
        if "response_format" in body:
            schema, said = body["response_format"]["json_schema"]["schema"], "{"
            for number, (name, kind) in enumerate(schema["properties"].items()):
                said += f'{", " if number else ""}"{name}": "'
                said += self._likeliest(prompt + said, kind["enum"], seen) + '"'
            return said + "}"
        ids = self._ids(prompt)
        made = self.model.generate(ids, mm_token_type_ids=self._kinds(ids), max_new_tokens=8, **seen)
        return self.words.decode(made[0, ids.shape[1] :], skip_special_tokens=True)

    def _likeliest(self, prompt: str, choices: Sequence[str], seen: dict[str, Any]) -> str:
        return max(choices, key=lambda choice: self._score(prompt, choice, seen))

    def _score(self, prompt: str, choice: str, seen: dict[str, Any]) -> float:
        before, after = self._ids(prompt), self._ids(choice)
        ids = torch.cat([before, after], dim=1)
        logits = self.model(ids, mm_token_type_ids=self._kinds(ids), **seen).logits.float().log_softmax(-1)
        places = torch.arange(before.shape[1] - 1, ids.shape[1] - 1)
        return float(logits[0, places, after[0]].sum())

    def _ids(self, text: str) -> torch.Tensor:
        return torch.tensor([self.words.encode(text, add_special_tokens=False)])

    def _kinds(self, ids: torch.Tensor) -> torch.Tensor:
        video, image = (self.words.convert_tokens_to_ids(pad) for pad in (VIDEO, IMAGE))
        return (ids == video).long() * 2 + (ids == image).long()

    @staticmethod
    def _opened(
        turns: list[dict[str, Any]],
    ) -> tuple[list[dict[str, Any]], list[np.ndarray], list[Image.Image]]:
        """Turns for the template, with their videos and pictures."""
        videos, pictures, opened = [], [], []
        for turn in turns:
            parts = turn["content"] if isinstance(turn["content"], list) else None
            for part in parts or ():
                if part["type"] == "video_url":
                    head, _, frames = part["video_url"]["url"].partition(",")
                    assert head == "data:video/jpeg;base64", head
                    videos.append(np.stack([np.asarray(_picture(frame)) for frame in frames.split(",")]))
                elif part["type"] == "image_url":
                    pictures.append(_picture(part["image_url"]["url"].partition(",")[2]))
            kinds = {"video_url": "video", "image_url": "image"}
            plain = parts and [{**part, "type": kinds.get(part["type"], "text")} for part in parts]
            opened.append({"role": turn["role"], "content": plain or turn["content"]})
        return opened, videos, pictures


def _picture(text: str) -> Image.Image:
    return Image.open(io.BytesIO(base64.b64decode(text, validate=True))).convert("RGB")


def _expanded(prompt: str, pad: str, grids: Sequence[Sequence[int]]) -> str:
    head, *rest = prompt.split(pad)
    assert len(rest) == len(grids), "as many places as pictures"
    for part, grid in zip(rest, grids, strict=True):
        head += pad * (int(np.prod(grid)) // 4) + part
    return head


@contextmanager
def serving(engine: EngineServer) -> Iterator[EngineServer]:
    """The engine behind an address of this machine."""
    listening = socket.socket()
    listening.bind(("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config(engine.app(), log_level="warning", lifespan="off"))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]}, daemon=True)
    thread.start()
    while not server.started:
        time.sleep(0.01)
    engine.url = f"http://127.0.0.1:{listening.getsockname()[1]}/v1"
    try:
        yield engine
    finally:
        server.should_exit = True
        thread.join(10.0)
        listening.close()
