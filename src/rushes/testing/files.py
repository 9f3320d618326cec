"""Checks of what stands in the folders of a task's stages: its form, who may read it, and that damage is seen."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa

from rushes.errors import RushesError
from rushes.runs.do import do
from rushes.runs.proof import content
from rushes.runs.stage import METRICS_FILE, Makes
from rushes.runs.verify import verify_run
from rushes.shards.index import read_index, read_info
from rushes.shards.manifest import load_manifest, split_folder
from rushes.stages import canonical_json
from rushes.testing.subject import Finished, silent

REPAIRED: tuple[Makes, ...] = ("dataset", "features", "figures", "page")
"""What is broken and repaired; weights would be trained again, which takes long for nothing new."""


def a_finished_run_is_whole(finished: Finished, folder: Path) -> None:
    """Nothing is wrong with what was just made."""
    checked = verify_run(finished.run(), repair=False)
    assert checked.whole, checked.text()
    assert not checked.unfinished, f"not finished: {', '.join(checked.unfinished)}"


def samples_are_of_one_form(finished: Finished, folder: Path) -> None:
    """All samples have the same members, JSON of one type, so that every reader of shards takes them for rows."""
    run = finished.run()
    forms = set()
    for split in load_manifest(run.folder(run.dataset)).splits:
        samples = run.samples(split)
        assert None not in set(samples.groups()), f"samples of {split} have no group in the index"
        for number in range(len(samples)):
            members = samples.sample(number).items()
            kinds = {
                name: str(pa.array([json.loads(bytes(data))]).type) if name.endswith(".json") else "bytes"
                for name, data in members
            }
            forms.add(canonical_json(kinds))
    assert len(forms) == 1, "samples differ in their members:\n" + "\n".join(sorted(forms))
    assert ": null" not in min(forms), f"a value that is always null or empty has no type: {min(forms)}"


def files_are_as_open_as_their_folders(finished: Finished, folder: Path) -> None:
    """Who may enter a stage's folder may read what is in it: modes are those that the umask says."""
    run = finished.run()
    for name in run.stages:
        for path in run.folder(name).rglob("*"):
            allowed = path.parent.stat().st_mode & (0o666 if path.is_file() else 0o777)
            found = path.stat().st_mode & 0o777
            assert found == allowed, f"{path} has the mode {found:o}, {allowed:o} is what the umask says"


def every_damage_is_seen(finished: Finished, folder: Path) -> None:
    """One flipped bit in any file of any stage is found, and the file named."""
    run = finished.copy(folder / "damaged").run()
    for name in run.stages:
        for path in _files_of_each_kind(run.folder(name)):
            before = path.read_bytes()
            path.write_bytes(_flipped(before))
            faults = verify_run(run, repair=False).faults
            assert faults, f"{name}: a flipped bit in {path.relative_to(run.folder(name))} is not seen"
            path.write_bytes(before)


def what_is_damaged_is_not_read(finished: Finished, folder: Path) -> None:
    """Figures that were changed are neither shown nor drawn, and a page that is made anew says so."""
    run = finished.copy(folder / "read").run()
    path = run.folder(run.maker("figures")) / METRICS_FILE
    path.write_bytes(path.read_bytes() + b"\n")
    page = run.maker("page")
    (run.folder(page) / "DONE").unlink()
    for read in (run.scorecard, lambda: do(run, page, silent)):
        refused = _refusal(read)
        assert refused is not None, f"{path.name} was changed, and is read as if it were whole"
        assert refused.where == str(path), f"changed figures are refused, but at {refused.where}"


def what_is_damaged_is_not_learnt(finished: Finished, folder: Path) -> None:
    """Samples whose bytes were changed, their number being the same, are refused by whoever learns from them."""
    run = finished.copy(folder / "learnt").run()
    holders = [name for name, stage in run.stages.items() if stage.makes in ("dataset", "features")]
    for tar in (tar for name in holders for tar in split_folder(run.folder(name), "train").glob("*.tar")):
        info, content = read_info(tar), bytearray(tar.read_bytes())
        index = read_index(tar.parent, info)
        for sample in range(info.samples):
            _, begin, length = max(index.members(sample), key=lambda member: member[2])
            content[begin + length // 2] ^= 1
        tar.write_bytes(content)
    name = run.maker("weights")
    shutil.rmtree(run.folder(name))
    refused = _refusal(lambda: do(run, name, silent))
    assert refused is not None, "changed samples were learnt from as if they were whole"
    assert refused.cure, f"refused without a cure: {refused.message}"


def _refusal(read: Callable[[], object]) -> RushesError | None:
    try:
        read()
    except RushesError as error:
        return error
    return None


def repair_makes_the_same_again(finished: Finished, folder: Path) -> None:
    """What is broken is made again from what is whole, to the same content."""
    run = finished.copy(folder / "repaired").run()
    for name in run.makers(*REPAIRED):
        before = content(run, name)
        path = _files_of_each_kind(run.folder(name))[-1]
        path.write_bytes(_flipped(path.read_bytes()))
        checked = verify_run(run, repair=True)
        assert checked.rebuilt, f"{path.relative_to(run.folder(name))} of {name}: {checked.text()}"
        assert content(run, name) == before, f"{name} was repaired to other content"


def _files_of_each_kind(stage: Path) -> list[Path]:
    """The first file of each suffix and folder of a stage that hold anything."""
    kinds: dict[tuple[str, str], Path] = {}
    for path in sorted(stage.rglob("*")):
        if path.is_file() and path.name != "lock" and path.stat().st_size:
            kinds.setdefault((path.parent.relative_to(stage).as_posix(), path.suffix), path)
    return list(kinds.values())


def _flipped(content: bytes) -> bytes:
    middle = len(content) // 2
    return content[:middle] + bytes([content[middle] ^ 1]) + content[middle + 1 :]
