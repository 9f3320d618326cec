"""Stages: files, signature, lock, DONE, receipts, quarantine and the account."""

from __future__ import annotations

import errno
import json
import os
import shutil
import signal
import subprocess
import sys
import textwrap
from concurrent.futures import ThreadPoolExecutor

import pytest

from rushes.errors import QuarantineError, StageError
from rushes.stages import (
    StageSpec,
    account,
    atomic_file,
    canonical_json,
    lock_owner,
    quarantine,
    read_done,
    read_json,
    read_quarantine,
    read_receipt,
    sha256_file,
    signature_of_folder,
    spec_of_folder,
    status,
    working,
    write_atomic,
    write_json,
    write_new,
    write_receipt,
)
from rushes.stages.spec import differences

SPEC = StageSpec(
    "prepare",
    version=2,
    recipe={"clip_s": 5.0, "sampler": {"name": "entropy", "frames": 8}, "splits": ("U0101", "U0102")},
    inputs={"twin": "0123456789ab"},
)


@pytest.fixture
def folder(tmp_path):
    """A folder named as a stage's, for receipts."""
    path = tmp_path / "prepare-0123456789ab"
    path.mkdir()
    return path


# --- files -----------------------------------------------------------------------------------------------


def test_write_atomic_replaces_whole_files_and_makes_folders(tmp_path):
    path = tmp_path / "new" / "file.txt"
    write_atomic(path, "früh")
    assert path.read_bytes() == "früh".encode()
    write_atomic(path, b"\x00\x01")
    assert path.read_bytes() == b"\x00\x01"
    assert os.listdir(path.parent) == ["file.txt"]


def test_an_error_while_writing_leaves_the_old_file(tmp_path):
    path = tmp_path / "file"
    write_atomic(path, "old")
    with pytest.raises(TypeError), atomic_file(path) as file:
        file.writelines([b"half of the new", "text into a binary file"])
    assert path.read_text() == "old"
    assert os.listdir(tmp_path) == ["file"]


def test_a_killed_writer_leaves_nothing_under_the_final_name(tmp_path):
    script = """
        import os, signal, sys
        from pathlib import Path
        from rushes.stages import atomic_file
        with atomic_file(Path(sys.argv[1])) as file:
            file.write(b"half")
            file.flush()
            os.kill(os.getpid(), signal.SIGKILL)
    """
    done = run_script(tmp_path, script, tmp_path / "out" / "file")
    assert done.returncode == -signal.SIGKILL
    (left,) = os.listdir(tmp_path / "out")
    assert left.startswith(".file.")
    assert left.endswith(".tmp")


def test_json_round_trip_is_sorted_readable_text(tmp_path):
    obj = {"b": [1, 2.5, None, True], "a": {"label": "梱包"}}
    write_json(tmp_path / "x.json", obj)
    text = (tmp_path / "x.json").read_text()
    assert read_json(tmp_path / "x.json") == obj
    assert text.index('"a"') < text.index('"b"')
    assert "梱包" in text
    assert text.endswith("}\n")


@pytest.mark.parametrize("bad", [float("nan"), float("inf"), {1, 2}, object()])
def test_what_json_has_no_form_for_is_an_error_and_no_file(tmp_path, bad):
    with pytest.raises(StageError, match="cannot be written as JSON"):
        write_json(tmp_path / "x.json", {"value": bad})
    with pytest.raises(StageError, match="cannot be written as JSON"):
        canonical_json([bad])
    assert os.listdir(tmp_path) == []


def test_a_torn_or_missing_json_file_is_a_typed_error(tmp_path):
    write_json(tmp_path / "x.json", {"key": ["a", "b"]})
    whole = (tmp_path / "x.json").read_bytes()
    for size in range(len(whole) - 1):  # less the final newline, whose loss loses nothing
        (tmp_path / "torn.json").write_bytes(whole[:size])
        with pytest.raises(StageError, match="not a whole JSON file") as error:
            read_json(tmp_path / "torn.json")
        assert error.value.where == str(tmp_path / "torn.json")
    with pytest.raises(StageError, match="missing"):
        read_json(tmp_path / "none.json")


def test_canonical_json_does_not_know_the_order_of_keys_nor_tuples():
    assert canonical_json({"b": (1,), "a": {10: "x", 9: "y"}}) == '{"a":{"10":"x","9":"y"},"b":[1]}'
    assert canonical_json({"a": {9: "y", 10: "x"}, "b": [1]}) == canonical_json(
        {"b": (1,), "a": {10: "x", 9: "y"}}
    )


