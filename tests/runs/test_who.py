"""Who is in recordings as ``rushes init`` takes it from names, and what a proposal leaves out."""

from __future__ import annotations

import wave
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest
import yaml
from jobs import Told, tell

from rushes.media.encode import write_video
from rushes.runs.begin.names import patterns_in

DAYS = ("monday", "tuesday", "wednesday", "friday")


def init(root: Path, *options: str) -> Told:
    return tell("init", str(root), "--out", str(root.parent / "r.yaml"), "--force", *options)


def source(root: Path) -> Mapping:
    return yaml.safe_load((root.parent / "r.yaml").read_text())["source"]


def nights(root: Path, names: str, labels: str = "0\t1\tsnore\n2\t3\ttalk\n") -> Path:
    """Recordings of four seconds with a label track beside each."""
    for name in names.split():
        path = root / f"{name}.wav"
        path.parent.mkdir(parents=True, exist_ok=True)
        with wave.open(str(path), "wb") as file:
            file.setnchannels(1), file.setsampwidth(2), file.setframerate(8000)
            file.writeframes(bytes(64000))
        path.with_suffix(".txt").write_text(labels)
    return root


def drives(root: Path, folders: tuple[str, ...] = DAYS) -> Path:
    """Two cameras and a motion in each folder."""
    for number, folder in enumerate(folders):
        (root / folder).mkdir(parents=True)
        for camera in ("front", "left"):
            pictures = (np.full((32, 48, 3), 9 * frame, np.uint8) for frame in range(10))
            write_video(
                root / folder / f"{camera}.mp4", pictures, (48, 32), 10, {}, lambda number, luma: None
            )
            times = "time_s\n" + "".join(f"{frame / 10}\n" for frame in range(10))
            (root / folder / f"{camera}.times.csv").write_text(times)
        motion = ("poses.csv", "gps.csv", "ride.gpx")[number % 3]
        (root / folder / motion).write_text("time_s,x,y\n0,0,0\n1,1,0\n")
    return root


def product(people: str, takes: str, form: str = "{}_{}") -> str:
    return " ".join(form.format(one, take) for one in people.split() for take in takes.split())


PEOPLE = "anna ben cem dirk"
NAMED = {
    "in front": (product(PEOPLE, "night1 night2"), PEOPLE),
    "by a day": (product(PEOPLE, "2026-11-01 2026-11-02 2026-11-03"), PEOPLE),
    "behind": (product("night1 night2 night3", PEOPLE), PEOPLE),
    "three nights": (product(PEOPLE, "night1 night2 night3"), PEOPLE),
    "of another language": (product("Ömer Ægir İpek", "Nacht1 Nacht2"), "Ömer Ægir İpek"),
    "as folders": (product(PEOPLE, "night1 night2", "{}/{}"), PEOPLE),
    "in folders of nights": (product("night1 night2", PEOPLE, "{}/{}"), PEOPLE),
    "as folders of days": (product(PEOPLE, "2026-11-01 2026-11-02", "{}_{}/a"), PEOPLE),
    "by parts": (product(PEOPLE, "part1 part2"), PEOPLE),
    "by sessions": (product(PEOPLE, "s1 s2 s3"), PEOPLE),
    "by cars": (product("car1 car2 car3", "monday tuesday"), "car1 car2 car3"),
    "one otherwise": (
        product("wearer01 wearer02 wearer03", "night1 night2") + " eva_night1",
        "eva wearer01 wearer02 wearer03",
    ),
    "one as a month": (product("jan anna ben", "night1 night2"), "anna ben jan"),
}


@pytest.mark.parametrize("name", NAMED)
def test_people_are_told_by_their_names_whatever_else_names_tell(name):
    told, people = NAMED[name]
    first = patterns_in([f"{one}.wav" for one in told.split()])[0]
    assert (first.is_somebody, list(first.groups)) == (True, sorted(people.split()))


@pytest.mark.parametrize(
    "told",
    [
        product("night1 night2 night3", "1 2 3"),
        product("night1 night2 night3", "1 2 3", "{}/{}"),
        product("2026-11-01 2026-11-02", "1 2 3"),
        product("monday tuesday friday", "take1 take2"),
        product("morning evening", "1 2 3", "{}/{}"),
        product("kitchen office", "1 2"),
        product("room1 room2 room3", "01 02"),
        product("front left", "1 2"),
        product("001 002 003", "a b", "{}/{}"),
        product("Anna anna Ben", "night1 night2"),
    ],
)
def test_nights_days_takes_places_and_numbers_are_nobody(told):
    assert not [one for one in patterns_in([f"{one}.wav" for one in told.split()]) if one.is_somebody]


def test_groups_are_people_and_it_is_doubted_that_plain_words_are(tmp_path):
    root = nights(tmp_path / "nights", NAMED["three nights"][0])
    told = init(root)
    assert told.code == 0, told.err
    assert 'names tell somebody, by "anna", "ben", "cem" ...: 4, with 3 recordings each' in told.out
    assert "plain words, taken for who is in a recording: they may be places or days" in told.out
    pattern = source(root)["groups"]["pattern"]
    assert {"dirk"} == {
        one.of["dirk_night2.wav"] for one in patterns_in(_names(root)) if one.pattern == pattern
    }


