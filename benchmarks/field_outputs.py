"""Rows M1 to M2 and F1 to F7: labels of motion, identity of weights, files that others open."""

from __future__ import annotations

import json
import os
import shutil
import stat
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
from driving_damage import in_poses
from field_readings import RECIPE, ROOT, open_in
from field_recordings import DRIVING, of_twin, write_sessions
from field_row import Row
from field_subjects import LEARNS
from scipy.spatial.transform import Rotation

from rushes.errors import RecipeError, RushesError
from rushes.metrics.temporal import reaches, tiou
from rushes.runs.do import do
from rushes.runs.verify import verify_run
from rushes.testing.subject import silent

# --- motion -----------------------------------------------------------------------------------------------

SPEED, TURN = 10.0, np.radians(20.0)


def _bend(columns: dict[str, np.ndarray], written: str) -> dict[str, np.ndarray]:
    """10 m/s in a left turn of 20 degrees a second, its quaternions written in one of three ways."""
    time = columns["timestamp"] / 1e6
    yaw = TURN * (time - time[0])
    radius = SPEED / TURN
    quaternions = Rotation.from_euler("z", yaw[:, None]).as_quat()
    if written == "inverse":
        quaternions = Rotation.from_quat(quaternions).inv().as_quat()
    if written == "scalar first":
        quaternions = quaternions[:, [3, 0, 1, 2]]
    columns |= dict(zip(("qx", "qy", "qz", "qw"), quaternions.T, strict=True))
    columns |= {"x": radius * np.sin(yaw), "y": radius * (1 - np.cos(yaw)), "z": 0 * yaw}
    columns |= {"vx": SPEED * np.cos(yaw), "vy": SPEED * np.sin(yaw), "vz": 0 * yaw}
    columns |= {"ax": -SPEED * TURN * np.sin(yaw), "ay": SPEED * TURN * np.cos(yaw), "az": 0 * yaw}
    return columns | {"curvature": 0 * yaw + 1 / radius}


def m1(folder: Path) -> str | None:
    (folder / "whole").mkdir()
    of_twin(DRIVING)(folder / "whole")
    clip = open_in(folder / "whole").scan.recordings[0].key
    found = []
    for written, right in {"scalar last": True, "scalar first": False, "inverse": False}.items():
        copy = shutil.copytree(folder / "whole", folder / written)
        in_poses(lambda columns, written=written: _bend(columns, written))(copy / ROOT, clip)
        run = open_in(copy)
        try:
            do(run, run.dataset, silent)
            taken = (run.folder(run.dataset) / "units" / f"{clip}.json").exists()
        except RushesError:
            taken = False
        if taken is not right:
            found.append(f"{written}: {'accepted' if taken else 'refused'}")
    return "; ".join(found) or None


def m2(folder: Path) -> str | None:
    of_twin(DRIVING)(folder)
    index = pq.read_table(folder / ROOT / "clip_index.parquet")
    names = index["split"].to_pylist()
    moved = ["test" if side == "train" else "train" if side == "test" else side for side in names]
    place = folder / ROOT / "splits"
    place.mkdir()
    table = index.set_column(index.schema.get_field_index("split"), "split", [moved]).select(
        [name for name in index.column_names if name not in ("chunk", "clip_is_valid")]
    )
    pq.write_table(table.replace_schema_metadata(index.schema.metadata), place / "default.parquet")
    sides = {recording.key: recording.split for recording in open_in(folder).scan.recordings}
    clips = (index["clip_id"] if "clip_id" in index.column_names else index["__index_level_0__"]).to_pylist()
    wanted = dict(zip(clips, moved, strict=True))
    wrong = sum(wanted[key] != side for key, side in sides.items())
    return f"{wrong} of {len(sides)} clips stand where the index says, not the table" if wrong else None


# --- weights ----------------------------------------------------------------------------------------------


