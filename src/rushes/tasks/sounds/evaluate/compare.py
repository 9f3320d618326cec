"""Two nets on the same clips, for gates and leaderboards that have one seed."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pyarrow as pa

from rushes.evaluate.clusters import clusters
from rushes.metrics.estimate import CONFIDENCE, Estimate
from rushes.metrics.paired import paired_macro_f1
from rushes.tasks.sounds.evaluate.answers import read_answers, require_same_clips


def compare_macro_f1(
    first: pa.Table, second: pa.Table, labels: Sequence[str], *, confidence: float = CONFIDENCE
) -> Estimate:
    """Macro-F1 of the first net less that of the second.

    Args:
        first, second: predictions of ``rushes.tasks.sounds.predict.table.SCHEMA`` on the same clips.
        labels: the classes in the order of the logits.
        confidence: of the interval.

    Raises:
        MetricError: no clips, or not the same ones.
        ShardError: logits that do not fit the labels.
    """
    ours, theirs = (read_answers(table, labels) for table in (first, second))
    require_same_clips(ours, theirs)
    among = clusters(ours.levels, np.arange(len(ours)))
    return paired_macro_f1(
        ours.truth.tolist(),
        ours.predicted.tolist(),
        theirs.predicted.tolist(),
        among.ids,
        range(len(labels)),
        confidence=confidence,
    )
