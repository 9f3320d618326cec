"""A trained run behind ``rushes serve``: its answers over HTTP are those that its own stages wrote."""

import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import numpy as np
import pytest
from at_the_door import still

from rushes.predict.table import read_predictions
from rushes.tasks.operations.predict.table import SCHEMA

pytestmark = pytest.mark.slow


@contextmanager
def serving(job, *options: str) -> Iterator[tuple[str, str]]:
    """Address of the service of a job, and what it said when it began; it must end well."""
    process = job.begin("serve", "--port", "0", *options)
    try:
        began = ""
        while "told to stop" not in began:
            line = process.stderr.readline()
            assert line, began
            began += line
        [url] = re.findall(r"http://\S+", began)
        end = time.monotonic() + 120.0
        while httpx.get(f"{url}/ready").status_code != 200:
            assert time.monotonic() < end, "it is not ready"
            time.sleep(0.1)
        yield url, began
        process.send_signal(signal.SIGTERM)
        assert process.wait(60.0) == 0, process.stderr.read()
    finally:
        process.kill()
        process.communicate()


@pytest.fixture(scope="module")
def served(finished, tmp_path_factory):
    folder = tmp_path_factory.mktemp("uploads") / "root"
    with serving(finished.job, "--uploads", str(folder), "--set", "serve.max_mb=50") as (url, began):
        yield url, began
    assert not list(folder.iterdir())


def test_clips_are_answered_as_predict_answered_them(finished, served):
    run, (url, _) = finished.job.run(), served
    rows = read_predictions(run.folder("predict"), SCHEMA).to_pylist()
    rows = [row for row in rows if row["variant"] == "model"]
    path_of = {one.key: one.media.path for one in run.scan.recordings}
    for row in rows[:: max(len(rows) // 5, 1)]:
        where = {"start_s": row["clip_start_s"], "asked_s": row["asked_s"], "clip_id": row["key"]}
        with path_of[row["recording"]].open("rb") as video:
            said = httpx.post(f"{url}/predict", files={"file": video}, data=where, timeout=60.0).json()
        assert said["clip_id"] == row["key"]
        assert (said["dominant_operation"], said["anticipated_next_operation"]) == (
            row["operation"],
            row["next"],
        )
        assert (said["segment_s"]["start_s"], said["segment_s"]["end_s"]) == (row["start_s"], row["end_s"])
        np.testing.assert_allclose([*said["scores"].values()], row["probabilities"], atol=1e-6)
        assert said["model"]["train"] == run.specs["train"].signature


def test_a_recording_is_answered_whole_and_event_by_event(finished, served):
    url, _ = served
    video = finished.job.one("twin", "raw/U0102/**/*.mp4")
    whole = httpx.post(f"{url}/analyze", files={"file": video.read_bytes()}, timeout=120.0).json()
    assert whole["windows_processed"] > 1
    headers = {"Accept": "text/event-stream"}
    told = httpx.post(
        f"{url}/analyze", files={"file": video.read_bytes()}, headers=headers, timeout=120.0
    ).text
    last = told.strip().split("\n\n")[-1]
    assert last.startswith("event: result\n")
    said = json.loads(last.split("data: ", 1)[1])
    assert said["operations"] == whole["operations"]
    assert "event: partial" in told


def test_what_is_no_video_is_refused(served):
    url, _ = served
    answer = httpx.post(f"{url}/predict", files={"file": b"no video at all"}, timeout=60.0)
    assert (answer.status_code, answer.json()["error"]) == (422, "kind_not_allowed"), answer.text


def test_limits_are_told_at_the_start_and_in_the_document(served):
    url, began = served
    description = httpx.get(f"{url}/openapi.json").json()["info"]["description"]
    lines = re.findall(r"^  (.*)$", began, re.MULTILINE)
    assert any(line.startswith("upload: 50 MB in 300 s") for line in lines)
    assert all(line in description for line in lines)


# --- what the documentation says ----------------------------------------------------------------------------

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "serving.md"


@pytest.fixture
def beside(finished, tmp_path):
    """A folder with the files that the page names: a clip of the run's length, and a session."""
    session = finished.job.one("twin", "raw/U0102/**/*.mp4")
    (tmp_path / "session.mp4").write_bytes(session.read_bytes())
    still(tmp_path / "clip.mp4", finished.job.run().recipe.preprocessing.clip_s)
    return tmp_path


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", PAGE.read_text(), re.MULTILINE | re.DOTALL)


@pytest.mark.skipif(shutil.which("curl") is None, reason="needs curl")
def test_the_curl_lines_of_the_page_are_answered(served, beside):
    url, _ = served
    [block] = blocks("bash")
    lines = block.replace("http://127.0.0.1:8000", url).splitlines()
    assert len(lines) >= 6
    for line in lines:
        done = subprocess.run(shlex.split(line), cwd=beside, capture_output=True, text=True, timeout=120)
        assert done.returncode == 0, f"{line}\n{done.stderr}"
        assert done.stdout, line


def test_the_python_of_the_page_runs(served, beside):
    url, _ = served
    [block] = blocks("python")
    code = block.replace("http://127.0.0.1:8000", url)
    path = os.pathsep.join([str(ROOT / "examples" / "serve"), os.environ.get("PYTHONPATH", "")])
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=beside,
        env={**os.environ, "PYTHONPATH": path},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    assert "progress" in done.stdout


def test_the_client_says_why_it_is_refused(served, tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT / "examples" / "serve"))
    from rushes_client import Refused, Rushes

    (tmp_path / "clip.mp4").write_bytes(b"no video at all")
    with Rushes(served[0]) as service:
        assert service.ready()
        with pytest.raises(Refused, match="kind_not_allowed") as refused:
            service.predict(tmp_path / "clip.mp4")
    assert refused.value.status == 422
    assert refused.value.cure
    assert refused.value.request_id
