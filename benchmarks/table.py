"""Recordings of anybody beside the published layout: the same segments, the same shards, the same sides.

    python benchmarks/table.py [--quick] [--json] [--videos DIR]

The twin of operations is written once in OpenPack's layout and once as plain videos with the label files of five
tools, and read back through the source ``table``. CVAT and Label Studio count frames, so there the truth is moved to
the frames of the video first; text with a label a frame has no gaps, so there they are called ``Null`` and ignored.
Keys follow from names: the plain videos are called as the sessions are, so that the draws of clips are the same.
Then recordings are added to a folder whose sides are shares, and real clips go from a CSV with three columns to shards.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import tarfile
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

from report import Figure, at_most, emit, not_measured

from rushes.annotations import About, How, Labels, Mark, write
from rushes.media.video import probe
from rushes.recipe.annotation import FormatName
from rushes.recipe_file import load_recipe
from rushes.records import Recording, Segment
from rushes.runs.do import do
from rushes.runs.run import Run
from rushes.shards.manifest import split_folder
from rushes.storage import Workspace
from rushes.tasks import TASKS
from rushes.tasks.operations.prepare.unit import Job, prepare_unit
from rushes.tasks.operations.preprocessing import ClipPreprocessing
from rushes.tasks.operations.recipe import PrepareClips, TableSource
from rushes.tasks.operations.sources.openpack.source import scan as scan_openpack
from rushes.tasks.operations.sources.openpack.tables import load_label_set
from rushes.tasks.operations.sources.table.source import Table
from rushes.tasks.operations.twin.script import TwinSettings, units
from rushes.tasks.operations.twin.writer import write_unit

FPS = 25
VIDEOS = Path(__file__).resolve().parents[2] / "shared" / "data" / "videos"
GAP = "Null"


@dataclass(frozen=True, slots=True)
class Tool:
    """How a tool's labels are written.

    Attributes:
        format, suffix: of its files.
        framed: whether it counts frames.
        many: whether one file has all recordings.
        filled: whether time without a label must be called something.
        bar_s: greatest difference of a boundary.
    """

    format: FormatName
    suffix: str
    framed: bool = False
    many: bool = False
    filled: bool = False
    bar_s: float = 0.001


TOOLS = (
    Tool("table", ".csv", many=True),
    Tool("elan", ".eaf"),
    Tool("webvtt", ".vtt"),
    Tool("cvat", ".xml", framed=True),
    Tool("label_studio", ".json", framed=True, many=True),
    Tool("frames_text", ".txt", framed=True, filled=True, bar_s=1 / FPS),
)


# --- the twin, rewritten ----------------------------------------------------------------------------------


def rewritten(recordings: Sequence[Recording], tool: Tool, root: Path) -> Table:
    """Write sessions as plain videos with a tool's label files; the source that reads them."""
    root.mkdir()
    for recording in recordings:
        os.link(recording.media.path, root / f"{recording.key}.mp4")
    own = [marks_of(recording, tool) for recording in recordings]
    how = How(format=tool.format, fps=Fraction(FPS))
    if tool.many:
        about = {name: one for labels in own for name, one in labels.about.items()}
        write(
            Labels(tuple(mark for labels in own for mark in labels.marks), about),
            root / f"labels{tool.suffix}",
            how,
        )
    else:
        for recording, labels in zip(recordings, own, strict=True):
            write(labels, root / f"{recording.key}{tool.suffix}", how)
    return Table(
        TableSource.model_validate(
            {
                "annotation": {
                    "files": f"*{tool.suffix}",
                    "format": tool.format,
                    "fps": FPS if tool.framed else None,
                },
                "ignore": [GAP],
                "groups": {"pattern": r"(?P<group>[^_]+)_.*"},
            }
        )
    )


def marks_of(recording: Recording, tool: Tool) -> Labels:
    """The segments of a session as a tool's marks."""
    name, length_s = f"{recording.key}.mp4", probe(recording.media).duration_s
    assert length_s is not None, "the twin's videos declare their length"
    spans = [(segment.start_s, segment.end_s, segment.label) for segment in recording.segments]
    if tool.filled:
        edges = [0.0, *(edge for low, high, _ in spans for edge in (low, high)), length_s]
        spans += [(low, high, GAP) for low, high in zip(edges[::2], edges[1::2], strict=True) if high > low]
    marks = tuple(
        Mark(recording=name, start_s=exact(low), end_s=exact(high), label=label)
        for low, high, label in sorted(spans)
    )
    return Labels(marks, {name: About(duration_s=exact(length_s))})


def exact(seconds: float) -> Fraction:
    """The decimal number that a time was written as."""
    return Fraction(repr(seconds))


def on_frames(segment: Segment) -> Segment:
    """A segment whose ends are moved to the nearest frames."""
    start_s, end_s = (
        float(Fraction(round(exact(edge) * FPS), FPS)) for edge in (segment.start_s, segment.end_s)
    )
    return Segment(start_s, end_s, segment.label)


def apart_s(found: Sequence[Recording], truth: Sequence[Recording], framed: bool) -> float:
    """Greatest distance of a boundary from the truth; infinite where recordings, groups or labels differ."""
    worst = 0.0
    if [(one.key, one.group) for one in found] != [(one.key, one.group) for one in truth]:
        return float("inf")
    for ours, theirs in zip(found, truth, strict=True):
        right = [on_frames(one) if framed else one for one in theirs.segments]
        if [one.label for one in ours.segments] != [one.label for one in right]:
            return float("inf")
        for mine, its in zip(ours.segments, right, strict=True):
            worst = max(worst, abs(mine.start_s - its.start_s), abs(mine.end_s - its.end_s))
    return worst


