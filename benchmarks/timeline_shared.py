"""Windows that overlap: decoded and encoded one by one, or in one read with what they have in common shared."""

from __future__ import annotations

import hashlib
import io
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple, cast

import av
import numpy as np
import torch
from report import Figure, at_most

from rushes.media.image import decode_jpeg
from rushes.media.sampling import SamplerName
from rushes.media.video import decode, probe
from rushes.models import head as heads
from rushes.models import vlm as family
from rushes.models.encoder import encoder
from rushes.models.pair_features import PairFeatures
from rushes.predict.answerer import Answerer as AnyAnswerer
from rushes.prepare.features import SeenFrames
from rushes.recipe.frozen import FEATURES
from rushes.records import Media, Recording
from rushes.shards.member import read_array
from rushes.tasks.operations.predict.answer import Answerer, Question
from rushes.tasks.operations.predict.features import FeatureAnswerer, FeatureQuestion
from rushes.tasks.operations.predict.read_off import Answer
from rushes.tasks.operations.prepare.clips import Cutting, windows
from rushes.tasks.operations.prepare.unit import Footage
from rushes.tasks.operations.preprocessing import ClipPreprocessing
from rushes.tasks.operations.sources.openpack.tables import load_label_set
from rushes.tasks.operations.twin.script import TwinSettings, units
from rushes.tasks.operations.twin.writer import write_unit

FRAMES, STEP_S, FPS = 8, 0.64, 25
"""A window has eight frames every .64 s, sixteen frames of the video, and half of them in common with the next."""
CLIP_S = FRAMES * STEP_S
SAMPLERS: tuple[SamplerName, ...] = ("uniform", "coverage", "motion", "entropy")


class Window(NamedTuple):
    """JPEGs of a window's frames."""

    number: int
    frames: list[bytes]


def shared_figures(quick: bool) -> Iterator[Figure]:
    """Answers and time of tiny models without training, and pairs that are found again."""
    torch.set_num_threads(1)
    settings = TwinSettings(subjects=1, boxes=1, video_size=(640, 480))
    with tempfile.TemporaryDirectory() as folder:
        for unit in units(settings):
            write_unit(Path(folder), unit, settings)
        video = next(Path(folder).rglob("*.mp4"))
        labels = load_label_set("openpack").labels
        base = ClipPreprocessing(labels=labels, label_set="openpack", frames=FRAMES, clip_s=CLIP_S)
        count = 6 if quick else 14
        for size in ((140, 112), (336, 336)):
            preprocessing = base.model_copy(update={"frame_size": size})
            asked = _Vlm(preprocessing)
            yield from compared(f"tiny VLM at {size[0]}x{size[1]}", asked, video, count, size, quick)
        yield from compared("frozen at 224x168", _Frozen(base), video, count, (224, 168), quick)
        for sampler in SAMPLERS:
            yield from found_again(base.model_copy(update={"sampler": sampler}), video)


# --- two ways to read and to answer -------------------------------------------------------------------------


def one_by_one(video: Path, count: int, size: tuple[int, int], quality: int) -> Iterator[Window]:
    """Each window from the file by itself: opened, sought, decoded from the key frame before it."""
    for number in range(count):
        wanted = window_frames(number)
        with av.open(str(video)) as container:
            stream = container.streams.video[0]
            container.seek(int(wanted[0] / FPS / stream.time_base), stream=stream)
            found: dict[int, bytes] = {}
            for frame in container.decode(stream):
                at = round(frame.time * FPS)
                if at in wanted:
                    found[at] = jpeg(frame, size, quality)
                if at >= wanted[-1]:
                    break
        yield Window(number, [found[at] for at in wanted])


def in_one_read(video: Path, count: int, size: tuple[int, int], quality: int) -> Iterator[Window]:
    """All windows in one linear read; a frame is scaled and written once."""
    held: dict[int, bytes] = {}
    number = 0
    every, last = FRAMES // 2 * round(STEP_S * FPS), window_frames(count - 1)[-1]
    with av.open(str(video)) as container:
        for frame in container.decode(container.streams.video[0]):
            at = round(frame.time * FPS)
            if at % round(STEP_S * FPS) == 0:
                held[at] = jpeg(frame, size, quality)
                if at == window_frames(number)[-1]:
                    yield Window(number, [held[one] for one in window_frames(number)])
                    number += 1
                    held = {one: data for one, data in held.items() if one >= number * every}
            if at >= last:
                break


