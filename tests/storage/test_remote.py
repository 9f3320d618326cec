"""Files that go up and come down whole or not at all."""

from __future__ import annotations

import hashlib
import os
import pickle
import subprocess
import sys
import threading
import time

import pytest

from rushes.errors import StorageError
from rushes.storage.remote import Remote, checked

NEIGHBOURS = {
    "my runs ü": "my%20runs%20%C3%BC",
    "a%20b": "a b",
    "a+b": "a b",
    "run#7": "run",
    "what?": "what",
    "x?versionId=7": "x",
    "a::b": "a",
    "*": "any",
    "[ab]{c,d}": "a",
    "snow ☃ 𝄞": "snow",
    "'\"`$&;@=:,!()~^|<>": "plain",
    " led by a blank": "led by a blank",
    "ended by one ": "ended by one",
    "back\\slash": "back",
}
KEYS = sorted(NEIGHBOURS)


def test_up_and_down(remote, write_file, tmp_path):
    content = bytes(range(256)) * 40
    remote.put(write_file("a.bin", content), "units/a.bin")
    remote.put_bytes(b"{}", "DONE")
    assert remote.list() == {"DONE": 2, "units/a.bin": 10240}
    assert remote.read_bytes("DONE") == b"{}"
    sha256 = hashlib.sha256(content).hexdigest()
    remote.get("units/a.bin", tmp_path / "back" / "a.bin", sha256)
    assert (tmp_path / "back" / "a.bin").read_bytes() == content
    assert [path.name for path in (tmp_path / "back").iterdir()] == ["a.bin"]


def test_a_name_is_replaced_and_nothing_else_stays(remote, write_file):
    remote.put_bytes(b"old", "a")
    remote.put(write_file("a", b"newer"), "a")
    assert remote.read_bytes("a") == b"newer"
    assert (remote.list(), remote.list(hidden=True)) == ({"a": 5}, {})


def test_what_is_not_there(remote, tmp_path):
    assert remote.read_bytes("DONE") is None
    assert not remote.exists("DONE")
    assert (remote.list(), remote.folders()) == ({}, ())
    remote.remove("DONE")
    with pytest.raises(StorageError, match="cannot bring a remote file") as caught:
        remote.get("DONE", tmp_path / "DONE")
    assert caught.value.where == f"{remote.url}/DONE"
    assert [*tmp_path.glob("*DONE*"), *tmp_path.glob(".*")] == []


def test_folders_and_removal(remote):
    for name in ("prepare-0/recipe.json", "train-0/recipe.json", "train-0/units/a.json"):
        remote.put_bytes(b"1", name)
    assert remote.folders() == ("prepare-0", "train-0")
    assert remote.exists("train-0/units/a.json")
    remote.remove("train-0/units/a.json", "train-0/recipe.json")
    assert remote.list() == {"prepare-0/recipe.json": 1}
    assert remote.child("prepare-0").list() == {"recipe.json": 1}


def test_it_travels(remote):
    remote.put_bytes(b"1", "a")
    assert pickle.loads(pickle.dumps(remote)).list() == {"a": 1}


def test_changes_of_another_client_are_seen(s3):
    """Listings that a client remembers would hide what another machine wrote."""
    s3.put_bytes(b"1", "prepare-0/recipe.json")
    assert s3.folders() == ("prepare-0",)
    write = "import fsspec, sys; fsspec.filesystem('s3').pipe_file(sys.argv[1], b'1')"
    subprocess.run([sys.executable, "-c", write, f"{s3.url}/train-0/recipe.json"], check=True)
    assert s3.folders() == ("prepare-0", "train-0")


def test_another_content_is_refused(remote, tmp_path):
    remote.put_bytes(b"what was written", "a.tar")
    sha256 = hashlib.sha256(b"what was written").hexdigest()
    remote.put_bytes(b"what was swapped", "a.tar")
    with pytest.raises(StorageError, match=f"{sha256[:12]}... was written"):
        remote.get("a.tar", tmp_path / "in" / "a.tar", sha256)
    assert list((tmp_path / "in").iterdir()) == []


