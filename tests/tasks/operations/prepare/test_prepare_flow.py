"""Preparing with optical flow: the same in workers as here, and refused at once where OpenCV is missing."""

from __future__ import annotations

import sys

from rushes.shards.manifest import load_manifest

FLOW = ("--set", "preprocessing.sampler=flow")


def test_workers_give_the_same_shards(copy_of):
    checksums = set()
    for workers in (0, 2):
        job = copy_of("twin")
        told = job.tell("prepare", *FLOW, "--set", f"prepare.workers={workers}")
        assert told.code == 0, told.err
        folder = job.run("preprocessing.sampler=flow").folder("prepare")
        checksums.add(load_manifest(folder).checksum)
    assert len(checksums) == 1


def test_without_opencv_no_session_is_begun(copy_of, monkeypatch):
    job = copy_of("twin")
    monkeypatch.setitem(sys.modules, "cv2", None)
    told = job.tell("prepare", *FLOW)
    assert told.code == 2
    assert "RecipeError: the sampler flow needs OpenCV" in told.err
    assert "pip install 'rushes[flow]'" in told.err
    assert not [*job.workspace.glob("prepare-*/units/*"), *job.workspace.glob("prepare-*/quarantine/*")]
