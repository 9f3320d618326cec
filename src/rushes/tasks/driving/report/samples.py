"""Windows as they were prepared: all cameras at some moments, and how the vehicle moved."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from rushes.evaluate.contents import Place
from rushes.evaluate.markup import join, tag
from rushes.evaluate.pages import drawing
from rushes.evaluate.viewer import Picked, Shown, Viewer, caption_of, files_of
from rushes.shards.read import ShardDataset
from rushes.tasks.driving.prepare.sample import Sample
from rushes.tasks.driving.report.cards import WIDTH, moments


class WindowViewer(Viewer):
    """Windows of drives."""

    said = "The first moment, the middle and the last of each window, as all cameras saw it, and how the vehicle moved."
    seconds_said = (
        "Seconds are those of the recordings; where windows overlap, a second belongs to the later one, and what no "
        "window covers has no class."
    )
    least = 700

    def seconds(
        self, recordings: Sequence[Mapping[str, Any]], sides: Mapping[str, ShardDataset]
    ) -> Iterator[tuple[Place, float]]:
        """From the start of each window to that of the next one, and what no window covers."""
        lengths = {one["key"]: (one["split"], one["group"], one["duration_s"]) for one in recordings}
        covered = dict.fromkeys(lengths, 0.0)
        for side, samples in sides.items():
            windows = sorted(_windows(samples))
            following = [*windows[1:], ("", 0.0, 0.0, "", "")]
            for (key, start_s, end_s, group, label), (then, then_s, *_) in zip(
                windows, following, strict=True
            ):
                length_s = min(end_s, then_s if then == key else end_s) - start_s
                covered[key] += length_s
                yield Place(side, group, label), length_s
        for key, (side, group, duration_s) in lengths.items():
            if (rest_s := duration_s - covered[key]) > 0:
                yield Place(side, group, ""), rest_s

    def show(self, picked: Sequence[Picked]) -> Iterator[Shown]:
        """See `Viewer.show`."""
        for one in picked:
            sample = Sample.of(one.key, one.fields)
            pictures, height = moments(sample, one.key)
            moved = sample.target()
            said = [
                *caption_of(one),
                tag("span", f"{moved['start_speed_mps']:.1f} to {moved['final_speed_mps']:.1f} m/s"),
                tag("span", f"{moved['displacement_m']:.1f} m"),
                tag("span", f"turned {moved['yaw_deg']:+.1f} degrees"),
                tag(
                    "span",
                    ", ".join(f"{name} {value}" for name, value in json.loads(sample.meta["tags"]).items()),
                ),
            ]
            yield Shown(drawing(WIDTH, height, *pictures, label=one.key), join(said), files_of(one))


def _windows(samples: ShardDataset) -> Iterator[tuple[str, float, float, str, str]]:
    """Recording, start and end on its clock, group and label of each window."""
    for number, label in enumerate(samples.labels()):
        meta = json.loads(bytes(samples.sample(number)["meta.json"]))
        place = (str(meta["group"]), label or "")
        yield (meta["recording"], meta["window_start_s"], meta["window_end_s"], *place)
