"""Figures worked out the plain way: what is measured by clusters must come to the same on all rows."""

from __future__ import annotations

import numpy as np
from sklearn.metrics import f1_score

from rushes.metrics.checks import encode
from rushes.metrics.grammar import transition_distance
from rushes.metrics.segments import F1_THRESHOLDS, SegmentCounts, edit_scores, segment_counts
from rushes.metrics.temporal import THRESHOLDS, reaches, tiou
from rushes.metrics.timeline import labels_1hz


def frame_accuracy(truths, predictions, ignore=None):
    """MoF: the share of frames with the right label, pooled over videos; no frames whose truth is ``ignore``."""
    rows = zip(truths, predictions, strict=True)
    frames = [pair for truth, found in rows for pair in zip(truth, found, strict=True) if pair[0] != ignore]
    return float(np.mean([true == answer for true, answer in frames]))


def edit_score(truths, predictions, labels, background=()):
    """Mean over videos, in [0, 100]."""
    return float(edit_scores(truths, predictions, labels, background=background).mean())


def segmental_f1(truths, predictions, labels, thresholds=F1_THRESHOLDS, background=()):
    """F1 of counts that are pooled over videos first, in [0, 100], for each threshold."""
    return {
        threshold: sum(
            segment_counts(truths, predictions, labels, threshold, background=background),
            SegmentCounts(0, 0, 0),
        ).f1
        for threshold in thresholds
    }


def recall_of_moments(truth, predicted, thresholds=THRESHOLDS):
    """Share of moments whose tIoU reaches each threshold, misses in the denominator."""
    overlaps = tiou(truth, predicted)
    return {threshold: float(reaches(overlaps, threshold).mean()) for threshold in thresholds}


def allowed_share(grammar, predicted):
    """Share of predicted (current, next) that occur in training; one with a missing side does not."""
    place = {label: number for number, label in enumerate(grammar.labels)}
    seen = [None not in pair and grammar.counts[place[pair[0]], place[pair[1]]] > 0 for pair in predicted]
    return float(np.mean(seen))


def distance_of_transitions(labels, truth, predicted):
    """Distance of predicted to true (current, next) pairs."""
    true, answer = (
        np.stack([encode(side, labels, "labels", missing=True) for side in zip(*rows, strict=True)], axis=1)
        for rows in (truth, predicted)
    )
    return transition_distance(true, answer, len(labels))


def macro_f1_1hz(truth, predicted, labels, null="Null"):
    """OpenPack's macro F1 of (times, labels) at 1 Hz, by scikit-learn."""
    _, actual, answer = labels_1hz(truth, predicted, labels, null=null)
    return f1_score(actual, answer, labels=range(len(labels)), average="macro", zero_division=0)
