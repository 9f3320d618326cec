"""Runs logged by the real libraries, and read back with them; a listening socket stands for the network."""

import doctest
import json
import os
import struct
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path
from socket import create_server
from typing import get_args

import pytest

from rushes.campaign.trackers import mirror, tracker
from rushes.campaign.trackers.mirror import QUIET, RUN_NAME, Trackers, file_name
from rushes.campaign.trackers.tracker import TrackerName, flat, ordered
from rushes.errors import RushesError

TRACKERS = get_args(TrackerName)
CONFIG = {"model": {"net": "tinycnn", "attention": None}, "train": {"epochs": 2, "class_weights": [1.0, 5.5]}}
STEPS = [
    {"kind": "train", "step": 10, "loss": 1.5, "note": "x", "early": True},
    {"kind": "train", "step": 20, "loss": 0.75},
    {"kind": "validation", "step": 20, "loss": 0.875, "f1_macro": 0.5},
]
LOGGED = {
    "train/loss": [(10, 1.5), (20, 0.75)],
    "validation/loss": [(20, 0.875)],
    "validation/f1_macro": [(20, 0.5)],
}
SUMMARY = {"f1_macro": 0.5, "bytes_int8": 25374.0}


def opened(folder: Path, *names: str, said: list[str] | None = None, **options: object) -> Trackers:
    return Trackers(names or TRACKERS, folder, "sleep", report=(said or []).append, **options)


def of_tensorboard(folder: Path, run: str) -> tuple[dict, dict, dict]:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
    from tensorboard.plugins.hparams.plugin_data_pb2 import HParamsPluginData

    events = EventAccumulator(str(folder / "trackers" / "tensorboard" / run))
    events.Reload()
    steps = {tag: [(e.step, e.value) for e in events.Scalars(tag)] for tag in events.Tags()["scalars"]}
    content = events.SummaryMetadata("_hparams_/session_start_info").plugin_data.content
    params = HParamsPluginData.FromString(content).session_start_info.hparams
    summary = {tag[8:]: steps.pop(tag)[-1][1] for tag in list(steps) if tag.startswith("summary/")}
    return {k: getattr(v, v.WhichOneof("kind")) for k, v in params.items()}, steps, summary


def of_mlflow(folder: Path, run: str) -> tuple[dict, dict, dict]:
    """By a process of its own, in which the file store is allowed."""
    read = """
import json, sys
from mlflow.tracking import MlflowClient
client = MlflowClient(tracking_uri=sys.argv[1])
experiment = client.get_experiment_by_name("sleep").experiment_id
(run,) = [run for run in client.search_runs([experiment]) if run.info.run_name == sys.argv[2]]
assert run.info.status == "FINISHED"
steps = {
    key: [(m.step, m.value) for m in client.get_metric_history(run.info.run_id, key)]
    for key in run.data.metrics
}
print(json.dumps([run.data.params, steps]))
"""
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", read, (folder / "trackers" / "mlflow").as_uri(), run],
        env={**os.environ, **QUIET},
        capture_output=True,
        text=True,
        check=True,
    )
    params, steps = json.loads(done.stdout)
    steps = {key: [tuple(value) for value in values] for key, values in steps.items()}
    return (
        params,
        steps,
        {key[8:]: steps.pop(key)[-1][1] for key in list(steps) if key.startswith("summary/")},
    )


def of_wandb(folder: Path, run: str) -> tuple[dict, dict, dict]:
    """From the records of the offline file, which is a LevelDB log behind seven bytes."""
    from wandb.proto.wandb_internal_pb2 import Record

    (path,) = (folder / "trackers" / "wandb").glob(f"offline-run-*/run-{run}.wandb")
    data, place, part = path.read_bytes(), 7, b""
    config, steps, summary = {}, {}, {}
    while place + 7 <= len(data):
        if 32768 - place % 32768 < 7:  # too little is left of a block for a header
            place += 32768 - place % 32768
            continue
        _, size, kind = struct.unpack("<IHB", data[place : place + 7])
        part += data[place + 7 : place + 7 + size]
        place += 7 + size
        if kind not in (1, 4):  # not whole yet
            continue
        record, part = Record.FromString(part), b""
        if record.HasField("run"):
            config["its host"] = record.run.host
        for item in [*record.run.config.update, *record.config.update]:
            config[item.key] = json.loads(item.value_json)
        for item in record.summary.update:
            summary[item.key or item.nested_key[0]] = json.loads(item.value_json)
        row = {i.key or i.nested_key[0]: json.loads(i.value_json) for i in record.history.item}
        for key, value in row.items():
            if key[0] != "_":
                steps.setdefault(key, []).append((row.get("_step", record.history.step.num), value))
    return config, steps, {key: value for key, value in summary.items() if key[0] != "_"}


READ = {"tensorboard": of_tensorboard, "mlflow": of_mlflow, "wandb": of_wandb}


