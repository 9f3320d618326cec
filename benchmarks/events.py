"""Event figures beside public implementations, and how fast events are matched.

    python benchmarks/events.py [--quick] [--json]

Draws sets of recordings with true events, predicted ones and scores, on whole milliseconds, and takes event-based
F1 and error rate, segment-based F1 and error rate (sed_eval 0.2.1, optimal matching) and PSDS in DCASE's two
scenarios (sed_scores_eval 0.0.4) with both sides. Three differences of sed_eval are told beside:

- it compares binary fractions of seconds, so that a border of exactly a collar falls on either side; it is asked
  once as it is, and once with collars a nanosecond wider, which is what is held to the bar;
- a class that was never predicted has no F1 for it, and leaves its mean of classes; here that is 0;
- it counts substitutions greedily, in the order of the events, and rushes as many as there can be, so that its
  error rate is never the lower one.

Both packages are the peer `events`, see peers.py. Takes three minutes, with --quick half a one.
"""

from __future__ import annotations

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")  # before numpy: every figure is of one thread

import argparse
import json
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import peers
from report import Figure, at_most, emit, not_measured

from rushes.metrics.events import COLLAR_S, OFFSET_PERCENT, Rows, Scores, event_rows, segment_rows
from rushes.metrics.psds import APART, IN_TIME, psds, tally

PEER, SCRIPT = "events", "events_peer.py"
SETS, QUICK_SETS = 200, 20
MANY, QUICK_MANY = 2000, 500
HOP_S = 0.5
EQUAL, MATCH_S = 1e-9, 1.0
WIDER = COLLAR_S + 1e-9, OFFSET_PERCENT / 100 + 1e-9
Set = Mapping[str, Any]


# --- what is drawn ------------------------------------------------------------------------------------------


def draw(seed: int) -> Set:
    """A set of 2 to 5 recordings of some minutes; 2 to 4 classes, each with a true event in the first recording."""
    random = np.random.default_rng(seed)
    labels = ["snore", "cough", "speech", "door"][: random.integers(2, 5)]
    recordings = []
    for number in range(random.integers(2, 6)):
        length_s = int(random.integers(60, 300))
        truth = events(random, labels, length_s, each=not number)
        predicted = heard(random, truth, labels, length_s)
        recordings.append(
            {
                "length_s": length_s,
                "truth": truth,
                "predicted": predicted,
                "scores": scores_of(random, truth, labels, length_s).tolist(),
                "hop_s": HOP_S,
            }
        )
    return {"labels": labels, "recordings": recordings}


def events(random: np.random.Generator, labels: Sequence[str], length_s: int, *, each: bool) -> list[list]:
    """Events whose times are whole milliseconds; those of one class do not overlap."""
    found = []
    for label in labels:
        borders = np.sort(random.choice(1000 * length_s, 2 * random.integers(each, 9), replace=False))
        found += [[start / 1000, end / 1000, label] for start, end in borders.reshape(-1, 2).tolist()]
    return found


def heard(
    random: np.random.Generator, truth: Sequence[list], labels: Sequence[str], length_s: int
) -> list[list]:
    """Most true events, off by up to .3 s and by a share of their length, some of another class; and inventions."""
    found = []
    for start_s, end_s, label in truth:
        if random.random() < 0.8:
            off_s = random.integers(-30, 31) / 100
            later_s = round(0.3 * random.uniform(-1, 1) * (end_s - start_s), 3)
            said = label if random.random() < 0.8 else labels[random.integers(len(labels))]
            start = max(round(start_s + off_s, 3), 0.0)
            found.append([start, max(round(min(end_s + later_s, length_s), 3), start), said])
    return found + events(random, labels, length_s, each=False)[: random.integers(4)]


def scores_of(
    random: np.random.Generator, truth: Sequence[list], labels: Sequence[str], length_s: int
) -> np.ndarray:
    """Noise, higher where the class sounds; in steps of a hundredth, so that many are equal."""
    middles = (np.arange(round(length_s / HOP_S)) + 0.5) * HOP_S
    scores = random.beta(1.5, 4.0, (len(middles), len(labels)))
    for start_s, end_s, label in truth:
        scores[(middles >= start_s) & (middles < end_s), labels.index(label)] += random.uniform(0.1, 0.6)
    return np.round(scores, 2)


# --- both sides ---------------------------------------------------------------------------------------------


def ours(one: Set) -> dict[str, Any]:
    """What the peer tells of a set, by rushes."""
    labels, recordings = one["labels"], one["recordings"]
    by_event = [event_rows(each["truth"], each["predicted"], labels) for each in recordings]
    by_segment = [
        segment_rows(each["truth"], each["predicted"], labels, each["length_s"]) for each in recordings
    ]
    found: dict[str, Any] = {"event": scores(by_event), "segment": scores(by_segment)}
    for name, criteria in (("in_time", IN_TIME), ("apart", APART)):
        tallies = [
            tally(
                each["truth"],
                each["scores"],
                np.arange(len(each["scores"]) + 1) * HOP_S,
                labels,
                criteria,
            )
            for each in recordings
        ]
        found[name] = psds(tallies, criteria)
    return found


