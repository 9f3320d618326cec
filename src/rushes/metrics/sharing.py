"""Names that items share: which of them answer each other's questions, and which move together.

A name is a key, a group, or words. OpenCLIP and others count an item of equal words as a miss; whoever finds a twin
of the sofa has found the sofa.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array
from scipy.sparse.csgraph import connected_components

from rushes.errors import MetricError
from rushes.metrics.retrieval import Relevant

MOST_PAIRS = 20_000_000
"""Of a question and a right item; with more, names do not tell items apart."""

KIN = 0.5
"""Gain of an item that is only kin to the one asked for; of a right one it is 1."""

Names = NDArray[Any]
"""A name of each item (n,) of str, empty where it has none; nobody shares an empty name."""


def right_items(
    of: NDArray[np.int64], among: NDArray[np.int64], *names: Names, kin: Names | None = None
) -> Relevant:
    """The items that answer questions: whichever shares a name with the item that is asked for.

    >>> keys, words = np.array(["a", "b", "c", "d"]), np.array(["lamp", "lamp", "", ""])
    >>> found = right_items(np.array([0, 2]), np.arange(4), keys, words, kin=np.array(["", "", "x", "x"]))
    >>> list(zip(found.query.tolist(), found.item.tolist(), found.gain.tolist()))
    [(0, 0, 1.0), (0, 1, 1.0), (1, 2, 1.0), (1, 3, 0.5)]

    Args:
        of: (queries,) number of the item that each question is about.
        among: (items,) numbers of the items that are searched; questions about others may have no right item.
        names: of all items; key, words.
        kin: a name whose sharing makes an item right as well, but with a gain of `KIN` only: product family.

    Raises:
        MetricError: no question has a right item, or names are shared by so many that nothing is told apart.
    """
    exact = np.unique(np.concatenate([_sharing(of, among, _codes(each)) for each in names]))
    near = np.setdiff1d([] if kin is None else _sharing(of, among, _codes(kin)), exact).astype(np.int64)
    query, item = np.divmod(np.concatenate([exact, near]), len(among))
    gain = np.repeat([1.0, KIN], [len(exact), len(near)])
    return Relevant.of(query, item, gain, queries=len(of), items=len(among))


def families(*names: Names) -> NDArray[np.int64]:
    """What moves together: number of each item's family (n,), within which items share names, step by step.

    >>> families(np.array(["x", "x", "", ""]), np.array(["", "lamp", "lamp", "sofa"])).tolist()
    [0, 0, 0, 1]
    """
    n = nodes = len(names[0])
    items, of = [], []
    for each in names:
        code = _codes(each)
        named = np.flatnonzero(code >= 0)
        items.append(named)
        of.append(nodes + code[named])
        nodes += int(code.max(initial=-1)) + 1
    ends = np.concatenate(items), np.concatenate(of)
    graph = csr_array((np.ones(len(ends[0]), np.int8), ends), shape=(nodes, nodes))
    number: NDArray[np.int64] = connected_components(graph, directed=False)[1][:n]
    return number


def plain_words(texts: Names) -> Names:
    """Texts (n,) without what nobody types: letters of one size, single spaces.

    >>> plain_words(np.array(["Oak  Table ", ""], object)).tolist()
    ['oak table', '']
    """
    plain: Names = np.array([" ".join(str(text).casefold().split()) for text in texts], object)
    return plain


def _codes(names: Names) -> NDArray[np.int64]:
    """Numbers of names (n,), equal for equal ones; -1 for none."""
    known, code = np.unique(names.astype(str), return_inverse=True)
    return code.astype(np.int64) - 1 if len(known) and known[0] == "" else code.astype(np.int64)


def _sharing(of: NDArray[np.int64], among: NDArray[np.int64], code: NDArray[np.int64]) -> NDArray[np.int64]:
    """Pairs of a question and an item of its code, each as ``question * items + item``."""
    order = np.argsort(code[among], kind="stable")
    there, asked = code[among][order], code[of]
    first = np.searchsorted(there, asked)
    counts = np.where(asked >= 0, np.searchsorted(there, asked, "right") - first, 0)
    if (total := int(counts.sum())) > MOST_PAIRS:
        raise MetricError(
            f"{total:,} pairs of a question and a right item: too many items share their words or their group",
            cure="give titles or attributes that tell items apart, or measure fewer",
        )
    query = np.repeat(np.arange(len(of)), counts)
    place = np.arange(total) - np.repeat(np.cumsum(counts) - counts, counts) + np.repeat(first, counts)
    pairs: NDArray[np.int64] = query * len(among) + order[place]
    return pairs