def test_sha256_of_a_file(tmp_path):
    (tmp_path / "abc").write_bytes(b"abc")
    expected = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"  # FIPS 180-4, example 1
    assert sha256_file(tmp_path / "abc") == expected


# --- signature -------------------------------------------------------------------------------------------


def test_the_signature_is_known_and_does_not_depend_on_order():
    known = StageSpec("prepare", 1, {"clip_s": 5.0, "a": 1}, {"x": "1", "y": "2"}, "f").signature
    assert known == StageSpec("prepare", 1, {"a": 1, "clip_s": 5.0}, {"y": "2", "x": "1"}, "f").signature
    assert known == "90128dd4dc90"  # a changed rule would silently rename every folder that stands


def test_the_signature_changes_with_every_part():
    base = {
        "name": "prepare",
        "version": 1,
        "recipe": {"a": 1},
        "inputs": {"x": "1"},
        "fingerprint": "f",
    }
    changes = [
        {"name": "train"},
        {"version": 2},
        {"recipe": {"a": 2}},
        {"recipe": {"a": 1, "b": None}},
        {"inputs": {"x": "2"}},
        {"inputs": {"z": "1"}},
        {"fingerprint": None},
    ]
    signatures = {StageSpec(**(base | change)).signature for change in [{}, *changes]}
    assert len(signatures) == 1 + len(changes)


def test_the_signature_is_the_same_in_another_process(tmp_path):
    script = """
        from rushes.stages import StageSpec
        recipe = {"splits": ["U0101", "U0102"], "sampler": {"frames": 8, "name": "entropy"}, "clip_s": 5.0}
        print(StageSpec("prepare", 2, recipe, {"twin": "0123456789ab"}).signature)
    """
    assert run_script(tmp_path, script).stdout.strip() == SPEC.signature


def test_plan_and_finished_folder_give_the_same_signature(tmp_path):
    with working(SPEC, tmp_path) as stage:
        stage.finish({}, {})
    folder = SPEC.folder(tmp_path)
    assert folder.name == f"prepare-{SPEC.signature}"
    assert signature_of_folder(folder) == SPEC.signature
    assert spec_of_folder(folder).parts() == SPEC.parts()


def test_a_folder_changed_by_hand_is_found_out(tmp_path):
    with working(SPEC, tmp_path) as stage:
        path = stage.folder / "recipe.json"
    recorded = read_json(path)
    recorded["recipe"]["clip_s"] = 6.0
    write_json(path, recorded)
    with pytest.raises(StageError, match=f"named for signature {SPEC.signature}"):
        signature_of_folder(path.parent)
    with pytest.raises(StageError, match="named for signature"), working(SPEC, tmp_path):
        pass
    del recorded["inputs"]
    write_json(path, recorded)
    with pytest.raises(StageError, match="lacks 'inputs'"):
        signature_of_folder(path.parent)


@pytest.mark.parametrize("name", ["", "Prepare", "../x", "a-b"])
def test_a_stage_has_a_plain_name(name):
    with pytest.raises(StageError, match="not a stage's name"):
        StageSpec(name, 1, {})


# --- opening, DONE, status -------------------------------------------------------------------------------


def test_a_stage_goes_from_absent_over_partial_to_done(tmp_path):
    assert status(SPEC, tmp_path).state == "absent"
    with working(SPEC, tmp_path) as stage:
        recipe = read_json(stage.folder / "recipe.json")
        assert recipe["recipe"] == {**SPEC.recipe, "splits": ["U0101", "U0102"]}
        assert recipe["provenance"].keys() == {"rushes", "python", "platform", "commit"}
        assert not (stage.folder / "DONE").exists()
    assert status(SPEC, tmp_path).state == "partial"  # left without finish()
    with pytest.raises(ZeroDivisionError), working(SPEC, tmp_path):
        raise ZeroDivisionError
    assert status(SPEC, tmp_path).state == "partial"
    with working(SPEC, tmp_path) as stage:
        stage.finish({"best": 0.5}, {"planned": 1})
    now = status(SPEC, tmp_path)
    assert (now.state, now.folder) == ("done", stage.folder)
    done = read_done(stage.folder)
    assert (done["summary"], done["counts"], done["signature"]) == (
        {"best": 0.5},
        {"planned": 1},
        SPEC.signature,
    )
    assert done["seconds"] >= 0.0


