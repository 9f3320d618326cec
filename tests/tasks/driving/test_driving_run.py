"""A tiny driving job from the command line: run, planned, audited, refused."""

from __future__ import annotations

import io
import json
import shutil
import zipfile
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from jobs import DRIVING, FRONT, LEFT

from rushes.models import trained
from rushes.predict.table import read_predictions
from rushes.shards.manifest import load_manifest
from rushes.stages import read_receipt, sha256_file
from rushes.tasks.driving.predict.table import SCHEMA

STAGES = ("twin", "prepare", "train", "predict", "evaluate", "report")


@pytest.fixture(scope="module")
def done(open_job, tmp_path_factory):
    """The job, run once from nothing, and what it printed."""
    job = open_job(DRIVING, tmp_path_factory.mktemp("drive"))
    return job, job.tell("run", "--json")


@pytest.fixture
def copy(done, tmp_path):
    """The finished job, to be damaged."""
    job = done[0]
    workspace = Path(shutil.copytree(job.workspace, tmp_path / "copy"))
    return type(job)(job.recipe, workspace)


def hashes(folder: Path) -> dict[str, str]:
    clocks = ("DONE", "recipe.json", "lock")
    files = (path for path in folder.rglob("*") if path.is_file() and path.name not in clocks)
    return {path.relative_to(folder).as_posix(): sha256_file(path) for path in files}