def _names(root: Path) -> list[str]:
    return [path.relative_to(root).as_posix() for path in root.rglob("*.wav")]


def test_another_reading_of_names_is_a_doubt(tmp_path):
    told = init(nights(tmp_path / "nights", product(PEOPLE, "smith_1 jones_2")))
    assert 'names tell somebody, by "jones", "smith": 2, with 4 recordings each as well' in told.out
    assert list(source(tmp_path / "nights")["groups"]) == ["pattern"]


@pytest.mark.parametrize(
    "told", [product("night1 night2", "1 2 3"), product("night1 night2 night3", "01 02 03 04")]
)
def test_nights_alone_leave_groups_unknown_with_the_doubt(tmp_path, told):
    root = nights(tmp_path / "nights", told)
    told = init(root)
    assert told.code == 0, told.err
    assert "neither a column nor the names of the recordings tell who is in them" in told.out
    assert "groups" not in source(root)


def test_fewer_people_than_sides_leave_groups_unknown_with_the_doubt(tmp_path):
    root = nights(tmp_path / "nights", product("anna ben", "night1 night2"))
    told = init(root)
    assert told.code == 0, told.err
    assert "names tell anna, ben, and there are 3 sides, so recordings are dealt out one by one" in told.out
    assert "the same person may stand on two sides" in told.out
    assert "groups" not in source(root)


def test_what_labels_name_is_nobody(tmp_path):
    root = nights(tmp_path / "nights", product("snore talk cough", "1 2 3"))
    assert init(root).code == 0
    assert "groups" not in source(root)


@pytest.mark.parametrize(
    ("column", "is_who"), [("who", True), ("wearer", True), ("session", False), ("night", False)]
)
def test_a_column_of_people_says_who_and_none_of_nights(tmp_path, column, is_who):
    root = nights(tmp_path / "nights", NAMED["three nights"][0])
    rows = [f"{name},0,1,snore,{name[:2]}\n{name},1,2,talk,{name[:2]}" for name in _names(root)]
    for path in root.glob("*.txt"):
        path.unlink()
    (root / "labels.csv").write_text(f"file,start_s,end_s,label,{column}\n" + "\n".join(rows))
    assert init(root).code == 0
    assert source(root)["groups"].get("column") == (column if is_who else None)


def test_labels_that_differ_by_case_only_are_a_doubt(tmp_path):
    labels = "0\t1\tsnore\n1\t2\tSnore\n2\t3\ttalk\n"
    told = init(nights(tmp_path / "nights", NAMED["three nights"][0], labels))
    assert "labels differ in case or spaces alone and are classes apart: 'Snore' and 'snore'" in told.out


@pytest.mark.parametrize("folders", [DAYS, ("2026-05-01_car1", "2026-05-02_car2", "2026-05-03_car1")])
def test_folders_with_a_motion_are_recordings_and_no_classes(tmp_path, folders):
    root = drives(tmp_path / "drives", folders)
    told = init(root)
    assert told.code == 0, told.err
    assert "task driving" in told.out
    assert "labels on" not in told.out


def test_folders_with_a_table_for_each_video_may_be_classes(tmp_path):
    root = drives(tmp_path / "clips", ("wave", "nod"))
    for path in (*root.glob("*/poses.csv"), *root.glob("*/gps.csv")):
        path.unlink()
    assert "4 labels on 4 of the 4 recordings" in init(root).out


def test_what_another_task_would_take_is_a_doubt(tmp_path):
    root = drives(tmp_path / "both" / "drives").parent
    nights(root / "nights", product("anna ben cem", "night1"))
    told = init(root)
    assert "task driving" in told.out
    assert "3 sounds with 6 labels are left out, since this task takes videos" in told.out
    assert init(root, "--task", "sounds").code == 0
    assert (
        "8 videos with 0 labels are left out, since this task takes sounds"
        in init(root, "--task", "sounds").out
    )


def test_drives_without_a_group_stay_a_doubt_where_others_have_one(tmp_path):
    root = drives(tmp_path / "drives")
    (root / "drives.csv").write_text("drive,group\nmonday,red\ntuesday,red\n")
    assert "each of 2 drives (friday, wednesday) is a group of its own" in init(root).out
    (root / "drives.csv").write_text("drive,group\n" + "".join(f"{day},{day}\n" for day in DAYS))
    assert "is a group of its own" not in init(root).out


def test_a_column_that_is_not_filled_everywhere_still_tells_who(tmp_path):
    root = nights(tmp_path / "nights", product(PEOPLE, "night1 night2"))
    for track in root.glob("*.txt"):
        track.unlink()
    rows = [
        f"{path.name},0,1,{label},{path.stem[:3]}" for path in sorted(root.glob("*.wav")) for label in "ab"
    ]
    rows[3] = rows[3].replace(",ann", ",")
    rows[5] = rows[5].replace(",ben", ",jo")
    (root / "labels.csv").write_text("file,start_s,end_s,label,person\n" + "\n".join(rows) + "\n")
    told = init(root)
    assert source(root)["groups"] == {"column": "person"}
    assert "person tells no one of 2 recordings, such as anna_night2.wav: write who is there" in told.out
