"""Sounds in folders: classes and groups out of paths and tables, sides out of what is asked."""

import os
import re
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from sound_files import encoded, sine, wav

from rushes.errors import MediaError, SourceError
from rushes.media.audio import decode
from rushes.recipe.shares import Shares
from rushes.stages import Inventory, take_inventory
from rushes.tasks.sounds.sources.audit import SoundAudit, audit_of
from rushes.tasks.sounds.sources.blocks import BLOCK, MAX_BYTES, key_of
from rushes.tasks.sounds.sources.folder import SoundFolder
from rushes.tasks.sounds.sources.sides import deal, require_apart
from rushes.testing import source_checks

SOUND = wav(sine(16_000, 0.1), 16_000)
SHARES = Shares(train=0.5, val=0.25, test=0.25)
LABELS = ("snore", "breathe")


def put(root: Path, *names: str, data: bytes | None = None) -> Path:
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(name.encode() if data is None else data)
    return root


def scan(root: Path, **options):
    return SoundFolder(LABELS, **options).scan(root)


def audit(root: Path, **options) -> SoundAudit:
    return audit_of(scan(root, **options), LABELS)


def inventory(root: Path, **options) -> Inventory:
    source = SoundFolder(LABELS, **options)
    return take_inventory(root, source.claims(source.scan(root)))


def lines(found: Inventory) -> list[tuple[str, str, int]]:
    return [(line.fate, line.reason, line.files) for line in found.lines]


def fingerprint(root: Path) -> str:
    return SoundFolder(LABELS).fingerprint(scan(root))


def recordings(found):
    return [recording for block in found.blocks for recording, _ in block]


def test_the_class_is_the_folder_and_the_side_the_first_one(tmp_path):
    root = put(
        tmp_path, "train/snore/a.wav", "Validation/breathe/b.FLAC", "test/x/snore/c.ogg", "train/me.txt"
    )
    found = {item.path.name: (item.split, item.label, item.group) for item in recordings(scan(root))}
    assert found == {
        "a.wav": ("train", "snore", ""),
        "b.FLAC": ("val", "breathe", ""),
        "c.ogg": ("test", "snore", ""),
    }


def test_a_block_gives_the_bytes_of_each_file(tmp_path):
    root = put(tmp_path, "train/snore/a.wav", "train/snore/b.wav")
    (block,) = scan(root).blocks
    assert [(item.path.name, data) for item, data in block] == [
        ("a.wav", b"train/snore/a.wav"),
        ("b.wav", b"train/snore/b.wav"),
    ]
    assert block.length_s > 0


def test_blocks_are_bounded_and_of_one_side(tmp_path):
    names = [f"{side}/snore/{number:04d}.wav" for side in ("train", "test") for number in range(BLOCK + 1)]
    blocks = scan(put(tmp_path, *names)).blocks
    assert [(block.key, block.split, len(block.recordings)) for block in blocks] == [
        ("train-00000", "train", BLOCK),
        ("train-00001", "train", 1),
        ("test-00000", "test", BLOCK),
        ("test-00001", "test", 1),
    ]
    keys = [item.key for item in recordings(scan(tmp_path))]
    assert len(set(keys)) == len(keys)


def test_a_pattern_tells_class_and_group_of_a_whole_path(tmp_path):
    root = put(
        tmp_path, "ann/snore/1.wav", "ann/breathe/2.wav", "bob/snore/3.wav", "cy/snore/4.wav", "cy/5.wav"
    )
    found = scan(
        root,
        pattern=r"(?P<group>[^/]+)/(?P<label>[^/]+)/.*",
        split="shares",
        shares=SHARES.model_copy(update={"seed": 25}),
    )
    sides = {item.group: item.split for item in recordings(found)}
    assert sorted(sides) == ["ann", "bob", "cy"]
    assert sorted(sides.values()) == ["test", "train", "val"]
    assert found.skipped == {key_of("cy/5.wav"): "no class can be told by its path"}


def test_classes_that_nobody_asked_for_are_counted(tmp_path):
    root = put(tmp_path, "train/snore/1.wav", "train/cough/2.wav", "train/cough/3.wav")
    skipped = {key_of(f"train/cough/{number}.wav"): "class cough is not asked for" for number in (2, 3)}
    assert scan(root).skipped == skipped
    assert lines(inventory(root)) == [("used", "sounds", 1), ("skipped", "class cough is not asked for", 2)]


