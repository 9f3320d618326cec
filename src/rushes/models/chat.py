"""A clip and its questions as tokens, rotary positions and an attention mask.

Shapes: L tokens, P of them the prompt (instruction, times and pictures), Q questions behind it. A question is
asked behind a pair of frames: it sees the prompt up to that pair, and itself. So all questions of a clip
share one reading of its pictures, eight of them cost little more than one, and none knows what comes later
than its moment. Rotary positions are (time, row, column) triples; the time of a picture is its true time.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from transformers import PreTrainedTokenizerBase

from rushes.models.conversation import messages
from rushes.models.pixels import MERGE, PAIR, visual_tokens
from rushes.recipe.preprocessing import FramePreprocessing
from rushes.recipe.turns import Turn, Value

USER, TURN, END = "<|im_start|>user\n", "<|im_end|>\n<|im_start|>assistant\n", "<|im_end|>"
VISION_START, VIDEO_PAD, VISION_END = "<|vision_start|>", "<|video_pad|>", "<|vision_end|>"

Positions = np.ndarray  # (3, L) float64: time, row, column
Grid = tuple[int, int, int]  # T, H/14, W/14


@dataclass(frozen=True, slots=True)
class Encoded:
    """One clip with its questions.

    Attributes:
        ids: ``(L,)`` int64 token ids.
        positions: ``(3, L)`` float64 rotary positions.
        block: ``(L,)`` int64, 0 for the prompt and 1..Q for the questions.
        sees: ``(L,)`` int64, how many tokens of the prompt each token may look at.
        taught: ``(L,)`` bool, tokens that the loss counts.
    """

    ids: np.ndarray
    positions: Positions
    block: np.ndarray
    sees: np.ndarray
    taught: np.ndarray


@dataclass(frozen=True, slots=True)
class Prompt:
    """Everything that comes before the questions.

    Attributes:
        ids: P token ids.
        positions: ``(3, P)`` float64.
        ends: number of tokens up to the end of each pair of frames.
        times_s: time of the last frame of each pair: the moment that a question behind it is about.
    """

    ids: list[int]
    positions: Positions
    ends: tuple[int, ...]
    times_s: tuple[float, ...]

    def after(self, pair: int) -> float:
        """Position of the first token of a question behind a pair."""
        return float(self.positions[:, : self.ends[pair]].max()) + 1

    def encoded(self) -> Encoded:
        """The prompt alone, with no question behind it yet."""
        count = len(self.ids)
        return Encoded(
            np.array(self.ids, np.int64),
            self.positions,
            np.zeros(count, np.int64),
            np.full(count, count),
            np.zeros(count, bool),
        )


def visual_positions(
    grid: Grid, times_s: Sequence[float], tokens_per_second: float, base: float
) -> Positions:
    """Rotary positions of the visual tokens of one picture sequence, time from the clock.

    With evenly spaced frames these are the library's own (``get_rope_index``) without its truncation to
    whole steps, which makes frames collide above ``tokens_per_second`` pairs a second.

    Args:
        grid: (T, H/14, W/14).
        times_s: T times in seconds, one per temporal patch.
        tokens_per_second: positions per second, from the model's vision configuration.
        base: position of the first token.

    Returns:
        ``(3, T*H/28*W/28)`` float64.

    >>> visual_positions((2, 2, 4), [0.0, 1.5], 2.0, base=10.0)
    array([[10., 10., 13., 13.],
           [10., 10., 10., 10.],
           [10., 11., 10., 11.]])
    """
    count, rows, columns = grid[0], grid[1] // MERGE, grid[2] // MERGE
    time = np.asarray(times_s, np.float64) * tokens_per_second
    volume = (count, rows, columns)
    axes = (time[:, None, None], np.arange(rows)[:, None], np.arange(columns))
    return base + np.stack([np.broadcast_to(axis, volume).ravel() for axis in axes])


def _middles(pairs: Sequence[Sequence[float]]) -> list[float]:
    return [sum(pair) / len(pair) for pair in pairs]


def _lasts(pairs: Sequence[Sequence[float]]) -> tuple[float, ...]:
    return tuple(float(pair[-1]) for pair in pairs)


class Chat:
    """Turns clips and questions into tokens for one tokenizer and one preprocessing."""

    def __init__(
        self, tokenizer: PreTrainedTokenizerBase, preprocessing: FramePreprocessing, tokens_per_second: float
    ) -> None:
        self.tokenizer = tokenizer
        self.preprocessing = preprocessing
        self.tokens_per_second = tokens_per_second
        self._pad = self.tokens(VIDEO_PAD)
        self._known: dict[str, list[int]] = {}

    def tokens(self, text: str) -> list[int]:
        """Token ids of ``text``; parts of an answer are always encoded alone, in training and in service."""
        ids: list[int] = self.tokenizer.encode(text, add_special_tokens=False)
        return ids

    def _piece(self, text: str) -> list[int]:
        if text not in self._known:
            self._known[text] = self.tokens(text)
        return self._known[text]

    def prompt(self, grid: Grid, times_s: Sequence[float]) -> Prompt:
        """Tokens and positions of everything that comes before the questions.

        With time marks the pictures of each pair of frames stand behind its own times in text, each behind
        the name of its view where there are several, and all positions move with the time: what is learnt of
        one picture holds for every other. Without, the frames are one plain video with the library's
        positions.

        Args:
            grid: (T, H/14, W/14) of the frames of one view; all views have the same.
            times_s: true time of each frame, 2 T of them (the last may be missing).
        """
        pairs = [times_s[start : start + PAIR] for start in range(0, len(times_s), PAIR)]
        return self._marked(grid, pairs) if self.preprocessing.time_marks else self._plain(grid, pairs)

    def _plain(self, grid: Grid, pairs: Sequence[Sequence[float]]) -> Prompt:
        """One video, its times in the rotary positions alone."""
        start, opening, closing = (self._piece(text) for text in (USER, VISION_START, VISION_END))
        base = float(len(start))
        ids = start + opening + self._pad * visual_tokens(grid) + closing
        visual = visual_positions(grid, _middles(pairs), self.tokens_per_second, base + 1)
        places = [np.tile(np.arange(base), (3, 1)), np.full((3, 1), base), visual]
        places.append(np.full((3, 1), visual.max() + 1))
        first, per_pair = int(base) + 1, visual_tokens((1, *grid[1:]))
        ends = [first + number * per_pair for number in range(1, len(pairs))] + [len(ids)]
        return Prompt(ids, np.concatenate(places, axis=1), tuple(ends), _lasts(pairs))

    def _marked(self, grid: Grid, pairs: Sequence[Sequence[float]]) -> Prompt:
        """A short video of each pair and view, behind its times and its name."""
        ids, opening, closing = (self._piece(text) for text in (USER, VISION_START, VISION_END))
        base, picture = float(len(ids)), (1, *grid[1:])
        places, ends = [np.tile(np.arange(base), (3, 1))], []
        for pair, middle in zip(pairs, _middles(pairs), strict=True):
            at = base + middle * self.tokens_per_second
            text = [token for time in pair for token in self._piece(self.preprocessing.moment(time))]
            for view in self.preprocessing.views:
                text = text + (self._piece(view) if view else []) + opening
                ids = ids + text + self._pad * visual_tokens(picture) + closing
                at += len(text)
                visual = visual_positions(picture, [0.0], self.tokens_per_second, at)
                places += [np.tile(at - np.arange(len(text), 0, -1), (3, 1)), visual]
                at = visual.max() + 1
                places.append(np.full((3, 1), at))
                at, text = at + 1, []
            ends.append(len(ids))
        return Prompt(ids, np.concatenate(places, axis=1), tuple(ends), _lasts(pairs))

    def messages(self, times_s: Sequence[float]) -> list[dict[str, Any]]:
        """The question behind the last frame as a conversation, for the chat template beside the weights.

        Through it and ``AutoProcessor``, the tokens are those of :meth:`prompt` and of the question behind it. Its
        videos are the frames of each pair and view in turn; without time marks, all frames.
        """
        return messages(self.preprocessing, times_s)

    def turn(self, turn: Turn) -> tuple[list[int], list[bool]]:
        """Tokens of a question with its answer, and which of them are taught."""
        ids: list[int] = []
        taught: list[bool] = []
        for part in (turn.question, TURN, *turn.answer):
            piece = self._piece(part if isinstance(part, str) else part.text)
            ids += piece
            taught += [isinstance(part, Value)] * len(piece)
        return ids, taught

    def encode(self, grid: Grid, times_s: Sequence[float], turns: Sequence[tuple[int, Turn]]) -> Encoded:
        """A clip with its questions and answers, each behind the pair of frames with its number."""
        prompt = self.prompt(grid, times_s)
        ids, positions = list(prompt.ids), [prompt.positions]
        block, sees, taught = [0] * len(ids), [len(ids)] * len(ids), [False] * len(ids)
        for number, (pair, turn) in enumerate(turns, start=1):
            own_ids, own_taught = self.turn(turn)
            ids += own_ids
            taught += own_taught
            block += [number] * len(own_ids)
            sees += [prompt.ends[pair]] * len(own_ids)
            positions.append(np.tile(prompt.after(pair) + np.arange(len(own_ids)), (3, 1)))
        return Encoded(
            np.array(ids, np.int64),
            np.concatenate(positions, axis=1),
            np.array(block),
            np.array(sees),
            np.array(taught),
        )


def attention_mask(blocks: np.ndarray, sees: np.ndarray) -> np.ndarray:
    """Which token attends to which: causal; to the seen part of the prompt, and within its own question.

    Args:
        blocks: ``(B, L)`` int, 0 prompt, 1..Q questions, -1 padding.
        sees: ``(B, L)`` int, how many tokens of the prompt each token may look at.

    Returns:
        ``(B, 1, L, L)`` bool, True where the row may look at the column. Padding looks at padding only, so
        that no row is empty.

    >>> attention_mask(np.array([[0, 0, 1, 2]]), np.array([[2, 2, 1, 2]]))[0, 0].astype(int)
    array([[1, 0, 0, 0],
           [1, 1, 0, 0],
           [1, 0, 1, 0],
           [1, 1, 0, 1]])
    """
    length = blocks.shape[1]
    same = blocks[:, :, None] == blocks[:, None, :]
    seen = (blocks[:, None, :] == 0) & (np.arange(length) < sees[:, :, None])
    causal = np.tril(np.ones((length, length), bool))
    mask: np.ndarray = ((same | seen) & causal)[:, None]
    return mask
