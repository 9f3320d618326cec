"""Voting without a browser: pictures as half blocks in 24-bit colour, keys from standard input."""

from __future__ import annotations

import os
import secrets
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

import numpy as np
from numpy.typing import NDArray
from rich.color import Color
from rich.console import Console
from rich.segment import Segment, Segments
from rich.style import Style

from rushes.arena.ballot import Ballot, Choice
from rushes.arena.sheet import thumb
from rushes.arena.study import SHOWN

CHOICES: dict[str, Choice] = {"a": "top", "b": "bottom", "n": "tie", "x": "bad", "s": "skip"}
KEYS = "a upper  b lower  n equal  x both bad  s skip  u undo  1-8 enlarge, space the query  q stop"

Keys = Callable[[], str]
"""Waits for a key and gives it in lower case; empty where there will be none."""


def judge(ballot: Ballot, folder: Path, console: Console, key: Keys) -> None:
    """Show pair after pair until all are judged or somebody stops.

    Args:
        ballot: of the rater.
        folder: of the study.
        console: that shows 24-bit colour, best 120 characters wide or more.
        key: of the rater.
    """
    while not ballot.finished:
        if ballot.position == len(ballot.showings):
            console.print("That was the last pair: f finishes, u takes back, q stops", highlight=False)
            pressed = key()
            if pressed == "f":
                ballot.finish(_id())
        else:
            _show(ballot, folder, console)
            began = time.monotonic()
            pressed = _looked(ballot, folder, console, key)
            if pressed in CHOICES:
                took_ms = round(1000 * (time.monotonic() - began))
                ballot.vote(_id(), ballot.position, CHOICES[pressed], took_ms)
        if pressed in ("u", "\x7f", "\b"):
            ballot.undo(_id(), ballot.position)
        if pressed in ("q", ""):
            return


def _id() -> str:
    return secrets.token_hex(16)


def _looked(ballot: Ballot, folder: Path, console: Console, key: Keys) -> str:
    """The first key that is no wish to see a picture larger."""
    shown = ballot.showings[ballot.position]
    tokens = {str(place): token for place, token in enumerate(shown.tiles(), start=1)} | {
        " ": shown.pair.picture
    }
    while (pressed := key()) in tokens:
        if (token := tokens[pressed]) is not None:
            side = min(console.width, 2 * (console.height - 2)) // 2 * 2
            _print(console, thumb(folder, token, side))
            console.print("any key goes back", style="dim")
            key()
            _show(ballot, folder, console)
    return pressed


def _show(ballot: Ballot, folder: Path, console: Console) -> None:
    """A pair, two rows of pictures below what was asked."""
    shown, gap = ballot.showings[ballot.position], 2
    room = (console.height - 7) // (3 if shown.pair.picture else 2) * 2
    side = max(8, min((console.width - gap * (SHOWN - 1)) // SHOWN, room) // 2 * 2)
    console.clear()
    asked = "".join(letter for letter in shown.pair.text if letter.isprintable())  # no codes for the terminal
    told = f"{ballot.position + 1} / {len(ballot.showings)}   {asked}"
    console.print(told, style="bold", highlight=False, markup=False)
    if shown.pair.picture:
        _print(console, thumb(folder, shown.pair.picture, side))
    for name, first in (("A", 0), ("B", SHOWN)):
        console.print(f"{name}", style="bold")
        tiles = [thumb(folder, token, side) for token in shown.tiles()[first : first + SHOWN]]
        between = np.full((side, gap, 3), 118, np.uint8)
        _print(console, np.hstack([part for tile in tiles for part in (tile, between)][:-1]))
    console.print(KEYS, style="dim", highlight=False)


def _print(console: Console, picture: NDArray[np.uint8]) -> None:
    """A picture, two pixels a character: an upper half block in the colour of the one on that of the other."""
    for upper, lower in zip(picture[::2], picture[1::2], strict=True):
        colours = zip(upper.tolist(), lower.tolist(), strict=True)
        styles = (Style(color=Color.from_rgb(*a), bgcolor=Color.from_rgb(*b)) for a, b in colours)
        console.print(Segments([*(Segment("▀", style) for style in styles), Segment.line()]), end="")


@contextmanager
def keys_of(stream: TextIO) -> Iterator[Keys]:
    """Keys as they are pressed where ``stream`` is a terminal, else its characters.

    What was pressed before a pair was there is thrown away.
    """
    if not stream.isatty():
        yield lambda: stream.read(1).lower()
        return
    import termios
    import tty

    descriptor = stream.fileno()
    before = termios.tcgetattr(descriptor)

    def key() -> str:
        termios.tcflush(descriptor, termios.TCIFLUSH)
        return os.read(descriptor, 16).decode(errors="ignore")[:1].lower()

    tty.setcbreak(descriptor)
    try:
        yield key
    finally:
        termios.tcsetattr(descriptor, termios.TCSADRAIN, before)