def test_a_group_on_two_sides_is_refused(tmp_path):
    root = put(tmp_path, "train/snore/ann_1.wav", "test/snore/ann_2.wav")
    with pytest.raises(SourceError, match="group ann stands on two sides"):
        scan(root, pattern=r"[^/]+/(?P<label>[^/]+)/(?P<group>[a-z]+)_.*")


def test_an_unknown_side_is_refused_with_its_file(tmp_path):
    root = put(tmp_path, "train/snore/1.wav", "more/snore/2.wav")
    with pytest.raises(SourceError) as caught:
        scan(root)
    assert caught.value.where == str(root / "more/snore/2.wav")
    assert "shares" in caught.value.cure


def test_no_class_found_lists_those_that_are_there(tmp_path):
    root = put(tmp_path, "train/cough/1.wav", "train/talk/2.wav")
    with pytest.raises(SourceError, match="found are cough, talk"):
        scan(root)


def test_no_sound_at_all_lists_what_is_there(tmp_path):
    root = put(tmp_path, "train/snore/1.amr", "train/snore/2.amr", "train/notes.txt")
    with pytest.raises(
        SourceError, match=r"no sound that is read: 3 files: 3 unread \(\.amr; \.txt\)"
    ) as caught:
        scan(root)
    assert "ffmpeg" in caught.value.cure


def test_listed_groups_take_their_sides_and_others_none(tmp_path):
    root = put(tmp_path, "ann/snore/1.wav", "bob/snore/2.wav", "cy/snore/3.wav")
    pattern = r"(?P<group>[^/]+)/(?P<label>[^/]+)/.*"
    split = {"train": ("ann",), "val": ("bob",)}
    found = scan(root, pattern=pattern, split=split)
    assert {item.group: item.split for item in recordings(found)} == {"ann": "train", "bob": "val"}
    assert found.skipped == {key_of("cy/snore/3.wav"): "its group is on no side of the split"}
    with pytest.raises(SourceError, match="names dora"):
        scan(root, pattern=pattern, split={**split, "test": ("dora",)})
    with pytest.raises(SourceError, match="two sides"):
        scan(root, pattern=pattern, split={**split, "test": ("ann",)})


def test_a_table_tells_everything(tmp_path):
    root = put(tmp_path, "1.wav", "2.wav", "3.wav")
    (root / "t.csv").write_text(
        "file,label,group,split\n1.wav,snore,ann,train\n2.wav,breathe,bob,validation\nno.wav,snore,cy,test\n"
    )
    found = scan(root, table="t.csv")
    assert [(item.path.name, item.split, item.group) for item in recordings(found)] == [
        ("1.wav", "train", "ann"),
        ("2.wav", "val", "bob"),
    ]
    (fault,) = found.faults
    assert "no.wav" in fault.message
    assert fault.where.endswith("t.csv:4")
    assert found.skipped == {key_of("3.wav"): "not in the table"}
    assert inventory(root, table="./t.csv") == inventory(root, table="t.csv")
    assert lines(inventory(root, table="t.csv")) == [
        ("used", "sounds", 2),
        ("read", "table", 1),
        ("skipped", "not in the table", 1),
    ]


@pytest.mark.parametrize(
    ("text", "message", "line"),
    [
        ("name,label\n1.wav,snore\n", "no column file", ":1"),
        ("file,label\n1.wav,\n", "needs file and label", ":2"),
        ("file,label,split\n1.wav,snore,later\n", "no side 'later'", ":2"),
        ("file,label\n1.wav,snore\n1.wav,snore\n", "twice", ":3"),
        ("file,label\n\xff\n", "not a table", ""),
    ],
)
def test_a_table_that_does_not_hold_is_refused_by_line(tmp_path, text, message, line):
    (put(tmp_path, "1.wav") / "t.csv").write_bytes(text.encode("latin-1"))
    with pytest.raises(SourceError, match=message) as caught:
        scan(tmp_path, table="t.csv")
    assert caught.value.where.endswith(f"t.csv{line}")
    assert caught.value.cure


def test_a_table_outside_of_the_folder_is_not_read(tmp_path):
    (tmp_path / "t.csv").write_text("file,label\n1.wav,snore\n")
    with pytest.raises(SourceError, match="no such table below"):
        scan(put(tmp_path / "in", "1.wav"), table="../t.csv")


