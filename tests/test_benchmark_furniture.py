"""The script that makes tables of two Debian packages: packages, properties, models and words, without the packages."""

from __future__ import annotations

import csv
import importlib
import io
import lzma
import subprocess
import sys
import tarfile
import zipfile
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from rushes.recipe.columns import Columns
from rushes.runs.kept_sides import SideRow
from rushes.tasks.catalog.recipe import ProductSource
from rushes.tasks.catalog.sources.products import Products

BENCHMARKS = Path(__file__).parents[1] / "benchmarks"

CUBE = """\
mtllib cube.mtl
v 0 0 0
v 1 0 0
v 1 1 0
v 0 1 0
v 0 0 1
v 1 0 1
v 1 1 1
v 0 1 1
vt 0 0
vt 1 0
vt 1 1
vt 0 1
usemtl red
f 5/1 6/2 7/3 8/4
f -7 -8 -5 -6
usemtl green
f 2 3 7 6
f 1 5 8 4
usemtl painted
f 4/1 8/2 7/3 3/4
f 1 2 6 5
"""
MATERIALS = """\
newmtl red
Kd 1 0 0
newmtl green
Kd 0 1 0
d 1
newmtl painted
Kd 1 1 1
map_Kd blue.png
"""
PROPERTIES = """\
# made by hand
license=CC-0 \\u00a9 Somebody
id#1=Hand#cube
name#1=Cube, \\
  a small one
category#1=Toys
icon#1=/hand/cube.png
model#1=/hand/cube/cube.obj
width#1=20
depth#1=10
height#1=40
creator#1=Somebody
id#2=Hand#nothing
name#2=Nothing
category#2=Toys
icon#2=/hand/cube.png
model#2=/hand/nothing.obj
width#2=1
depth#2=1
height#2=1
"""


@pytest.fixture
def load(monkeypatch):
    """Imports a script of the folder."""
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    return importlib.import_module


def png(colour: str, size: tuple[int, int] = (8, 8)) -> bytes:
    sink = io.BytesIO()
    Image.new("RGBA", size, colour).save(sink, "PNG")
    return sink.getvalue()


@pytest.fixture
def archive(tmp_path) -> Path:
    """A catalogue of a cube, and of a product without a model."""
    path = tmp_path / "Hand.sh3f"
    with zipfile.ZipFile(path, "w") as opened:
        opened.writestr("PluginFurnitureCatalog.properties", PROPERTIES)
        opened.writestr("PluginFurnitureCatalog_de.properties", "name#1=W\\u00fcrfel\nname#2=Nichts\n")
        opened.writestr("hand/cube.png", png("#ff000080"))
        opened.writestr("hand/cube/cube.obj", CUBE)
        opened.writestr("hand/cube/cube.mtl", MATERIALS)
        opened.writestr("hand/cube/blue.png", png("blue"))
    return path


@pytest.fixture
def deb(tmp_path, archive) -> Path:
    """A package with both a catalogue and stamps."""
    inside = io.BytesIO()
    stamps = "usr/share/tuxpaint/stamps"
    with tarfile.open(fileobj=inside, mode="w") as tar:
        for name, data in {
            "usr/share/sweethome3d/furniture/Hand.sh3f": archive.read_bytes(),
            "usr/share/doc/sweethome3d-furniture/copyright": b"whose it is",
            f"{stamps}/animals/frogs/frog.png": png("green"),
            f"{stamps}/animals/frogs/frog.txt": b"A frog.\nde.utf8=Ein Frosch.\nxx=?\n",
            f"{stamps}/animals/frogs/frog_mirror.png": png("darkgreen"),
            f"{stamps}/letters/a.png": png("black"),
        }.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    parts = {
        "debian-binary": b"2.0\n",
        "control.tar.xz": b"odd",
        "data.tar.xz": lzma.compress(inside.getvalue()),
    }
    path = tmp_path / "both.deb"
    with path.open("wb") as file:
        file.write(b"!<arch>\n")
        for name, data in parts.items():
            file.write(f"{name:<16}{0:<12}{0:<6}{0:<6}{'100644':<8}{len(data):<10}`\n".encode())
            file.write(data + b"\n" * (len(data) % 2))
    return path


