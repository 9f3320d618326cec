"""Figures of a search, and the names that scorecards have for its systems and for kinds of question."""

from __future__ import annotations

from collections.abc import Sequence

from rushes.evaluate.figures import Figure

BASE, UNTRAINED = "base", "untrained"
"""What training began from, and the same architecture with random weights."""

RANDOM, POPULAR, COLOUR = "random", "popular", "colour"
"""What learnt nothing."""

TEXT, PICTURE, VIEW = "text to picture", "picture to text", "view to picture"

PROBE = "probe"
"""Side of the items of another domain."""

OTHER_TEXT, OTHER_PICTURE = (f"other domain, {kind}" for kind in (TEXT, PICTURE))
"""Kinds of questions about items that training saw nothing like: what is lost there was forgotten."""

MEDIAN = "median_rank"
"""The one figure that is a median over questions; all others are means."""


def figures_of(ks: Sequence[int], items: int | None = None) -> dict[str, Figure]:
    """Figures at these depths, in the order of tables; those of the greatest depth are the headline.

    >>> list(figures_of([10]))
    ['hit_rate_10', 'recall_10', 'precision_10', 'ndcg_10', 'map', 'mrr', 'median_rank']

    Args:
        ks: depths.
        items: that are searched, beyond which no rank goes; None where that is not known.
    """
    depths, last = sorted(set(ks)), max(ks)
    hits = {
        f"hit_rate_{k}": Figure(
            title=f"R@{k}",
            meaning=f"share of questions with a right item among the first {k}",
            headline=k == last,
            compared=True,
        )
        for k in depths
    }
    recalls = {
        f"recall_{k}": Figure(
            title=f"recall@{k}",
            meaning=f"share of all right items of a question that are among the first {k}; equals R@{k} where each "
            "has one",
            compared=k == last,
        )
        for k in depths
    }
    precisions = {
        f"precision_{k}": Figure(
            title=f"P@{k}", meaning=f"share of the first {k} places that right items hold"
        )
        for k in depths
    }
    gains = {
        f"ndcg_{k}": Figure(
            title=f"nDCG@{k}",
            meaning=f"gain of right items among the first {k}, less the later they come, over the greatest possible; "
            "one that is only kin to what is asked for gains half",
            headline=k == last,
            compared=k == last,
        )
        for k in depths
    }
    return {
        **hits,
        **recalls,
        **precisions,
        **gains,
        "map": Figure(
            title="mAP", meaning="mean over right items of the precision at their ranks", compared=True
        ),
        "mrr": Figure(
            title="MRR",
            meaning="mean of one over the rank of the first right item",
            headline=True,
            compared=True,
        ),
        MEDIAN: Figure(
            title="median rank",
            meaning="rank of the first right item, median over questions",
            better="lower",
            bounds=(1.0, items),
        ),
    }


def always(gallery: int, ks: Sequence[int], about: str = "") -> str | None:
    """In words: which figures are 1 whatever a model answers, since all that is searched is found; None for none.

    >>> always(8, (1, 5, 10))
    '8 products are searched, so R@10 is always 1: set evaluate.ks, such as [1, 5]'

    Args:
        gallery: products that are searched.
        ks: depths of the figures.
        about: before the number, where that is an estimate.
    """
    if not (deep := [f"R@{k}" for k in sorted(ks) if k >= gallery]):
        return None
    rest = [k for k in sorted(ks) if k < gallery]
    searched = "1 product is" if gallery == 1 else f"{gallery:,} products are"
    cure = f"set evaluate.ks, such as {rest}" if rest else "measure on more"
    are = "is" if len(deep) == 1 else "are"
    return f"{about}{searched} searched, so {' and '.join(deep)} {are} always 1: {cure}"
