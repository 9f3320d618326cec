"""A recipe whose ``source.root`` is a URL: the same dataset as from a folder, by the same signature."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from rushes.runs.run import Run
from rushes.shards.manifest import load_manifest
from rushes.storage import open_workspace
from rushes.storage.remote import Remote
from rushes.tasks import load_recipe, open_run

FRONT, LEFT, TELE = "camera_front_wide_120fov", "camera_rear_left_70fov", "camera_rear_tele_30fov"
RECIPES = {
    "operations": """\
source: {split: {train: [U0101], test: [U0102]}}
twin: {subjects: 2, boxes: 1, difficulty: 0.0}
preprocessing: {frames: 2, frame_size: [56, 56], signal_size: [40, 30], clip_s: 4.0}
prepare: {window_stride_s: 8.0, workers: 1}
""",
    "driving": f"""\
twin: {{train: 4, val: 1, test: 1, clip_s: 2.0, picture: [64, 36], difficulty: 0.2, missing: 0.0}}
preprocessing:
  setup: {{name: pair, reference: {FRONT}, rows: [[{FRONT}, {LEFT}]]}}
  frames: 8
  tile_size: [56, 28]
  signal_size: [32, 18]
prepare: {{stride: 4, workers: 1}}
""",
}


def rushes(verb: str, recipe: Path, workspace: Path | str, *options: str) -> subprocess.CompletedProcess:
    command = [sys.executable, "-m", "rushes.cli", verb, str(recipe), "--workspace", str(workspace), "--json"]
    return subprocess.run([*command, *options], capture_output=True, text=True, timeout=200)


def open_(recipe: Path, workspace: Path | str, root: Path | str, cache: Path | None = None) -> Run:
    return open_run(load_recipe(recipe, [f"source.root={root}"]), open_workspace(workspace, cache))


@pytest.fixture(params=["operations", "driving"])
def recorded(request, s3: Remote, tmp_path: Path) -> tuple[Path, Path, Remote]:
    """A recipe, its twin's recordings in a folder, and the same on the server."""
    recipe = tmp_path / "tiny.yaml"
    recipe.write_text(f"task: {request.param}\nname: tiny\n{RECIPES[request.param]}")
    told = rushes("twin", recipe, tmp_path / "drawn")
    assert told.returncode == 0, told.stderr
    raw = Path(json.loads(told.stdout)["stages"][0]["folder"]) / "raw"
    for path in (path for path in raw.rglob("*") if path.is_file()):
        s3.put(path, path.relative_to(raw).as_posix())
    return recipe, raw, s3


@pytest.mark.slow
def test_recordings_on_s3_give_the_dataset_of_a_folder(recorded, tmp_path):
    recipe, raw, there = recorded
    for place, root in {"near": raw, "far": there.url}.items():
        told = rushes("prepare", recipe, tmp_path / place, "--set", f"source.root={root}")
        assert told.returncode == 0, told.stderr
    near, far = open_(recipe, tmp_path / "near", raw), open_(recipe, tmp_path / "far", there.url)
    assert far.specs["prepare"].signature == near.specs["prepare"].signature
    one, other = (load_manifest(run.folder("prepare")).checksum for run in (near, far))
    assert one == other
    told = rushes("audit", recipe, tmp_path / "far", "--set", f"source.root={there.url}")
    assert told.returncode == 0, told.stderr


@pytest.mark.slow
def test_both_elsewhere_and_an_empty_disk(recorded, tmp_path):
    """Recordings and workspace on the server; the second machine skips what the first has done."""
    recipe, _, there = recorded
    workspace = f"{there.url}-runs"
    for machine, state in {"first": "ran", "second": "done"}.items():
        options = ("--cache", str(tmp_path / machine), "--set", f"source.root={there.url}")
        told = rushes("prepare", recipe, workspace, *options)
        assert told.returncode == 0, told.stderr
        assert json.loads(told.stdout)["stages"][0]["state"] == state
    assert not any(name.startswith("recordings") for name in Remote(workspace).list())


@pytest.mark.slow
@pytest.mark.parametrize("recorded", ["driving"], indirect=True)
def test_archives_of_no_use_stay_where_they_are(recorded, tmp_path):
    recipe, raw, there = recorded
    unused = f"camera/{TELE}/{TELE}.chunk_0000.zip"
    there.put_bytes(b"not even an archive", unused)
    sums = "".join(f"{'0' * 64}  {name}\n" for name in (unused, "features.csv"))
    there.put_bytes(sums.encode(), "SHA256SUMS")
    run = open_(recipe, tmp_path / "far", there.url)
    assert run.raw_fingerprint == open_(recipe, tmp_path / "near", raw).raw_fingerprint
    brought = {p.relative_to(run.raw()).as_posix() for p in run.raw().rglob("*") if p.is_file()}
    drawn = {p.relative_to(raw).as_posix() for p in raw.rglob("*") if p.is_file()}
    assert brought == {"SHA256SUMS", *(name for name in drawn if not name.startswith("calibration/"))}
    assert run.inventory.files == len(drawn) + 2, "files that were not brought are counted too"
    damaged = [one.path for one in run.files.damaged(lambda done, total, name: None)]
    assert damaged == [run.raw() / "features.csv"], "what was brought is held against SHA256SUMS"


def test_a_url_with_a_password_is_refused_without_showing_it(tmp_path):
    recipe = tmp_path / "tiny.yaml"
    recipe.write_text(f"task: driving\n{RECIPES['driving']}")
    told = rushes("plan", recipe, tmp_path / "ws", "--set", "source.root=s3://anna:hunter2@bucket/raw")
    assert told.returncode == 1
    assert "a URL with a password in it" in told.stderr
    assert "hunter2" not in told.stdout + told.stderr
