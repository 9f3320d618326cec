import random
from datetime import UTC, datetime
from pathlib import Path

import pytest

from rushes.errors import SourceError
from rushes.media.folder import frame_unix_ms
from rushes.tasks.operations.sources.openpack.layout import (
    format_time,
    frame_name,
    operations_1hz_csv,
    operations_csv,
    parse_time,
    video_file,
    video_sidecar,
)


def test_places_are_those_of_the_published_sample(openpack_sample: Path) -> None:
    assert operations_csv(openpack_sample, "U0209", "S0500").is_file()
    assert operations_1hz_csv(openpack_sample, "U0209", "S0500").is_file()
    frame = frame_name(1648531511030)
    assert (openpack_sample / "U0209/kinect/color-masked/frames/S0500" / frame).is_file()


def test_video_and_sidecar_stand_beside_each_other() -> None:
    video = video_file(Path("raw"), "U0101", "S0100")
    assert video == Path("raw/U0101/kinect/color-masked/video/S0100.mp4")
    assert video_sidecar(Path("raw"), "U0101", "S0100") == video.with_name("S0100.json")


def test_the_known_moment_of_the_dataset() -> None:
    assert parse_time("2022-03-29 14:25:22+09:00") == 1648531522000 * 1000
    assert frame_unix_ms(Path("20220329_142522_000.jpg")) == 1648531522000


def test_times_and_names_survive_the_round_trip_exactly() -> None:
    draw = random.Random(0)
    for _ in range(2000):
        unix_us = draw.randrange(0, 4 * 10**15)
        assert parse_time(format_time(unix_us)) == unix_us
        unix_ms = unix_us // 1000
        assert frame_unix_ms(frame_name(unix_ms)) == unix_ms


def test_names_sort_as_time_does_across_midnight_and_new_year() -> None:
    new_year_jst = parse_time("2023-01-01 00:00:00+09:00") // 1000
    times = [new_year_jst + k for k in (-1000, -1, 0, 1, 66, 1000)]
    names = [frame_name(time).as_posix() for time in times]
    assert names == sorted(names)
    assert names[1] == "2022/12/31/23/59/20221231_235959_999.jpg"


def test_zones_are_honoured_whatever_the_machine_says() -> None:
    moment = int(datetime(2022, 3, 29, 5, 25, 11, 30_000, tzinfo=UTC).timestamp() * 1000) * 1000
    for text in ("2022-03-29T05:25:11.03Z", "2022-03-29 14:25:11.030+09:00", "2022-03-29T01:25:11.03-04:00"):
        assert parse_time(text) == moment


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("2022-03-29 14:25:22.143", "time zone"),
        ("nan", "not a time"),
        ("", "not a time"),
        ("1648531522143", "not a time"),
        ("2022-13-29 14:25:22+09:00", "no such time"),
        ("2022-02-30 14:25:22+09:00", "no such time"),
        ("2022-03-29 24:25:22+09:00", "no such time"),
        ("2022-03-29 14:25:22.1234567+09:00", "not a time"),
        ("2022-03-29 14:25:22+99:99", "no such time"),
        ("２０２２-03-29 14:25:22+09:00", "not a time"),
    ],
)
def test_what_is_no_time_is_refused_with_a_cure(text: str, says: str) -> None:
    with pytest.raises(SourceError, match=says) as caught:
        parse_time(text)
    assert caught.value.cure
