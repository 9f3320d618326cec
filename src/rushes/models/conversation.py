"""The question behind the last frame as a conversation, for engines that hold an export; no library is needed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from rushes.models.pixels import PAIR
from rushes.recipe.preprocessing import FramePreprocessing


def messages(preprocessing: FramePreprocessing, times_s: Sequence[float]) -> list[dict[str, Any]]:
    """A user's turn with texts and places of videos, for the chat template beside the weights.

    Its videos are the frames of each pair and view in turn; without time marks, all frames.

    Args:
        preprocessing: how it is asked.
        times_s: of each frame.
    """
    parts: list[str | None] = [None]  # a text, or a video
    if preprocessing.time_marks:
        parts = []
        for start in range(0, len(times_s), PAIR):
            parts += [preprocessing.moment(time) for time in times_s[start : start + PAIR]]
            for view in preprocessing.views:
                parts += [view, None] if view else [None]
    parts.append(preprocessing.question)
    content = [{"type": "video"} if part is None else {"type": "text", "text": part} for part in parts]
    return [{"role": "user", "content": content}]