def test_links_that_leave_the_folder_giants_pipes_and_empty_files_become_faults(tmp_path):
    root = put(tmp_path / "root", "train/snore/1.wav")
    put(tmp_path, "secret.wav")
    (root / "train/snore/2.wav").symlink_to(tmp_path / "secret.wav")
    (root / "train/snore/3.wav").symlink_to(root / "train/snore/1.wav")
    with (root / "train/snore/4.wav").open("wb") as file:
        os.truncate(file.fileno(), MAX_BYTES + 1)
    os.mkfifo(root / "train/snore/5.wav")
    (root / "train/snore/6.wav").touch()
    found = scan(root)
    assert [item.path.name for item in recordings(found)] == ["1.wav", "3.wav"]
    assert [(fault.kind, fault.where[-5:]) for fault in found.faults] == [
        ("SourceError", "2.wav"),
        ("MediaError", "4.wav"),
        ("SourceError", "5.wav"),
        ("MediaError", "6.wav"),
    ]


def test_a_file_that_goes_away_costs_itself(tmp_path):
    names = [f"train/snore/{number}.wav" for number in range(3)]
    (block,) = scan(put(tmp_path, *names)).blocks
    (tmp_path / names[1]).unlink()
    first, gone, last = (data for _, data in block)
    assert (first, last) == (names[0].encode(), names[2].encode())
    assert isinstance(gone, MediaError)
    assert "cannot be read" in gone.message


def test_the_fingerprint_is_of_content_and_not_of_place(tmp_path):
    first, second = (put(tmp_path / name, "train/snore/1.wav", "train/snore/2.wav") for name in "ab")
    assert fingerprint(first) == fingerprint(second)
    put(second, "train/snore/2.wav", data=b"other bytes......")
    assert fingerprint(first) != fingerprint(second)
    put(second, "train/snore/2.wav", data=b"train/snore/2.wav")
    (second / "train/snore/2.wav").rename(second / "train/snore/3.wav")
    assert fingerprint(first) != fingerprint(second)


def test_copies_on_two_sides_are_named(tmp_path):
    root = put(tmp_path, "train/snore/1.wav", "test/snore/2.wav", "test/snore/3.wav", data=b"same")
    put(root, "test/snore/4.wav", data=b"diff")
    found = audit(root)
    assert found.copies.count == 2
    assert {Path(name).name for name, _ in found.copies.named} == {"2.wav", "3.wav"}
    assert found.sounds == {"train": {"snore": 1}, "val": {}, "test": {"snore": 3}}
    assert "2 sounds have the same bytes" in found.text()
    assert found.summary().startswith(
        "4 sounds of 0 groups, 0 MB; 2 sounds have the same bytes as one on another side; no sound of breathe on"
    )
    assert found.to_json()["copies"]["count"] == 2


# --- every file below the root ----------------------------------------------------------------------------------


def test_what_sounds_is_read_whatever_its_name_ends_with(tmp_path):
    sounds = {
        name: encoded(np.stack([sine(48_000, 0.2)] * 2), 48_000, *written)
        for name, written in {
            "a.wav": ("wav", "pcm_s16le"),
            "b.WAVE": ("wav", "pcm_s16le"),
            "c.opus": ("ogg", "libopus"),
            "d.m4a": ("ipod", "aac"),
            "e.aac": ("adts", "aac"),
            "f.aif": ("aiff", "pcm_s16be"),
            "g.AIFF": ("aiff", "pcm_s16be"),
            "h.au": ("au", "pcm_s16be"),
            "i.caf": ("caf", "pcm_s16be"),
            "j.w64": ("w64", "pcm_s16le"),
            "k.wma": ("asf", "wmav2"),
            "l": ("mp3", "libmp3lame"),
            "m.bin": ("flac", "flac"),
            "n.webm": ("webm", "libopus"),
        }.items()
    }
    for name, data in sounds.items():
        put(tmp_path, f"train/snore/{name}", data=data)
    others = {
        "train/snore/notes.txt": b"read me",
        "train/snore/cover.jpg": b"\xff\xd8\xff\xe0",
        "train/snore/.hidden.wav": sounds["a.wav"],
        "train/.cache/x.wav": sounds["a.wav"],
        "train/snore/empty.wav": b"",
        "README": b"",
    }
    for name, data in others.items():
        put(tmp_path, name, data=data)
    found = {recording.path.name: data for block in scan(tmp_path).blocks for recording, data in block}
    assert found.keys() == sounds.keys()
    for name in sounds:
        assert decode(found[name], sample_rate=16_000, longest_s=1.0).length_s == pytest.approx(0.2, abs=0.05)
    assert lines(inventory(tmp_path)) == [
        ("used", "sounds", 14),
        ("faulty", "a file of 0 bytes", 1),
        ("unread", "hidden", 2),
        ("unread", ".jpg", 1),
        ("unread", ".txt", 1),
        ("unread", "no suffix", 1),
    ]


