"""What tasks make of folders that are theirs."""

from __future__ import annotations

import wave
from pathlib import Path

import numpy as np
import pytest
import yaml
from jobs import tell

from rushes.media.encode import write_video
from rushes.storage import open_workspace
from rushes.tasks import load_recipe, open_run


def tone(path: Path, seconds: float = 1.0, rate: int = 8000) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    samples = np.sin(np.arange(round(seconds * rate)) / 3) * 9000
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes(samples.astype("<i2").tobytes())


def film(path: Path, seconds: float = 1.0) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    pictures = (np.full((32, 48, 3), 9 * number % 256, np.uint8) for number in range(round(seconds * 10)))
    write_video(path, pictures, (48, 32), 10, {}, lambda number, luma: None)


def proposed(root: Path, *options: str):
    """The recipe as it was written, and its run."""
    out = root.parent / "r.yaml"
    told = tell("init", str(root), "--out", str(out), "--force", *options)
    assert told.code == 0, told.err
    return yaml.safe_load(out.read_text()), open_run(load_recipe(out), open_workspace(root.parent / "runs"))


def doubts_in(recipe: Path) -> str:
    """The comments of a recipe in one line."""
    return " ".join(line.lstrip("# ") for line in recipe.read_text().splitlines())


def refused(root: Path, *options: str) -> str:
    told = tell("init", str(root), "--out", str(root.parent / "r.yaml"), *options)
    assert (told.code, (root.parent / "r.yaml").exists()) == (2, False), told.out
    return told.err


@pytest.fixture
def nights(tmp_path) -> Path:
    """Four wearers, a recording each, with a label track of Audacity beside it."""
    for wearer in range(1, 5):
        tone(tmp_path / "nights" / f"wearer{wearer}.wav", 12.0)
        track = "".join(
            f"{start}.0\t{start}.6\tcough\n{start + 1}.0\t{start + 2}.5\tsnore\n" for start in range(1, 9, 3)
        )
        (tmp_path / "nights" / f"wearer{wearer}.txt").write_text(track)
    return tmp_path / "nights"


@pytest.fixture
def drives(tmp_path) -> Path:
    """Four drives of two dash cameras each, whose poses begin with them."""
    for number in range(4):
        folder = tmp_path / "drives" / f"drive{number}"
        for end in ("F", "R"):
            film(folder / f"2024050{number}_120000_{end}.mp4", 3.0)
        rows = "".join(f"{step / 10},{step},{0.0},0.0\n" for step in range(31))
        (folder / "poses.csv").write_text("time_s,x,y,yaw_deg\n" + rows)
    return tmp_path / "drives"


# --- sound ------------------------------------------------------------------------------------------------


def test_recordings_with_label_tracks_are_cut_into_windows_that_the_shortest_class_fills(nights):
    recipe, run = proposed(nights)
    assert recipe["source"]["kind"] == "recordings"
    assert recipe["source"]["annotation"] == {"files": ["*.txt"]}
    assert recipe["preprocessing"]["labels"] == ["snore", "cough", "background"]
    assert recipe["preprocessing"]["clip_s"] == pytest.approx(0.8, abs=0.1)
    assert recipe["preprocessing"]["sample_rate"] == 8000
    assert recipe["preprocessing"]["reference"] == "full"
    assert recipe["source"]["hop_s"] == pytest.approx(recipe["preprocessing"]["clip_s"] / 5)
    assert set(run.audit().samples) == {"train", "val", "test"}


def test_folders_of_sounds_name_classes_and_their_files_who_is_in_them(tmp_path):
    for label in ("cough", "snore"):
        for person in range(4):
            tone(tmp_path / "clips" / label / f"p{person}_1.wav")
    recipe, run = proposed(tmp_path / "clips")
    assert (recipe["source"]["kind"], recipe["preprocessing"]["labels"]) == ("folder", ["cough", "snore"])
    assert "8 sounds of 4 groups" in run.audit().summary()


def test_sounds_in_one_folder_without_a_label_are_not_guessed_at(tmp_path):
    for number in range(4):
        tone(tmp_path / "night" / f"{number}.wav")
    assert "no label file that is read" in refused(tmp_path / "night")


# --- video that names label ---------------------------------------------------------------------------------


