"""What a search is worth: every figure beside its interval, its baselines, and the model before training."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from rushes.errors import MetricError
from rushes.evaluate.parts import scorecard_of
from rushes.evaluate.retrieval import Asked, against_sentences, paired
from rushes.evaluate.scorecard import Scorecard, counted
from rushes.evaluate.search_figures import BASE, OTHER_PICTURE, OTHER_TEXT, always, figures_of
from rushes.evaluate.searched import Colours, Searched
from rushes.metrics.estimate import CONFIDENCE, Estimate
from rushes.predict.nearest import Gallery
from rushes.predict.vectors import Vectors
from rushes.recipe.retrieval import EvaluateRetrieval
from rushes.tasks.catalog.evaluate.names import SYSTEMS

LEAST = 5
"""Products of a type that has figures of its own."""

HUB = 0.5
"""Share of the questions to which one product may be the first answer before a reader is told."""


def shop_of(vectors: Vectors, asked: EvaluateRetrieval) -> Searched:
    """The products of a run, as its recipe asks for them.

    Raises:
        MetricError: none is on the side that is asked about.
    """
    everywhere = asked.gallery == "all"
    shop = Searched(vectors, asked.ks, split=asked.split, everywhere=everywhere, languages=asked.languages)
    if not len(shop.side):
        raise MetricError(
            f"nothing to evaluate: no product of side {asked.split} has vectors",
            cure="name a side that has products by evaluate.split, or deal out others: source.split, source.shares",
        )
    return shop


def evaluate(shop: Searched, colours: Colours, *, provenance: Mapping[str, Any]) -> Scorecard:
    """Measure the model, the one that training began from, and what needs no model.

    Args:
        shop: the products.
        colours: of those that are searched; looked at where views are asked with.
        provenance: signatures, hashes and seeds that the figures belong to, copied as they are.

    Returns:
        Parts: words to pictures of the side; pictures to words, views, languages and the other domain as subsets; and
        words to pictures for each type of at least `LEAST` products. ``against`` holds the model beside every other
        system, the one that training began from among them. Details: ``questions`` counts for each kind those asked,
        and those without a right product among the ones that are searched, which are not scored; ``gallery`` counts
        these; ``shared_words`` counts products of the side that share their words with another one there; ``hub`` is
        the product that most questions get first, and their share; ``collapsed`` the one that all get, else None.

    Raises:
        MetricError: nothing right to find.
        ShardError: vectors that cannot be read.
    """
    every = list(shop.every(colours))
    figures = figures_of(shop.ks)
    compared = [name for name, figure in figures.items() if figure.compared]
    there = {name for asked in every for name in asked.ranked}
    systems = {name: system for name, system in SYSTEMS.items() if name in there}
    parts = [
        *(asked.part(systems, against=compared, whole=asked is every[0]) for asked in every),
        *every[0].by_label(systems, LEAST),
    ]
    card = scorecard_of(
        "catalog",
        shop.split,
        figures,
        systems,
        parts,
        details=_details(shop, every),
        provenance=provenance,
    )
    return card.model_copy(update={"remarks": (*card.remarks, *_remarks(card, every, shop.ks))})


def compare(ours: Searched, theirs: Searched, figure: str, confidence: float = CONFIDENCE) -> Estimate:
    """A figure of words to pictures of the first model less that of the second, over the same questions.

    Raises:
        MetricError: not the same products in the same order, or other words, groups or galleries.
    """
    first, second = ours.truth(), theirs.truth()
    if first != second:
        odd = sorted(set(first) ^ set(second))
        raise MetricError(
            f"{len(first)} and {len(second)} products cannot be paired: {len(odd)} rows differ",
            where=odd[0][0] if odd else None,
            cure="embed the same dataset with both models, and search the same gallery",
        )
    return paired(ours.text_to_picture(), theirs.text_to_picture(), figure, confidence)


def _details(shop: Searched, every: Sequence[Asked]) -> dict[str, Any]:
    vectors, words = shop.vectors, shop.words[shop.side].astype(str)
    times = np.unique(words[words != ""], return_counts=True)[1]
    gallery = Gallery(vectors.keys[shop.gallery], vectors.picture("model")[shop.gallery])
    first = gallery.nearest(vectors.text("model")[shop.side].astype(np.float32), 1).rows
    named, often = np.unique(first, return_counts=True)
    hub, share = str(gallery.keys[named[often.argmax()]]), float(often.max() / len(first))
    return {
        "gallery": len(shop.gallery),
        "questions": {
            asked.name: {"asked": len(asked.family), "unanswerable": asked.unanswerable} for asked in every
        },
        "shared_words": int(times[times > 1].sum()),
        "hub": {"item": hub, "share": share},
        "collapsed": hub if share == 1.0 and len(first) > 1 else None,
    }


def _remarks(card: Scorecard, every: Sequence[Asked], ks: Sequence[int]) -> Iterator[str]:
    """In words: how the model stands to the one before training, what it forgot, what figures do not mean."""
    hub = card.details["hub"]
    if card.details["collapsed"] is not None:
        yield f"collapsed: every question gets {hub['item']} first"
    elif card.all.n > 1 and hub["share"] > HUB:
        yield f"{hub['share']:.0%} of the questions get {hub['item']} first"
    for said, verdict in against_sentences(card, card.all, BASE):
        if verdict != "better":
            yield f"after training: {said}"
    for part in card.of_kind("subset"):
        if part.name in (OTHER_TEXT, OTHER_PICTURE):
            for said, verdict in against_sentences(card, part, BASE):
                if verdict == "worse":
                    yield f"forgetting, {part.name}: {said}"
    if (told := always(card.details["gallery"], ks)) is not None:
        yield told
    for asked in every:
        if asked.unanswerable:
            number = counted(asked.unanswerable, "question")
            yield f"{asked.name}: {number} without a right product among those searched, not scored"
    if shared := card.details["shared_words"]:
        yield (
            f"{shared:,} of {len(every[0].family):,} products share their words with another: whichever of these is "
            "found counts as right"
        )
