"""What a recording may cost before it is refused: bounds that hold before and during decoding.

A video of 110 kB can decode to 15 GB, so a bound on the file's size protects nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import cast

from rushes.errors import MediaError, MediaReason


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds on one recording. The defaults suit one's own footage; a service sets its own, far lower.

    Attributes:
        max_pixels: width times height of a frame (default: 4096 x 2304).
        max_frames: frames of a recording (default: twelve hours at 30 per second).
        max_duration_s: seconds from first to last frame.
        max_decoded_bytes: bytes of all decoded frames together (default: 8 TiB, twenty hours of 1080p30).
    """

    max_pixels: int = 4096 * 2304
    max_frames: int = 12 * 3600 * 30
    max_duration_s: float = 12 * 3600.0
    max_decoded_bytes: int = 8 << 40

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


DEFAULT_LIMITS = Limits()
