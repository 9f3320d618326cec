"""The verb: what it refuses before anything listens, and what it says where it is open to others."""

import subprocess
import sys
from pathlib import Path

import pytest
from jobs import OPERATIONS
from typer.testing import CliRunner

from rushes.cli import app
from rushes.cli import serve as verb
from rushes.errors import RecipeError, RushesError, StorageError
from rushes.runs import listening
from rushes.serve import of_run
from rushes.serve.keys import HEADERS, Keys, read_keys
from rushes.serve.refusal import Refusal
from rushes.serve.scratch import Scratch


@pytest.fixture
def recipe(tmp_path):
    path = tmp_path / "tiny.yaml"
    path.write_text(OPERATIONS)
    return path


def said(*words: str) -> tuple[int, str]:
    found = CliRunner().invoke(app, ["serve", *words])
    return found.exit_code, found.output


@pytest.fixture
def never_listens(monkeypatch):
    def listens(host, port):
        raise AssertionError("it listens")

    monkeypatch.setattr(listening, "listen", listens)


@pytest.mark.usefixtures("never_listens")
def test_a_run_that_is_not_trained_is_not_served(tmp_path, recipe):
    code, text = said(str(recipe), "--workspace", str(tmp_path / "workspace"))
    assert code == 1
    assert "is not trained" in text
    assert f"rushes run {recipe}" in " ".join(text.split())


@pytest.mark.usefixtures("never_listens")
@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("--url", "http://127.0.0.1:9/v1"), "add --backend openai"),
        (("--backend", "openai"), "needs the address"),
        (
            ("--backend", "openai", "--url", "http://x/v1", "--engine-key-env", "NOT_SET_HERE"),
            "NOT_SET_HERE, which is not set",
        ),
        (("--api-key-file", "nowhere.txt"), "the file of API keys cannot be read"),
    ],
)
def test_options_that_cannot_be_meant_are_refused(words, says, recipe):
    code, text = said(str(recipe), *words)
    assert code == 2
    assert says in text


def test_which_hosts_are_reached_from_elsewhere():
    assert all(verb._is_loopback(host) for host in ("127.0.0.1", "127.8.8.8", "::1", "localhost"))
    assert not any(verb._is_loopback(host) for host in ("0.0.0.0", "::", "192.168.0.7", "gpu-box"))


def test_keys_are_read_from_a_file_and_only_their_digests_are_kept(tmp_path):
    path = tmp_path / "keys"
    path.write_text("# of the night shift\n\n  correct-horse-battery  \nstaple-of-the-day-shift\n")
    keys = read_keys(path)
    assert len(keys.digests) == 2
    assert "horse" not in repr(keys)
    keys.check({"x-api-key": "correct-horse-battery"})
    keys.check({"authorization": "Bearer staple-of-the-day-shift"})
    for headers in ({}, {"x-api-key": ""}):
        with pytest.raises(Refusal) as refused:
            keys.check(headers)
        assert (refused.value.status, refused.value.error, refused.value.cure) == (401, "no_key", HEADERS)
    right = {"x-api-key": "correct-horse-battery"}
    for headers in (
        {"x-api-key": "# of the night shift"},
        {"authorization": "Basic staple-of-the-day-shift"},
        {**right, "authorization": "Bearer "},  # what is wrong is not saved by what is right
    ):
        with pytest.raises(Refusal) as refused:
            keys.check(headers)
        assert refused.value.error == "wrong_key"
    Keys().check({})  # nobody asked for any


@pytest.mark.parametrize(
    ("text", "says"),
    [("# none\n", "holds none"), ("correct-horse-battery\nshort\n", ":2"), (b"\xff\xfe", "cannot be read")],
)
def test_a_file_of_keys_that_cannot_be_meant_is_refused(tmp_path, text, says):
    path = tmp_path / "keys"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(RecipeError) as refused:
        read_keys(path)
    assert says in str(refused.value)
    assert "short" not in str(refused.value).replace("too short", "")


@pytest.mark.parametrize(
    ("spoil", "says"),
    [
        (lambda at: at.mkdir(mode=0o755), ("is open to others (mode 755)", "chmod 700 ")),
        (lambda at: at.symlink_to(at.parent), ("is a link", "name another folder")),
        (lambda at: at.write_text(""), ("cannot be kept", "name another folder")),
    ],
)
def test_a_folder_of_uploads_that_others_can_reach_is_refused_by_what_is_wrong(tmp_path, spoil, says):
    spoil(tmp_path / "root")
    with pytest.raises(StorageError) as refused:
        Scratch(tmp_path / "root")
    assert all(words in str(refused.value) for words in says)


def test_the_cure_of_a_file_without_keys_makes_one(tmp_path, monkeypatch):
    path = tmp_path / "the keys"
    path.write_text("")
    with pytest.raises(RecipeError) as refused:
        read_keys(path)
    monkeypatch.setenv("PATH", f"{Path(sys.executable).parent}:/usr/bin:/bin")
    subprocess.run(refused.value.cure.removeprefix("make one with: "), shell=True, check=True)
    assert read_keys(path)


@pytest.mark.usefixtures("never_listens")
def test_nothing_listens_where_uploads_cannot_be_kept(tmp_path, recipe, monkeypatch):
    monkeypatch.setattr(of_run, "require_trained", lambda run, typed: None)
    monkeypatch.setattr(of_run, "doors_of", lambda run, engine: {})
    (tmp_path / "open").mkdir(mode=0o755)
    code, text = said(str(recipe), "--uploads", str(tmp_path / "open"))
    assert code == 1
    assert "chmod 700" in text
    assert "http://" not in text


def test_a_port_that_is_taken_is_said_once():
    with listening.listen("127.0.0.1", 0) as taken, pytest.raises(RushesError) as refused:
        listening.listen("127.0.0.1", taken.getsockname()[1])
    assert refused.value.message.endswith(": Address already in use")
    with pytest.raises(RushesError, match=r": Name or service not known|: Temporary failure"):
        listening.listen("no-such-host.invalid", 0)
