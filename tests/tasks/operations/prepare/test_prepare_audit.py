"""The audit foretells what prepare makes, and what it refuses."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import pytest

from rushes.records import Segment
from rushes.tasks.operations.prepare.audit import audit_recordings
from rushes.tasks.operations.prepare.clips import Cutting
from rushes.tasks.operations.prepare.unit import prepare_unit


def test_audit_foretells_what_prepare_makes(make_recording, make_job, preprocessing):
    recording = make_recording()
    split_of = {recording.key: "test"}
    (row,) = audit_recordings([recording], split_of, preprocessing, Cutting(), window_splits=("test",))
    receipt = prepare_unit(make_job(recording))
    assert row.clips == receipt["clips"]
    assert (row.frames, row.duration_s) == (receipt["frames"], receipt["duration_s"])
    assert row.operations == Counter(segment.label for segment in recording.segments)
    assert row.labelled_s == pytest.approx(4.1 * len(recording.segments))
    assert row.bytes == receipt["samples"] * round(6 * 224 * 224 * 0.14)
    assert row.fault is None


def test_audit_names_what_would_be_refused(make_recording, preprocessing, tmp_path):
    good = make_recording()
    late = replace(good, key="U0102_S0100", segments=(Segment(20.0, 45.0, "Pick"),))
    gone = replace(good, key="U0103_S0100", media=replace(good.media, path=tmp_path / "gone.mp4"))
    rows = list(audit_recordings([late, gone, good], {late.key: "train"}, preprocessing, Cutting()))
    assert "outside" in rows[0].fault
    assert "no such video" in rows[1].fault
    assert (rows[1].duration_s, rows[1].frames) == (None, None)
    assert (rows[2].split, rows[2].clips, rows[2].fault) == (None, {}, None)