def _taught(folder: Path, *overrides: str) -> Path:
    """A tiny model taught on tiny footage; the folder of the stage."""
    if not (folder / RECIPE).exists():
        folder.mkdir(parents=True, exist_ok=True)
        (folder / RECIPE).write_text(LEARNS["operations"])
        write_sessions(folder / ROOT)
    run = open_in(folder, *overrides)
    for name in ("prepare", "train"):
        do(run, name, silent)
    return run.folder("train")


def _model_of(train: Path) -> Path:
    """The folder of the trained model below a stage."""
    return next(
        path.parent for path in sorted(train.rglob("config.json")) if list(path.parent.glob("*.safetensors"))
    )


ADAPTER = ("model.adapter.rank=2", "train.seed=1")


def f1(folder: Path) -> str | None:
    base = shutil.copytree(_model_of(_taught(folder)), folder / "base")
    over = (f"model.name={base}", *ADAPTER)
    _taught(folder, *over)
    before = open_in(folder, *over).specs["train"].signature
    moved = shutil.copytree(base, folder / "moved")
    same = open_in(folder, f"model.name={moved}", *ADAPTER).specs["train"].signature
    _another(base)
    run = open_in(folder, *over)
    after, faults = run.specs["train"].signature, verify_run(run, repair=False).faults
    found = [] if same == before else ["the same bytes in another folder are another run"]
    if after == before and not faults:
        found.append("another base under the same name: same signature, and verify is content")
    return "; ".join(found) or None


def _another(model: Path) -> None:
    """Other weights of the same shapes."""
    from safetensors.numpy import load_file, save_file

    for path in model.glob("*.safetensors"):
        tensors = {name: -value for name, value in load_file(path).items()}
        path.unlink()
        save_file(tensors, path, metadata={"format": "pt"})


def f4(folder: Path) -> str | None:
    before = os.umask(0o022)
    try:
        train = _taught(folder)
    finally:
        os.umask(before)
    files = [path for path in sorted(train.rglob("*")) if path.is_file() and path.name != "lock"]
    wrong = [path.name for path in files if stat.S_IMODE(path.stat().st_mode) != 0o644]
    return f"not 0644 under umask 022: {', '.join(sorted(set(wrong)))}" if wrong else None


def f5(folder: Path) -> str | None:
    (folder / RECIPE).write_text(LEARNS["operations"])
    write_sessions(folder / ROOT)
    run = open_in(folder)
    do(run, "prepare", silent)
    columns = pq.read_schema(next(run.folder("prepare").glob("shards/*/*.parquet"))).names
    missing = [name for name in ("label", "split", "group") if name not in columns]
    return f"no column {', '.join(missing)} among {', '.join(columns)}" if missing else None


def f6(folder: Path) -> str | None:
    halves = tiou(
        [(0.0, number / 25) for number in range(1, 317)], [(0.0, 2 * number / 25) for number in range(1, 317)]
    )
    misses = int((~reaches(halves, 0.5)).sum())
    return f"{misses} of 316 exact halves are misses" if misses else None


def f7(folder: Path) -> str | None:
    base = shutil.copytree(_model_of(_taught(folder)), folder / "base")
    try:
        train = _taught(folder, f"model.name={base}", "model.precision=float16")
    except RushesError as error:
        return None if error.cure or isinstance(error, RecipeError) else f"no cure: {error.message}"
    lines = [
        json.loads(line) for path in train.rglob("events.jsonl") for line in path.read_text().splitlines()
    ]
    losses = [line["loss"] for line in lines if "loss" in line]
    if not all(np.isfinite(losses)):
        return f"losses {losses}"
    scaled = any("scale" in name for line in lines for name in line)
    return None if scaled else "float16 is trained, and no scaling of the loss is told"


ROWS = (
    Row("M1", "quaternions of another convention are refused", m1),
    Row("M2", "splits/default.parquet decides the sides", m2),
    Row("F1", "the content of the base is part of what an adapter depends on", f1),
    Row("F4", "weights have the mode of the umask", f4),
    Row("F5", "label, split and group are columns of the index", f5),
    Row("F6", "an overlap on the threshold counts", f6),
    Row("F7", "float16 is guarded", f7),
)
