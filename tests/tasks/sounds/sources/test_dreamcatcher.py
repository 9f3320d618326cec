"""DreamCatcher's archives: streamed, and refused when they are not what they should be."""

import gzip
import io
import json
import pickle
import tarfile
from pathlib import Path

import pytest

from rushes.errors import MediaError, SourceError
from rushes.records import SoundRecording
from rushes.stages import take_inventory
from rushes.tasks.sounds.sources.audit import audit_of
from rushes.tasks.sounds.sources.blocks import MAX_BYTES
from rushes.tasks.sounds.sources.dreamcatcher import DreamCatcher

LABELS = ("quiet", "breathe", "snore")
SOURCE = DreamCatcher(LABELS)


def tar(*members: tuple[str, bytes] | tarfile.TarInfo) -> bytes:
    sink = io.BytesIO()
    with tarfile.open(fileobj=sink, mode="w") as archive:
        for member in members:
            if isinstance(member, tarfile.TarInfo):
                archive.addfile(member)
            else:
                info = tarfile.TarInfo(member[0])
                info.size = len(member[1])
                archive.addfile(info, io.BytesIO(member[1]))
    return sink.getvalue()


def link(name: str, target: str, kind: bytes = tarfile.SYMTYPE) -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, target
    return info


def dataset(root: Path, **archives: bytes) -> Path:
    (root / "data").mkdir(parents=True, exist_ok=True)
    for name, data in archives.items():
        (root / "data" / f"{name}.tar.gz").write_bytes(gzip.compress(data, mtime=0))
    return root


GOOD = tar(("train/snore/P01_1.wav", b"one"), ("train/imu.txt", b"?"), ("train/quiet/P02_2.wav", b"two"))


def the_block(root: Path, **options):
    (block,) = DreamCatcher(LABELS, **options).scan(root).blocks
    return block


def sounds(block):
    return [(item, data) for item, data in block if isinstance(item, SoundRecording)]


def audit(root: Path):
    return audit_of(SOURCE.scan(root), LABELS)


def test_archives_are_streamed_in_order(tmp_path):
    block = the_block(dataset(tmp_path, train=GOOD))
    assert (block.key, block.split) == ("train", "train")
    assert [(item.group, item.split, item.label, data) for item, data in sounds(block)] == [
        ("P01", "train", "snore", b"one"),
        ("P02", "train", "quiet", b"two"),
    ]
    assert list(pickle.loads(pickle.dumps(block))) == list(block)


def test_an_archive_under_the_name_of_another_side_is_refused(tmp_path):
    (fault,) = audit(dataset(tmp_path, test=GOOD)).faults
    assert fault["message"] == "an archive of side test with a member of train"
    assert fault["where"] == str(tmp_path / "data/test.tar.gz/train/snore/P01_1.wav")


def test_unpacked_folders_give_the_same_recordings(tmp_path):
    packed = [
        (item.key, item.group, item.label, data)
        for item, data in sounds(the_block(dataset(tmp_path / "a", train=GOOD)))
    ]
    with tarfile.open(fileobj=io.BytesIO(GOOD)) as archive:
        archive.extractall(tmp_path / "b" / "data", filter="data")
    unpacked = [(item.key, item.group, item.label, data) for item, data in sounds(the_block(tmp_path / "b"))]
    assert sorted(packed) == sorted(unpacked)


def test_both_forms_of_a_side_are_refused(tmp_path):
    root = dataset(tmp_path, train=GOOD)
    (root / "data/train").mkdir()
    with pytest.raises(SourceError, match="lies there twice"):
        SOURCE.scan(root)


def test_a_wearer_on_two_sides_is_refused(tmp_path):
    test = tar(("test/snore/P01_9.wav", b"nine"))
    with pytest.raises(SourceError, match="group P01 stands on two sides"):
        audit(dataset(tmp_path, train=GOOD, test=test))


def test_the_audit_counts_what_is_there(tmp_path):
    train = tar(
        ("train/snore/P01_1.wav", b"one"),
        ("train/cough/P01_2.wav", b"two"),
        ("train/x.wav", b"?"),
        ("train/snore/notes.txt", b""),
    )
    test = tar(("test/snore/P02_1.wav", b"one"), ("test/quiet/P02_2.wav", b"other"))
    found = audit(dataset(tmp_path, train=train, test=test))
    assert found.sounds == {"train": {"snore": 1}, "val": {}, "test": {"snore": 1, "quiet": 1}}
    assert found.groups == {"train": 1, "test": 1}
    assert [(line.fate, line.reason, line.files) for line in found.members.lines] == [
        ("used", "sounds", 3),
        ("skipped", "class cough is not asked for", 1),
        ("skipped", "no class can be told by its name", 1),
        ("unread", ".txt", 1),
    ]
    assert found.copies.count == 1
    assert (
        "1 skipped  class cough is not asked for  such as train.tar.gz/train/cough/P01_2.wav" in found.text()
    )
    told = found.to_json()
    assert told["bytes"] == 11
    assert json.dumps(told)
    assert told["members"]["files"] == sum(line["files"] for line in told["members"]["lines"]) == 6


