"""Files at addresses: each brought once, within bounds, every failure told."""

from __future__ import annotations

import pytest

from rushes.errors import MediaError, StorageError
from rushes.storage.web import LEDGER, Bounds, bring_files


def require_png(data: bytes, where: str) -> None:
    if not data.startswith(b"\x89PNG"):
        raise MediaError("not a PNG", where=where)


PNG = b"\x89PNG and so on"


@pytest.fixture
def allowed(monkeypatch):
    monkeypatch.setenv("RUSHES_ALLOW", "http,https")


def bring(served, folder, *names: str, **bounds: float):
    urls = [f"{served.url}/{name}" for name in names]
    found = bring_files(urls, folder, require_png, Bounds(**{"timeout_s": 5.0, **bounds}))
    return [found[url] for url in urls]


def told(value: object) -> str:
    assert isinstance(value, StorageError), value
    assert value.cure
    return value.message


def test_a_file_is_brought_once(served, tmp_path, allowed):
    (served.root / "a.png").write_bytes(PNG)
    [first] = bring(served, tmp_path / "new", "a.png")
    assert first.read_bytes() == PNG
    (served.root / "a.png").write_bytes(b"changed there")
    assert bring(served, tmp_path / "new", "a.png", "a.png") == [first, first]
    assert served.asked == ["/a.png"]
    first.write_bytes(b"torn")
    (served.root / "a.png").write_bytes(PNG)
    assert bring(served, tmp_path / "new", "a.png") == [first]
    assert first.read_bytes() == PNG


def test_what_is_not_there_or_no_picture_is_told_and_not_asked_for_again(served, tmp_path, allowed):
    (served.root / "page.png").write_text("<html>please log in</html>")
    (served.root / "large.png").write_bytes(PNG + bytes(5000))
    names = ("gone.png", "page.png", "large.png")
    for _ in range(2):
        faults = [told(one) for one in bring(served, tmp_path, *names, file_bytes=4000)]
        assert faults == ["the server answers 404 File not found", "not a PNG", "more than 4,000 bytes"]
    assert len(served.asked) == 3
    assert {path.name for path in tmp_path.iterdir()} == {LEDGER}


def test_what_fails_for_now_is_asked_for_again(served, tmp_path, allowed):
    served.answers["/busy.png"] = 503
    assert told(bring(served, tmp_path, "busy.png")[0]) == "the server answers 503"
    del served.answers["/busy.png"]
    (served.root / "busy.png").write_bytes(PNG)
    [there] = bring(served, tmp_path, "busy.png")
    assert there.read_bytes() == PNG


def test_a_server_that_drips_is_left(served, tmp_path, allowed):
    served.answers["/slow.png"] = "drip"
    assert told(bring(served, tmp_path, "slow.png", timeout_s=0.3)[0]) == "not here after 0.3 s"


def test_a_server_that_is_not_there_is_told(tmp_path, allowed):
    url = "http://127.0.0.1:9/a.png"
    found = bring_files([url], tmp_path, require_png, Bounds())
    assert told(found[url]).startswith("ConnectError")


def test_redirects_are_followed_so_far(served, tmp_path, allowed):
    (served.root / "a.png").write_bytes(PNG)
    served.answers["/moved.png"] = "/a.png"
    served.answers["/round.png"] = "/round.png"
    first, second = bring(served, tmp_path, "moved.png", "round.png")
    assert first.read_bytes() == PNG
    assert told(second).startswith("TooManyRedirects")


def test_bounds_of_all_files_hold(served, tmp_path, allowed):
    for name in "ab":
        (served.root / name).write_bytes(PNG)
    found = bring(served, tmp_path, "a", "b", total_bytes=len(PNG), at_once=1)
    assert found[0].read_bytes() == PNG
    assert told(found[1]).startswith("no room")
    with pytest.raises(StorageError, match="2 addresses; at most 1 are read"):
        bring(served, tmp_path / "new", "a", "b", files=1)


def test_only_the_owner_of_the_machine_lets_a_table_connect(served, tmp_path, monkeypatch):
    (served.root / "a.png").write_bytes(PNG)
    monkeypatch.delenv("RUSHES_ALLOW", raising=False)
    with pytest.raises(StorageError) as refused:
        bring(served, tmp_path, "a.png")
    assert refused.value.cure == "if you trust this table, type RUSHES_ALLOW=http before the same command"
    assert served.asked == []
