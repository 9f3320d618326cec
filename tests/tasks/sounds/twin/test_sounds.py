"""The twin of sounds: its script, its bytes, and what can be heard in it."""

import gzip
import io
import tarfile
from collections import Counter
from pathlib import Path
from wave import open as open_wave

import numpy as np
import pytest

from rushes.media.audio import decode
from rushes.runs.drawing import Written, seeded
from rushes.tasks.sounds.recipe import SleepTwin
from rushes.tasks.sounds.sources.audit import audit_of
from rushes.tasks.sounds.sources.dreamcatcher import LABELS, DreamCatcher
from rushes.tasks.sounds.twin.body import RATE, SAMPLES, Body, render
from rushes.tasks.sounds.twin.script import CLIP_S, SHARES, script, units
from rushes.tasks.sounds.twin.writer import PARTS, assemble, remove_parts, write_unit

SETTINGS = SleepTwin(train=2, val=1, test=1, clips=18, difficulty=0.0, seed=3)


def write_twin(root: Path, settings: SleepTwin) -> Written:
    for unit in units(settings):
        write_unit(root, unit, settings)
    written = assemble(root, settings)
    remove_parts(root)
    return written


@pytest.fixture(scope="module")
def twin(tmp_path_factory):
    root = tmp_path_factory.mktemp("sounds")
    return root, write_twin(root, SETTINGS)


def contents(root: Path) -> dict[str, bytes]:
    return {
        path.relative_to(root).as_posix(): path.read_bytes() for path in root.rglob("*") if path.is_file()
    }


def clips(root: Path) -> list[tuple[str, str, str, np.ndarray]]:
    """Side, class, group and samples of every clip."""
    return [
        (item.split, item.label, item.group, decode(data, sample_rate=RATE, longest_s=9.0).head(SAMPLES))
        for block in DreamCatcher(LABELS).scan(root).blocks
        for item, data in block
    ]


def strokes(label: str, difficulty: float, number: int) -> list:
    return script(label, seeded(0, label, str(number)), rate_per_min=15.0, difficulty=difficulty)


# --- the script -------------------------------------------------------------------------------------------


def test_classes_have_their_shares_on_every_side():
    found = units(SleepTwin())
    assert Counter(unit.split for unit in found) == {"train": 10, "validation": 4, "test": 4}
    for split in ("train", "validation", "test"):
        counts = Counter(label for unit in found if unit.split == split for label in unit.labels)
        total = sum(counts.values())
        assert set(counts) == set(LABELS)
        for label, share in SHARES.items():
            assert counts[label] == pytest.approx(share * total, abs=1)


def test_a_tiny_side_still_has_every_class():
    *_, unit = units(SleepTwin(train=2, val=1, test=1, clips=9))
    assert sorted(unit.labels) == sorted(LABELS)


def test_wearers_are_other_people_on_every_side():
    found = units(SleepTwin())
    assert len({unit.wearer for unit in found}) == len(found)


def test_stirring_is_a_breath_the_other_way_round():
    """Same sounds, same lengths on average, another order: nothing else tells them apart."""
    stirring = [found for number in range(400) if (found := strokes("quiet", 0.5, number))]
    breaths = [strokes("breathe", 0.0, number) for number in range(400)]
    assert len(stirring) == pytest.approx(200, abs=40)
    assert {tuple(stroke.sound for stroke in found) for found in stirring} == {("out", "in")}
    assert {tuple(stroke.sound for stroke in found) for found in breaths} == {("in", "out")}
    for place in (0, 1):
        lengths = [np.mean([found[place].length_s for found in group]) for group in (stirring, breaths)]
        assert lengths[0] == pytest.approx(lengths[1], rel=0.03)


def test_a_groan_is_a_snore_the_other_way_round():
    snores = [[stroke.sound for stroke in strokes("snore", 1.0, number)] for number in range(100)]
    groans = [
        sounds
        for number in range(400)
        if "flutter" in (sounds := [stroke.sound for stroke in strokes("breathe", 1.0, number)])
    ]
    assert all(sounds[0] == "flutter" for sounds in snores)
    assert all(sounds[1] == "flutter" for sounds in groans)
    assert len(groans) == pytest.approx(160, abs=30)


def test_at_difficulty_zero_every_class_has_sounds_of_its_own():
    assert not any(strokes("quiet", 0.0, number) for number in range(50))
    breaths = [stroke.sound for number in range(50) for stroke in strokes("breathe", 0.0, number)]
    assert "flutter" not in breaths


@pytest.mark.parametrize("label", ["breathe", "snore", "non_wearer"])
def test_a_breath_is_whole(label):
    for number in range(300):
        for rate in (13.5, 18.0):
            for stroke in script(label, seeded(1, str(number)), rate_per_min=rate, difficulty=1.0):
                assert stroke.start_s >= 0.0
                assert stroke.start_s + stroke.length_s <= CLIP_S


