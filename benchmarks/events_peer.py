"""What public packages make of the same events and scores, run by their own interpreter.

    python events_peer.py figures SETS COLLAR SHARE     of each set sed_eval's figures and sed_scores_eval's PSDS
    python events_peer.py matching SETS COLLAR SHARE    hits and seconds of sed_eval's optimal matching

SETS is a JSON file, a list of {"labels", "recordings": [{"length_s", "truth", "predicted", "scores", "hop_s"}]};
events are [start_s, end_s, label]. Prints JSON. sed_eval leaves a class out of its mean
that was never predicted, whose F1 it calls nan: that is `without_nan`, and `f1_macro` counts 0 for it.
"""

from __future__ import annotations

import json
import math
import sys
import time

import numpy as np

IN_TIME = {"dtc_threshold": 0.7, "gtc_threshold": 0.7, "alpha_st": 1.0}
APART = {"dtc_threshold": 0.1, "gtc_threshold": 0.1, "cttc_threshold": 0.3, "alpha_ct": 0.5, "alpha_st": 1.0}


def rows(events, file):
    return [
        {"file": file, "event_onset": start, "event_offset": end, "event_label": label}
        for start, end, label in events
    ]


def evaluated(metrics, one, **length):
    for number, recording in enumerate(one["recordings"]):
        file = f"{number}.wav"
        more = {name: recording[key] for name, key in length.items()}
        metrics.evaluate(rows(recording["truth"], file), rows(recording["predicted"], file), **more)
    return metrics.results()


def told(results):
    classes = [of["f_measure"]["f_measure"] for of in results["class_wise"].values()]
    found = {
        "f1": results["overall"]["f_measure"]["f_measure"],
        "f1_macro": float(np.nan_to_num(classes).mean()),
        "without_nan": results["class_wise_average"]["f_measure"]["f_measure"],
        "error_rate": results["overall"]["error_rate"]["error_rate"],
    }
    return {name: None if math.isnan(value) else float(value) for name, value in found.items()}


def psds_of(one, criteria):
    from sed_scores_eval.base_modules.scores import create_score_dataframe
    from sed_scores_eval.intersection_based import psds

    frames, truth, lengths = {}, {}, {}
    for number, recording in enumerate(one["recordings"]):
        file = str(number)
        scores = np.array(recording["scores"])
        edges = np.arange(len(scores) + 1) * recording["hop_s"]
        frames[file] = create_score_dataframe(scores, edges, one["labels"])
        truth[file] = [tuple(event) for event in recording["truth"]]
        lengths[file] = recording["length_s"]
    return float(psds(frames, truth, lengths, max_efpr=100.0, **criteria)[0])


def figures(sets, collar, share):
    from sed_eval.sound_event import EventBasedMetrics, SegmentBasedMetrics

    found = []
    for one in sets:
        by_event = EventBasedMetrics(
            one["labels"], t_collar=collar, percentage_of_length=share, event_matching_type="optimal"
        )
        by_segment = SegmentBasedMetrics(one["labels"], time_resolution=1.0)
        found.append(
            {
                "event": told(evaluated(by_event, one)),
                "segment": told(evaluated(by_segment, one, evaluated_length_seconds="length_s")),
                "in_time": psds_of(one, IN_TIME),
                "apart": psds_of(one, APART),
            }
        )
    return found


def matching(sets, collar, share):
    from sed_eval.sound_event import EventBasedMetrics

    found = []
    for one in sets:
        began = time.perf_counter()
        metrics = EventBasedMetrics(
            one["labels"], t_collar=collar, percentage_of_length=share, event_matching_type="optimal"
        )
        evaluated(metrics, one)
        found.append({"hits": metrics.overall["Ntp"], "seconds": time.perf_counter() - began})
    return found


if __name__ == "__main__":
    what, file, *numbers = sys.argv[1:]
    with open(file, encoding="utf-8") as opened:
        asked = json.load(opened)
    print(json.dumps({"figures": figures, "matching": matching}[what](asked, *map(float, numbers))))