def test_a_done_stage_is_opened_again_only_when_asked(tmp_path):
    with working(SPEC, tmp_path) as stage:
        stage.finish({}, {})
    with pytest.raises(StageError, match="is done"), working(SPEC, tmp_path):
        pass
    assert status(SPEC, tmp_path).state == "done"
    with working(SPEC, tmp_path, reopen=True):
        pass
    assert status(SPEC, tmp_path).state == "partial"


@pytest.mark.parametrize("content", ["", '{"signature": "', "[]", "{}", '{"signature": "0123456789ab"}'])
def test_a_torn_or_foreign_done_is_not_done(tmp_path, content):
    with working(SPEC, tmp_path) as stage:
        stage.finish({}, {})
    (stage.folder / "DONE").write_text(content)
    assert status(SPEC, tmp_path).state == "partial"
    with working(SPEC, tmp_path) as stage:
        assert not (stage.folder / "DONE").exists()


def test_a_done_that_the_machine_refuses_to_read_is_not_taken_for_a_missing_one(tmp_path, no_file_opens):
    with working(SPEC, tmp_path) as stage:
        stage.finish({}, {})
    with pytest.raises(OSError, match="Too many open files"), no_file_opens():
        read_done(stage.folder)
    assert status(SPEC, tmp_path).state == "done"


def test_a_whole_done_of_another_signature_is_not_done(tmp_path):
    with working(SPEC, tmp_path) as stage:
        stage.finish({}, {})
    copied = tmp_path / "prepare-0123456789ab"
    shutil.copytree(stage.folder, copied)
    assert read_done(stage.folder) is not None
    assert read_done(copied) is None


def test_half_written_files_of_a_killed_process_are_swept_and_nothing_else(tmp_path):
    with working(SPEC, tmp_path) as stage:
        write_atomic(stage.folder / "shards" / "a.tar", b"whole")
        (stage.folder / "shards" / ".b.tar.0123456789ab.tmp").write_bytes(b"half")
    with working(SPEC, tmp_path) as stage:
        assert os.listdir(stage.folder / "shards") == ["a.tar"]
        (stage.folder / ".c.0123456789ab.tmp").write_bytes(b"of a worker that was killed just now")
        stage.finish({}, {})
    assert sorted(os.listdir(stage.folder)) == ["DONE", "lock", "recipe.json", "shards"]


def test_another_signature_is_another_folder_and_the_differences_are_told(tmp_path):
    far = StageSpec("prepare", 1, {"clip_s": 4.0}, {"twin": "ba9876543210"}, "f")
    for spec in (SPEC, far):
        with working(spec, tmp_path) as stage:
            stage.finish({}, {})
    changed = {
        "clip_s": 6.0,
        "sampler": {"name": "entropy", "frames": 8, "gap": 2},
        "splits": ["U0101", "U0102"],
    }
    new = StageSpec("prepare", 3, changed, SPEC.inputs)
    lines = ["recipe.clip_s: 5.0 -> 6.0", "recipe.sampler.gap: (none) -> 2", "version: 2 -> 3"]
    assert differences(new, SPEC.folder(tmp_path)) == lines
    assert differences(SPEC, SPEC.folder(tmp_path)) == []
    now = status(new, tmp_path)
    assert now.state == "absent"
    assert now.reason == f"differs from {SPEC.folder(tmp_path).name} in " + "; ".join(lines)  # the nearer one
    assert status(SPEC, tmp_path).state == "done"


def test_a_stage_of_another_task_is_nothing_to_compare_with(tmp_path):
    with working(StageSpec("prepare", 1, {"task": "lamps", "clip_s": 5.0}, {}), tmp_path) as stage:
        stage.finish({}, {})
    assert status(StageSpec("prepare", 1, {"task": "bulbs"}, {}), tmp_path).reason == "no such stage yet"
    assert "clip_s" in status(StageSpec("prepare", 1, {"task": "lamps"}, {}), tmp_path).reason
    assert json.loads((stage.folder / "recipe.json").read_text())["command"]