def test_every_file_of_the_dataset_is_accounted_for(tmp_path):
    root = dataset(tmp_path, train=GOOD)
    with tarfile.open(
        fileobj=io.BytesIO(tar(("test/snore/P02_1.wav", b"1"), ("test/cough/P02_2.wav", b"2")))
    ) as archive:
        archive.extractall(root / "data", filter="data")
    (root / "data/test/notes.txt").write_text("?")
    (root / "data/test/x.wav").write_text("?")
    (root / "data/test/metadata.csv").write_text(
        "file_name,label\nsnore/P02_1.wav,snore\ncough/P02_2.wav,cough\n"
    )
    (root / "data/LICENSE").write_text("?")
    scan = SOURCE.scan(root)
    found = take_inventory(scan.root, SOURCE.claims(scan))
    assert [(line.fate, line.reason, line.files) for line in found.lines] == [
        ("used", "archives", 1),
        ("used", "sounds", 1),
        ("read", "tables", 1),
        ("skipped", "class cough is not asked for", 1),
        ("skipped", "no class can be told by its name", 1),
        ("unread", ".txt", 1),
        ("unread", "no suffix", 1),
    ]
    assert found.files == 7
    keys = {item.key for block in scan.blocks for item, _ in sounds(block)} | {
        block.key for block in scan.blocks
    }
    assert {claim.recording for claim in found.of if claim.fate == "used"} <= keys


def test_a_table_at_the_head_of_an_archive(tmp_path):
    table = b"file_name,label,group\na.wav,snore,ann\nb/c.wav,quiet,bob\n"
    train = tar(("t/metadata.csv", table), ("t/a.wav", b"A"), ("t/b/c.wav", b"C"), ("t/snore/d.wav", b"D"))
    found = [
        (item.label, item.group, data) for item, data in sounds(the_block(dataset(tmp_path, train=train)))
    ]
    assert found == [("snore", "ann", b"A"), ("quiet", "bob", b"C")]


@pytest.mark.parametrize("table", [b"file_name,label\na.wav,\n", b"file,class\na.wav,snore\n", b"\xff\xfe"])
def test_a_table_that_does_not_hold_is_refused(tmp_path, table):
    train = tar(("metadata.csv", table), ("a.wav", b"A"))
    with pytest.raises(SourceError, match=r"metadata\.csv") as caught:
        list(the_block(dataset(tmp_path, train=train)))
    assert caught.value.cure


def test_a_pattern_in_place_of_the_layout(tmp_path):
    train = tar(("x/7-snore-ann.wav", b"A"), ("x/other.wav", b"B"))
    block = the_block(dataset(tmp_path, train=train), pattern=r"x/\d+-(?P<label>\w+)-(?P<group>\w+)\.wav")
    assert [(item.label, item.group) for item, _ in sounds(block)] == [("snore", "ann")]


GIANT = tarfile.TarInfo("train/snore/P01_1.wav")
GIANT.size = MAX_BYTES + 1
LONG_NAME = tarfile.TarInfo("././@LongLink")
LONG_NAME.type, LONG_NAME.size = tarfile.GNUTYPE_LONGNAME, MAX_BYTES + 1

REFUSED = {
    "a symbolic link": tar(link("train/snore/P01_1.wav", "/etc/passwd")),
    "a hard link": tar(link("train/snore/P01_1.wav", "../../x", tarfile.LNKTYPE)),
    "a device": tar(link("train/snore/P01_1.wav", "", tarfile.CHRTYPE)),
    "an absolute name": tar(("/train/snore/P01_1.wav", b"x")),
    "a name that climbs": tar(("train/../../snore/P01_1.wav", b"x")),
    "a name with a line break": tar(("train/snore/P01\n_1.wav", b"x")),
    "a giant": GIANT.tobuf() + bytes(5000),
    "a giant header": LONG_NAME.tobuf() + bytes(5000),
    "a tar that is cut in a member": tar(("train/snore/P01_1.wav", bytes(5000)))[:3000],
    "a tar without its end": tar(("train/snore/P01_1.wav", bytes(512)))[:1024],
    "a damaged second header": GOOD[:1100] + b"\xff" + GOOD[1101:],
    "no tar at all": b"garbage" * 500,
    "a long tail": GOOD + bytes(2 << 20),
}


@pytest.mark.parametrize("name", REFUSED)
def test_archives_that_are_refused(tmp_path, name):
    block = the_block(dataset(tmp_path, train=REFUSED[name]))
    with pytest.raises(MediaError) as caught:
        list(block)
    assert "train.tar.gz" in caught.value.where
    assert caught.value.cure
    (fault,) = audit(tmp_path).faults
    assert fault["type"] == "MediaError"


@pytest.mark.parametrize("damage", ["cut", "bit", "empty"])
def test_a_gzip_that_is_damaged_is_refused(tmp_path, damage):
    path = dataset(tmp_path, train=GOOD) / "data/train.tar.gz"
    data = bytearray(path.read_bytes())
    data[-6] ^= 1  # of the checksum
    path.write_bytes({"cut": path.read_bytes()[:-20], "bit": bytes(data), "empty": b""}[damage])
    with pytest.raises(MediaError):
        list(the_block(tmp_path))


