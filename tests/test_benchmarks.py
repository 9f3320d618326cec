"""Benchmarks load and explain themselves; peers are built and found; a summary has what matters."""

from __future__ import annotations

import importlib
import os
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
