"""A chained record: nothing lost among many writers, nothing changed without being noticed, here and in S3."""

from __future__ import annotations

import json
import multiprocessing
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from rushes.errors import StageError
from rushes.storage import Workspace, open_workspace
from rushes.storage.record import FIRST, Entry, Record


def never(entry: Entry) -> bool:
    return False


@pytest.fixture
def record(tmp_path: Path) -> Record:
    return Record(Workspace(tmp_path), "looks")


def test_entries_follow_each_other(record: Record):
    assert record.read() == ()
    first, second = (record.add({"who": who}, never) for who in ("a", "b"))
    assert (first.number, first.before, second.number, second.before) == (1, FIRST, 2, first.hash)
    assert record.read() == (first, second)
    assert record.add({"who": "c"}, lambda known: known.content == {"who": "a"}) == first
    assert record.read() == (first, second)


def files(record: Record) -> list[Path]:
    return sorted((record.workspace.root / record.name).iterdir())


def rewritten(path: Path, **changes: object) -> None:
    path.write_text(json.dumps(json.loads(path.read_bytes()) | changes))


def own_hash(path: Path) -> None:
    """Another content under its own, right hash, in the place of the first entry."""
    path.write_text(json.dumps(Entry.after((), {"who": "nobody"}).to_json()))


@pytest.mark.parametrize(
    "change",
    [
        lambda paths: paths[0].unlink(),
        lambda paths: paths[1].unlink(),
        lambda paths: rewritten(paths[0], content={"who": "nobody"}),
        lambda paths: rewritten(paths[1], when="2000-01-01T00:00:00+00:00"),
        lambda paths: own_hash(paths[0]),
        lambda paths: paths[1].write_bytes(paths[0].read_bytes()),
        lambda paths: paths[2].rename(paths[2].with_name("000009.json")),
        lambda paths: paths[2].write_bytes(b""),
        lambda paths: paths[2].write_text("[]"),
        lambda paths: paths[2].write_text('{"number": 3}'),
    ],
)
def test_a_record_that_was_changed_is_refused(record: Record, change: Callable[[list[Path]], object]):
    for who in "abc":
        record.add({"who": who}, never)
    change(files(record))
    with pytest.raises(StageError, match="the record of looks was changed"):
        record.read()
    with pytest.raises(StageError, match="the record of looks was changed"):
        record.add({"who": "d"}, never)


def _add(place: tuple[str, str], number: int) -> int:
    workspace = open_workspace(place[0], Path(place[1]))
    return Record(workspace, "looks").add({"who": number}, never).number


def test_many_processes_lose_no_entry(tmp_path: Path):
    with multiprocessing.get_context("spawn").Pool(4) as pool:
        numbers = pool.starmap(_add, [((str(tmp_path), ""), number) for number in range(24)])
    assert sorted(numbers) == list(range(1, 25))
    found = Record(Workspace(tmp_path), "looks").read()
    assert sorted(entry.content["who"] for entry in found) == list(range(24))
    assert not list((tmp_path / "looks").glob(".*"))


def test_many_writers_to_an_object_store_lose_no_entry(s3, tmp_path: Path):
    place = (s3.url, str(tmp_path))
    with ThreadPoolExecutor(8) as pool:
        numbers = list(pool.map(lambda number: _add(place, number), range(16)))
    assert sorted(numbers) == list(range(1, 17))
    workspace = open_workspace(s3.url, tmp_path)
    assert len(Record(workspace, "looks").read()) == 16
    s3.child("looks").remove("000003.json")
    with pytest.raises(StageError, match="entry 3 does not follow the one before it"):
        Record(workspace, "looks").read()


def test_small_files_are_those_that_fit(s3, tmp_path: Path):
    for name in ("a-1/DONE", "a-2/DONE", "a-2/other", "b/DONE", "looks/000001.json", "looks/deep/x.json"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(name)
        s3.put_bytes(name.encode(), name)
    for workspace in (Workspace(tmp_path), open_workspace(s3.url, tmp_path / "cache")):
        assert workspace.small_files("a-*/DONE") == {"a-1/DONE": b"a-1/DONE", "a-2/DONE": b"a-2/DONE"}
        assert list(workspace.small_files("looks/*.json")) == ["looks/000001.json"]
        assert workspace.small_files("none/*.json") == {}


def test_what_is_gone_before_it_is_read_is_passed_over(tmp_path: Path):
    (tmp_path / "looks").mkdir()
    (tmp_path / "looks" / "000001.json").symlink_to("nowhere")
    assert open_workspace(tmp_path).small_files("looks/*.json") == {}
