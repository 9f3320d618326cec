"""A tiny job on folders of drives from the command line: audited, run, refused."""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path

import numpy as np
import pytest
from jobs import DRIVING, FRONT, LEFT

sys.path.append(str(Path(__file__).parents[3] / "benchmarks"))
from rig_twin import as_rig, degrees_of, write_table

from rushes.shards.manifest import load_manifest
from rushes.shards.read import ShardDataset
from rushes.tasks.driving.sources.physical_ai_av.sensors import read_trajectory

RIG = DRIVING.replace("tiny-drive", "my-drives").replace(
    next(line for line in DRIVING.splitlines() if line.startswith("twin:")),
    "source: {kind: rig, root: drives, frame: enu, split: index}",
)


@pytest.fixture(scope="module")
def done(open_job, road_twin, tmp_path_factory):
    """The job on the drawn drives, run once from nothing, and what it printed."""
    folder = tmp_path_factory.mktemp("mine")
    as_rig(road_twin.root, folder / "drives", (FRONT, LEFT))
    job = open_job(RIG, folder)
    return job, job.tell("run", "--json")


def test_it_reaches_a_report(done):
    job, told = done
    assert told.code == 0, told.err
    assert [one["state"] for one in told.json["stages"]] == ["ran"] * 5
    assert Path(told.json["report"]).read_text().startswith("<!doctype html>")
    counts = json.loads((job.run().folder("prepare") / "DONE").read_text())["counts"]
    assert counts == {"planned": 4, "done": 4, "quarantined": 0, "skipped": 0}


def test_samples_are_those_of_the_archives_but_for_where_they_lay(done, open_job, road_twin, tmp_path):
    job, _ = done
    archives = RIG.replace(
        "{kind: rig, root: drives, frame: enu, split: index}", f"{{root: '{road_twin.root}'}}"
    )
    other = open_job(archives, tmp_path)
    told = other.tell("prepare", "--json")
    assert told.code == 0, told.err
    sets = [one.run().folder("prepare") for one in (job, other)]
    for side in load_manifest(sets[0]).splits:
        ours, theirs = (ShardDataset.open(folder, side) for folder in sets)
        assert list(ours.keys()) == list(theirs.keys())
        for number in range(len(ours)):
            mine, archived = (
                {name: bytes(data) for name, data in one.sample(number).items()} for one in (ours, theirs)
            )
            metas = [json.loads(one.pop("meta.json")) for one in (mine, archived)]
            assert mine == archived
            assert {key for key in metas[1] if metas[0].get(key) != metas[1][key]} == {"chunk", "tags"}


def test_an_audit_says_what_there_is_and_how_well_it_is_known(done, road_twin, tmp_path):
    job, _ = done
    told = job.tell("audit")
    assert told.code == 0, told.err
    for line in (
        "4 of 4 drives have all cameras and their motion",
        "clips whose motion was held against their rotations: 4 (",
        "21 files found",
        "        8 used     cameras",
        "       12 read     times and poses",
    ):
        assert line in told.out
    assert "estimate" not in told.out
    root = Path(shutil.copytree(job.recipe.parent / "drives", tmp_path / "drives"))
    from rushes.tasks.driving.sources.physical_ai_av.source import scan

    for clip in scan(road_twin.root, (FRONT, LEFT)).recordings:
        poses = read_trajectory(clip.egomotion)
        rows = slice(None, None, 20)
        fixes = np.column_stack([poses.times_s[rows], degrees_of(poses.positions[rows, :2])])
        (root / clip.key / "poses.csv").unlink()
        write_table(root / clip.key / "gps.csv", ("time_s", "lat", "lon"), fixes.tolist())
    other = type(job)(job.recipe, tmp_path / "workspace")
    told = other.tell("audit", "--set", f"source.root={root}", "--set", "source.fix_sigma_m=0.05")
    assert "the motion of 4 clips is an estimate: speeds to about 0." in told.out
    assert "headings to about" in told.out


def test_a_group_on_two_sides_is_told_by_audit_and_refused_by_prepare(done, tmp_path):
    job, _ = done
    root = Path(shutil.copytree(job.recipe.parent / "drives", tmp_path / "drives"))
    names = sorted(path.name for path in root.iterdir() if path.is_dir())
    rows = [(name, "car", side) for name, side in zip(names, ("train", "train", "val", "test"), strict=True)]
    write_table(root / "drives.csv", ("drive", "group", "split"), rows)
    other = type(job)(job.recipe, tmp_path / "workspace")
    for verb, code in (("audit", 4), ("prepare", 1)):
        told = other.tell(verb, "--set", f"source.root={root}")
        assert told.code == code
        assert f"group car stands on two sides: {names[0]} in train, {names[2]} in val" in told.out + told.err


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        (["source.offset=1"], "source.offset: unknown key; did you mean offset_s?"),
        (["source.chunks=[1]"], "source.chunks: unknown key; known here: kind, cameras, offset_s"),
        (["source.kind=rigg"], "source: expected 'physical_ai_av', 'rig', 'kitti', 'nuscenes', found 'rigg'"),
        (["source.root=null"], "source.root: recordings of kind rig are not drawn: give their folder"),
        (["source.cameras={roof: x}"], "source.cameras: the setup has no camera roof; it has"),
        (["source.offset_s={roof: 1}"], "source.offset_s: the setup has no camera roof"),
        (["source.group=a+"], "no named group group; write it as (?P<group>...)"),
        (["source.shares={train: 1}"], "shares add up to 1.3"),
        (
            ["preprocessing.setup={name: a, reference: a b, rows: [[a b]]}"],
            "cameras are called by letters, digits, _ and -, found a b",
        ),
    ],
)
def test_a_recipe_that_cannot_be_is_refused_with_its_key(done, changes, says):
    told = done[0].tell("plan", *(part for change in changes for part in ("--set", change)))
    assert told.code == 2
    assert says in told.err


def test_recipes_of_archives_keep_their_signatures(open_job, tmp_path):
    """As they were before there was another layout."""
    specs = open_job(DRIVING, tmp_path).run().specs
    assert (specs["twin"].signature, specs["prepare"].signature) == ("2d1e8603de68", "1c3148767bb8")