def test_create_is_exclusive(shared):
    taken = []
    threads = [
        threading.Thread(target=lambda n=n: taken.append(shared.create(f"{n}".encode(), "lock")))
        for n in range(6)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(taken) == [False] * 5 + [True]


def test_those_who_ask_together_share_one_transfer(remote, tmp_path):
    remote.put_bytes(b"x" * 1000, "a")
    target = tmp_path / "in" / "a"
    errors = []

    def bring():
        try:
            remote.get("a", target, unless_here=True)
            assert target.read_bytes() == b"x" * 1000
        except Exception as error:
            errors.append(error)

    threads = [threading.Thread(target=bring) for _ in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    assert [path.name for path in target.parent.iterdir()] == ["a"]


def test_they_may_be_evicted_all_the_while(folder_by_url, tmp_path):
    content = os.urandom(200_000)
    sha256 = hashlib.sha256(content).hexdigest()
    folder_by_url.put_bytes(content, "a")
    target, errors = tmp_path / "in" / "a", []

    def bring_and_evict():
        try:
            for _ in range(40):
                folder_by_url.get("a", target, sha256, unless_here=True)
                target.unlink(missing_ok=True)
        except Exception as error:
            errors.append(error)

    threads = [threading.Thread(target=bring_and_evict) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []


def test_what_does_not_arrive_in_full_gets_no_name(faulty, write_file):
    with pytest.raises(StorageError, match="2 of 5 bytes arrived"):
        faulty.put(write_file("a", b"short"), "short")
    with pytest.raises(StorageError, match="1 of 3 bytes arrived"):
        faulty.put_bytes(b"abc", "units/short.json")
    assert (faulty.list(), faulty.list(hidden=True)) == ({}, {})


def test_a_refusal_is_final_and_says_what_is_needed(faulty):
    with pytest.raises(StorageError, match=r"PermissionError: .* is refused") as caught:
        faulty.put_bytes(b"abc", "refused")
    assert "credentials that may read, write" in caught.value.cure


def test_a_password_in_an_error_of_others_is_not_repeated(faulty):
    with pytest.raises(StorageError, match="http://host-a/ does not want you") as caught:
        faulty.put_bytes(b"abc", "leaky")
    assert "anna" not in f"{caught.value} {caught.value!r}"
    assert caught.value.__suppress_context__


def test_what_stands_is_left_unless_asked(remote, tmp_path):
    remote.put_bytes(b"there", "a")
    (tmp_path / "a").write_bytes(b"here")
    remote.get("a", tmp_path / "a", unless_here=True)
    assert (tmp_path / "a").read_bytes() == b"here"


@pytest.mark.parametrize(
    "name", ["../a", "a/../../b", "/etc/passwd", "a//b", "", "a/.", "a\\b", "a\n", "x" * 256]
)
def test_names_that_lead_elsewhere_are_refused(folder_by_url, name):
    with pytest.raises(StorageError, match="not the name of a file"):
        checked(name)
    with pytest.raises(StorageError, match="not the name of a file"):
        folder_by_url.put_bytes(b"", name)


@pytest.mark.parametrize("key", KEYS)
def test_every_key_that_a_store_allows_is_a_place(remote, key, tmp_path):
    """Also beside a neighbour that a decoding, a pattern or a fragment would take it for."""
    here, beside = Remote(f"{remote.url}/{key}"), Remote(f"{remote.url}/{NEIGHBOURS.get(key, 'my')}")
    beside.put_bytes(b"beside", "a b#1.bin")
    here.put_bytes(b"1", "a b#1.bin")
    (tmp_path / "large").write_bytes(b"22")
    here.put(tmp_path / "large", f"units/{key.replace(chr(92), '')}.bin")
    assert here.create(b"333", "lock")
    assert not here.create(b"", "lock")
    expected = {"a b#1.bin": 1, "lock": 3, f"units/{key.replace(chr(92), '')}.bin": 2}
    assert Remote(here.url).list() == expected
    assert here.folders() == ("units",)
    here.get_many(expected, tmp_path / "back")
    back = {p.relative_to(tmp_path / "back").as_posix(): p.stat().st_size for p in files(tmp_path / "back")}
    assert back == expected
    here.remove(*expected)
    assert (here.list(), here.list(hidden=True), beside.list()) == ({}, {}, {"a b#1.bin": 6})


def files(folder):
    return [path for path in folder.rglob("*") if path.is_file()]


def test_a_listing_with_a_name_that_leads_elsewhere_is_refused(s3):
    import fsspec

    fsspec.filesystem("s3").pipe_file(f"{s3.url}/units/../../../evil", b"x")
    with pytest.raises(StorageError, match="not the name of a file"):
        s3.list()


@pytest.mark.parametrize(
    "url", ["s3:/bucket", "bucket/prefix", "s3://", "s3://b/a//b", "s3://b/../a", "s3://b/a\nb", "S3://b"]
)
def test_not_a_url(url):
    with pytest.raises(StorageError, match="not the URL of a folder"):
        Remote(url)


def test_a_password_in_a_url_is_refused_and_not_repeated():
    with pytest.raises(StorageError) as caught:
        Remote("sftp://anna:hunter2@host/data")
    assert "hunter2" not in f"{caught.value} {caught.value!r}"
    assert Remote("sftp://anna@host/data").url == "sftp://anna@host/data"


def run_elsewhere(code, url, **environment):
    """Run a put in a process with another environment; returns its one line of output."""
    lines = "import sys\nfrom rushes.errors import StorageError\nfrom rushes.storage.remote import Remote\n"
    done = subprocess.run(
        [sys.executable, "-c", lines + code, url],
        env=os.environ | environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


PUT = """
try:
    Remote(sys.argv[1]).put_bytes(b"x", "a")
except StorageError as error:
    print(error)
"""


def test_no_server(s3):
    said = run_elsewhere(
        PUT, s3.url, AWS_ENDPOINT_URL="http://anna:hunter2@127.0.0.1:9/", RUSHES_PATIENCE_S="1"
    )
    assert f"where: {s3.url}/a" in said
    assert "AWS_ENDPOINT_URL" in said
    assert "hunter2" not in said
    assert "not-a-secret" not in said


def test_no_credentials(s3, tmp_path):
    nowhere = dict.fromkeys(("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"), str(tmp_path / "none"))
    empty = {"AWS_ACCESS_KEY_ID": "", "AWS_SECRET_ACCESS_KEY": ""}
    said = run_elsewhere(PUT, s3.url, **nowhere, **empty)
    assert "AWS_PROFILE, or a role" in said


def test_no_bucket(s3_endpoint):
    remote = Remote("s3://nobody-made-this/prefix")
    with pytest.raises(StorageError, match="cannot send") as caught:
        remote.put_bytes(b"x", "a")
    assert "see that the bucket" in caught.value.cure


def test_no_client(tmp_path):
    with pytest.raises(StorageError, match="Protocol not known"):
        Remote("nosuchprotocol://a/b").list()


# --- kills and breaks -----------------------------------------------------------------------------------


SEND = """
from pathlib import Path
print("begun", flush=True)
Remote(sys.argv[1]).put(Path(sys.argv[2]), "shards/train/a.tar")
"""


def start_sending(remote, path, **environment):
    lines = f"import sys\nfrom rushes.storage.remote import Remote\nimport fsspec, s3fs\n{SEND}"
    if remote.url.startswith("file:"):
        lines = lines.replace("import fsspec, s3fs", "import fsspec")
    return subprocess.Popen(
        [sys.executable, "-c", lines, remote.url, str(path)],
        env=os.environ | environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )


def test_killed_while_it_sends_into_a_folder(folder_by_url, write_file):
    """Killed as soon as the first bytes stand under the hidden name."""
    size = 150 << 20
    path = write_file("a.tar", bytes(size))
    torn = 0
    for _ in range(3):
        with start_sending(folder_by_url, path) as process:
            while process.poll() is None and not folder_by_url.list(hidden=True):
                time.sleep(0.0005)
            process.kill()
        assert folder_by_url.list() in ({}, {"shards/train/a.tar": size})
        torn += any(found < size for found in folder_by_url.list(hidden=True).values())
        folder_by_url.sweep()
        assert folder_by_url.list(hidden=True) == {}
        folder_by_url.remove("shards/train/a.tar")
    assert torn, "no kill came in the middle: the file is too small for this machine"
    folder_by_url.put(path, "shards/train/a.tar")
    assert folder_by_url.list() == {"shards/train/a.tar": size}


@pytest.mark.parametrize("passed", [300_000, 4_000_000])
def test_killed_while_it_sends_to_s3(s3, s3_endpoint, write_file, cut_after, passed):
    path = write_file("a.tar", b"rushes" * 1_000_000)
    with cut_after(s3_endpoint, passed) as (endpoint, reached):
        with start_sending(s3, path, AWS_ENDPOINT_URL=endpoint) as process:
            assert reached.wait(60)
            process.kill()
        assert process.returncode == -9
    assert s3.list() == {}
    s3.put(path, "shards/train/a.tar")
    assert s3.list() == {"shards/train/a.tar": 6_000_000}
    s3.sweep()
    assert s3.list(hidden=True) == {}


def test_connections_that_break_are_tried_again(s3, s3_endpoint, write_file, breaking):
    path = write_file("a.tar", b"rushes" * 1000)
    # The client below us gives up after two to ten connections, as chance has it; we try four times.
    with (
        breaking(s3_endpoint, times=6) as endpoint,
        start_sending(s3, path, AWS_ENDPOINT_URL=endpoint) as it,
    ):
        assert it.wait(120) == 0
    assert s3.list() == {"shards/train/a.tar": 6000}