def test_a_cube_is_seen_from_all_sides(load, archive):
    views = load("furniture_views")
    with zipfile.ZipFile(archive) as opened:
        points = views.read_model(opened, "hand/cube/cube.obj", np.random.default_rng(0))
    sides = {(0, 0): 0, (180, 0): 0, (90, 0): 1, (270, 0): 1, (0, 89.9): 2}
    for (azimuth, elevation), channel in sides.items():
        middle = views.view(points, azimuth, elevation, 32)[10:22, 10:22].astype(int)
        others = [other for other in range(3) if other != channel]
        assert middle[..., channel].min() > 100
        assert middle[..., others].max() < 30, (azimuth, elevation)  # no hole through which one sees the back


def test_a_model_is_turned_and_fitted(load, archive):
    views = load("furniture_views")
    with zipfile.ZipFile(archive) as opened:
        points = views.read_model(opened, "hand/cube/cube.obj", np.random.default_rng(0))
    fitted = views.fitted(points, (0, 0, 1, 0, 1, 0, -1, 0, 0), (20.0, 10.0, 40.0))
    assert np.ptp(fitted.places, axis=1) == pytest.approx([20, 40, 10], rel=0.01)
    front = views.view(fitted, 0, 0, 32)[12:20, 14:18]
    assert front[..., 1].min() > 100  # what was at its side is before it
    assert front[..., 0].max() < 30


def test_holes_between_points_are_closed(load):
    views = load("furniture_views")
    picture, depth = np.full((3, 9, 9), 0.2, np.float32), np.zeros((9, 9), np.float32)
    picture[:, 4, 4], depth[4, 4] = 0.9, -1.0
    closed, deep = views._closed(picture, depth, 0.5)
    assert closed == pytest.approx(np.full((3, 9, 9), 0.2))
    assert deep.min() == 0
    edge, behind = (
        picture.copy(),
        np.where(np.arange(9) < 4, 0.0, -np.inf).astype(np.float32) + np.zeros((9, 1), np.float32),
    )
    kept, _ = views._closed(edge, behind, 0.5)
    assert kept == pytest.approx(edge)  # a straight edge stays where it is


def test_both_tables_are_written_and_read_as_products(load, deb, tmp_path):
    out = tmp_path / "out"
    told = subprocess.run(
        [
            sys.executable,
            BENCHMARKS / "furniture.py",
            "--out",
            out,
            "--deb",
            deb,
            "--views",
            "2",
            "--side",
            "24",
        ],
        capture_output=True,
        text=True,
        check=True,
    )
    assert "Hand-0002: no views: " in told.stdout
    assert "letters/a: no words, so nothing can be asked of it" in told.stdout
    assert (out / "furniture/copyright.txt").read_bytes() == b"whose it is"
    columns = Columns(size=("width_cm", "depth_cm", "height_cm"), languages={"de": "name_de"})
    found = Products(ProductSource(columns=columns)).scan(out / "furniture")
    cube = next(item for item in found.items if item.title == "Cube, a small one")
    assert (cube.size_cm, dict(cube.titles), len(cube.views)) == ((20.0, 10.0, 40.0), {"de": "Würfel"}, 2)
    assert cube.fields["creator"] == "Somebody"
    assert cube.fields["licence"] == "CC-0"
    assert not found.faults
    stamps = Products(ProductSource()).scan(out / "stamps")
    assert {(item.title, item.group) for item in stamps.items} == {
        ("A frog.", "animals/frogs/frog"),
        ("", "letters/a"),
    }
    assert len(stamps.items) == 3


def test_what_is_no_package_is_told(load, tmp_path):
    furniture = load("furniture")
    (tmp_path / "a.deb").write_bytes(b"no ar")
    with pytest.raises(SystemExit, match="not a Debian package"):
        furniture.unpack(tmp_path / "a.deb", tmp_path)
    (tmp_path / "b.deb").write_bytes(b"!<arch>\n")
    with pytest.raises(SystemExit, match="no data in it"):
        furniture.unpack(tmp_path / "b.deb", tmp_path)


def test_each_product_is_tested_in_one_fold_and_groups_stay_together(load):
    locked = load("furniture_locked")
    items = [SideRow(f"{number:016x}", f"group {number // 3}", "train", "chair", "") for number in range(300)]
    tables = [
        [SideRow(**row) for row in csv.DictReader(io.StringIO(locked.sides_of(items, tested)))]
        for tested in range(locked.FOLDS)
    ]
    tested = Counter(item.id for table in tables for item in table if item.side == "test")
    assert set(tested) == {item.id for item in items}
    assert set(tested.values()) == {1}
    for table in tables:
        assert {item.side for item in table} == {"train", "val", "test"}
        assert len({(item.group, item.side) for item in table}) == 100