def test_a_folder_of_one_kind_that_was_not_known_is_no_empty_one(tmp_path):
    root = put(tmp_path, "train/snore/a.m4a", data=encoded(sine(48_000, 0.2), 48_000, "ipod", "aac"))
    assert [item.path.name for item in recordings(scan(root))] == ["a.m4a"]


def test_a_table_may_name_any_file(tmp_path):
    root = put(tmp_path, "1.dat", "2.dat")
    (root / "t.csv").write_text("file,label,split\n1.dat,snore,train\n../t.csv,snore,train\n")
    found = scan(root, table="t.csv")
    assert [item.path.name for item in recordings(found)] == ["1.dat"]
    assert ["is not there" in fault.message for fault in found.faults] == [True]


NAMES = ("a.wav", "B.WAV", "c.opus", "d.txt", "e", ".f.wav", "g.jpg", "h.mp3", "t.csv", "ü.flac", "link.wav")


def test_the_sum_of_the_account_is_the_number_of_files(tmp_path):
    rng = np.random.default_rng(0)
    data = [b"", b"text", b"\xff\xd8\xff", sine(16_000, 0.01).tobytes(), wav(sine(16_000, 0.1), 16_000)]
    for trial in range(60):
        root, count = tmp_path / str(trial), 0
        put(root, "train/snore/0.wav", data=data[-1])
        for folder in ("", "train/snore/", "val/cough/", "test/breathe/x/", "train/.git/", "odd/"):
            for name in rng.choice(NAMES, int(rng.integers(0, 6)), replace=False):
                place = root / folder / str(name)
                place.parent.mkdir(parents=True, exist_ok=True)
                if name == "link.wav":
                    place.symlink_to(tmp_path if rng.integers(2) else root / "train/snore/0.wav")
                else:
                    place.write_bytes(data[rng.integers(len(data))])
        count = sum(
            len(files) + sum(Path(at, one).is_symlink() for one in inner)
            for at, inner, files in os.walk(root)
        )
        split = (
            {"split": "shares", "shares": Shares(train=1.0, val=0.0, test=0.0)}
            if rng.integers(2)
            else {
                "pattern": "(train|test)/(?P<label>[a-z]+)/.*",
                "split": "shares",
                "shares": Shares(train=1.0, val=0.0, test=0.0),
            }
        )
        found = inventory(root, **split)
        assert found.files == count
        assert sum(line.files for line in found.lines) == count
        scanned = SoundFolder(LABELS, **split).scan(root)
        used = {item.key for item in recordings(scanned)} | {fault.key for fault in scanned.faults}
        claimed = {claim.recording for claim in scanned.claims.values() if claim.fate in ("used", "faulty")}
        assert used == claimed


@pytest.mark.parametrize("check", source_checks(), ids=lambda check: check.__name__)
def test_the_source_keeps_its_contract(check, tmp_path):
    root = put(
        tmp_path / "raw", *(f"{side}/{label}/1" for side in ("train", "val") for label in LABELS), data=SOUND
    )
    put(root, "train/snore/2.wav", data=SOUND + SOUND)
    check(SoundFolder(LABELS), root, tmp_path / "work")


# --- who is in them ---------------------------------------------------------------------------------------------


def test_nobody_said_who_is_in_sounds_of_class_folders(tmp_path):
    root = put(tmp_path, *(f"{side}/{label}/1.wav" for side in ("train", "val", "test") for label in LABELS))
    found = audit(root)
    assert found.groups == {}
    assert [note.split(":")[0] for note in found.notes] == ["nobody said who is in the 6 sounds"]
    assert found.notes[0] in found.summary()
    assert f"note: {found.notes[0]}" in found.text()
    assert found.to_json()["notes"] == list(found.notes)


def test_of_some_groups_are_known(tmp_path):
    (put(tmp_path, "1.wav", "2.wav", "3.wav") / "t.csv").write_text(
        "file,label,group,split\n1.wav,snore,ann,train\n2.wav,snore,,val\n3.wav,snore,,train\n"
    )
    found = audit(tmp_path, table="t.csv")
    assert found.groups == {"train": 1}
    assert any(note.startswith("nobody said who is in 2 of the 3 sounds") for note in found.notes)


