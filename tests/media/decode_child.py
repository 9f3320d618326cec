"""Decode every file in a folder and print one JSON line for each: run by ``test_video_mutations`` as a child.

    python decode_child.py FOLDER

A crash ends the child; the last line printed tells after which file.
"""

from __future__ import annotations

import json
import resource
import sys
from itertools import pairwise
from pathlib import Path

from rushes.errors import MediaError
from rushes.media.limits import Limits
from rushes.media.signals import Signals
from rushes.media.video import decode
from rushes.records import Media

LIMITS = Limits(max_pixels=1 << 20, max_frames=1000, max_duration_s=60.0, max_decoded_bytes=1 << 28)


def outcome(path: Path) -> dict:
    """What decoding gave: frames and the end of their clock, or the message of a ``MediaError``."""
    times: list[float] = []
    signals = Signals()
    try:
        for frame in decode(Media("video", path), LIMITS):
            times.append(frame.time_s)
            signals.update(frame.luma((32, 24)))
            if len(times) == 1:
                frame.jpeg((64, 64))
    except MediaError as error:
        return {"error": error.message, "frames": len(times)}
    increasing = times[0] == 0.0 and all(later > earlier for earlier, later in pairwise(times))
    return {"frames": len(times), "end_s": times[-1], "increasing": increasing}


def main(folder: Path) -> None:
    """Decode within 3 GB of memory and 120 s of processor time, smallest means against a hang or a bomb."""
    resource.setrlimit(resource.RLIMIT_AS, (3 << 30, 3 << 30))
    resource.setrlimit(resource.RLIMIT_CPU, (120, 120))
    for path in sorted(folder.iterdir()):
        print(json.dumps({"file": path.name, **outcome(path)}), flush=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
