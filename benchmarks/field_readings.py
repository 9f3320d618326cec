"""What rushes makes of a folder that may be damaged: one reading for each kind of thing that can be."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from field_row import tell
from numpy.typing import NDArray

from rushes.errors import MediaError
from rushes.media import audio, video
from rushes.records import Media
from rushes.runs.do import do
from rushes.runs.proof import content
from rushes.runs.run import Run
from rushes.runs.verify import verify_run
from rushes.shards.read import ShardDataset
from rushes.stages import read_quarantine, read_receipt, sha256_file
from rushes.storage import open_workspace
from rushes.tasks import load_recipe, open_run
from rushes.testing.subject import silent

SUMS = "SHA256SUMS"
RECIPE, ROOT, WORKSPACE, MANIFEST = "recipe.yaml", "root", "workspace", "manifest.yaml"


@dataclass(frozen=True, slots=True)
class Reading:
    """What came out of a folder.

    Attributes:
        told: every line by which something was set aside, noted or counted.
        form: of what came out: names, sides, labels, times, lengths.
        content: hash of it, to the last pixel, sample or byte.
    """

    told: tuple[str, ...]
    form: str
    content: str


def _hash(parts: Iterable[Any]) -> str:
    whole = hashlib.sha256()
    for part in parts:
        whole.update(
            part if isinstance(part, bytes | memoryview) else f"{part}\n".encode(errors="surrogateescape")
        )
    return whole.hexdigest()[:16]


def read_video(folder: Path) -> Reading:
    """Every frame of the one video, with its time."""
    return _frames_of(Media("video", _only(folder)))


def read_frames(folder: Path) -> Reading:
    """Every frame of a folder of pictures, with its time."""
    return _frames_of(Media("frames", folder))


def _only(folder: Path) -> Path:
    """The one file, which need not be there any more."""
    return next(folder.iterdir(), folder / "removed")


def _frames_of(media: Media) -> Reading:
    times, luma = [], hashlib.sha256()
    for frame in video.decode(media):
        times.append(f"{frame.time_s:.6f} {frame.width}x{frame.height}")
        luma.update(frame.luma((frame.width, frame.height)).tobytes())
    notes = video.probe(media).notes
    return Reading(notes, f"{len(times)} frames {_hash(times)}", luma.hexdigest()[:16])


def read_sound(folder: Path) -> Reading:
    """The one sound, and how long it is."""
    path = _only(folder)
    if not path.is_file():
        raise MediaError("no such sound", where=path)  # a source lists what is there
    wave, length_s = hear(path.read_bytes(), 8000, path)
    return Reading((), f"{length_s:.3f} s", _hash([wave.tobytes()]))


def hear(data: bytes, sample_rate: int, where: object = None) -> tuple[NDArray[np.float32], float]:
    """A whole sound, (samples,) float32, and its length in seconds."""
    sound = audio.decode(data, sample_rate=sample_rate, longest_s=60.0, where=where)
    return sound.wave, sound.length_s


def read_recordings(folder: Path) -> Reading:
    """A whole prepare of the recordings in ``root``, and everything that was said of them."""
    run = open_in(folder)
    told = _said(run.audit().to_json(), folder)
    told |= {f"{line.fate} {line.reason} {line.files}" for line in run.inventory.lines if line.fate != "used"}
    do(run, run.dataset, silent)
    stage = run.folder(run.dataset)
    told |= {_plain(entry, folder) for entry in read_quarantine(stage)}
    for receipt in sorted(stage.glob("units/*.json")):
        counts = (read_receipt(stage, receipt.stem) or {}).items()
        told |= {
            f"{receipt.stem} {name} {count}" for name, count in counts if name.startswith(("thin", "refused"))
        }
    forms, contents = [], []
    for side in sorted(path.name for path in stage.glob("shards/*")):
        samples = ShardDataset.open(stage, side, check=True)
        described = zip(samples.keys(), samples.labels(), samples.groups(), strict=True)
        forms += [f"{side} {key} {label} {group}" for key, label, group in described]
        contents += [value for i in range(len(samples)) for _, value in sorted(samples.sample(i).items())]
    return Reading(tuple(sorted(told)), f"{len(forms)} samples {_hash(sorted(forms))}", _hash(contents))


def sums_of(root: Path) -> str:
    """What the program ``sha256sum`` writes of all files below ``root``."""
    files = sorted(path for path in root.rglob("*") if path.is_file())
    return "".join(f"{sha256_file(path)}  {path.relative_to(root).as_posix()}\n" for path in files)


def told_by_sums(whole: Path, damaged: Path, recipe: str) -> bool:
    """Whether ``rushes audit`` says another thing of damaged recordings once their sums lie beside them.

    Args:
        whole, damaged: folders with a ``root``.
        recipe: of both.
    """
    sums = sums_of(whole / ROOT)
    said = []
    for folder in (whole, damaged):
        (folder / RECIPE).write_text(recipe)
        (folder / ROOT / SUMS).write_text(sums)
        told = tell("audit", str(folder / RECIPE), "--set", f"source.root={folder / ROOT}", "--json")
        try:
            said.append(_said(json.loads(told.out), folder))
        except ValueError:
            said.append({told.text.replace(str(folder), "")})
    return said[0] != said[1]


TOLD = frozenset(("faults", "notes", "skipped", "missing", "warnings", "damaged", "fault"))
"""Parts of an audit that tell what is wrong, or left out."""


def _said(report: Any, folder: Path) -> set[str]:
    """Whatever is wrong, noted or left out in an audit, wherever in it that stands; no lengths and sizes."""
    found: set[str] = set()
    if isinstance(report, list):
        return found.union(*(_said(one, folder) for one in report))
    if not isinstance(report, Mapping):
        return found
    if {"fate", "reason", "files"} <= report.keys() and report["fate"] != "used":
        return {f"{report['fate']} {report['reason']} {report['files']}"}
    for name, value in report.items():
        entries = value if isinstance(value, list) else [value]
        found |= (
            {f"{name} {_plain(one, folder)}" for one in entries} if name in TOLD else _said(value, folder)
        )
    return found


def _plain(entry: Any, folder: Path) -> str:
    return json.dumps(entry, sort_keys=True, default=str).replace(str(folder), "")


def open_in(folder: Path, *overrides: str) -> Run[Any]:
    """The run of the recipe in a folder, with the recordings and the workspace that lie beside it."""
    if (folder / ROOT).is_dir():
        overrides = (f"source.root={folder / ROOT}", *overrides)
    return open_run(load_recipe(folder / RECIPE, overrides), open_workspace(str(folder / WORKSPACE)))


def read_recipe(folder: Path) -> Reading:
    """What a recipe asks, and the signatures by which a plan tells that something else was asked."""
    run = open_in(folder)
    asked = run.recipe.model_dump_json()
    return Reading(tuple(spec.signature for spec in run.specs.values()), "", _hash([asked]))


def read_manifest(folder: Path) -> Reading:
    """What a campaign plans: its runs with their signatures, its gates."""
    from rushes.campaign.manifest.trials import open_campaign
    from rushes.campaign.plan import plan_campaign

    campaign = open_campaign(folder / MANIFEST)
    plan = plan_campaign(campaign, open_workspace(str(folder / WORKSPACE)))
    return Reading((_plain(plan.to_json(), folder),), "", _hash([campaign.manifest.model_dump_json()]))


def read_finished(folder: Path) -> Reading:
    """What ``verify`` says of a finished run, and all of its bytes."""
    run = open_in(folder)
    checked = verify_run(run, repair=False)
    told = {f"{fault.stage} {fault.path.name} {fault.reason}" for fault in checked.faults}
    told |= {f"unfinished {name}" for name in checked.unfinished} | {
        f"stale {name}" for name in checked.stale
    }
    workspace = folder / WORKSPACE
    files = [path for path in sorted(workspace.rglob("*")) if path.name != "lock"]
    contents: list[Any] = []
    for path in files:
        contents += [
            path.relative_to(workspace).as_posix(),
            path.read_bytes() if path.is_file() else "no file",
        ]
    return Reading(tuple(sorted(told)), "", _hash(contents))


def read_figures(folder: Path) -> Reading:
    """The figures that a finished run shows when it is run again: nothing is to be done."""
    run = open_in(folder)
    done = [f"{name} {do(run, name, silent).state}" for name in run.stages]
    return Reading(
        tuple(done), "", _hash([json.dumps(run.scorecard().summary(), sort_keys=True, default=str)])
    )


def resume(stage_name: str) -> Callable[[Path], Reading]:
    """What a stage and those after it make when it is begun again on whatever stands there."""

    def read(folder: Path) -> Reading:
        run = open_in(folder)
        names = list(run.stages)
        stage = {"prepare": run.dataset}.get(stage_name, stage_name)
        for name in names[names.index(stage) :]:
            (run.folder(name) / "DONE").unlink(missing_ok=True)
            do(run, name, silent)
        told = [f"{stage} {entry}" for entry in read_quarantine(run.folder(stage))]
        made = [content(run, name) for name in names if run.stages[name].makes not in ("page", "export")]
        return Reading(tuple(told), "", _hash(made))

    return read
