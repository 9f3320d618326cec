"""The wheel in an empty environment, without the repository: what it holds, and a demo that runs."""

from __future__ import annotations

import shutil
import subprocess
import sys
import sysconfig
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SHRUNK = {
    "operations": (
        *("twin.subjects=3", "source.split={train: [U0101], val: [U0102], test: [U0103]}", "twin.boxes=1"),
        *("twin.difficulty=0", "preprocessing.frames=2", "preprocessing.frame_size=[56, 56]"),
        *("train.phases=[{ask: clips, steps: 1, batch_size: 2, accumulate: 1}]", "prepare.workers=0"),
        *("prepare.window_stride_s=8", "evaluate.compare=[untrained]"),
    ),
}


def told(*command: object, **how: object) -> str:
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True, timeout=280, **how)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory) -> Path:
    """Built from a copy, since a build leaves its traces in the folder that it is built from."""
    copy, out = tmp_path_factory.mktemp("copy"), tmp_path_factory.mktemp("out")
    shutil.copytree(
        ROOT / "src", copy / "src", ignore=shutil.ignore_patterns("__pycache__", "*.egg-info", "*.pyc")
    )
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, copy)
    told(
        sys.executable,
        "-m",
        "pip",
        "wheel",
        "-q",
        "--no-deps",
        "--no-build-isolation",
        "--no-index",
        "-w",
        out,
        copy,
    )
    [wheel] = out.glob("*.whl")
    return wheel


@pytest.fixture(scope="module")
def installed(wheel, tmp_path_factory) -> Path:
    """Programs of an environment with the wheel, and with all packages of this one but `rushes` itself."""
    home = tmp_path_factory.mktemp("environment")
    told(sys.executable, "-m", "venv", "--without-pip", home)
    python = home / "bin" / "python"
    site = told(python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))").strip()
    told(sys.executable, "-m", "pip", "--python", python, "install", "-q", "--no-deps", "--no-index", wheel)
    # Files .pth of a folder that is named in one are not read, and so the editable `rushes` stays out.
    Path(site, "others.pth").write_text(sysconfig.get_path("purelib"))
    return home / "bin"


def test_a_wheel_holds_every_file_of_the_package(wheel):
    there = {
        path.relative_to(ROOT / "src").as_posix()
        for path in (ROOT / "src" / "rushes").rglob("*")
        if path.is_file() and path.suffix != ".pyc"
    }
    with zipfile.ZipFile(wheel) as archive:
        assert there == {name for name in archive.namelist() if name.startswith("rushes/")}


@pytest.mark.slow
@pytest.mark.parametrize("task", ["operations", "driving", "sounds"])
def test_a_demo_needs_the_wheel_alone(task, installed, tmp_path):
    environment = {"PATH": "/usr/bin:/bin", "OMP_NUM_THREADS": "1", "HOME": str(tmp_path)}
    how = {"cwd": tmp_path, "env": environment}
    where = told(installed / "python", "-c", "import rushes; print(rushes.__file__)", **how)
    assert Path(where).is_relative_to(installed.parent)
    told(installed / "rushes", "init", "--demo", task, **how)
    assert [path.name for path in tmp_path.iterdir()] == [f"{task}-twin.yaml"]
    assert "absent" in told(installed / "rushes", "plan", f"{task}-twin.yaml", **how)
    if task in SHRUNK:
        overrides = [word for override in SHRUNK[task] for word in ("--set", override)]
        told(installed / "rushes", "run", f"{task}-twin.yaml", *overrides, **how)
        [page] = tmp_path.glob("workspace/report-*/*.html")
        assert "<style" in page.read_text()
