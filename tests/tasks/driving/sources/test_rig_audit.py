"""What an audit of folders of drives foresees: what prepare then finds."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from rig_files import FRONT, LEFT, PREPROCESSING, first, rewrite, rig
from rig_twin import degrees_of, write_table

from rushes.errors import SourceError
from rushes.tasks.driving.audit import DrivingAudit, audit_clips
from rushes.tasks.driving.sources.recording import motion_evidence
from rushes.tasks.driving.sources.trajectory import refuse_other_conventions


def audited(root: Path) -> DrivingAudit:
    source = rig(split="index")
    found = source.scan(root)
    holdings = source.holdings(found, clip_s=0, window_s=0, stride_s=0)
    return audit_clips(source, found, holdings, PREPROCESSING, stride=4, needed=())


def test_drives_that_hold_have_no_fault(drives):
    found = audited(drives)
    assert (found.faults, dict(found.outcomes)) == ((), {})


def test_a_camera_that_cannot_be_opened_is_foreseen(drives):
    (first(drives) / f"{LEFT}.mp4").write_text("hello")
    found = audited(drives)
    [fault] = found.faults
    assert fault.where == str(first(drives) / f"{LEFT}.mp4")
    assert found.outcomes[first(drives).name].fate == "faulty"


@pytest.mark.parametrize("rows", [-1, 1])
def test_a_table_of_times_of_another_length_than_its_video_is_foreseen(drives, rows):
    path = first(drives) / f"{FRONT}.times.csv"
    head, *times = path.read_text().splitlines()
    frames = len(times)
    times = times[:rows] if rows < 0 else [*times, str(int(times[-1]) + 80_000)]
    path.write_text("\n".join([head, *times]) + "\n")
    found = audited(drives)
    [fault] = found.faults
    assert fault.message == f"camera {FRONT} has {frames} frames and {frames + rows} times of them"
    assert fault.where == str(first(drives) / f"{FRONT}.mp4")
    assert found.outcomes[first(drives).name].fate == "faulty"


def test_headings_by_satellite_prove_nothing_of_the_rotations_of_other_drives(drives):
    """They are made of the motion, so that they fit it whatever the poses are written in."""
    order = ("qx", "qy", "qz", "qw")
    folders = sorted(path for path in drives.iterdir() if path.is_dir())
    by_satellite = {drive.key: drive.trajectory() for drive in rig().scan(drives).recordings}
    for folder in folders[2:]:
        poses = by_satellite[folder.name]
        fixes = np.column_stack([poses.times_s, degrees_of(poses.positions[:, :2])])
        (folder / "poses.csv").unlink()
        write_table(folder / "gps.csv", ("time_s", "lat", "lon"), fixes.tolist())
    for folder in folders[:2]:
        rewrite(
            folder / "poses.csv",
            lambda row: row | dict(zip(order, [row[name] for name in ("qw", *order[:3])], strict=True)),
        )
    found = motion_evidence(rig(fix_sigma_m=0.05).scan(drives).recordings)
    with pytest.raises(SourceError, match="quaternions w, x, y, z"):
        refuse_other_conventions(found, drives)
