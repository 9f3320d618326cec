"""Clips as they were prepared: the chosen frames on their signals, and what is labelled in them."""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence

import numpy as np

from rushes.evaluate.markup import join, tag
from rushes.evaluate.pages import palette
from rushes.evaluate.viewer import Picked, Shown, Viewer, caption_of, files_of
from rushes.tasks.operations.prepare.sample import Sample
from rushes.tasks.operations.report.cards import Card, draw_labels


class ClipViewer(Viewer):
    """Clips of people at work.

    Args:
        labels: the operations in order.
    """

    said = (
        "The frames that the sampler chose, each tied to its moment on the clip's signals; below them everything that "
        "is labelled in the clip, and the moment that is asked about."
    )
    seconds_said = (
        "Seconds are those of the recordings, by label; what is not labelled has no label. A sample belongs to the "
        "operation at the moment that it asks about, and clips overlap, so samples do not follow from seconds."
    )
    least = 700

    def __init__(self, labels: Sequence[str]) -> None:
        self._colours = palette(labels)

    def show(self, picked: Sequence[Picked]) -> Iterator[Shown]:
        """See `Viewer.show`."""
        for one in picked:
            sample = Sample.of(one.key, one.fields)
            signals = np.load(io.BytesIO(one.fields["signals.npy"]), allow_pickle=False)
            picture = draw_labels(Card(sample, signals, sample.clip_s, None, None), self._colours)
            following = sample.target.next if sample.target else None
            said = [
                *caption_of(one),
                tag("span", "then ", tag("b", following)) if following else None,
                tag(
                    "span",
                    f"{sample.meta['kind']} at {sample.meta['clip_start_s']:.2f} s of ",
                    sample.meta["recording"],
                ),
            ]
            yield Shown(picture, join(said), files_of(one))
