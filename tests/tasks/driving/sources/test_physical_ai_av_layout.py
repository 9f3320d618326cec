from __future__ import annotations

import json
from pathlib import Path

import pytest

from rushes.errors import SourceError
from rushes.tasks.driving.sources.physical_ai_av.layout import Feature, read_features

EGOMOTION = (
    'egomotion,labels,labels/egomotion.chunk_{chunk_id:04d}.zip,"{""egomotion"": ""{clip_id}.e.parquet""}"'
)


def read(root: Path, *rows: str, head: str = "feature,directory,chunk_path,clip_files_in_zip") -> dict:
    (root / "features.csv").write_text("\n".join([head, *rows]) + "\n", "utf-8-sig")
    return read_features(root)


def row(chunk_path: str, **files: str) -> str:
    quoted = json.dumps(files).replace('"', '""')
    return f'a,camera,{chunk_path},"{quoted}"'


def test_paths_and_names_come_from_the_table(tmp_path: Path) -> None:
    features = read(tmp_path, EGOMOTION, row("x/{chunk_id}/a.zip", video="{clip_id}.a.mp4"))
    assert features["egomotion"].archive(31) == "labels/egomotion.chunk_0031.zip"
    assert features["egomotion"].archive(12345) == "labels/egomotion.chunk_12345.zip"
    assert (features["a"].archive(3), features["a"].file("id", "video")) == ("x/3/a.zip", "id.a.mp4")


def test_a_feature_whose_chunks_are_no_archives(tmp_path: Path) -> None:
    assert read(tmp_path, EGOMOTION, "v,calibration,v.chunk_{chunk_id:04d}.parquet,")["v"].files == {}


@pytest.mark.parametrize(
    "chunk_path",
    [
        "../{chunk_id}.zip",
        "/etc/{chunk_id}.zip",
        "a/../../b.zip",
        "a\\b.zip",
        "{chunk_id:9999999999d}.zip",
        "{chunk_id.__class__}.zip",
        "{other}.zip",
        "{clip_id}.zip",
        "./a.zip",
    ],
)
def test_templates_that_lead_elsewhere(tmp_path: Path, chunk_path: str) -> None:
    """Wherever they lead, nothing but a number is filled in: no attribute, no width of gigabytes."""
    with pytest.raises(SourceError, match="is no path below the root") as caught:
        read(tmp_path, EGOMOTION, row(chunk_path))
    assert caught.value.where == f"{tmp_path}/features.csv:3"


def test_names_of_members_that_lead_elsewhere(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="is no path below the root"):
        read(tmp_path, EGOMOTION, row("a.zip", video="../{clip_id}.mp4"))


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([EGOMOTION, EGOMOTION], "feature 'egomotion' stands twice"),
        ([EGOMOTION, "b,x,y.zip,{not json"], "b: clip_files_in_zip is no JSON"),
        ([EGOMOTION, "b,x,y.zip,[1]"], "b: clip_files_in_zip is no JSON"),
        ([EGOMOTION, "b,x,,"], "without feature or chunk_path"),
        ([EGOMOTION, 'b,"x'], "features.csv is no table"),
        ([], "does not list egomotion"),
    ],
)
def test_tables_that_do_not_hold(tmp_path: Path, rows: list[str], message: str) -> None:
    with pytest.raises(SourceError, match=message):
        read(tmp_path, *rows)


def test_tables_that_are_none(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="without feature"):
        read(tmp_path, EGOMOTION, head="name,directory,chunk_path,clip_files_in_zip")
    (tmp_path / "features.csv").write_bytes(b"feature\n\xff\xfe")
    with pytest.raises(SourceError, match="is no table"):
        read_features(tmp_path)
    (tmp_path / "features.csv").write_bytes(bytes(2 << 20))
    with pytest.raises(SourceError, match="more than 1,048,576 bytes"):
        read_features(tmp_path)


def test_a_feature_fills_its_own_templates() -> None:
    feature = Feature("a", "a_{chunk_id:02d}.zip", {"video": "{clip_id}/{clip_id}.mp4"})
    assert (feature.archive(5), feature.file("c", "video")) == ("a_05.zip", "c/c.mp4")
