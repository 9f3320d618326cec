"""Benchmarks load and explain themselves; peers are built and found; a summary has what matters."""

from __future__ import annotations

import importlib
import os
import random
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

BENCHMARKS = Path(__file__).parents[1] / "benchmarks"
LOAD = """
import contextlib, importlib, io, sys

modules = {name: importlib.import_module(name) for name in sys.argv[1:]}
for name in [*modules["all"].THREADS, "all", "peers"]:
    sys.argv = [name, "--help"]
    said = io.StringIO()
    try:
        with contextlib.redirect_stdout(said):
            modules[name].main()
    except SystemExit as end:
        assert end.code == 0, name
    assert said.getvalue().startswith("usage: "), name
"""


@pytest.fixture
def load(monkeypatch):
    """Imports a script of the folder."""
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    return importlib.import_module


@pytest.mark.slow
@pytest.mark.timeout(600)  # all of torch, transformers and ONNX, on a machine that may be busy
def test_every_script_loads_and_explains_itself():
    names = [path.stem for path in sorted(BENCHMARKS.glob("*.py"))]
    done = subprocess.run(
        [sys.executable, "-c", LOAD, *names],
        env=os.environ | {"PYTHONPATH": os.pathsep.join([str(BENCHMARKS), os.environ.get("PYTHONPATH", "")])},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr


# --- peers ------------------------------------------------------------------------------------------------


@pytest.fixture
def wheel(tmp_path):
    """A package of one module, as pip takes it from a file."""
    path = tmp_path / "alone-1.0-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("alone.py", "answer = 42\n")
        archive.writestr("alone-1.0.dist-info/METADATA", "Metadata-Version: 2.1\nName: alone\nVersion: 1.0\n")
        archive.writestr(
            "alone-1.0.dist-info/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        )
        archive.writestr("alone-1.0.dist-info/RECORD", "")
    return str(path)


def test_a_built_peer_is_found_until_its_requirements_change(load, tmp_path, wheel):
    peers = load("peers")
    folder, peer = tmp_path / "peers", peers.PEERS["webdataset"]
    assert peers.interpreter("webdataset", folder) is None
    peers.build("webdataset", peers.Peer("alone", (wheel,)), folder)
    python = folder / "webdataset" / "bin" / "python"
    said = subprocess.run(
        [python, "-c", "import alone; print(alone.answer)"], capture_output=True, text=True, check=True
    )
    assert said.stdout == "42\n"
    assert peers.interpreter("webdataset", folder) is None  # it was built from other requirements
    (folder / "webdataset" / peers.STAMP).write_text(peer.stamp)
    assert peers.interpreter("webdataset", folder) == python


def test_a_peer_that_cannot_be_built_says_why_and_is_not_found(load, tmp_path, wheel):
    peers = load("peers")
    with pytest.raises(peers.Unavailable, match=r"^does not load: ModuleNotFoundError: .*'other'"):
        peers.build("audio", peers.Peer("other", (wheel,)), tmp_path)
    with pytest.raises(peers.Unavailable, match=r"^not installed: ERROR: .*nowhere"):
        peers.build("audio", peers.Peer("alone", ("./nowhere-1.0-py3-none-any.whl",)), tmp_path)
    assert not (tmp_path / "audio" / peers.STAMP).exists()


def test_versions_of_peers_are_exact(load):
    for peer in load("peers").PEERS.values():
        assert all("==" in requirement for requirement in peer.requirements)


# --- damage -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "name", "edit", "form", "told", "outcome"),
    [
        ("sounds", "a.wav", "flip_a_bit", "1 s", (), "codec's own"),
        ("sounds", "a.wav", "flip_a_bit", ".9 s", (), "silent"),
        ("sounds", "a.flac", "flip_a_bit", "1 s", (), "silent"),
        ("sounds", "a.ogg", "append_itself", "2 s", (), "whole file's own"),
        ("datasets", "a.flac", "swap_files", "1 s", (), "whole file's own"),
        ("tables", "a.csv", "other_digit", "1 s", (), "table's own"),
        ("workspaces", "a.json", "other_digit", "1 s", (), "silent"),
        ("workspaces", "a.json", "other_digit", "1 s", ("a.json is another",), "accounted"),
    ],
)
def test_what_came_of_a_damage(load, kind, name, edit, form, told, outcome):
    damage, readings, subjects = load("field_damage"), load("field_readings"), load("field_subjects")
    subject = subjects.Subject(kind, name, readings.read_sound, lambda folder: None)
    whole, found = readings.Reading((), "1 s", "content"), readings.Reading(told, form, "other")
    assert damage.of_reading(subject, found, whole, Path(name), edit)[0] == outcome
    assert damage.of_reading(subject, whole, whole, Path(name), edit)[0] == "right"


def test_the_same_seed_damages_alike(load, tmp_path):
    mutations = load("field_mutations")
    done = set()
    for turn in range(2):
        path = tmp_path / f"{turn}.bin"
        for number in range(60):
            path.write_bytes(bytes(range(256)) * 4)
            mutations.damage(path, [path], random.Random(number))
            done.add((number, path.read_bytes() if path.is_file() else None))
            shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)
    assert len(done) == 60


def test_littered_folders_keep_what_was_there_and_every_file_counts_once(load, tmp_path):
    account = load("field_account")
    root = tmp_path / "root"
    (root / "low").mkdir(parents=True)
    (root / "low" / "a.wav").write_bytes(b"sound")
    (root / "loop").symlink_to(".")
    assert account.files_below(root) == (2, 5 + len("."))
    for seed in range(20):
        account.litter(root, random.Random(seed))
    assert (root / "low" / "a.wav").read_bytes() == b"sound"
    assert account.files_below(root)[0] > 50


# --- all of them ------------------------------------------------------------------------------------------


def test_a_benchmark_that_fails_is_a_row(load, tmp_path):
    every = load("all")
    sound, broken = tmp_path / "sound.py", tmp_path / "broken.py"
    rows = [
        ("fast", 3.0, ">= 2", True),
        ("slow", 1.0, ">= 2", False),
        ("none", "not measured: why", ">= 2", None),
    ]
    figures = [dict(zip(("figure", "value", "bar", "holds"), row, strict=True)) for row in rows]
    sound.write_text(
        f"import json, os\nassert os.environ['OMP_NUM_THREADS'] == '1'\nprint(json.dumps({figures!r}))\n"
    )
    broken.write_text("raise SystemExit('no footage')\n")
    found = every.figures_of(sound, 1) + every.figures_of(broken, 1)
    told = {heading: [row.figure for row in rows] for heading, rows in every.summary(found).items()}
    assert told == {"falls short": ["sound: slow", "broken"], "not measured": ["sound: none"]}
    assert found[-1].value == "failed: no footage"