@pytest.mark.parametrize("absent", [(), ("val",), ("val", "test")])
def test_a_class_that_a_side_lacks_is_said(tmp_path, absent):
    names = [
        f"{side}/{label}/{number}.wav"
        for side in ("train", "val", "test")
        for label in LABELS
        for number in range(2)
        if label != "snore" or side not in absent
    ]
    said = [note for note in audit(put(tmp_path, *names)).notes if note.startswith("no sound of")]
    assert [note.split(":")[0] for note in said] == (
        [f"no sound of snore on {' and '.join(absent)}"] if absent else []
    )


# --- dealing groups out ------------------------------------------------------------------------------------


def test_new_groups_move_no_old_one():
    groups = {f"g{number}": {"x"} for number in range(200)}
    before, after = (
        deal(groups, SHARES),
        deal(groups | {f"new{number}": {"y"} for number in range(20)}, SHARES),
    )
    assert all(after[group] == side for group, side in before.items())
    counts = Counter(before.values())
    assert all(abs(counts[side] / 200 - getattr(SHARES, side)) < 0.1 for side in ("train", "val", "test"))


def test_dealing_depends_on_names_and_the_seed_alone():
    groups = {f"g{number}": {"x"} for number in range(20)}
    assert deal(groups, SHARES) == deal(dict(reversed(groups.items())), SHARES)
    assert deal(groups, SHARES) != deal(groups, SHARES.model_copy(update={"seed": 1}))


def test_a_side_without_a_group_names_the_seed_that_mends_it():
    groups, shares = {"a": {"x"}, "b": {"x"}, "c": {"x"}}, Shares(train=0.9, val=0.05, test=0.05)
    with pytest.raises(SourceError, match="none of 3 groups falls on side val and test") as refused:
        deal(groups, shares)
    seed = int(re.search(r"source\.shares\.seed: (\d+)", refused.value.cure)[1])
    assert set(deal(groups, shares.model_copy(update={"seed": seed})).values()) == {"train", "val", "test"}


def test_fewer_groups_than_sides_is_refused_but_not_those_without_a_share():
    with pytest.raises(SourceError, match="3 sides and 2 groups"):
        deal({"a": {"x"}, "b": {"x"}}, SHARES)
    halves = Shares(train=0.5, val=0.5, test=0.0)
    assert set(deal({"a": {"x"}, "b": {"x"}}, halves).values()) == {"train", "val"}


def test_keys_are_keys_whatever_the_name():
    names = ["a/b.wav", "a-b.wav", "ä/ö.wav", "x" * 300 + ".wav", "---.wav", "a\udcff.wav"]
    keys = [key_of(name) for name in names]
    assert len(set(keys)) == len(names)
    assert all(len(key) <= 60 for key in keys)


def test_apart_returns_the_side_of_each_group():
    assert require_apart([("a", "train", "1"), ("a", "train", "2"), ("b", "val", "3")]) == {
        "a": "train",
        "b": "val",
    }


def test_a_missing_file_of_a_class_that_is_not_asked_for_is_no_fault(tmp_path):
    root = put(tmp_path, "a.wav", "b.wav")
    (root / "t.csv").write_text(
        "file,label,split\na.wav,snore,train\nb.wav,breathe,val\nc.wav,cough,train\nd.wav,snore,test\n"
    )
    faults = scan(root, table="t.csv").faults
    assert [fault.where for fault in faults] == [f"{root / 't.csv'}:5"]


def test_a_side_that_the_pattern_names_and_nobody_knows_is_refused(tmp_path):
    root = put(tmp_path, "train/holdout/snore/a.wav", "train/val/snore/b.wav")
    with pytest.raises(SourceError, match="which side"):
        scan(root, pattern="train/(?P<split>[a-z]+)/(?P<label>[a-z]+)/.*")


def test_a_name_that_is_no_utf8_is_a_fault(tmp_path):
    root = put(tmp_path, "train/snore/a.wav")
    try:
        (root / os.fsdecode(b"train/snore/P\xff.wav")).write_bytes(b"x")
    except OSError:
        pytest.skip("this file system has no such names")
    found = scan(root)
    assert [item.path.name for item in recordings(found)] == ["a.wav"]
    assert [fault.cure for fault in found.faults] == ["rename the file"]
