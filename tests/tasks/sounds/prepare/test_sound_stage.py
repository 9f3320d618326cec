"""The stage of features: sounds are counted, not blocks; one dataset whatever the workers and the kills."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from rushes.errors import QuarantineError, StageError
from rushes.prepare.stage import Planned, prepare
from rushes.recipe.sections import Prepare
from rushes.records import SoundRecording
from rushes.shards.read import ShardDataset
from rushes.shards.verify import verify_dataset
from rushes.stages import (
    Claim,
    Inventory,
    StageSpec,
    account,
    read_quarantine,
    read_receipt,
    working,
    write_receipt,
)
from rushes.stages.inventory import Line
from rushes.storage import Home
from rushes.tasks.sounds.prepare.unit import Job, members_of, prepare_unit
from rushes.tasks.sounds.sources.archive import ArchiveBlock, Layout
from rushes.tasks.sounds.sources.blocks import FileBlock, SoundScan

FAULT = {"type": "SourceError", "message": "a link", "where": "x.wav", "cure": "copy it"}


@pytest.fixture
def blocks(make_block):
    return [
        make_block("train-0", "train", 6, bad=(2,)),
        make_block("train-1", "train", 4, first=6),
        make_block("val-0", "val", 3),
    ]


@pytest.fixture
def run(blocks, preprocessing, tmp_path):
    """Run the stage; gives its folder, what it came to, and the steps of its progress."""

    def run_(workspace: Path = tmp_path / "ws", blocks=blocks, max_quarantine=0.1, workers=0, **planned):
        steps: list[tuple[int, int, str]] = []
        with working(StageSpec("features", 1, {}), workspace) as stage:
            prepared = prepare(
                Planned(
                    jobs={one.key: Job(one, preprocessing, 3.0, stage.folder, 200_000_000) for one in blocks},
                    splits=[block.split for block in blocks],
                    **planned,
                ),
                prepare_unit,
                Home(stage.folder),
                preprocessing,
                Prepare(max_quarantine=max_quarantine, workers=workers),
                on_progress=lambda *step: steps.append(step),
            )
            stage.finish(prepared.summary(), prepared.account.counts)
        return stage.folder, prepared, steps

    return run_


def sounds(count: int) -> list[str]:
    return [f"val-{number}" for number in range(count)]


def test_sounds_are_counted_not_blocks(run):
    folder, prepared, _ = run(
        faults={"gone": FAULT},
        skipped={f"other-{number}": "class other is not asked for" for number in range(500)},
        max_quarantine=0.15,
    )
    assert prepared.account.counts == {"planned": 514, "done": 12, "quarantined": 2, "skipped": 500}
    assert prepared.clips == {
        "train": {"breathe": 3, "quiet": 4, "snore": 2},
        "val": {"breathe": 1, "quiet": 1, "snore": 1},
    }
    assert prepared.manifest.samples == {"train": 9, "val": 3}
    entries = {entry["unit"]: entry for entry in read_quarantine(folder)}
    assert entries["gone"]["reason"] == FAULT
    assert entries["train-2"]["block"] == "train-0"
    assert entries["train-2"]["reason"]["type"] == "MediaError"
    listed = [json.loads(line) for line in (folder / "quarantine.jsonl").read_text().splitlines()]
    assert listed == list(entries.values())
    assert verify_dataset(folder) == []
    assert list(ShardDataset.open(folder, "val").labels()) == ["quiet", "breathe", "snore"]


def test_workers_and_order_do_not_matter(run, blocks, tmp_path):
    first, prepared, _ = run(tmp_path / "a")
    second, again, _ = run(tmp_path / "b", blocks=blocks[::-1], workers=2)
    assert prepared.manifest == again.manifest
    paths = [path for part in ("shards", "units") for path in (first / part).rglob("*.*")]
    assert len(paths) == 9
    for path in [*paths, first / "manifest.json", first / "recordings.json", first / "quarantine.jsonl"]:
        assert path.read_bytes() == (second / path.relative_to(first)).read_bytes()


def test_too_many_bad_sounds_fail_the_stage(run, make_block):
    blocks = [make_block("train-0", "train", 9, bad=(2, 3)), make_block("val-0", "val", 3)]
    with pytest.raises(QuarantineError, match="2 of 12 inputs"):
        run(blocks=blocks, max_quarantine=0.15)
    _, prepared, steps = run(blocks=blocks, max_quarantine=0.17)
    assert prepared.account.counts == {"planned": 12, "done": 10, "quarantined": 2, "skipped": 0}
    assert steps == [(2, 2, "decoding")]


def test_a_block_that_is_lost_counts_with_all_its_sounds_and_as_a_block(run, make_block, tmp_path):
    archive = tmp_path / "val.tar"
    archive.write_bytes(b"no tar")
    lost = ArchiveBlock("val-0", "val", archive, Layout(("quiet",)), ("quiet",))
    blocks = [make_block("train-0", "train", 30), lost]
    with pytest.raises(QuarantineError, match="1 of 2 units"):
        run(blocks=blocks, max_quarantine=0.4)
    with pytest.raises(QuarantineError, match="40 of 70 inputs"):
        run(blocks=blocks, max_quarantine=0.5, members={"val-0": sounds(40)})
    files = {Claim("used", "sounds", key): Line("used", "sounds", 1, 5, (key,)) for key in sounds(7)}
    _, prepared, _ = run(
        blocks=blocks, max_quarantine=0.5, members={"val-0": sounds(7)}, inventory=Inventory(files)
    )
    assert prepared.account.counts == {"planned": 37, "done": 30, "quarantined": 7, "skipped": 0}
    assert [(line.fate, line.files) for line in prepared.files.lines] == [("faulty", 7)]


def test_progress_counts_what_is_left(run, tmp_path):
    folder, prepared, steps = run()
    assert [step[:2] for step in steps] == [(0, 3), (1, 3), (2, 3), (3, 3)]
    assert {step[2] for step in steps[1:]} == {"train-0", "train-1", "val-0"}
    (folder / "units" / "train-1.json").unlink()
    (folder / "DONE").unlink()
    _, again, steps = run()
    assert steps == [(2, 3, "decoding"), (3, 3, "train-1")]
    assert again.manifest == prepared.manifest


def test_a_block_that_settled_another_number_is_refused(run):
    folder, _, _ = run(members={"train-0": sounds(6)})
    closed = account(folder, ["train-0", "train-1", "val-0"], sizes={"train-0": 6, "train-1": 5})
    with pytest.raises(StageError, match="train-1 has 5 inputs, and 4 are settled"):
        closed.close(1.0)


def test_a_bad_sound_leaves_the_quarantine_with_its_receipt(run):
    folder, _, _ = run()
    assert [entry["unit"] for entry in read_quarantine(folder)] == ["train-2"]
    write_receipt(folder, "train-0", read_receipt(folder, "train-0") | {"bad": {}, "samples": 6})
    assert read_quarantine(folder) == []


def test_members_of_a_scan(tmp_path, make_block):
    recording = SoundRecording("a", "g", "train", "quiet", tmp_path / "a.wav")
    block = FileBlock("train-00000", "train", (recording, recording), 10)
    scan = SoundScan(tmp_path, (block, make_block("train", "train", 3)), {}, ())
    assert members_of(scan) == {"train-00000": ["a", "a"]}
