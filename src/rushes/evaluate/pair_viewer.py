"""How pictures with their words are shown to somebody who looks at a dataset."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from markupsafe import Markup
from numpy.typing import NDArray

from rushes.evaluate.markup import join, tag
from rushes.evaluate.pages.gallery import image
from rushes.evaluate.viewer import Fields, Picked, Shown, Viewer, caption_of, files_of, mean_colours
from rushes.prepare.pair import PICTURE, Pair

VALUE = 80
"""Letters of a field's value that are shown."""


class PairViewer(Viewer):
    """Samples that are a `rushes.prepare.pair.Pair`: the picture, its captions, what is known, and further views."""

    said = (
        "Each picture on its square, as a model sees it, the captions that training chooses from, and the fields that "
        "are known. The small views below it are asked with, and not found."
    )
    least = 260

    def feature(self, fields: Fields) -> NDArray[np.float32]:
        """Mean colours of the picture; see `Viewer.feature`."""
        return mean_colours(fields[PICTURE])

    def show(self, picked: Sequence[Picked]) -> Iterator[Shown]:
        """See `Viewer.show`."""
        for one in picked:
            pair = Pair.of(one.key, one.fields)
            views = (image(view, "view", style="width:32%;display:inline-block") for view in pair.views)
            picture = join((image(pair.picture, pair.words.title), *views))
            files = {f"view{number}.jpg": view for number, view in enumerate(pair.views)}
            yield Shown(picture, join((*caption_of(one), *_words(pair))), files_of(one) | files)


def _words(pair: Pair) -> Iterator[Markup]:
    words = pair.words
    if words.original_title != words.title:
        yield tag("p", tag("s", words.original_title), " ", words.title)
    for caption in words.captions:
        yield tag("p", "“", caption, "”")
    told = {**words.fields, **words.titles}
    if told:
        yield tag("p", "; ".join(f"{name}: {value[:VALUE]}" for name, value in told.items()))