def scores(rows: Sequence[Rows]) -> dict[str, float]:
    """Figures of the rows of several recordings."""
    found = Scores.of(np.sum([each.parts.sum(axis=0) for each in rows], axis=0))
    return {name: float(getattr(found, name)) for name in ("f1", "f1_macro", "error_rate")}


def theirs(what: str, sets: Sequence[Set], *arguments: float) -> list[dict[str, Any]]:
    """What the peer's script prints of sets."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "sets.json"
        path.write_text(json.dumps(sets), encoding="utf-8")
        told: list[dict[str, Any]] = peers.ask(PEER, SCRIPT, what, path, *arguments)
        return told


NAMES = {
    ("event", "f1"): "event-based F1",
    ("event", "f1_macro"): "event-based F1, mean of classes",
    ("event", "error_rate"): "event-based error rate",
    ("segment", "f1"): "segment-based F1",
    ("segment", "f1_macro"): "segment-based F1, mean of classes",
    ("segment", "error_rate"): "segment-based error rate",
}


def equality(sets: Sequence[Set]) -> Iterator[Figure]:
    """The greatest difference of each figure over all sets."""
    mine = [ours(one) for one in sets]
    wider, as_it_is = theirs("figures", sets, *WIDER), theirs("figures", sets, COLLAR_S, OFFSET_PERCENT / 100)
    for (kind, name), title in NAMES.items():
        values = [(one[kind][name], other[kind][name] or 0.0) for one, other in zip(mine, wider, strict=True)]
        if (kind, name) == ("event", "error_rate"):
            more = sum(our - their > EQUAL for our, their in values)
            fewer = sum(their - our > EQUAL for our, their in values)
            yield at_most(f"{title}: sets in which ours is higher than sed_eval's", more, 0)
            yield Figure(
                f"{title}: sets in which ours is lower, by substitutions that sed_eval missed", fewer
            )
            continue
        apart = max(abs(our - their) for our, their in values)
        yield at_most(f"{title}: greatest difference from sed_eval, {len(sets)} sets", apart, EQUAL)
    borders = sum(
        abs(one["event"]["f1"] - (other["event"]["f1"] or 0.0)) > EQUAL
        for one, other in zip(mine, as_it_is, strict=True)
    )
    yield Figure("sets in which sed_eval loses hits that lie on the collar, by rounding", borders)
    left_out = sum(
        abs(other[kind]["without_nan"] - other[kind]["f1_macro"]) > EQUAL
        for other in wider
        for kind in ("event", "segment")
        if other[kind]["without_nan"] is not None
    )
    yield Figure("means of classes from which sed_eval leaves one out that was never predicted", left_out)
    for name, scenario in (("in_time", 1), ("apart", 2)):
        apart = max(abs(one[name] - other[name]) for one, other in zip(mine, wider, strict=True))
        title = f"PSDS, scenario {scenario}: greatest difference from sed_scores_eval, {len(sets)} sets"
        yield at_most(title, apart, EQUAL)


def crowd(count: int) -> Set:
    """A recording of ``count`` true events and as many predicted ones, four classes, many near each other."""
    random = np.random.default_rng(0)
    labels = ["snore", "cough", "speech", "door"]
    truth = []
    for start in np.sort(random.integers(0, 500 * count, count)).tolist():
        truth.append(
            [start / 1000, (start + int(random.integers(200, 3000))) / 1000, labels[random.integers(4)]]
        )
    predicted = heard(random, truth, labels, 500 * count)
    return {"labels": labels, "recordings": [{"length_s": count, "truth": truth, "predicted": predicted}]}


def speed(count: int) -> Iterator[Figure]:
    """Seconds for one recording with many events, and whether as many are matched."""
    one = crowd(count)
    (recording,) = one["recordings"]
    began = time.perf_counter()
    rows = event_rows(recording["truth"], recording["predicted"], one["labels"])
    seconds = time.perf_counter() - began
    yield at_most(f"{count:,} events in one recording: seconds to match", seconds, MATCH_S)
    hits = int(rows.parts[:, : len(one["labels"])].sum())
    try:
        (told,) = theirs("matching", [one], *WIDER)
    except peers.Unavailable as why:
        yield not_measured("hits, difference from sed_eval's optimal matching", "<= 0", why)
        return
    yield at_most("hits, difference from sed_eval's optimal matching", abs(hits - told["hits"]), 0)
    yield Figure("seconds of sed_eval for the same", told["seconds"])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--quick", action="store_true", help=f"{QUICK_SETS} sets, {QUICK_MANY} events")
    parser.add_argument("--json", action="store_true", help="print JSON")
    asked = parser.parse_args()
    figures = []
    sets = [draw(seed) for seed in range(QUICK_SETS if asked.quick else SETS)]
    try:
        figures += equality(sets)
    except peers.Unavailable as why:
        figures += [
            not_measured("event and segment figures, PSDS: greatest difference", f"<= {EQUAL:g}", why)
        ]
    figures += speed(QUICK_MANY if asked.quick else MANY)
    emit(figures, asked.json)


if __name__ == "__main__":
    main()
