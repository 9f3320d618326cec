"""Figures of what a service says: its document against its answers, its answers against predict, and its own time.

The document is tried by schemathesis on doors without a model. The others are taken on the tiny run of the twin
of operations, which is made first: the verb ``serve`` answers clips of the test session in a process of its own.
"""

from __future__ import annotations

import re
import signal
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import av
import httpx
from report import Figure, at_most
from serving_client import running

from rushes.media.limits import DEFAULT_LIMITS
from rushes.predict.table import read_predictions
from rushes.runs.run import Run
from rushes.storage import open_workspace
from rushes.tasks import load_recipe, open_run
from rushes.tasks.operations.predict.table import SCHEMA
from rushes.train.threads import one_thread

RECIPE = """\
task: operations
name: served
source: {split: {train: [U0101], test: [U0102]}}
twin: {subjects: 2, boxes: 1, difficulty: 0.0}
preprocessing: {frames: 2, frame_size: [56, 56], signal_size: [40, 30], clip_s: 4.0}
prepare: {window_stride_s: 8.0, workers: 0}
train:
  phases: [{ask: clips, steps: 2, batch_size: 2, accumulate: 1}]
evaluate: {compare: [untrained]}
"""
READY_S = 300.0


def contract_figures(quick: bool, folder: Path) -> Iterator[Figure]:
    """All of them."""
    yield from document_figures(quick, folder)
    yield from run_figures(quick, folder)


# --- the document -------------------------------------------------------------------------------------------


def document_figures(quick: bool, folder: Path) -> Iterator[Figure]:
    """What schemathesis finds: statuses, bodies, headers and methods that are not as the document says."""
    examples = 10 if quick else 200
    with running(folder / "document", {"queue": 64, "max_mb": 4}) as service:
        command = [
            sys.executable,
            "-m",
            "schemathesis.cli",
            "run",
            f"http://127.0.0.1:{service.port}/openapi.json",
        ]
        checks = ["--checks", "all", "--exclude-checks", "positive_data_acceptance"]
        more = ["--continue-on-failure", "--max-examples", str(examples), "--seed", "1", "--no-color"]
        found = subprocess.run([*command, *checks, *more], cwd=folder, capture_output=True, text=True)
    if (cases := re.search(r"([\d,]+) generated", found.stdout)) is None:
        raise RuntimeError(found.stdout + found.stderr)
    failures = sum(int(count) for count in re.findall(r"❌ ST\d+ [^:]+: (\d+)", found.stdout))
    assert (failures == 0) == (found.returncode == 0), found.stdout
    yield Figure("document: requests that schemathesis made", float(cases[1].replace(",", "")))
    yield at_most("document: answers that are not as documented", float(failures), 0)


# --- a trained run ------------------------------------------------------------------------------------------


def run_figures(quick: bool, folder: Path) -> Iterator[Figure]:
    """Answers over HTTP against those of predict, and what the service takes beside them."""
    run = _trained(folder)
    rows = [
        row
        for row in read_predictions(run.folder("predict"), SCHEMA).to_pylist()
        if row["variant"] == "model"
    ]
    path_of = {one.key: one.media.path for one in run.scan.recordings}
    asked = [
        (path_of[row["recording"]], {"start_s": row["clip_start_s"], "asked_s": row["asked_s"]}, row)
        for row in rows
    ]
    with _serving(folder) as url, httpx.Client(base_url=url, timeout=120.0) as client:
        yield from _equality(client, asked[:10] if quick else asked)
        yield from _overhead(client, run, asked[0][0], 20 if quick else 100)


def _equality(
    client: httpx.Client, asked: list[tuple[Path, dict[str, float], Mapping[str, Any]]]
) -> Iterator[Figure]:
    unequal, farthest = 0, 0.0
    for path, where, row in asked:
        said = _predict(client, path, where)
        ours = (said["dominant_operation"], said["anticipated_next_operation"], *said["segment_s"].values())
        unequal += ours != (row["operation"], row["next"], row["start_s"], row["end_s"])
        pairs = zip(said["scores"].values(), row["probabilities"], strict=True)
        farthest = max(farthest, *(abs(one - other) for one, other in pairs))
    yield at_most(f"answers of the service that predict does not give, of {len(asked)}", float(unequal), 0)
    yield at_most("largest difference of a probability", farthest, 1e-6)