def test_a_plain_tar_is_read_too(tmp_path):
    (tmp_path / "train.tar").write_bytes(GOOD)
    assert [item.group for item, _ in sounds(the_block(tmp_path))] == ["P01", "P02"]


def test_the_fingerprint_sees_the_sounds_and_not_the_motion(tmp_path):
    root = dataset(tmp_path, train=GOOD)
    before = SOURCE.fingerprint(SOURCE.scan(root))
    (root / "imu").mkdir()
    (root / "imu/train.tar.gz").write_bytes(b"motion")
    assert SOURCE.fingerprint(SOURCE.scan(root)) == before
    dataset(root, train=GOOD.replace(b"one", b"eno"))
    assert SOURCE.fingerprint(SOURCE.scan(root)) != before


def test_another_layout_is_told_with_what_was_found(tmp_path):
    (tmp_path / "snore").mkdir()
    with pytest.raises(SourceError, match="found snore") as caught:
        SOURCE.scan(tmp_path)
    assert "folder" in caught.value.cure


def test_a_giant_header_is_refused_before_it_is_read(tmp_path):
    block = the_block(dataset(tmp_path, train=REFUSED["a giant header"]))
    with pytest.raises(MediaError, match="a header of 100,000,"):
        list(block)


def test_two_sounds_of_one_name_are_refused(tmp_path):
    twice = tar(("train/snore/P01_1.wav", b"one"), ("snore/P01_1.wav", b"two"), ("snore/P01_1.wav", b"3"))
    for data in (twice, tar(*[("train/snore/P01_1.wav", b"one")] * 2)):
        with pytest.raises(MediaError, match="two sounds have this name"):
            list(the_block(dataset(tmp_path, train=data)))


def test_headers_of_headers_and_names_of_no_encoding_are_refused(tmp_path):
    header = tarfile.TarInfo("././@LongLink")
    header.type, header.size = tarfile.GNUTYPE_LONGNAME, 5
    chain = (header.tobuf(tarfile.GNU_FORMAT) + b"abcd".ljust(512, b"\0")) * 3000
    with pytest.raises(MediaError, match="cannot be read as a tar"):
        list(the_block(dataset(tmp_path, train=chain + bytes(1024))))
    with pytest.raises(MediaError, match="may not be called"):
        list(the_block(dataset(tmp_path, train=tar(("train/snore/P\udcff_1.wav", b"one")))))


def test_what_a_table_names_and_nobody_finds_is_told_packed_and_unpacked(tmp_path):
    told = b"file_name,label\na.wav,quiet\ngone.wav,snore\nlost.wav,cough\n"
    data = tar(("train/metadata.csv", told), ("train/a.wav", b"one"))
    (a, one), (gone, why) = sounds(the_block(dataset(tmp_path / "a", train=data)))
    assert (a.label, one, gone.label, type(why)) == ("quiet", b"one", "snore", MediaError)
    with tarfile.open(fileobj=io.BytesIO(data)) as archive:
        archive.extractall(tmp_path / "b" / "data", filter="data")
    (fault,) = SOURCE.scan(tmp_path / "b").faults
    assert fault.key == gone.key
    for root in (tmp_path / "a", tmp_path / "b"):
        found = audit(root)
        assert (found.sounds["train"], [entry["message"] for entry in found.faults]) == (
            {"quiet": 1}, [why.message]
        )  # fmt: skip


def test_the_table_tells_the_same_unpacked_and_the_pattern_comes_before_it(tmp_path):
    told = b"file_name,label,group\nsnore/1.wav,quiet,P7\n"
    data = tar(("train/metadata.csv", told), ("train/snore/1.wav", b"one"), ("train/quiet/2.wav", b"two"))
    packed = the_block(dataset(tmp_path / "a", train=data))
    with tarfile.open(fileobj=io.BytesIO(data)) as archive:
        archive.extractall(tmp_path / "b" / "data", filter="data")
    unpacked = the_block(tmp_path / "b")
    for block in (packed, unpacked):
        assert [(item.label, item.group, data) for item, data in sounds(block)] == [("quiet", "P7", b"one")]
    before = SOURCE.fingerprint(SOURCE.scan(tmp_path / "b"))
    pattern = "train/(?:(?P<label>snore)|[a-z]+)/.*"
    for root in (tmp_path / "a", tmp_path / "b"):
        assert [(item.label, data) for item, data in sounds(the_block(root, pattern=pattern))] == [
            ("snore", b"one")
        ]
    (tmp_path / "b/data/train/metadata.csv").write_bytes(told.replace(b"quiet", b"snore"))
    assert SOURCE.fingerprint(SOURCE.scan(tmp_path / "b")) != before
    (tmp_path / "b/data/train/metadata.csv").rename(tmp_path / "elsewhere.csv")
    (tmp_path / "b/data/train/metadata.csv").symlink_to(tmp_path / "elsewhere.csv")
    with pytest.raises(SourceError, match="a link"):
        the_block(tmp_path / "b")