def flip(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


# What a run makes


def test_a_run_does_every_stage_and_prints_its_figures(done):
    _, told = done
    assert told.code == 0, told.err
    result = told.json
    assert [(stage["name"], stage["state"]) for stage in result["stages"]] == [(n, "ran") for n in STAGES]
    assert result["metrics"]
    assert result["baselines"]
    assert Path(result["report"]).read_text().startswith("<!doctype html>")


def test_the_account_of_the_clips_closes(done):
    run = done[0].run()
    counts = json.loads((run.folder("prepare") / "DONE").read_text())["counts"]
    # Of four training clips one has no poses, and the index calls another one invalid.
    assert counts == {"planned": 6, "done": 4, "quarantined": 0, "skipped": 2}
    manifest = load_manifest(run.folder("prepare"))
    windows = {side: sum(shard.samples for shard in shards) for side, shards in manifest.splits.items()}
    assert windows["train"] == 2 * windows["test"] == 2 * windows["val"] > 0
    table = read_predictions(run.folder("predict"), SCHEMA)
    assert len(table) == 3 * windows["test"]
    assert set(table["variant"].to_pylist()) == {"model", "untrained", "shuffled"}
    assert run.scorecard().all.n == windows["test"]


def test_the_parts_of_the_twin_are_gone_and_its_clips_have_receipts(done):
    run = done[0].run()
    folder = run.folder("twin")
    assert not (folder / "raw" / "parts").exists()
    assert len(list((folder / "raw").rglob("*.zip"))) == 3  # two cameras and the poses
    assert read_receipt(folder, "archives")["files"].keys() == {
        path.relative_to(folder / "raw").as_posix() for path in (folder / "raw").rglob("*") if path.is_file()
    }


def test_the_trained_model_carries_its_contract(done):
    run = done[0].run()
    assert (
        trained.restore(run.folder("train") / "model", type(run.recipe.preprocessing)).preprocessing
        == run.recipe.preprocessing
    )


def test_a_run_for_people_ends_with_figures_and_the_report(done):
    job, _ = done
    told = job.tell("run")
    assert told.code == 0
    assert "untrained" in told.out
    assert str(job.run().report) in told.out


def test_the_twins_recordings_as_ones_own_give_the_same_windows(done, tmp_path):
    job, _ = done
    raw = f"source.root={job.run().folder('twin') / 'raw'}"
    other = type(job)(job.recipe, tmp_path)
    told = other.tell("prepare", "--json", "--set", raw)
    assert told.code == 0, told.err
    ours, twins = (load_manifest(run.folder("prepare")) for run in (other.run(raw), job.run()))
    assert ours.checksum == twins.checksum
    assert other.run(raw).specs["prepare"].signature != job.run().specs["prepare"].signature


def test_a_split_of_listed_clips(done, tmp_path):
    """Who is not listed is skipped; what is wrong with clips that nobody listed is nobody's concern."""
    job, _ = done
    root = Path(shutil.copytree(job.run().folder("twin") / "raw", tmp_path / "raw"))
    recordings = job.run().scan.recordings
    train, test = recordings[0].key, recordings[1].key
    split = f"source.split={{train: [{train}], test: [{test}]}}"
    other = type(job)(job.recipe, tmp_path / "workspace")
    told = other.tell("prepare", "--json", "--set", f"source.root={root}", "--set", split)
    assert told.code == 0, told.err
    run = other.run(f"source.root={root}", split)
    counts = json.loads((run.folder("prepare") / "DONE").read_text())["counts"]
    assert counts == {"planned": 6, "done": 2, "quarantined": 0, "skipped": 4}
    [skipped, *_] = (fault.key for fault in job.run().scan.skipped)
    told = other.tell("prepare", "--set", f"source.root={root}", "--set", split.replace(test, skipped))
    assert told.code == 1
    assert "no clip on side test of the split" in told.err
    mistyped = f"{test[:-1]}x"
    told = other.tell("plan", "--set", f"source.root={root}", "--set", split.replace(test, mistyped))
    assert told.code == 4
    assert f"SourceError: the clip index knows no clip '{mistyped}'" in told.err
    assert test in told.err.splitlines()[-1]


@pytest.mark.slow
def test_processes_answer_as_this_one_does(copy):
    folder = copy.run().folder("predict")
    before = hashes(folder)
    shutil.rmtree(folder)
    told = copy.tell("predict", "--json", "--set", "evaluate.workers=2")
    assert told.code == 0, told.err
    assert told.json["stages"][0]["state"] == "ran"
    assert hashes(folder) == before


# Plan and audit


def test_a_plan_says_what_would_run(done, tmp_path):
    job, _ = done
    rows = job.tell("plan", "--json").json["stages"]
    assert {row["state"] for row in rows} == {"done"}
    fresh = type(job)(job.recipe, tmp_path / "fresh")
    told = fresh.tell("plan")
    assert told.code == 0
    assert "of memory" in told.out
    assert not fresh.workspace.exists()


def test_a_plan_of_what_is_still_to_prepare_tells_its_windows(copy):
    (copy.run().folder("prepare") / "DONE").unlink()
    told = copy.tell("plan", "--json")
    assert told.code == 0, told.err
    row = told.json["stages"][1]
    assert row["state"] == "partial"
    windows = sum(
        shard.samples
        for shards in load_manifest(copy.run().folder("prepare")).splits.values()
        for shard in shards
    )
    assert row["notes"][:2] == [
        f"about {windows} windows from 4 of 5 valid clips, 1 MB to read; 6 recordings: 4 used, 2 skipped (1 egomotion "
        "was not recorded; 1 the clip index calls it invalid)",
        "10 files: 3 used, 4 read (tables), 3 skipped (not used: calibration)",
    ]


def test_an_audit_counts_clips_and_windows_of_the_twins_length(done, tmp_path):
    job, _ = done
    told = job.tell("audit", "--json")
    assert told.code == 0, told.err
    assert told.json["cameras"] == [FRONT, LEFT]
    assert told.json["windows"] == 4  # of 0.7 s, every 0.4 s of 2 s; clips of 20 s would have 49
    assert told.json["total"]["usable"] == 4
    assert told.json["total"]["invalid"] == 1
    text = job.tell("audit").out
    assert "4 of 5 valid clips in 1 chunks have all 2 cameras and their motion" in text
    told = type(job)(job.recipe, tmp_path).tell("audit")
    assert told.code == 1
    assert "the twin is not drawn" in told.err


def test_no_clip_left_says_what_is_wrong_with_the_first(copy):
    for archive in copy.run().folder("twin").rglob(f"{FRONT}.chunk_*.zip"):
        archive.write_bytes(archive.read_bytes()[:-50])
    shutil.rmtree(copy.run().folder("prepare"))
    told = copy.tell("prepare")
    assert told.code == 1
    assert "no clip on side train of the split" in told.err
    assert "1 clips are skipped, 5 do not hold, the first since cannot read it as a zip" in told.err
    assert FRONT + ".chunk_0000.zip" in told.err


# Verify


# Refusals


def test_a_wrong_recipe_is_refused_with_all_its_faults(done, tmp_path):
    job = type(done[0])(done[0].recipe, tmp_path / "none")
    wrong = {
        "preprocessing.setup": "cruzifix",
        "preprocessing.yaw_deg": "{low: 0, high: 1, step: 1.0e-12}",
        "twin.train": "2",
        "train.phases.1.ask": "clips",
        "prepare.strid": "3",
    }
    told = job.tell("run", *(part for key, value in wrong.items() for part in ("--set", f"{key}={value}")))
    assert (told.code, told.out) == (2, "")
    assert "the recipe has 5 faults:" in told.err
    for says in (
        "no camera setup 'cruzifix'; known are cruciform, surround, front, or spell one out",
        "0.0 to 1.0 by 1e-12 is no scale of 2 to 1000 values",
        "twin.train: expected 3 or more, found 2",
        "train.phases.1.ask: expected 'pairs' or 'windows', found 'clips'",
        "prepare.strid: unknown key; did you mean stride?",
    ):
        assert says in told.err
    assert not job.workspace.exists()


def test_what_can_only_fail_later_is_refused_at_once_and_together(done, tmp_path):
    job = type(done[0])(done[0].recipe, tmp_path / "none")
    overrides = (
        "source.split={train: [a], test: [b]}",
        "preprocessing.frames=40",
        f"preprocessing.setup={{name: x, reference: {FRONT}, rows: [[{FRONT}, camera_roof]]}}",
    )
    told = job.tell("plan", *(part for text in overrides for part in ("--set", text)))
    assert told.code == 2
    for says in (
        "the recipe has 3 faults",
        "source.split: the twin has its own sides",
        "twin.clip_s: a window spans 3.9 s, clips of 2 s have no room for it",
        "preprocessing.setup: the twin has no camera camera_roof; it has camera_cross_left_120fov",
    ):
        assert says in told.err


# Conventions, and clips that give nothing


@pytest.fixture
def raw(done, tmp_path):
    """The twin's recordings as one's own, to be damaged."""
    return Path(shutil.copytree(done[0].run().folder("twin") / "raw", tmp_path / "raw"))


def change_tables(root: Path, feature: str, change) -> None:
    """Write each table of a feature anew: ``change`` gets the clip and the columns."""
    for path in sorted(root.rglob(f"{feature}.chunk_*.zip")):
        with zipfile.ZipFile(path) as archive:
            content = {name: archive.read(name) for name in archive.namelist()}
        tables = [
            name for name in sorted(content) if name.endswith(("timestamps.parquet", "egomotion.parquet"))
        ]
        for name in tables:
            table = pq.read_table(io.BytesIO(content[name]))
            columns = {column: table[column].to_numpy() for column in table.column_names}
            sink = io.BytesIO()
            pq.write_table(pa.table(change(name.partition(".")[0], columns)), sink)
            content[name] = sink.getvalue()
        with zipfile.ZipFile(path, "w") as archive:
            for name, data in content.items():
                archive.writestr(name, data)


def test_a_dataset_in_another_convention_is_refused_by_audit_and_prepare(done, raw, tmp_path):
    change_tables(raw, "egomotion", lambda clip, table: table | {"qw": -table["qw"]})
    job = type(done[0])(done[0].recipe, tmp_path / "workspace")
    told = job.tell("prepare", "--set", f"source.root={raw}")
    assert told.code == 1
    says = "the rotations do not fit the motion; they look like rotations from the world to the vehicle"
    assert says in told.err
    assert "write the inverse rotations, from the vehicle to the world" in told.err
    assert f"{raw}" in told.err
    told = job.tell("audit", "--json", "--set", f"source.root={raw}")
    assert told.code == 4, told.err
    assert told.json["faults"][0]["message"].startswith(says)
    assert told.json["faults"][0]["clip"] == ""
    assert "fits" not in told.json["proven"]


def test_an_audit_foresees_what_prepare_finds(done, raw, tmp_path):
    """One clip is too short, and one has no pose in time: they are empty, and the others are as ever."""
    clips = {one.split: one.key for one in done[0].run().scan.recordings}

    def cut(clip, table):
        return {name: values[:5] if clip == clips["train"] else values for name, values in table.items()}

    def change(clip, table):
        return table | {"timestamp": table["timestamp"] + (10**9 if clip == clips["val"] else 0)}

    change_tables(raw, FRONT, cut)
    change_tables(raw, "egomotion", change)
    job = type(done[0])(done[0].recipe, tmp_path / "workspace")
    overrides = ("--set", f"source.root={raw}", "--set", "prepare.max_quarantine=0.5")
    audited = job.tell("audit", "--json", *overrides).json
    text = job.tell("audit", *overrides).out
    prepared = job.tell("prepare", "--json", *overrides)
    assert prepared.code == 0, prepared.err
    folder = job.run(f"source.root={raw}", "prepare.max_quarantine=0.5").folder("prepare")
    account = json.loads((folder / "account.json").read_text())
    assert audited["foreseen"] == account["recordings"]
    lines = {(line["fate"], line["reason"]): line["recordings"] for line in account["recordings"]["lines"]}
    assert lines["empty", "shorter than a window"] == 1
    assert lines["empty", "no window has all poses"] == 1
    assert sum(lines.values()) == account["recordings"]["planned"] == 6
    assert sum(audited["samples"].values()) == sum(
        shard.samples for shards in load_manifest(folder).splits.values() for shard in shards
    )
    for line in ("1 empty    shorter than a window", "1 empty    no window has all poses"):
        assert line in text
    assert account["files"]["files"] == sum(path.is_file() for path in raw.rglob("*"))


def test_an_audit_tells_its_notes(done, raw):
    (raw / "splits").mkdir()
    index = pq.read_table(raw / "clip_index.parquet", columns=["clip_id", "split"])
    sides = ["test" if side == "val" else side for side in index["split"].to_pylist()]
    pq.write_table(pa.table({"clip_id": index["clip_id"], "split": sides}), raw / "splits/default.parquet")
    said = "note: splits/default.parquet is taken: it puts 1 of 6 clips elsewhere than the clip index"
    assert f"{said} (1 from val to test)" in done[0].tell("audit", "--set", f"source.root={raw}").out
    told = done[0].tell("audit", "--json", "--set", f"source.root={raw}").json
    assert told["samples"].keys() == {"train", "test"}
    assert "1 from val to test" in told["notes"][0]["message"]
