"""A tiny sounds job from the command line: run, shared, skipped, audited, damaged, refused, killed."""

from __future__ import annotations

import gzip
import io
import json
import re
import shutil
import subprocess
import sys
import tarfile
import wave
from pathlib import Path

import numpy as np
import pytest
from jobs import SOUNDS

from rushes.predict.table import read_predictions
from rushes.shards.manifest import load_manifest
from rushes.stages import read_receipt, sha256_file
from rushes.tasks.sounds.predict.table import SCHEMA

STAGES = ("twin", "features", "teacher", "logits", "train", "predict", "evaluate", "export", "report")

TEACHER = (  # the recipe of the teacher alone
    *("--set", "distil=null"),
    *("--set", "model={net: crnn, hidden: 8, layers: 1}"),
    *("--set", "train={epochs: 1, batch_size: 8, learning_rate: 0.005, log_every: 7}"),
)
HEAVY = {"torch", "accelerate", "onnx", "onnxruntime", "matplotlib", "sklearn", "scipy"}


@pytest.fixture(scope="module")
def done(open_job, tmp_path_factory):
    """The job, run once from nothing, and what it printed."""
    job = open_job(SOUNDS, tmp_path_factory.mktemp("night"))
    return job, job.tell("run", "--json")


@pytest.fixture
def copy(done, tmp_path):
    """The finished job, to be damaged."""
    job = done[0]
    workspace = Path(shutil.copytree(job.workspace, tmp_path / "copy"))
    return type(job)(job.recipe, workspace)


# Files that hold the time of day, or how long something took.
CLOCKS = ("DONE", "recipe.json", "state.json", "result.json", "events.jsonl", "deploy.json", "lock")


def hashes(folder: Path) -> dict[str, str]:
    files = (path for path in folder.rglob("*") if path.is_file() and path.name not in CLOCKS)
    return {path.relative_to(folder).as_posix(): sha256_file(path) for path in files}