@contextmanager
def network(monkeypatch):
    """A proxy that nobody may ask; yields a function that tells what it was asked for.

    Whoever tries ports on this machine connects as well, and asks for nothing.
    """
    with create_server(("127.0.0.1", 0)) as server:
        server.setblocking(False)
        for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy"):
            monkeypatch.setenv(name, f"http://127.0.0.1:{server.getsockname()[1]}")
        # Where MLflow sees a test or a build server it is silent by itself.
        for name in ("NO_PROXY", "no_proxy", "PYTEST_CURRENT_TEST", "CI"):
            monkeypatch.delenv(name, raising=False)

        def asked() -> list[bytes]:
            found = []
            try:
                while True:
                    with server.accept()[0] as caller:
                        caller.settimeout(5)
                        found.append(caller.recv(200))
            except BlockingIOError:
                return [request for request in found if b" HTTP/" in request]

        yield asked


@pytest.mark.parametrize("name", TRACKERS)
def test_figures_come_back_from_the_library(name, tmp_path, monkeypatch):
    home = tmp_path / "home"
    home.mkdir()
    monkeypatch.setenv("HOME", str(home))
    said: list[str] = []
    with network(monkeypatch) as asked:
        trackers = opened(tmp_path, name, said=said)
        trackers.log_run("cbam-k3-s42", CONFIG, iter(STEPS), SUMMARY)
        assert said == []
        assert asked() == []
    assert not list(home.iterdir())
    config, steps, summary = READ[name](tmp_path, "cbam-k3-s42")
    assert steps == LOGGED
    assert summary.items() >= SUMMARY.items()
    if name == "wandb":
        (path,) = (tmp_path / "trackers" / "wandb").iterdir()
        assert {entry.name for entry in path.iterdir()} <= {"files", "run-cbam-k3-s42.wandb"}
        assert not list((path / "files").glob("*"))
        assert config.pop("its host") == "unknown"
        assert config["model"] == CONFIG["model"]
        assert config["train"] == CONFIG["train"]
    else:
        assert {key: str(value) for key, value in config.items()} == {
            "model.net": "tinycnn",
            "model.attention": "null",
            "train.epochs": "2" if name == "mlflow" else "2.0",
            "train.class_weights": "[1.0,5.5]",
        }


def files(folder: Path) -> dict[str, int]:
    return {str(path.relative_to(folder)): path.stat().st_mtime_ns for path in folder.rglob("*")}


@pytest.mark.slow
def test_a_run_is_logged_once(tmp_path):
    said: list[str] = []
    opened(tmp_path, said=said).log_run("a-s1", CONFIG, STEPS, SUMMARY)
    before = files(tmp_path)
    opened(tmp_path, said=said).log_run("a-s1", json.loads(json.dumps(CONFIG)), STEPS, {"f1_macro": 0.9})
    assert files(tmp_path) == before
    # Killed before the marker: the library's own files say that the run is there.
    for name in TRACKERS:
        (tmp_path / "trackers" / "logged" / name / "a-s1.json").unlink()
    opened(tmp_path, said=said).log_run("a-s1", CONFIG, STEPS, {"f1_macro": 0.9})
    assert said == []
    for read in READ.values():
        assert read(tmp_path, "a-s1")[2]["f1_macro"] == 0.5


def test_the_same_name_with_another_config_is_another_run(tmp_path):
    trackers = opened(tmp_path, "tensorboard")
    other = {**CONFIG, "train": {"epochs": 3}}
    for _ in range(2):
        trackers.log_run("a-s1", CONFIG, STEPS, SUMMARY)
        trackers.log_run("a-s1", other, STEPS, {"f1_macro": 0.25})
    names = sorted(path.name for path in (tmp_path / "trackers" / "tensorboard").iterdir())
    assert len(names) == 2
    assert names[0] == "a-s1"
    assert of_tensorboard(tmp_path, names[1])[2] == {"f1_macro": 0.25}
    assert of_tensorboard(tmp_path, names[1])[0]["train.epochs"] == 3


def test_a_half_written_run_is_written_again(tmp_path):
    torn = tmp_path / "trackers" / "tensorboard" / ".a-s1.partial"
    torn.mkdir(parents=True)
    (torn / "events.out.tfevents.0.x").write_bytes(b"torn")
    begun = """
import sys
from pathlib import Path
from mlflow.tracking import MlflowClient
from rushes.campaign.trackers.mlflow import TAG
client = MlflowClient(tracking_uri=Path(sys.argv[1]).absolute().as_uri())
run = client.create_run(client.create_experiment("sleep"), run_name="a-s1", tags={TAG: "a-s1"})
client.log_metric(run.info.run_id, "train/loss", 99.0, step=10)
"""
    store = tmp_path / "trackers" / "mlflow"
    subprocess.run(
        [sys.executable, "-W", "ignore", "-c", begun, str(store)],
        env={**os.environ, **QUIET},
        check=True,
        capture_output=True,
    )
    said: list[str] = []
    opened(tmp_path, "tensorboard", "mlflow", said=said).log_run("a-s1", CONFIG, STEPS, SUMMARY)
    assert said == []
    for name in ("tensorboard", "mlflow"):
        assert READ[name](tmp_path, "a-s1")[1] == LOGGED
    assert not torn.exists()