def members(recordings: Sequence[Recording], folder: Path) -> dict[str, dict[str, bytes]]:
    """Samples of recordings with the bytes of their members, but for what names a session in ``meta.json``."""
    label_set = load_label_set("openpack")
    preprocessing = ClipPreprocessing(
        labels=label_set.labels, label_set="openpack", frame_size=(140, 112), frames=8
    )
    found: dict[str, dict[str, bytes]] = {}
    for recording in recordings:
        prepare_unit(Job(recording, "test", folder, preprocessing, PrepareClips()))
    for shard in sorted(split_folder(folder, "test").glob("*.tar")):
        with tarfile.open(shard) as tar:
            for member in tar:
                key, _, name = member.name.partition(".")
                data = tar.extractfile(member).read()  # type: ignore[union-attr]  # shards hold files alone
                if name == "meta.json":
                    data = json.dumps(json.loads(data) | {"session": ""}, sort_keys=True).encode()
                found.setdefault(key, {})[name] = data
    assert found, "sessions give samples"
    return found


def twin_figures(quick: bool, folder: Path) -> Iterator[Figure]:
    """Segments of every tool against the twin's, and shards of those that hold times against OpenPack's."""
    settings = TwinSettings(subjects=2 if quick else 4, boxes=1 if quick else 2, video_size=(320, 240))
    for unit in units(settings):
        write_unit(folder / "twin", unit, settings)
    truth = scan_openpack(folder / "twin", load_label_set("openpack"), "video").recordings
    right = members(truth, folder / "shards")
    for tool in TOOLS:
        root = folder / tool.format
        found = rewritten(truth, tool, root).scan(root)
        framed = tool.framed and not tool.filled
        what = "the twin's on frames" if framed else "the twin's"
        yield at_most(
            f"{tool.format}: greatest distance of {sum(len(one.segments) for one in truth)} segments from {what}, s",
            apart_s(found.recordings, truth, framed) if not found.faults else float("inf"),
            tool.bar_s,
        )
        if not tool.framed:
            ours = members(found.recordings, folder / f"shards-{tool.format}")
            differ = sum(ours.get(key) != sample for key, sample in right.items()) + len(
                ours.keys() - right.keys()
            )
            yield at_most(
                f"{tool.format}: of {len(right)} samples those that differ in any member's bytes", differ, 0
            )


# --- more recordings --------------------------------------------------------------------------------------


def added_figures(folder: Path) -> Iterator[Figure]:
    """Sides before and after a tenth more recordings, of groups that are there, new ones, and unknown ones."""
    video = next((folder / "twin").rglob("*.mp4"))
    for what, groups in (("40 groups", {"column": "person"}), ("unknown groups", {})):
        root = folder / what
        root.mkdir()
        source = Table(TableSource.model_validate({"groups": groups}))
        rows = ["file,start_s,end_s,label,person"]
        sides = []
        for first, last in ((0, 200), (200, 220)):
            for number in range(first, last):
                os.link(video, root / f"take {number}.mp4")
                person = f"p{number % 40}" if number < 210 else f"new{number % 5}"
                rows += [
                    f"take {number}.mp4,{at},{at + 2}.5,{label},{person}"
                    for at, label in ((0, "put"), (3, "take"))
                ]
            (root / "labels.csv").write_text("\n".join(rows))
            sides.append(source.sides(source.scan(root)).side_of)
        moved = sum(sides[1][key] != side for key, side in sides[0].items())
        yield at_most(f"{what}: of 200 recordings those that change sides when 20 come", moved, 0)


# --- real clips -------------------------------------------------------------------------------------------


def real_figures(videos: Path, folder: Path) -> Iterator[Figure]:
    """Sign clips and a conveyor, with one label a file, from an audit to shards."""
    figure, bar = "real clips with a CSV of three columns: recordings that gave no sample", "<= 0"
    clips = sorted(videos.glob("*.m*")) if videos.is_dir() else []
    if not clips:
        yield not_measured(figure, bar, f"no videos at {videos}")
        return
    root = folder / "real"
    root.mkdir()
    rows = ["file,label,person"]
    for number, clip in enumerate(clips):
        shutil.copy(clip, root)
        rows.append(f"{clip.name},{clip.stem.rpartition('-')[2]},{('ann', 'bob', 'cem')[number % 3]}")
    (root / "labels.csv").write_text("\n".join(rows))
    recipe = folder / "real.yaml"
    recipe.write_text(
        "task: operations\nsource:\n  kind: table\n  root: real\n  groups: {column: person}\n"
        "  split: {train: [ann, bob], test: [cem]}\nprepare: {workers: 0}\n"
    )
    loaded = load_recipe(recipe, [], TASKS)
    run = Run(TASKS[loaded.task], loaded, Workspace(folder / "workspace"))
    expected = run.audit()
    do(run, "prepare", lambda *said: None)
    account = run.account()
    assert account is not None, "prepare writes it"
    lines = account["recordings"]["lines"]
    yield at_most(figure, sum(line["recordings"] for line in lines if line["fate"] != "used"), 0)
    samples = {side: len(run.samples(side)) for side in expected.samples}
    yield Figure(
        "the same: samples by side",
        str(samples),
        str(dict(expected.samples)),
        samples == dict(expected.samples),
    )


def main() -> None:
    """Measure, and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="two short sessions")
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.add_argument(
        "--videos", type=Path, default=VIDEOS, help="folder of real clips (default: %(default)s)"
    )
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        figures = [
            *twin_figures(asked.quick, folder),
            *added_figures(folder),
            *real_figures(asked.videos, folder),
        ]
    emit(figures, asked.json)


if __name__ == "__main__":
    main()