def _overhead(client: httpx.Client, run: Run[Any], session: Path, count: int) -> Iterator[Figure]:
    """One client with a clip; bare and served turn by turn, so that whatever else runs here slows both."""
    door = run.task.doors(run)["predict"]
    door.warm_up()
    clip = _beginning(session, run.recipe.preprocessing.clip_s, run.workspace.root / "clip.mp4")
    without: list[float] = []
    child: list[float] = []
    for number in range(count + 3):
        decoded_s, answered_s = _bare(door, clip, {})
        began = time.perf_counter()
        said = _predict(client, clip, {})
        wall_s = time.perf_counter() - began
        decode_s = said["timings_ms"]["decode"] / 1000.0
        if number >= 3:
            without.append(1000.0 * (wall_s - decode_s - answered_s))
            child.append(1000.0 * (decode_s - decoded_s))
    yield at_most(
        "service beside decoding and the bare predictor, median ms", statistics.median(without), 10.0
    )
    yield at_most(
        "decoding in a process of its own beside decoding here, median ms", statistics.median(child), 250.0
    )


def _beginning(session: Path, clip_s: float, clip: Path) -> Path:
    """The first seconds of a video, as they were encoded."""
    with av.open(str(session)) as source, av.open(str(clip), "w") as cut:
        [stream] = source.streams.video
        own = cut.add_stream_from_template(stream)
        for packet in source.demux(stream):
            if packet.pts is not None and packet.pts * stream.time_base < clip_s:
                packet.stream = own
                cut.mux(packet)
    return clip


def _bare(door: Any, path: Path, where: Mapping[str, float]) -> tuple[float, float]:
    """Seconds to decode, and to answer, in this process."""
    asked = door.asked(**where)
    began = time.perf_counter()
    decoded = door.decode(asked)({"file": path}, DEFAULT_LIMITS)
    parts = list(decoded.parts)
    between = time.perf_counter()
    with one_thread():
        reply = door.reply(asked, decoded.about)
        for part, said in zip(parts, door.answer(parts), strict=True):
            reply.add(part, said)
        reply.finish()
    return between - began, time.perf_counter() - between


def _predict(client: httpx.Client, path: Path, where: Mapping[str, float]) -> Any:
    with path.open("rb") as video:
        answer = client.post("/predict", files={"file": video}, data=dict(where))
    answer.raise_for_status()
    return answer.json()


def _trained(folder: Path) -> Run[Any]:
    recipe, workspace = folder / "served.yaml", folder / "workspace"
    recipe.write_text(RECIPE)
    command = [sys.executable, "-m", "rushes.cli", "run", str(recipe), "--workspace", str(workspace)]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    return open_run(load_recipe(recipe, ()), open_workspace(workspace))


@contextmanager
def _serving(folder: Path) -> Iterator[str]:
    """Address of the service of the run in ``folder``."""
    words = ["serve", str(folder / "served.yaml"), "--workspace", str(folder / "workspace"), "--port", "0"]
    log = folder / "serve.log"
    with log.open("w") as lines:
        command = [sys.executable, "-m", "rushes.cli", *words, "--uploads", str(folder / "uploads")]
        process = subprocess.Popen(command, stderr=lines)
    try:
        end = time.monotonic() + READY_S
        while not ((found := re.search(r"http://\S+", log.read_text())) and _is_ready(found[0])):
            if process.poll() is not None or time.monotonic() > end:
                raise RuntimeError(log.read_text())
            time.sleep(0.2)
        yield found[0]
        process.send_signal(signal.SIGTERM)
        process.wait(60.0)
    finally:
        process.kill()
        process.wait()


def _is_ready(url: str) -> bool:
    try:
        return httpx.get(f"{url}/ready").status_code == 200
    except httpx.TransportError:
        return False