def test_folders_that_cannot_be_read_do_not_hide_the_status(tmp_path):
    (tmp_path / "prepare-0123456789ab").mkdir()
    (tmp_path / "prepare-0123456789ab" / "recipe.json").write_text("{")
    (tmp_path / "prepare-old").mkdir()
    (tmp_path / "prepare-old" / "recipe.json").write_text("{}")
    assert status(SPEC, tmp_path).reason == "no such stage yet"


# --- lock ------------------------------------------------------------------------------------------------

HOLD = """
    import sys, time
    from pathlib import Path
    from rushes.stages import StageSpec, working
    with working(StageSpec("prepare", 1, {}), Path(sys.argv[1])):
        print("locked", flush=True)
        time.sleep(1000)
"""


def test_a_stage_has_one_worker_and_a_dead_ones_lock_is_free(tmp_path):
    spec = StageSpec("prepare", 1, {})
    (tmp_path / "hold.py").write_text(textwrap.dedent(HOLD))
    command = [sys.executable, tmp_path / "hold.py", tmp_path / "workspace"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as other:
        try:
            assert other.stdout.readline() == "locked\n"
            with pytest.raises(StageError, match=f"process {other.pid} on .* works on this stage") as error:
                working(spec, tmp_path / "workspace").__enter__()
            assert error.value.where == str(spec.folder(tmp_path / "workspace"))
            now = status(spec, tmp_path / "workspace")
            assert now.state == "partial"
            assert f"process {other.pid}" in now.reason
        finally:
            other.kill()
    assert lock_owner(spec.folder(tmp_path / "workspace")) is None
    with working(spec, tmp_path / "workspace") as stage:
        assert f"process {os.getpid()} " in lock_owner(stage.folder)
        stage.finish({}, {})
    assert lock_owner(stage.folder) is None


# --- units -----------------------------------------------------------------------------------------------


def test_receipts_come_back_and_anything_else_is_none(folder):
    receipt = {"samples": 3, "sha256": {"a.tar": "00ff"}}
    assert read_receipt(folder, "u1") is None
    write_receipt(folder, "u1", receipt)
    assert read_receipt(folder, "u1") == receipt
    path = folder / "units" / "u1.json"
    whole = path.read_bytes()
    for size in range(len(whole) - 1):
        path.write_bytes(whole[:size])
        assert read_receipt(folder, "u1") is None
    for other in ({"unit": "u2"}, {"signature": "ba9876543210"}, {"receipt": None}):
        path.write_text(json.dumps(json.loads(whole) | other))
        assert read_receipt(folder, "u1") is None
    path.write_bytes(whole)
    assert read_receipt(folder, "u1") == receipt


def test_a_receipt_of_another_signature_does_not_count(folder):
    write_receipt(folder, "u1", {})
    moved = folder.rename(folder.with_name("prepare-ba9876543210"))
    assert read_receipt(moved, "u1") is None
    assert account(moved, ["u1"]).pending == ("u1",)


@pytest.mark.parametrize("unit", ["", "../u", "a/b", ".hidden", "u.1"])
def test_a_unit_is_a_plain_key(folder, unit):
    with pytest.raises(StageError, match="not a unit's key"):
        write_receipt(folder, unit, {})
    with pytest.raises(StageError, match="not a unit's key"):
        quarantine(folder, unit, {})


def test_receipts_need_a_stage_folder(tmp_path):
    with pytest.raises(StageError, match="not a stage's folder"):
        write_receipt(tmp_path, "u", {})


def test_a_unit_stands_in_quarantine_once_or_is_done(folder):
    for reason in ("first", "second"):
        quarantine(folder, "u1", {"message": reason})
    assert [(entry["unit"], entry["reason"]) for entry in read_quarantine(folder)] == [
        ("u1", {"message": "second"})
    ]
    write_receipt(folder, "u1", {"samples": 1})
    assert os.listdir(folder / "quarantine") == []
    assert account(folder, ["u1"]).counts == {"planned": 1, "done": 1, "quarantined": 0, "skipped": 0}
    quarantine(folder, "u1", {"message": "third"})
    assert read_receipt(folder, "u1") is None
    assert account(folder, ["u1"]).counts == {"planned": 1, "done": 0, "quarantined": 1, "skipped": 0}


def test_a_crash_between_receipt_and_release_counts_the_unit_once(folder):
    quarantine(folder, "u1", {"message": "bad"})
    entry = (folder / "quarantine" / "u1.json").read_bytes()
    write_receipt(folder, "u1", {})
    (folder / "quarantine" / "u1.json").write_bytes(entry)  # as if killed before it was taken away
    assert account(folder, ["u1"]).close(0.0).counts["done"] == 1
    assert read_quarantine(folder) == []


def test_finish_merges_the_quarantine_into_one_list(tmp_path):
    with working(SPEC, tmp_path) as stage:
        for unit in ("u2", "u1"):
            quarantine(stage.folder, unit, {"message": f"bad\n{unit}"})
        stage.finish({}, {})
    lines = (stage.folder / "quarantine.jsonl").read_text().splitlines()
    assert [json.loads(line)["unit"] for line in lines] == ["u1", "u2"]
    assert json.loads(lines[0]) == {
        "unit": "u1",
        "signature": SPEC.signature,
        "reason": {"message": "bad\nu1"},
    }


def test_the_account_is_closed_when_every_unit_is_settled(folder):
    planned = ["u4", "u1", "u3", "u2", "u5"]
    write_receipt(folder, "u1", {})
    quarantine(folder, "u2", {})
    open_account = account(folder, planned, skipped=["u5"])
    assert open_account.pending == ("u4", "u3")
    with pytest.raises(StageError, match=r"2 of 5 units are neither .*: u4, u3"):
        open_account.close(1.0)
    write_receipt(folder, "u3", {})
    write_receipt(folder, "u4", {})
    closed = account(folder, planned, skipped=["u5"]).close(0.25)
    assert closed.counts == {"planned": 5, "done": 3, "quarantined": 1, "skipped": 1}
    with pytest.raises(QuarantineError, match=r"1 of 4 units are in quarantine, at most 24\.9% may be"):
        closed.close(0.249)
    with pytest.raises(StageError, match="nobody planned: u4"):
        account(folder, ["u1", "u2", "u3"]).close(1.0)


@pytest.mark.parametrize(("planned", "skipped"), [(["a", "a"], []), (["a"], ["b"])])
def test_a_plan_that_does_not_add_up_is_refused(folder, planned, skipped):
    with pytest.raises(StageError, match="planned twice, or skipped without"):
        account(folder, planned, skipped)


def run_script(folder, script: str, *arguments) -> subprocess.CompletedProcess:
    path = folder / "script.py"
    path.write_text(textwrap.dedent(script))
    return subprocess.run([sys.executable, path, *arguments], capture_output=True, text=True)


def test_differences_are_few_short_and_of_the_same_recipe(tmp_path):
    many = {f"key{number}": "x" * 500 for number in range(9)}
    for owner in ("mine", "others"):
        spec = StageSpec("prepare", 1, many | {"owner": owner}, {"twin": "ba9876543210"}, "f" * 64, owner)
        with working(spec, tmp_path):
            pass
    asked = StageSpec("prepare", 1, many | {"owner": "changed"}, {"twin": "000000000000"}, "0" * 64, "mine")
    reason = status(asked, tmp_path).reason
    mine = StageSpec("prepare", 1, many | {"owner": "mine"}, {"twin": "ba9876543210"}, "f" * 64)
    assert (
        reason == f'differs from prepare-{mine.signature} in recipe.owner: "mine" -> "changed"; '
        "the content of recordings or base"
    )
    longer = StageSpec("prepare", 1, {name: "y" * 500 for name in many}, {}, None, "mine")
    told = status(longer, tmp_path).reason
    assert len(told) < 500
    assert told.endswith("; 8 more")
    stranger = StageSpec("prepare", 1, many, {}, None, "nobody's")
    assert status(stranger, tmp_path).reason == "no such stage yet"
    other_twin = StageSpec("prepare", 1, many | {"owner": "mine"}, {"twin": "0" * 12}, "f" * 64, "mine")
    assert status(other_twin, tmp_path).reason.endswith("in what it reads of twin")


def test_a_new_file_is_new_where_there_are_no_hard_links(tmp_path, monkeypatch):
    def refuse(source, target):
        raise OSError(errno.EPERM, "no hard links here")

    monkeypatch.setattr(os, "link", refuse)
    path = tmp_path / "looks" / "000001.json"
    with ThreadPoolExecutor(8) as pool:
        told = list(pool.map(lambda number: write_new(path, b"%d" % number), range(16)))
    assert told.count(True) == 1
    assert path.read_bytes() == b"%d" % told.index(True)
    assert {found.name for found in path.parent.iterdir()} == {path.name, ".new"}
