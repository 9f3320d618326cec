"""Rows of section 8: what somebody is told in the first evening with footage of their own."""

from __future__ import annotations

import os
import re
from pathlib import Path

from field_readings import RECIPE, ROOT
from field_recordings import OPERATIONS, write_sessions
from field_row import Row, Skipped, Told, lacks, tell

from rushes.tasks.operations.sources.openpack import layout

OF_THE_LIBRARY = (
    "valid tuple",
    "valid string",
    "valid dictionary",
    "item after validation",
    "items after validation",
    "pydantic",
    "Input should",
)


def _asked(folder: Path, verb: str, *overrides: str, recipe: str = OPERATIONS) -> Told:
    """A verb on two sessions in ``root``."""
    if not (folder / RECIPE).exists():
        (folder / RECIPE).write_text(recipe)
        write_sessions(folder / ROOT)
    over = [part for override in (f"source.root={folder / ROOT}", *overrides) for part in ("--set", override)]
    return tell(verb, str(folder / RECIPE), "--workspace", str(folder / "workspace"), *over)


def root_missing(folder: Path) -> str | None:
    told = _asked(folder, "audit", f"source.root={folder / 'nowhere'}")
    return "audit ends with 0" if told.code == 0 else lacks(told.text, "does not exist")


def root_relative(folder: Path) -> str | None:
    """A relative root is the recipe's, or the message says whose it is."""
    _asked(folder, "audit")
    told = tell(
        "audit",
        str(folder / RECIPE),
        "--set",
        f"source.root={ROOT}",
        "--workspace",
        str(folder / "workspace"),
    )
    said = told.code == 0 or str(Path.cwd() / ROOT) in told.text or "working" in told.text
    return None if said else f"relative to what is not said: {told.text[:200]}"


def _break_all(folder: Path) -> None:
    for path in (folder / ROOT).rglob("openpack-operations/*.csv"):
        path.write_text(path.read_text().replace("Picking", "Pocking"))


def audit_of_faults(folder: Path) -> str | None:
    _asked(folder, "audit")
    _break_all(folder)
    told = _asked(folder, "audit")
    return "every session is at fault, and the audit ends with 0" if told.code == 0 else None


def plan_of_nothing(folder: Path) -> str | None:
    _asked(folder, "audit")
    _break_all(folder)
    told = _asked(folder, "plan")
    return "nothing to prepare, and the plan ends with 0" if told.code == 0 else None


def unknown_key(folder: Path) -> str | None:
    told = _asked(folder, "audit", "source.table=labels.csv")
    wrong = "did you mean labels" in told.text
    return "source.table: did you mean labels?" if wrong else None


def set_at_fault(folder: Path) -> str | None:
    asked = ("preprocessing.frames=many", "source.split={train: [U0101]}", "preprocessing.sampler=best")
    found = [lacks(_asked(folder, "audit", override).text, "--set") for override in asked]
    return "; ".join(filter(None, found)) or None


def wrong_type(folder: Path) -> str | None:
    found = []
    for override in (
        "preprocessing.frame_size=big",
        "preprocessing.frame_size=[1]",
        "source.split={train: [], test: [U0102]}",
        "train.phases=[]",
        "model=3",
        "preprocessing.clip_s=long",
    ):
        told = _asked(folder, "audit", override)
        if told.code == 0:
            found.append(f"{override}: accepted")
        found += [f"{override}: {word!r}" for word in OF_THE_LIBRARY if word in told.text]
    return "; ".join(found) or None


def memory(folder: Path) -> str | None:
    told = _asked(folder, "plan", "model.name=Qwen/Qwen2.5-VL-3B-Instruct")
    sizes = re.findall(r"[\d.]+ G(?:i)?B", told.text)
    compared = any(
        word in told.text.lower() for word in ("this machine", "here are", "has only", "there are")
    )
    return (
        None
        if compared
        else f"{', '.join(sizes) or 'no size'}, not compared with this machine; exit {told.code}"
    )


def permission(folder: Path) -> str | None:
    if os.geteuid() == 0:
        raise Skipped("root may read everything")
    _asked(folder, "audit")
    layout.video_file(folder / ROOT, "U0101", "S0100").chmod(0)
    told = _asked(folder, "prepare")
    return "convert with ffmpeg" if "ffmpeg" in told.text else lacks(told.text, "permission")


def over_the_limit(folder: Path) -> str | None:
    _asked(folder, "audit")
    layout.video_file(folder / ROOT, "U0101", "S0100").write_bytes(b"no video")
    told = _asked(folder, "prepare", "prepare.max_quarantine=0.1")
    return lacks(told.text, "prepare.max_quarantine", "cannot open")


def plan_compares(folder: Path) -> str | None:
    _asked(folder, "prepare")
    told = _asked(
        folder,
        "plan",
        "preprocessing.clip_s=2.0",
        "preprocessing.frames=4",
        "model.name=tiny",
        "twin.seed=4",
        "train.seed=7",
    )
    longest = max(map(len, told.text.splitlines()))
    if longest > 400:
        return f"a line of {longest} characters"
    timed = re.search(r"\d+ ?(s|sec|seconds|min|minutes|h)\b", told.text)
    return None if timed else "no estimate of time"


ROWS = (
    Row("8 root", "a root that does not exist: says so", root_missing),
    Row("8 relative root", "relative to what is said", root_relative),
    Row("8 audit", "an audit that finds only faults has an exit code of its own", audit_of_faults),
    Row("8 nothing", "a plan of nothing is no success", plan_of_nothing),
    Row("8 table", "an unknown key suggests nothing strange", unknown_key),
    Row("8 --set", "a fault of --set names the flag", set_at_fault),
    Row("8 types", "no message speaks the validation library's language", wrong_type),
    Row("8 memory", "a plan compares memory with this machine", memory),
    Row("8 permission", "a video that may not be read: permission, not ffmpeg", permission),
    Row("8 quarantine", "over the limit: the reason, and the whole key", over_the_limit),
    Row("8 plan", "a plan compares briefly and estimates time", plan_compares),
)