def test_a_failing_tracker_is_reported_once_and_the_others_go_on(tmp_path):
    folder = tmp_path / "trackers"
    folder.mkdir()
    (folder / "mlflow").write_text("where a folder should be")
    said: list[str] = []
    trackers = Trackers(("mlflow", "tensorboard"), tmp_path, "sleep", report=said.append)
    trackers.log_run("a-s1", CONFIG, STEPS, SUMMARY)
    trackers.log_run("b-s1", CONFIG, STEPS, SUMMARY)
    assert len(said) == 1
    assert "the tracker mlflow failed: " in said[0]
    assert sorted(path.name for path in (folder / "tensorboard").iterdir()) == ["a-s1", "b-s1"]
    assert not (folder / "logged" / "mlflow").exists()
    # Mended, the next campaign logs what is missing.
    (folder / "mlflow").unlink()
    opened(tmp_path, "mlflow", said=said).log_run("a-s1", CONFIG, STEPS, SUMMARY)
    assert len(said) == 1
    assert of_mlflow(tmp_path, "a-s1")[2] == SUMMARY


def test_a_tracker_that_hangs_is_ended(tmp_path):
    said: list[str] = []
    trackers = Trackers(("tensorboard",), tmp_path, "sleep", report=said.append, timeout_s=0.01)
    trackers.log_run("a-s1", CONFIG, STEPS, SUMMARY)
    assert len(said) == 1
    assert "took more than 0.01 s" in said[0]
    assert not (tmp_path / "trackers" / "logged").exists()


def test_what_cannot_be_logged_is_refused_at_once(tmp_path):
    with pytest.raises(RushesError, match="no tracker is called mlfow"):
        opened(tmp_path, "mlfow")
    assert not list(tmp_path.iterdir())


def test_any_name_of_a_run_is_that_of_a_file():
    strange = ("../a", "a/b", "", ".a", "a" * 101, "ä", "x1e+20-s0", "x1e_20-s0+", "\ud800", "a" * 101 + "b")
    found = {name: file_name(name) for name in strange}
    assert all(RUN_NAME.fullmatch(as_) for as_ in found.values())
    assert len({*found.values()}) == len(strange)
    assert file_name("a" * 100) == "a" * 100


def test_a_run_of_a_strange_name_is_logged_once(tmp_path):
    said: list[str] = []
    name = f"{'grid-learning_rate' * 6}1e+20-s0"
    for _ in range(2):
        opened(tmp_path, "tensorboard", said=said).log_run(name, CONFIG, STEPS, SUMMARY)
    assert said == []
    (made,) = (tmp_path / "trackers" / "tensorboard").iterdir()
    assert made.name == file_name(name)
    assert of_tensorboard(tmp_path, made.name)[1] == LOGGED


def test_what_cannot_be_written_down_stops_no_campaign(tmp_path):
    said: list[str] = []
    trackers = Trackers(("tensorboard",), tmp_path, "sleep", report=said.append)
    for _ in range(2):
        trackers.log_run("a-s1", {"model": object()}, STEPS, SUMMARY)
    assert len(said) == 1
    assert "all else goes on" in said[0]


def test_a_missing_library_is_named_with_its_cure(tmp_path):
    asked = """
import sys
from pathlib import Path
from rushes.campaign.trackers.mirror import Trackers
from rushes.errors import RushesError
sys.meta_path[:] = [f for f in sys.meta_path if "PathFinder" not in repr(f)]
try:
    Trackers(("wandb",), Path("."), "sleep", report=print)
except RushesError as error:
    print(error)
"""
    done = subprocess.run(
        [sys.executable, "-c", asked], capture_output=True, text=True, check=True, cwd=tmp_path
    )
    assert "wandb is not installed" in done.stdout
    assert "pip install 'rushes[trackers]'" in done.stdout


def test_forms():
    assert doctest.testmod(mirror).failed == doctest.testmod(tracker).failed == 0
    assert flat({"a": {}, "b": True}) == {"a": "{}", "b": True}
    assert (
        ordered([{"step": 1, "x": None, "y": "z", "done": True}, {"loss": 1.0}, {"step": "2", "a": 1}]) == []
    )
    assert ordered([{"step": 1, "a": 1}, {"step": 1, "a": 2, "b": 3}]) == [(1, {"a": 2.0, "b": 3.0})]


def test_steps_that_begin_anew_are_another_phase():
    one = [{"kind": "train", "step": n, "loss": n / 2} for n in (1, 2)]
    seen = {"kind": "validation", "step": 2, "loss": 9}
    assert [step for step, _ in ordered([*one, seen])] == [1, 2]
    assert ordered([*one, seen, *one, seen, one[0], one[0]]) == [
        (1, {f"phase{n}/train/loss": 0.5 for n in (1, 2, 3, 4)}),
        (
            2,
            {f"phase{n}/{kind}/loss": x for n in (1, 2) for kind, x in (("train", 1.0), ("validation", 9.0))},
        ),
    ]