def flip(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


def counts(run) -> dict[str, int]:
    return json.loads((run.folder("features") / "DONE").read_text())["counts"]


# --- what a run makes -------------------------------------------------------------------------------------


def test_a_run_does_every_stage_and_prints_its_figures(done):
    _, told = done
    assert told.code == 0, told.err
    result = told.json
    assert [(stage["name"], stage["state"]) for stage in result["stages"]] == [(n, "ran") for n in STAGES]
    assert all(re.fullmatch("[0-9a-f]{12}", stage["signature"]) for stage in result["stages"])
    assert {"recipe", "stages", "metrics", "baselines", "report"} == result.keys()
    assert {"f1_macro", "accuracy", "loss"} <= result["metrics"].keys()
    assert {"majority", "prior"} <= result["baselines"].keys()
    assert Path(result["report"]).read_text().startswith("<!doctype html>")


def test_progress_of_every_stage_goes_to_standard_error(done):
    for name in STAGES:
        assert re.search(rf"^{name}: finished \(", done[1].err, re.MULTILINE), done[1].err


def test_the_account_of_the_sounds_closes(done):
    run = done[0].run()
    found = counts(run)
    assert found["planned"] == found["done"] + found["quarantined"] + found["skipped"]
    samples = load_manifest(run.folder("features")).samples
    assert found["done"] == sum(samples.values())
    assert set(samples) == {"train", "val", "test"}
    table = read_predictions(run.folder("predict"), SCHEMA)
    assert len(table) == run.scorecard().all.n == samples["test"]
    assert set(table["label"].to_pylist()) == {"quiet", "breathe", "snore"}
    taught = read_predictions(run.folder("predict") / "teacher", SCHEMA)
    assert taught["key"].equals(table["key"])
    assert not taught["logits"].equals(table["logits"])
    assert "teacher" in run.scorecard().systems


def test_the_parts_of_the_twin_are_gone_and_its_wearers_have_receipts(done):
    folder = done[0].run().folder("twin")
    assert not (folder / "raw" / "parts").exists()
    assert sorted(path.stem for path in folder.glob("units/*.json")) == [
        *(f"P0{number}" for number in range(1, 7)),
        "archives",
    ]
    assert read_receipt(folder, "archives")["files"].keys() == {
        path.relative_to(folder / "raw").as_posix() for path in (folder / "raw").rglob("*") if path.is_file()
    }


def test_deploy_and_figures_name_what_they_were_made_from(done):
    run = done[0].run()
    said = run.scorecard().provenance
    assert said["signatures"]["train"] == run.specs["train"].signature
    assert said["dataset"] == load_manifest(run.folder("features")).checksum
    deploy = json.loads((run.folder("export") / "deploy.json").read_text())
    assert deploy["parameters"] == run.scorecard().details["costs"]["parameters"]
    assert (run.folder("export") / "model.int8.onnx").stat().st_size > 0


def test_a_second_run_skips_every_stage_and_loads_nothing_heavy(done):
    job, first = done
    before = hashes(job.workspace)
    code = "import sys\nfrom rushes.cli import main\ntry: main()\nexcept SystemExit as end: code = end.code\n"
    code += "print(' '.join(sys.modules), file=sys.stderr)\nsys.exit(code)"
    arguments = ["run", str(job.recipe), "--workspace", str(job.workspace), "--json"]
    told = subprocess.run([sys.executable, "-c", code, *arguments], capture_output=True, text=True)
    assert told.returncode == 0, told.stderr
    result = json.loads(told.stdout)
    assert {stage["state"] for stage in result["stages"]} == {"done"}
    assert result | {"stages": 0} == first.json | {"stages": 0}
    assert hashes(job.workspace) == before
    assert not set(told.stderr.splitlines()[-1].split()) & HEAVY


def test_a_run_for_people_ends_with_figures_and_the_report(done):
    job, _ = done
    told = job.tell("run")
    assert told.code == 0
    assert "majority" in told.out
    assert str(job.run().report) in told.out


# --- what runs share --------------------------------------------------------------------------------------


def test_a_teacher_is_the_training_of_a_run_of_its_own(done):
    job, _ = done
    told = job.tell("plan", "--json", *TEACHER)
    assert told.code == 0, told.err
    rows = {row["name"]: row for row in told.json["stages"]}
    assert "teacher" not in rows
    assert [name for name, row in rows.items() if row["state"] == "done"] == ["twin", "features", "train"]
    assert rows["train"]["folder"] == str(job.run().folder("teacher"))
    assert Path(rows["train"]["folder"]).name.startswith("train-")


def test_a_trained_net_is_not_trained_again_to_teach(copy):
    """The plain run stands there first, and the pupil's chain takes its net for the teacher."""
    run = copy.run()
    before = hashes(run.folder("teacher"))
    moment = (run.folder("teacher") / "DONE").read_bytes()
    for name in ("logits", "train"):
        shutil.rmtree(run.folder(name))
    told = copy.tell("teacher", "--json")
    assert told.json["stages"][0]["state"] == "done"
    assert copy.tell("logits", "--json").json["stages"][0]["state"] == "ran"
    assert hashes(run.folder("teacher")) == before
    assert (run.folder("teacher") / "DONE").read_bytes() == moment


def test_a_recipe_without_a_teacher_has_no_stages_of_one(done):
    told = done[0].tell("logits", "--set", "distil=null")
    assert told.code == 2
    assert "this recipe has no stage logits; it has twin, features, train, predict" in told.err


def test_where_training_begins_again_depends_on_what_changed(done):
    """Only what a net depends on makes another; how often one says how it goes does not."""

    def train_of(*overrides: str) -> str:
        return done[0].run(*overrides).specs["train"].signature

    same = train_of()
    assert train_of("train.log_every=3", "train.keep=5", "train.checkpoint_every=7", "name=x") == same
    others = [
        train_of("train.seed=1"),
        train_of("distil.soft_weight=0.4"),
        train_of("distil.temperature=2.0"),
        train_of("distil.teacher.train.epochs=2"),
        train_of("distil=null"),
        train_of("preprocessing.mels=15"),
        train_of("twin.seed=1"),
    ]
    assert len({same, *others}) == len(others) + 1


def test_the_side_that_is_measured_changes_neither_features_nor_nets(done):
    ours, theirs = done[0].run().specs, done[0].run("evaluate.split=val").specs
    same = [name for name in ours if ours[name].signature == theirs[name].signature]
    assert same == ["twin", "features", "teacher", "logits", "train"]


# --- plan and audit ---------------------------------------------------------------------------------------


def test_a_plan_tells_sounds_and_the_size_of_nets(done, copy, tmp_path):
    job, _ = done
    assert {row["state"] for row in job.tell("plan", "--json").json["stages"]} == {"done"}
    fresh = type(job)(job.recipe, tmp_path / "fresh")
    told = fresh.tell("plan")
    assert told.code == 0
    assert len(re.findall(r"parameters, [0-9.]+ million multiplications", told.out)) == 2
    assert not fresh.workspace.exists()
    (copy.run().folder("features") / "DONE").unlink()
    row = copy.tell("plan", "--json").json["stages"][1]
    assert row["state"] == "partial"
    assert re.fullmatch(r"\d+ sounds of 6 groups, \d+ MB", row["notes"][0])


def test_an_audit_counts_classes_on_sides(done, tmp_path):
    job, _ = done
    told = job.tell("audit", "--json")
    assert told.code == 0, told.err
    assert told.json["groups"] == {"train": 2, "val": 2, "test": 2}
    assert told.json["sounds"]["train"].keys() == {"quiet", "breathe", "snore"}
    assert (told.json["faults"], told.json["copies"]) == ([], {"count": 0, "named": []})
    text = job.tell("audit").out
    assert re.search(r"^quiet +\d+ +\d+ +\d+$", text, re.MULTILINE)
    assert "class cough is not asked for" in text
    told = type(job)(job.recipe, tmp_path).tell("audit")
    assert told.code == 1
    assert "the twin is not drawn" in told.err


# --- verify -----------------------------------------------------------------------------------------------

KINDS = (
    ("twin", "raw/data/train.tar.gz"),
    ("twin", "units/P01.json"),
    ("features", "shards/train/*.tar"),
    ("features", "units/*.json"),
    ("features", "manifest.json"),
    ("teacher", "model/*.safetensors"),
    ("logits", "logits.safetensors"),
    ("train", "model/*.safetensors"),
    ("train", "checkpoints/*/weights.safetensors"),
    ("train", "events.jsonl"),
    ("predict", "predictions.parquet"),
    ("predict", "teacher/predictions.parquet"),
    ("evaluate", "metrics.json"),
    ("export", "model.int8.onnx"),
    ("export", "deploy.json"),
    ("report", "report.html"),
)


def test_a_log_of_training_that_was_changed_is_not_drawn(copy):
    path = copy.one("train", "events.jsonl")
    flip(path)
    shutil.rmtree(copy.run().folder("report"))
    told = copy.tell("report")
    assert (told.code, str(path) in told.err) == (1, True)


def test_an_export_is_made_again_with_other_times_and_nothing_else_is_stale(copy):
    model = copy.one("export", "model.onnx")
    before = model.read_bytes()
    flip(model)
    flip(copy.one("export", "deploy.json"))
    told = copy.tell("verify", "--repair", "--json")
    assert (told.code, told.json["rebuilt"], told.json["whole"]) == (0, ["export"], True)
    assert model.read_bytes() == before


# --- sounds of one's own ----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def voices(tmp_path_factory) -> Path:
    """Sounds of four people in two classes, by folder of the person, a twentieth of a second each."""
    root = tmp_path_factory.mktemp("voices")
    rng = np.random.default_rng(3)
    for person in ("ann", "bob", "cid", "dan"):
        for label in ("low", "high"):
            for number in range(3):
                path = root / person / f"{label}-{number}.wav"
                path.parent.mkdir(exist_ok=True)
                pitch = 200 if label == "low" else 1500
                samples = np.sin(2 * np.pi * pitch * np.arange(400) / 8000) + 0.1 * rng.normal(size=400)
                with wave.open(str(path), "wb") as file:
                    file.setparams((1, 2, 8000, 0, "NONE", ""))
                    file.writeframes((samples * 9000).astype("<i2").tobytes())
    return root


OWN = """\
task: sounds
name: voices
source:
  kind: folder
  root: ROOT
  HOW
  split: {train: [ann, bob], val: [cid], test: [dan]}
preprocessing:
  {labels: [low, high], clip_s: 0.05, sample_rate: 8000, fft: 128, window: 100, hop: 40, mels: 8,
   high_hz: 4000}
prepare: {workers: 0, max_quarantine: 0.1}
train: {epochs: 2, batch_size: 4, learning_rate: 0.01, log_every: 1}
deploy: {runs: 10, calibration: 8}
"""
PATTERN = "pattern: '(?P<group>[^/]+)/(?P<label>low|high)-.*'"
TABLE = "table: sounds.csv"


def own(open_job, root: Path, folder: Path, how: str):
    folder.mkdir()
    return open_job(OWN.replace("ROOT", str(root)).replace("HOW", how), folder)


def test_sounds_by_pattern_and_by_table_are_the_same_sounds(voices, open_job, tmp_path):
    root = Path(shutil.copytree(voices, tmp_path / "raw"))
    lines = ["file,label,group"]
    for path in sorted(root.rglob("*.wav")):
        name = path.relative_to(root).as_posix()
        lines.append(f"{name},{path.stem.split('-')[0]},{name.split('/')[0]}")
    (root / "sounds.csv").write_text("\n".join(lines) + "\n")
    found = {}
    for how in (PATTERN, TABLE):
        job = own(open_job, root, tmp_path / how[:5], how)
        told = job.tell("features", "--json")
        assert told.code == 0, told.err
        run = job.run()
        assert "twin" not in run.stages
        assert counts(run) == {"planned": 24, "done": 24, "quarantined": 0, "skipped": 0}
        found[how] = (run.specs["features"].signature, load_manifest(run.folder("features")).checksum)
        assert load_manifest(run.folder("features")).samples == {"train": 12, "val": 6, "test": 6}
    assert found[PATTERN][0] != found[TABLE][0]
    assert found[PATTERN][1] == found[TABLE][1]


def test_sounds_of_ones_own_come_to_a_report(voices, open_job, tmp_path):
    job = own(open_job, voices, tmp_path / "job", PATTERN)
    told = job.tell("run", "--json")
    assert told.code == 0, told.err
    assert [stage["name"] for stage in told.json["stages"]] == [
        "features",
        *STAGES[4:],
    ]
    assert job.run().scorecard().details["labels"] == ["low", "high"]
    assert job.tell("audit", "--json").json["sounds"]["val"] == {"high": 3, "low": 3}
    assert job.tell("verify").code == 0
    told = job.tell("twin")
    assert told.code == 2
    assert "this recipe has no stage twin" in told.err


def test_where_nobody_said_who_is_in_them_every_page_says_so(voices, open_job, tmp_path):
    job = own(open_job, voices, tmp_path / "job", "pattern: '[^/]+/(?P<label>low|high)-.*'")
    shares = ("--set", "source.split=shares", "--set", "source.shares={train: .5, val: .25, test: .25}")
    told = job.tell("run", *shares, "--json")
    assert told.code == 0, told.err
    run = job.run(shares[1], shares[3])
    said = "nobody said who is in the 24 sounds"
    assert said in job.tell("audit", *shares).out
    assert any(said in note for note in run.audit().notes)
    assert said in run.audit().summary()
    card = run.scorecard()
    assert (card.all.clusters.by, card.all.clusters.count) == ("clip", 6)
    assert any("nobody said who is in the 6 sounds" in remark for remark in card.remarks)
    assert "nobody said who is in the 6 sounds" in run.report.read_text(encoding="utf-8")


def test_a_bad_sound_goes_to_the_quarantine_by_its_own_name(voices, open_job, tmp_path):
    root = Path(shutil.copytree(voices, tmp_path / "raw"))
    (root / "ann" / "low-1.wav").write_bytes(b"RIFF, it says, and no more")
    job = own(open_job, root, tmp_path / "job", PATTERN)
    told = job.tell("features", "--json")
    assert told.code == 0, told.err
    run = job.run()
    assert counts(run) == {"planned": 24, "done": 23, "quarantined": 1, "skipped": 0}
    [entry] = map(json.loads, (run.folder("features") / "quarantine.jsonl").read_text().splitlines())
    assert "ann-low-1" in json.dumps(entry)
    assert str(root / "ann" / "low-1.wav") in json.dumps(entry)
    assert load_manifest(run.folder("features")).samples["train"] == 11
    for number in range(3):
        (root / "bob" / f"high-{number}.wav").write_bytes(b"")
    told = job.tell("features")  # four of 24 are more than a tenth
    assert told.code == 1
    assert "QuarantineError" in told.err


def test_a_side_without_sounds_is_named(voices, open_job, tmp_path):
    job = own(open_job, voices, tmp_path / "job", PATTERN)
    told = job.tell("features", "--set", "source.split={train: [ann], val: [bob], test: [eve]}")
    assert told.code == 1
    assert "source.split names eve, of whom there is no sound" in told.err
    told = job.tell("features", "--set", "source.split={train: [ann], val: [bob], test: []}")
    assert told.code == 2
    assert "source.split.test" in told.err
    told = job.tell("plan", "--set", "source.split={train: [ann], val: [bob, ann], test: [dan]}")
    assert told.code in (2, 4)
    assert "ann" in told.err
    assert "two sides" in told.err or "2 sides" in told.err


def test_a_wearer_on_two_sides_is_refused_though_only_the_archives_tell(copy, tmp_path):
    """The name of the archive says the side, its members say who: nobody knows before they are read."""
    raw = Path(shutil.copytree(copy.run().folder("twin") / "raw", tmp_path / "raw"))
    with gzip.open(raw / "data" / "validation.tar.gz") as packed, tarfile.open(fileobj=packed) as archive:
        members = [(member, archive.extractfile(member).read()) for member in archive if member.isreg()]
    stranger = members[0][0].name.rsplit("/", 1)[-1].split("_")[0]
    with tarfile.open(raw / "data" / "validation.tar.gz", "w:gz") as archive:
        for member, data in members:
            member.name = member.name.replace(f"/{stranger}_", "/P01_")
            archive.addfile(member, io.BytesIO(data))
    told = copy.tell("features", "--set", f"source.root={raw}")
    assert told.code == 1
    assert "group P01 stands on two sides" in told.err
    run = copy.run(f"source.root={raw}")
    assert run.status("features").state == "partial"


# --- refusals ---------------------------------------------------------------------------------------------


def test_a_wrong_recipe_is_refused_with_all_its_faults(done, tmp_path):
    job = type(done[0])(done[0].recipe, tmp_path / "none")
    wrong = {
        "model.net": "tinycn",
        "model.kernel": "4",
        "distil.teacher.model.attention": "cbam",
        "train.class_weights": "[1.0, 2.0]",
        "train.epoch": "3",
        "twin.train": "1",
        "source.pattern": "(?P<name>.*)",
        "evaluate.batch_size": "0",
    }
    told = job.tell("run", *(part for key, value in wrong.items() for part in ("--set", f"{key}={value}")))
    assert (told.code, told.out) == (2, "")
    for says in (
        "model.net: expected 'crnn' or 'tinycnn'",
        "train.epoch: unknown key; did you mean epochs?",
        "twin.train: expected 2 or more",
        "no named group label",
        "evaluate.batch_size",
        "crnn has no attention: leave it out",
    ):
        assert says in told.err
    assert not job.workspace.exists()


@pytest.mark.parametrize(
    ("overrides", "says"),
    [
        (("source.kind=folder",), "source.root: missing; the twin has the layout dreamcatcher, not folder"),
        (("source.split=shares",), "source.split: the twin has its own sides; write index"),
        (("preprocessing.labels=[quiet, snoar]",), "dreamcatcher has no class snoar; it has quiet"),
        (("train.class_weights=[1.0, 2.0]",), "train.class_weights has 2 weights for 3 classes"),
    ],
)
def test_what_can_only_fail_later_is_refused_at_once(done, overrides, says):
    told = done[0].tell("plan", *(part for text in overrides for part in ("--set", text)))
    assert told.code == 2
    assert says in told.err


def test_several_things_that_cannot_be_are_told_together(done):
    told = done[0].tell("plan", "--set", "source.split=shares", "--set", "preprocessing.labels=[quiet, hum]")
    assert told.code == 2
    assert "the recipe has 2 faults" in told.err


# --- kills ------------------------------------------------------------------------------------------------
