"""A clip and its questions as tokens, rotary positions and an attention mask.

Shapes: L tokens, P of them the shared prompt (instruction, times and pictures), Q questions behind it. All
questions of a clip share one prompt: each attends to the prompt and to itself, so eight questions cost little
more than one. Rotary positions are (time, row, column) triples; the time of a picture is its true time.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from transformers import PreTrainedTokenizerBase

from rushes.contract import Moment, Preprocessing, Turn, Value
from rushes.models.pixels import MERGE, PAIR, visual_tokens

USER, TURN, END = "<|im_start|>user\n", "<|im_end|>\n<|im_start|>assistant\n", "<|im_end|>"
VISION_START, VIDEO_PAD, VISION_END = "<|vision_start|>", "<|video_pad|>", "<|vision_end|>"

Positions = np.ndarray  # (3, L) float64: time, row, column


@dataclass(frozen=True, slots=True)
class Encoded:
    """One clip with its questions.

    Attributes:
        ids: ``(L,)`` int64 token ids.
        positions: ``(3, L)`` float64 rotary positions.
        block: ``(L,)`` int64, 0 for the prompt and 1..Q for the questions.
        taught: ``(L,)`` bool, tokens that the loss counts.
    """

    ids: np.ndarray
    positions: Positions
    block: np.ndarray
    taught: np.ndarray


def visual_positions(
    grid: tuple[int, int, int], times_s: Sequence[float], tokens_per_second: float, base: float
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


class Chat:
    """Turns clips and questions into tokens for one tokenizer and one preprocessing contract."""

    def __init__(
        self, tokenizer: PreTrainedTokenizerBase, contract: Preprocessing, tokens_per_second: float
    ) -> None:
        self.tokenizer = tokenizer
        self.contract = contract
        self.tokens_per_second = tokens_per_second
        self._pad = self.tokens(VIDEO_PAD)
        self._known: dict[str, list[int]] = {}

    def tokens(self, text: str) -> list[int]:
        """Token ids of ``text``; parts of an answer are always encoded alone, in training and in service."""
        return self.tokenizer.encode(text, add_special_tokens=False)

    def _piece(self, text: str) -> list[int]:
        if text not in self._known:
            self._known[text] = self.tokens(text)
        return self._known[text]

    def prompt(self, grid: tuple[int, int, int], times_s: Sequence[float]) -> tuple[list[int], Positions]:
        """Tokens and positions of everything that comes before the question.

        Args:
            grid: (T, H/14, W/14) of the clip's frames.
            times_s: true time of each frame on the clip's clock, 2 T of them (the last may be missing).

        Returns:
            P token ids and ``(3, P)`` positions. With time marks each pair of frames stands behind its own
            times in text, at the position of that time; without, the clip is one plain video.
        """
        pairs = [times_s[start : start + PAIR] for start in range(0, len(times_s), PAIR)]
        middles = [sum(pair) / len(pair) for pair in pairs]
        head = self._piece(USER)
        base = float(len(head))
        ids, places = list(head), [np.tile(np.arange(base), (3, 1))]
        visual = visual_positions(grid, middles, self.tokens_per_second, base + 1)
        if not self.contract.time_marks:
            body = self._piece(VISION_START) + self._pad * visual_tokens(grid) + self._piece(VISION_END)
            last = np.full((3, 1), visual.max() + 1)
            return ids + body, np.concatenate([*places, np.full((3, 1), base), visual, last], axis=1)
        per_pair = visual_tokens((1, *grid[1:]))
        for number, (pair, middle) in enumerate(zip(pairs, middles, strict=True)):
            mark = [token for time in pair for token in self._piece(self.contract.moment(time))]
            mark += self._piece(VISION_START)
            close = self._piece(VISION_END)
            ids += mark + self._pad * per_pair + close
            at = base + 1 + middle * self.tokens_per_second
            places += [
                np.full((3, len(mark)), at),
                visual[:, number * per_pair : (number + 1) * per_pair],
                np.full((3, len(close)), at),
            ]
        return ids, np.concatenate(places, axis=1)

    def turn(self, turn: Turn, after: float) -> tuple[list[int], np.ndarray, list[bool]]:
        """Tokens of a question with its answer, which may be cut short to be continued by the model.

        Args:
            turn: what is asked and answered.
            after: position of the first token behind the prompt.

        Returns:
            n token ids, ``(n,)`` float64 positions (the same on all three axes) and n times whether the
            token is taught.
        """
        ids: list[int] = []
        taught: list[bool] = []
        anchored: dict[int, float] = {}
        zero = len(self._piece(USER)) + 1  # position of the clip's first moment
        for part in (*turn.question, TURN, *turn.answer):
            piece = self._piece(part if isinstance(part, str) else part.text)
            if isinstance(part, Moment) and self.contract.time_marks:
                at = zero + part.time_s * self.tokens_per_second
                anchored |= dict.fromkeys(range(len(ids), len(ids) + len(piece)), at)
            ids += piece
            taught += [isinstance(part, Value)] * len(piece)
        positions = after + np.arange(len(ids), dtype=np.float64)
        positions[list(anchored)] = list(anchored.values())
        return ids, positions, taught

    def encode(self, grid: tuple[int, int, int], times_s: Sequence[float], turns: Sequence[Turn]) -> Encoded:
        """A clip with its questions and answers."""
        ids, places = self.prompt(grid, times_s)
        after = after_prompt(places)
        taught, block, positions = [False] * len(ids), [0] * len(ids), [places]
        for number, turn in enumerate(turns, start=1):
            own_ids, own_positions, own_taught = self.turn(turn, after)
            ids, taught = ids + own_ids, taught + own_taught
            block += [number] * len(own_ids)
            positions.append(np.tile(own_positions, (3, 1)))
        return Encoded(
            np.array(ids, np.int64), np.concatenate(positions, axis=1), np.array(block), np.array(taught)
        )


def after_prompt(places: Positions) -> float:
    """Position of the first token behind a prompt: the next whole number above all of its own."""
    return float(np.floor(places.max())) + 1


def attention_mask(blocks: np.ndarray) -> np.ndarray:
    """Who may look at whom: causal, and inside the shared prompt or one's own question.

    Args:
        blocks: ``(B, L)`` int, 0 prompt, 1..Q questions, -1 padding.

    Returns:
        ``(B, 1, L, L)`` bool, True where the row may look at the column. Padding looks at itself only, so
        that no row is empty.

    >>> attention_mask(np.array([[0, 1, 2]]))[0, 0].astype(int)
    array([[1, 0, 0],
           [1, 1, 0],
           [1, 0, 1]])
    """
    length = blocks.shape[1]
    same = blocks[:, :, None] == blocks[:, None, :]
    prompt = (blocks[:, None, :] == 0) & (blocks[:, :, None] >= 0)
    causal = np.tril(np.ones((length, length), bool))
    return ((same | prompt) & causal)[:, None]