def test_class_folders_of_videos_and_who_is_in_their_files(tmp_path):
    for label in ("wave", "nod"):
        for person in range(4):
            film(tmp_path / "acts" / label / f"p{person}_1.mp4")
    recipe, run = proposed(tmp_path / "acts")
    assert recipe["source"]["annotation"]["format"] == "names"
    assert sorted(recipe["source"]["labels"]) == ["nod", "wave"]
    assert {one.group for one in run.scan.recordings} == {"p0", "p1", "p2", "p3"}
    assert {one.segments[0].label for one in run.scan.recordings} == {"nod", "wave"}
    assert (
        "# Doubt: no label file is there: folders are taken for classes" in (tmp_path / "r.yaml").read_text()
    )


def test_names_of_ntu_tell_action_and_person(tmp_path):
    for person in range(1, 5):
        for action in (1, 2):
            film(tmp_path / "ntu" / f"S001C001P{person:03d}R001A{action:03d}_rgb.avi".replace(".avi", ".mp4"))
    recipe, run = proposed(tmp_path / "ntu")
    assert recipe["source"]["annotation"] == {"files": ["**/*.mp4"], "format": "names"}
    assert len({one.group for one in run.scan.recordings}) == 4
    assert {one.segments[0].label for one in run.scan.recordings} == {"A001", "A002"}


def test_folders_of_people_are_no_classes(tmp_path):
    for person in range(1, 4):
        film(tmp_path / "footage" / f"p{person:02d}" / "a.mp4")
    assert "no label file that is read" in refused(tmp_path / "footage")


# --- drives -----------------------------------------------------------------------------------------------


def test_drives_become_a_rig_with_cameras_by_the_ends_of_their_names(drives):
    recipe, run = proposed(drives)
    assert recipe["source"]["cameras"] == {"F": "*_F", "R": "*_R"}
    assert (recipe["source"]["offset_s"], recipe["source"]["frame"]) == (0.0, "enu")
    assert recipe["preprocessing"]["setup"] == {"name": "found", "reference": "F", "rows": [["F", "R"]]}
    assert len(run.scan.recordings) == 4


def test_when_a_camera_began_is_not_guessed_where_the_motion_has_a_clock_of_its_own(drives):
    poses = drives / "drive2" / "poses.csv"
    head, *rows = poses.read_text().splitlines()
    poses.write_text("\n".join([head, *(f"17145{row}" for row in rows)]))
    assert "nothing says when the videos of 1 drives begin" in refused(drives)
    (drives / "drives.csv").write_text("drive,start_s\ndrive2,171450.0\n")
    assert proposed(drives)[0]["source"]["offset_s"] == 0.0


# --- both -------------------------------------------------------------------------------------------------


def test_a_lost_table_of_times_is_not_made_good_by_an_offset(drives):
    for folder in drives.iterdir():
        for video in folder.glob("*.mp4"):
            times = "\n".join(f"{step / 10}" for step in range(30))
            video.with_suffix(".times.csv").write_text(f"time_s\n{times}\n")
    next((drives / "drive1").glob("*_F.times.csv")).unlink()
    recipe, run = proposed(drives)
    assert "offset_s" not in recipe["source"]
    [fault] = run.scan.faults
    assert fault.key == "drive1"
    assert "1 drives have a camera without a table of times" in doubts_in(drives.parent / "r.yaml")


def test_drives_by_satellite_are_told_with_those_whose_receiver_tells_its_speed(drives):
    for number in (1, 2):
        folder = drives / f"drive{number}"
        (folder / "poses.csv").unlink()
        head, speed = (",speed_mps", ",11.1") if number == 2 else ("", "")
        rows = "".join(f"{step},48.{step:04d},11.0{speed}\n" for step in range(5))
        (folder / "gps.csv").write_text(f"time_s,lat,lon{head}\n{rows}")
    proposed(drives)
    told = "2 drives have satellite fixes alone, 1 of them with the receiver's own speed"
    assert told in doubts_in(drives.parent / "r.yaml")


def test_a_table_of_features_does_not_make_nights_drives(nights):
    (nights / "features.csv").write_text("night,mean\nwearer1,0.5\n")
    recipe, _ = proposed(nights)
    assert recipe["task"] == "sounds"


def test_a_folder_for_two_tasks_is_not_guessed_at(nights):
    rows = ["file,label"]
    for take in range(4):
        film(nights / f"take{take}.mp4")
        rows.append(f"take{take}.mp4,{'wave' if take % 2 else 'nod'}")
    (nights / "labels.csv").write_text("\n".join(rows))
    told = refused(nights)
    assert "may be for several tasks" in told
    assert "4 videos have labels in labels.csv" in told
    assert "4 sounds have labels in *.txt" in told
    assert proposed(nights, "--task", "sounds")[0]["task"] == "sounds"
    assert proposed(nights, "--task", "operations")[0]["source"]["annotation"]["files"] == ["labels.csv"]
