"""Label files as readers of others find them; needs the reader's package alone. Started by annotations.py.

    python annotations_peer.py {pympi-ling,praatio,webvtt-py,srt} FILE

Prints JSON: [start in seconds, end, label] of each annotation.
"""

from __future__ import annotations

import html
import json
import sys
from collections.abc import Iterator
from pathlib import Path

Found = tuple[float, float, str]


def of_pympi(path: Path) -> Iterator[Found]:
    from pympi import Eaf

    file = Eaf(str(path))
    for tier in file.get_tier_names():
        if "#" not in tier:  # scores and comments beside a tier
            for start, end, label, *_ in file.get_annotation_data_for_tier(tier):
                yield start / 1000, end / 1000, label


def of_praatio(path: Path) -> Iterator[Found]:
    from praatio import textgrid

    for tier in textgrid.openTextgrid(str(path), False, duplicateNamesMode="rename").tiers:
        for entry in tier.entries:
            yield entry[0], entry[-2], entry[-1]


def of_webvtt(path: Path) -> Iterator[Found]:
    import webvtt

    for cue in webvtt.read(str(path)):
        start, end = (
            3600 * time.hours + 60 * time.minutes + time.seconds + time.milliseconds / 1000
            for time in (cue.start_time, cue.end_time)
        )
        yield start, end, html.unescape(cue.text)


def of_srt(path: Path) -> Iterator[Found]:
    import srt

    for cue in srt.parse(path.read_text(encoding="utf-8")):
        yield cue.start.total_seconds(), cue.end.total_seconds(), cue.content


READERS = {"pympi-ling": of_pympi, "praatio": of_praatio, "webvtt-py": of_webvtt, "srt": of_srt}

if __name__ == "__main__":
    print(json.dumps(list(READERS[sys.argv[1]](Path(sys.argv[2])))))