def window_frames(number: int) -> list[int]:
    """Numbers in the video of a window's frames."""
    step = round(STEP_S * FPS)
    return [(number * FRAMES // 2 + place) * step for place in range(FRAMES)]


def jpeg(frame: av.VideoFrame, size: tuple[int, int], quality: int) -> bytes:
    """A frame scaled and written, the same in both ways."""
    file = io.BytesIO()
    frame.to_image(width=size[0], height=size[1]).save(file, "JPEG", quality=quality)
    return file.getvalue()


class _Vlm:
    """The tiny vision language model."""

    def __init__(self, preprocessing: ClipPreprocessing) -> None:
        self.quality = preprocessing.jpeg_quality
        self._vlm = family.load("tiny", preprocessing, seed=3)
        self._vlm.model.eval()

    def answerer(self, shares: bool) -> Callable[[Sequence[Window]], list[Answer]]:
        """Answers batches of windows; begins with nothing remembered."""
        answerer = Answerer(self._vlm, 4)
        if shares:
            cast("AnyAnswerer[Any, Any, Any]", answerer).pairs = PairFeatures(self._vlm)

        def answer(batch: Sequence[Window]) -> list[Answer]:
            pixels = [np.stack([decode_jpeg(one, "window") for one in window.frames]) for window in batch]
            return answerer.answer([Question([views], times(), CLIP_S / 2, CLIP_S) for views in pixels])

        return answer


class _Frozen:
    """A head on the frozen encoder."""

    def __init__(self, preprocessing: ClipPreprocessing) -> None:
        self.quality = preprocessing.jpeg_quality
        self._head = heads.build(preprocessing, seed=3).eval()
        encoder()

    def answerer(self, shares: bool) -> Callable[[Sequence[Window]], list[Answer]]:
        """See `_Vlm.answerer`."""
        answerer, seen = FeatureAnswerer(self._head, 4), SeenFrames(encoder())

        def features(window: Window) -> Any:
            sees = seen if shares else SeenFrames(encoder())
            fields = {f"frame_{place:02d}.jpg": data for place, data in enumerate(window.frames)}
            return read_array(sees.members(str(window.number), fields)[FEATURES])

        def answer(batch: Sequence[Window]) -> list[Answer]:
            return answerer.answer(
                [FeatureQuestion(features(window), times(), CLIP_S / 2, CLIP_S) for window in batch]
            )

        return answer


def times() -> tuple[float, ...]:
    """Of a window's frames, on its clock."""
    return tuple(STEP_S * place for place in range(FRAMES))


def compared(
    what: str, asked: _Vlm | _Frozen, video: Path, count: int, size: tuple[int, int], quick: bool
) -> Iterator[Figure]:
    """Both ways in turns, whole and from JPEGs on; the median of the ratios of CPU seconds."""
    whole, model, apart = [], [], 0.0
    kept = list(in_one_read(video, count, size, asked.quality))
    for turn in range(3 if quick else 5):
        spent: dict[tuple[bool, str], float] = {}
        said: dict[bool, list[Answer]] = {}
        for shares in (True, False) if turn % 2 else (False, True):
            read = in_one_read if shares else one_by_one
            start = time.process_time()
            said[shares] = batched(asked.answerer(shares), read(video, count, size, asked.quality))
            spent[shares, "whole"] = time.process_time() - start
            start = time.process_time()
            batched(asked.answerer(shares), kept)
            spent[shares, "model"] = time.process_time() - start
        whole.append(spent[True, "whole"] / spent[False, "whole"])
        model.append(spent[True, "model"] / spent[False, "model"])
        apart = max(apart, *(distance(*pair) for pair in zip(said[True], said[False], strict=True)))
    yield at_most(f"{what}: {count} windows that share half: greatest difference of an answer", apart, 1e-5)
    yield at_most(f"{what}: CPU of one read with sharing / window by window", float(np.median(whole)), 0.6)
    yield Figure(f"{what}: of these, from the JPEGs on", float(np.median(model)))


def batched(answer: Callable[[Sequence[Window]], list[Answer]], read: Any) -> list[Answer]:
    """Answers four windows at a time, in order."""
    answers: list[Answer] = []
    batch: list[Window] = []
    for window in read:
        batch.append(window)
        if len(batch) == 4:
            answers += answer(batch)
            batch = []
    return answers + (answer(batch) if batch else [])


def distance(ours: Answer, theirs: Answer) -> float:
    """Greatest difference of a number of two answers; infinite where a label differs."""
    if (ours.operation, ours.next) != (theirs.operation, theirs.next):
        return float("inf")
    numbers = [
        np.concatenate([[one.start_s, one.end_s], one.probabilities, one.next_probabilities])
        for one in (ours, theirs)
    ]
    return float(np.abs(numbers[0] - numbers[1]).max())


# --- what samplers find again -------------------------------------------------------------------------------


def found_again(preprocessing: ClipPreprocessing, video: Path) -> Iterator[Figure]:
    """Shares of frames and of pairs that an earlier window held, with windows stepped by half of their length."""
    media = Media("video", video)
    duration_s = probe(media).duration_s or sum(1 for _ in decode(media)) / FPS
    cutting = replace(Cutting(), clip_s=CLIP_S, stride_s=CLIP_S / 2)
    recording = Recording("recording", "", "", "", media, (), 0.0)
    seen: dict[str, set[bytes]] = {"frames": set(), "pairs": set()}
    asked = {"frames": 0, "pairs": 0}
    # The first and the last windows of a timeline lie in one place.
    clips = {clip.start_s: clip for clip in windows(recording, duration_s, cutting)}
    for _, fields in Footage(preprocessing).cut(recording, list(clips.values())):
        frames = [fields[name] for name in sorted(fields) if name.endswith(".jpg")]
        pairs = [b"".join(frames[place : place + 2]) for place in range(0, len(frames), 2)]
        for name, held in (("frames", frames), ("pairs", pairs)):
            asked[name] += len(held)
            seen[name] |= {hashlib.sha256(one).digest() for one in held}
    for name, count in asked.items():
        share = 1 - len(seen[name]) / count
        yield Figure(
            f"sampler {preprocessing.sampler}, step of half a window: share of {name} found again", share
        )
