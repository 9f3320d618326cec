"""Drawn nights with label tracks, from the command line to a report: run, skipped, killed, damaged, admitted."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from fsspec.implementations.memory import MemoryFileSystem
from jobs import begin
from night_files import draw, write_nights

from rushes.evaluate.events import FIGURES
from rushes.shards.manifest import load_manifest
from rushes.stages import sha256_file

WEARERS = {"ann": 2, "bob": 2, "cem": 1, "dan": 1, "eve": 1}
LENGTH_S = 45.0
RECIPE = """\
task: sounds
name: tiny-nights
source:
  kind: recordings
  root: ROOT
  annotation: {files: "**/*.txt", format: audacity}
  background: quiet
  groups: {pattern: "(?P<group>[^/]+)/.*"}
  split: {train: [ann, bob], val: [cem], test: [dan, eve]}
  hop_s: 0.25
preprocessing:
  {labels: [quiet, snore, cough], clip_s: 0.5, sample_rate: 8000, fft: 256, window: 200, hop: 100, mels: 16,
   high_hz: 4000, reference: full}
prepare: {workers: 0}
train: {epochs: 5, batch_size: 32, learning_rate: 0.01}
timelines: {collar_s: 0.5}
deploy: {runs: 10, calibration: 8}
"""


@pytest.fixture(scope="module")
def done(open_job, tmp_path_factory):
    """The job, run once from nothing, and what it printed."""
    root = tmp_path_factory.mktemp("nights")
    write_nights(root, WEARERS, LENGTH_S)
    job = open_job(RECIPE.replace("ROOT", str(root)), tmp_path_factory.mktemp("job"))
    return job, job.tell("run", "--json")


def test_a_run_goes_from_label_tracks_to_a_report(done):
    job, told = done
    assert told.code == 0, told.err
    card = job.run().scorecard()
    (part,) = card.of_kind("timeline")
    assert part.estimates["model"].keys() == FIGURES.keys()
    for system in ("model", "smoothed", "majority", "event"):
        assert system in part.estimates
    assert part.estimates["model"]["segment_f1"].value > part.estimates["event"]["segment_f1"].value
    page = Path(told.json["report"]).read_text()
    assert "Recordings" in page
    assert page.count("timeline of") == 2
    assert "PSDS 1" in page


def test_the_truth_of_the_report_is_the_label_track(done):
    recordings = done[0].run().scorecard().details["timeline"]["recordings"]
    of_dan, of_eve = (
        [(start, end, label) for start, end, label in one["truth"] if label != "quiet"] for one in recordings
    )
    for found, place in ((of_dan, 3), (of_eve, 4)):
        events = draw(100 * place, LENGTH_S)[1]
        assert [label for *_, label in found] == [label for *_, label in events]
        assert [time for *times, _ in found for time in times] == pytest.approx(
            [time for *times, _ in events for time in times]
        )


def test_audit_and_plan_tell_what_is_there(done):
    job, _ = done
    told = job.tell("audit")
    assert told.code == 0
    assert re.search(r"^hours +0\.05 +0\.01 +0\.03$", told.out, re.MULTILINE), told.out
    assert re.search(r"7 used +recordings", told.out)
    assert re.search(r"7 read +labels", told.out)
    assert "7 recordings of 5 groups" in job.tell("plan", "--set", "preprocessing.mels=8").out


def test_what_the_dataset_counts_is_what_the_audit_expects(done):
    job, _ = done
    samples = load_manifest(job.run().folder("features")).samples
    expected = {
        side: sum(counts.values()) for side, counts in job.tell("audit", "--json").json["windows"].items()
    }
    assert {side: count for side, count in samples.items() if count} == expected


def test_a_second_run_has_nothing_to_do(done):
    told = done[0].tell("run", "--json")
    assert {stage["state"] for stage in told.json["stages"]} == {"done"}


def test_features_that_were_killed_are_resumed_with_the_same_bytes(done, tmp_path):
    job, _ = done
    begun = begin("features", str(job.recipe), "--workspace", str(tmp_path))
    folder = None
    while begun.poll() is None and folder is None:
        folder = next((path.parent.parent for path in tmp_path.glob("features-*/units/*.json")), None)
    begun.kill()
    begun.communicate()
    other = type(job)(job.recipe, tmp_path)
    assert other.tell("features").code == 0
    ours, theirs = (
        {path.relative_to(one).as_posix(): sha256_file(path) for path in sorted(one.rglob("shards/*/*"))}
        for one in (job.run().folder("features"), other.run().folder("features"))
    )
    assert ours == theirs
    assert ours


def test_another_collar_measures_again_and_prepares_nothing(done):
    told = done[0].tell("plan", "--json", "--set", "timelines.collar_s=0.2")
    states = {stage["name"]: stage["state"] for stage in told.json["stages"]}
    assert [name for name, state in states.items() if state != "done"] == ["evaluate", "report"], json.dumps(
        states
    )


def test_nights_at_a_url_are_those_of_a_folder(done, monkeypatch):
    monkeypatch.setenv("RUSHES_ALLOW", "memory")
    job, files = done[0], MemoryFileSystem()
    root = job.run().raw()
    for path in root.rglob("*.*"):
        files.pipe(f"/nights-lab/{path.relative_to(root).as_posix()}", path.read_bytes())
    told = job.tell("plan", "--json", "--set", "source.root=memory://nights-lab")
    assert told.code == 0, told.err
    assert {stage["state"] for stage in told.json["stages"]} == {"done"}
