"""What names of footage say by themselves: who asks need not load what decodes."""

from __future__ import annotations

import re

VIDEOS = (".mp4", ".m4v", ".mov", ".3gp", ".3g2", ".mkv", ".webm", ".avi", ".ts", ".mts", ".m2ts")
"""What videos end with, in small letters, of the containers that are read."""

TIMED = re.compile(r"(\d{8})_(\d{6})_(\d{3})\.jpe?g", re.IGNORECASE | re.ASCII)
"""A frame that is named by its time: day, time of day, milliseconds."""

_FRAME = re.compile(r"(?P<folder>.+?)(/\d{4}/\d\d/\d\d/\d\d/\d\d)?/[^/]+\.jpe?g", re.IGNORECASE | re.ASCII)


def folder_of_frame(name: str) -> str | None:
    """The folder of frames that a file belongs to: its own, or the one above a tree of folders down to the minute.

    >>> folder_of_frame("cam/2022/03/29/14/25/20220329_142511_030.jpg"), folder_of_frame("cam.mp4")
    ('cam', None)
    """
    frame = _FRAME.fullmatch(name)
    return None if frame is None else frame["folder"]
