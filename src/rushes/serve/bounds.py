"""The limits of a service in words and as its parts take them: the same numbers wherever they are told."""

from __future__ import annotations

from rushes.media.limits import Limits
from rushes.recipe.sections import Serve

MB, GB = 1_000_000, 1_000_000_000

SILENT_S = 30.0
"""Longest time without a byte of a body."""
BEGIN_S, PACE = 20.0, 16_000
"""After so many seconds a body must have come at so many bytes a second at least: a few bytes now and then
would keep others out for as long as an upload may take."""


def max_bytes(settings: Serve) -> int:
    """Of the body of one request."""
    return round(settings.max_mb * MB)


def limits_of(settings: Serve) -> Limits:
    """What one recording may cost."""
    return Limits(
        max_pixels=settings.max_pixels,
        max_frames=settings.max_frames,
        max_duration_s=settings.max_s,
        max_decoded_bytes=round(settings.max_decoded_gb * GB),
    )


def bounds_text(settings: Serve, workers: int = 1) -> list[str]:
    """A line for each limit, for the start of the service and for its document."""
    each = "" if workers == 1 else f", in each of {workers} processes"
    return [
        f"requests: {settings.at_once:,} at once, {settings.queue:,} more wait, further ones get 429{each}",
        f"upload: {settings.max_mb:,g} MB in {settings.upload_s:,g} s, after {BEGIN_S:g} s at "
        f"{PACE / 1000:g} kB a second or more, never {SILENT_S:g} s without a byte",
        f"uploads together: {settings.disk_mb:,g} MB on disk{each}",
        f"recording: {settings.max_s:,g} s, {settings.max_frames:,} frames, "
        f"{settings.max_pixels:,} pixels a frame, {settings.max_decoded_gb:,g} GB decoded",
        f"memory of a decoding process: {settings.memory_mb:,} MB",
        f"answer: {settings.deadline_s:,g} s after the upload, then 504",
        f"told to stop: {settings.drain_s:,g} s for what has begun, meanwhile new requests get 503",
    ]
