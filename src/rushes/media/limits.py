"""What a recording may cost before it is refused: bounds that hold before and during decoding.

A video of 110 kB can decode to 15 GB, so a bound on the file's size protects nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, cast

from rushes.errors import MediaError, MediaReason

BEGINNINGS: Final[Mapping[int, float]] = {1024: 2.0, 8192: 1.05}
"""Frames by which it is judged how a recording goes on -> how many times too many they must promise."""
MAX_RATE: Final = 1000.0
"""Frames a second over the beginning that are believed where it is judged."""


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds on one recording. The defaults suit one's own footage; a service sets its own, far lower.

    Attributes:
        max_pixels: width times height of a frame (default: 4096 x 2304).
        max_frames: frames of a recording (default: twelve hours at 30 per second).
        max_duration_s: seconds from first to last frame.
        max_decoded_bytes: bytes of all decoded frames together (default: 8 TiB, twenty hours of 1080p30).
        foresee: whether a video that does not declare how many frames it has is refused by its beginning, where
            they would be too many if it went on like that. A service is asked by strangers; one's own footage
            is read to its end.
    """

    max_pixels: int = 4096 * 2304
    max_frames: int = 12 * 3600 * 30
    max_duration_s: float = 12 * 3600.0
    max_decoded_bytes: int = 8 << 40
    foresee: bool = False

    def check(self, where: object, **found: float | None) -> None:
        """Refuse a recording of which a figure, named without its ``max_``, exceeds its bound.

        Raises:
            MediaError: says the figure, its bound and what to change.
        """
        for name, value in found.items():
            bound = getattr(self, f"max_{name}")
            if value is not None and value > bound:
                raise MediaError(
                    f"{name.replace('_', ' ')}: at most {bound:,} accepted, found {value:,}",
                    where=where,
                    cure=f"cut or scale the recording, or raise max_{name}",
                    reason=cast(MediaReason, name),
                )

    def check_beginning(self, where: object, count: int, time_s: float, duration_s: float | None) -> None:
        """Refuse a video by its first frames, if that is wanted.

        Args:
            where: named in the error.
            count: of these frames, one of `BEGINNINGS`.
            time_s: of the last of them.
            duration_s: of the whole, as it is declared; None where it is not.

        Raises:
            MediaError: there would be too many frames, or they are too dense.
        """
        if not self.foresee:
            return
        rate = (count - 1) / max(time_s, 1e-9)
        ahead = rate * duration_s if duration_s is not None else 0.0
        if rate > MAX_RATE or ahead > BEGINNINGS[count] * self.max_frames:
            found = (
                f"{rate:,.0f} a second"
                if rate > MAX_RATE
                else f"about {ahead:,.0f} if it goes on as it begins"
            )
            raise MediaError(
                f"frames: at most {self.max_frames:,} accepted, found {found}",
                where=where,
                cure="cut the recording, or write it as mp4 with fewer frames a second: ffmpeg -i IN -r 25 OUT.mp4",
                reason="frames",
            )


DEFAULT_LIMITS = Limits()