# --- the files --------------------------------------------------------------------------------------------


def test_the_source_reads_what_was_written(twin):
    root, written = twin
    audit = audit_of(DreamCatcher(LABELS).scan(root), LABELS)
    assert not audit.faults
    assert {line.fate for line in audit.members.lines} == {"used"}
    assert audit.notes == ()
    assert audit.copies.count == 0
    assert sum(sum(counts.values()) for counts in audit.sounds.values()) == 72
    assert audit.groups == {"train": 2, "val": 1, "test": 1}
    assert sorted(contents(root)) == sorted(written.files)


def test_archives_are_what_other_programs_read(twin):
    root, _ = twin
    with tarfile.open(root / "data/train.tar.gz") as archive:
        members = archive.getmembers()
        data = archive.extractfile(members[0]).read()
    assert len(members) == 36
    assert all(member.isreg() and member.mtime == 0 and not member.uname for member in members)
    with open_wave(io.BytesIO(data)) as sound:
        assert sound.getparams()[:4] == (2, 2, RATE, CLIP_S * RATE)  # two channels of 16 bits
    with tarfile.open(root / "imu/train.tar.gz") as archive:
        assert [Path(name).stem for name in archive.getnames()] == [Path(item.name).stem for item in members]


def test_same_seed_same_bytes_in_any_order(twin, tmp_path):
    root, written = twin
    for unit in reversed(units(SETTINGS)):
        write_unit(tmp_path, unit, SETTINGS)
    assert assemble(tmp_path, SETTINGS) == written
    assert (tmp_path / PARTS).is_dir()
    remove_parts(tmp_path)
    assert contents(tmp_path) == contents(root)


def test_another_seed_gives_other_sounds(tmp_path):
    for name, seed in (("a", 0), ("b", 1)):
        write_twin(tmp_path / name, SleepTwin(train=2, val=1, test=1, clips=2, seed=seed))
    assert contents(tmp_path / "a")["data/train.tar.gz"] != contents(tmp_path / "b")["data/train.tar.gz"]


def test_nothing_but_the_path_tells_the_class(twin):
    """Headers are equal to the byte, whatever the class."""
    root, _ = twin
    heads = set()
    plain = gzip.decompress((root / "data/train.tar.gz").read_bytes())
    with tarfile.open(fileobj=io.BytesIO(plain)) as archive:
        for member in archive:
            heads.add(archive.extractfile(member).read(44))
    assert len(heads) == 1


# --- the sounds -------------------------------------------------------------------------------------------


def test_two_microphones_hear_two_things(twin):
    root, _ = twin
    with tarfile.open(root / "data/test.tar.gz") as archive:
        for member in archive:
            samples = np.frombuffer(archive.extractfile(member).read()[44:], "<i2").reshape(-1, 2)
            assert samples.std(axis=0).min() > 0.5
            assert np.abs(samples).max() < 32767
            assert abs(np.corrcoef(samples.T)[0, 1]) < 0.999


def loudness(wave: np.ndarray) -> np.ndarray:
    """Of tenths of a second, dB."""
    return 10 * np.log10((wave[: SAMPLES // 1600 * 1600].reshape(-1, 1600) ** 2).mean(axis=1) + 1e-12)


def test_at_difficulty_zero_a_simple_ear_tells_the_classes(twin):
    """Quiet is level; a snore beats below 300 Hz; a breath does not."""
    root, _ = twin
    right = total = 0
    for _, label, _, wave in clips(root):
        if label not in SHARES:
            continue
        spectrum = np.abs(np.fft.rfft(wave)) ** 2
        hertz = np.fft.rfftfreq(len(wave), 1 / RATE)
        low = spectrum[(hertz > 100) & (hertz < 330)].sum() / spectrum[hertz > 400].sum()
        guess = "quiet" if np.ptp(loudness(wave)) < 8 else "snore" if low > 2 else "breathe"
        right, total = right + (guess == label), total + 1
    assert right >= 0.93 * total


def test_difficulty_lowers_the_sounds_under_the_noise(tmp_path):
    ranges = []
    for difficulty in (0.0, 1.0):
        root = tmp_path / str(difficulty)
        write_twin(root, SleepTwin(train=2, val=1, test=1, clips=9, difficulty=difficulty))
        heard = [np.ptp(loudness(wave)) for _, label, _, wave in clips(root) if label == "breathe"]
        ranges.append(np.median(heard))
    assert ranges[0] > ranges[1] + 10


@pytest.mark.parametrize("label", [label for label in LABELS if label != "quiet"])
def test_every_class_sounds(label):
    body = Body.draw(seeded(0, "body"))
    rng = seeded(0, "clip")
    wave = render(script(label, rng, rate_per_min=body.rate_per_min, difficulty=0.0), body, rng)
    assert wave.shape == (SAMPLES,)
    assert wave.dtype == np.float32
    assert np.isfinite(wave).all()
    assert np.abs(wave).max() > 0.3
