"""Real nets, exported and asked by the real runtime."""

import copy
import doctest
import json
import logging
import os
import subprocess
import sys
import warnings

import numpy as np
import onnx
import pytest
import torch
from torch.nn import functional

import rushes.export.latency as latency_module
import rushes.tasks.sounds.export as export_module
from rushes.errors import MetricError, ModelError
from rushes.export.latency import CAN_PIN, core_of, latencies
from rushes.export.onnx_model import Weights, logits_of, rectify_first, to_int8, to_onnx, weights
from rushes.models.nets import build, infer, load, save
from rushes.models.onnx_session import session
from rushes.recipe.net import Net
from rushes.tasks.sounds.export import export, verdict
from rushes.tasks.sounds.prepare.sample import Sample
from rushes.tasks.sounds.preprocessing import SoundPreprocessing

CORES = os.sched_getaffinity(0) if CAN_PIN else {0}
CONTRACT = SoundPreprocessing(clip_s=0.5, mels=16)
NETS = {
    "tinycnn": Net(),
    "cbam": Net(attention="cbam"),
    "channel": Net(attention="channel", reduction=32),
    "spatial": Net(attention="spatial", kernel=7),
    "crnn": Net(net="crnn"),
    "crnn-1x32": Net(net="crnn", hidden=32, layers=1),
}
BUDGET = {"max_bytes": 128_000, "max_macs_per_s": 30_000_000, "runs": 20}


def clip(features: np.ndarray, label: str) -> Sample:
    return Sample("night", "P01", label, features)


def clips(n: int, seed: int) -> list[Sample]:
    """Noise, noise with a tone, noise with pulses."""
    rng = np.random.default_rng(seed)
    found = []
    for row in range(n):
        features = rng.normal(-65, 5, CONTRACT.shape)
        if row % 3 == 1:
            features[6:10] += rng.uniform(6, 20)
        if row % 3 == 2:
            features[:, ::8] += rng.uniform(6, 20)
        found.append(clip(np.clip(features, -80, 0).astype(np.float32), CONTRACT.labels[row % 3]))
    return found


def drawn(name: str, preprocessing: SoundPreprocessing = CONTRACT):
    """A net with no two equal weights; zero biases of two layers would be stored once."""
    net = build(NETS[name], preprocessing, seed=5)
    noise = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for weight in net.parameters():
            weight += 0.05 * torch.randn(weight.shape, generator=noise)
    return net


@pytest.fixture(scope="module")
def trained():
    """Nets that have learnt something, by name."""
    data = clips(90, seed=1)
    x = torch.from_numpy(np.stack([clip.features for clip in data]))[:, None]
    y = torch.tensor([CONTRACT.labels.index(clip.label) for clip in data])
    nets = {}
    for name in ("tinycnn", "cbam", "crnn"):
        net = build(NETS[name], CONTRACT, seed=0)
        optimizer = torch.optim.Adam(net.parameters(), 2e-3)
        for step in range(60):
            rows = slice(30 * (step % 3), 30 * (step % 3) + 30)
            optimizer.zero_grad()
            functional.cross_entropy(net(x[rows]), y[rows]).backward()
            optimizer.step()
        nets[name] = net.eval()
    return nets


@pytest.mark.parametrize("name", ["tinycnn", "cbam", "crnn"])
def test_the_report_of_a_trained_net(trained, name, tmp_path):
    net, asked = trained[name], clips(96, seed=2)
    report = export(net, clips(30, seed=3), iter(asked), tmp_path, **BUDGET, batch_size=40)
    assert json.loads((tmp_path / "deploy.json").read_text()) == report
    assert report["clips"] == {"calibration": 30, "evaluation": 96}
    assert report["parameters"] == sum(p.numel() for p in net.parameters())
    assert report["macs_per_s"] == round(report["macs_per_clip"] / 0.5)
    largest = max(1.0, np.abs(infer(copy.deepcopy(net), [c.features for c in asked], 40)).max())
    assert 0 <= report["parity_relative"] <= 1e-5
    assert report["parity"] == pytest.approx(report["parity_relative"] * largest)
    # The files are what was measured: asked again, one clip at a time, they answer the same.
    truth = [clip.label for clip in asked]
    for file, figure in (("model.onnx", "fp32"), ("model.int8.onnx", "int8")):
        data = (tmp_path / file).read_bytes()
        assert len(data) == report["bytes"]["onnx" if figure == "fp32" else "onnx_int8"]
        model = session(data)
        answers = [CONTRACT.labels[logits_of(model, c.features[None]).argmax()] for c in asked]
        f1 = [
            2 * sum(a == t == label for a, t in zip(answers, truth, strict=True))
            / (answers.count(label) + truth.count(label))
            for label in CONTRACT.labels
        ]  # fmt: skip
        assert np.mean(f1) == pytest.approx(report["f1_macro"][figure])
    assert report["f1_macro"]["fp32"] > 0.9
    assert abs(report["f1_macro"]["drop"]) <= 0.05
    assert report["f1_macro"]["drop"] == report["f1_macro"]["fp32"] - report["f1_macro"]["int8"]
    assert 0 < report["time"]["p50_ms"] <= report["time"]["p95_ms"]
    assert 0 < report["time"]["int8_p50_ms"] <= report["time"]["int8_p95_ms"]
    assert not [path.name for path in tmp_path.iterdir() if path.name.startswith(".")]


@pytest.mark.parametrize("name", NETS)
def test_any_number_of_clips_gives_the_logits_of_torch(name):
    net = drawn(name)
    features = [clip.features for clip in clips(7, seed=4)]
    model = session(to_onnx(net))
    expected = infer(net, features, 7)
    for n in (1, 2, 7):
        np.testing.assert_allclose(logits_of(model, np.stack(features[:n])), expected[:n], atol=1e-5)


@pytest.mark.parametrize("name", NETS)
def test_the_bytes_are_those_of_the_weights(name):
    net = drawn(name)
    plain = to_onnx(net)
    small = to_int8(plain, [clip.features for clip in clips(6, seed=0)])
    gru = 0 if net.gru is None else sum(4 * p.numel() for p in net.gru.parameters())
    floats = gru + sum(4 * p.numel() for part in (net.head, net.attention) for p in part.parameters())
    count = sum(p.numel() for p in net.parameters())
    held = weights(small)
    assert (held.gru, held.floats) == (gru, floats)
    # One byte a weight, four a bias, and for each channel the scales of both.
    assert count + 3 * floats // 4 < held.total < 1.1 * (count + 3 * floats // 4) + 2500
    assert weights(plain).total - 4 * count < 250
    for data in (plain, small):
        model = onnx.load_from_string(data)
        onnx.checker.check_model(model, full_check=True)
        assert all(not tensor.external_data for tensor in model.graph.initializer)
        assert [d.dim_value for d in model.graph.input[0].type.tensor_type.shape.dim] == [0, 1, 16, 51]


@pytest.mark.parametrize("name", NETS)
def test_each_channel_has_a_scale_and_what_is_rectified_has_all_256_steps(name):
    small = to_int8(to_onnx(drawn(name)), [clip.features for clip in clips(6, seed=0)])
    graph = onnx.load_from_string(small).graph
    held = {tensor.name: onnx.numpy_helper.to_array(tensor) for tensor in graph.initializer}
    scales = {name: held[f"{name}.weight_scale"].shape for name in ("near", "middle", "far")}
    assert scales == {"near": (16,), "middle": (32,), "far": (64,)}
    assert sum("weight_scale" in name for name in held) == 3
    maker = {output: node.op_type for node in graph.node for output in node.output}
    stepped = [node for node in graph.node if node.op_type == "QuantizeLinear"]
    zeros = [held[node.input[2]] for node in stepped if maker.get(node.input[0]) == "Conv"]
    assert zeros == [0, 0, 0]  # no step is lost on negative values
    assert maker["logits"] == "Gemm"


def test_a_rectifier_may_as_well_come_first():
    plain = to_onnx(drawn("cbam"))
    model = onnx.load_from_string(plain)
    rectify_first(model.graph)
    onnx.checker.check_model(model, full_check=True)
    order = [node.op_type for node in model.graph.node if node.op_type in ("Conv", "Relu", "MaxPool")]
    assert order[:6] == ["Conv", "Relu", "MaxPool"] * 2
    asked = np.stack([clip.features for clip in clips(9, seed=2)])
    first, then = (session(data) for data in (plain, model.SerializeToString()))
    assert logits_of(first, asked).tobytes() == logits_of(then, asked).tobytes()


def test_the_teacher_does_not_shrink_and_the_verdict_says_why():
    nets = {name: drawn(name, SoundPreprocessing()) for name in ("tinycnn", "crnn")}
    clip = np.full(SoundPreprocessing().shape, -40, np.float32)
    held = {name: weights(to_int8(to_onnx(net), [clip])) for name, net in nets.items()}
    budget = {"max_bytes": 128_000, "max_macs_per_s": 30_000_000}
    small, large = (verdict(held[name], 20_000_000, **budget) for name in ("tinycnn", "crnn"))
    assert small["fits"]
    assert held["tinycnn"].total < 40_000
    assert not any("GRU" in reason for reason in small["reasons"])
    assert any(reason.startswith("780 bytes of it stay float") for reason in small["reasons"])
    assert not large["fits"]
    assert held["crnn"].gru == 4 * 49_920
    assert any("199,680 bytes of it stay float" in reason for reason in large["reasons"])
    assert any("too many" in reason for reason in large["reasons"])


def test_a_budget_holds_up_to_its_last_byte_and_mac():
    def fits(**budget: int) -> bool:
        asked = {"max_bytes": 1000, "max_macs_per_s": 500, **budget}
        return verdict(Weights(1000, 0, 0), 500, **asked)["fits"]

    assert fits()
    assert not fits(max_bytes=999)
    assert not fits(max_macs_per_s=499)
    assert doctest.testmod(export_module).failed == 0


def test_the_same_net_gives_the_same_files_wherever_it_comes_from(tmp_path, trained):
    net = trained["crnn"]
    save(net, tmp_path / "net")
    parts = clips(9, seed=0), clips(9, seed=1)
    first = export(net, *parts, tmp_path / "a", **BUDGET)
    second = export(load(tmp_path / "net", SoundPreprocessing).train(), *parts, tmp_path / "b", **BUDGET)
    for file in ("model.onnx", "model.int8.onnx"):
        assert (tmp_path / "a" / file).read_bytes() == (tmp_path / "b" / file).read_bytes()
    assert {**first, "time": 0} == {**second, "time": 0}
    other = copy.deepcopy(net)
    with torch.no_grad():
        other.head.bias += 1.0
    assert to_onnx(other) != to_onnx(net)


CHILD = """
import hashlib, logging
import numpy as np
from rushes.tasks.sounds.preprocessing import SoundPreprocessing
from rushes.export.onnx_model import to_int8, to_onnx
from rushes.models.nets import build
from rushes.recipe.net import Net
net = build(Net(attention="cbam"), SoundPreprocessing(clip_s=0.5, mels=16), seed=3)
plain = to_onnx(net)
small = to_int8(plain, [np.random.default_rng(0).uniform(-80, 0, (16, 51)).astype(np.float32)])
assert not logging.getLogger().handlers
print(hashlib.sha256(plain).hexdigest(), hashlib.sha256(small).hexdigest())
"""


def test_another_process_writes_the_same_bytes_and_says_nothing(tmp_path):
    said = []
    for seed in ("1", "2"):
        done = subprocess.run(
            [sys.executable, "-c", CHILD],
            cwd=tmp_path,
            env={**os.environ, "PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            check=True,
        )
        assert done.stderr == ""
        said.append(done.stdout)
    assert said[0] == said[1]
    assert not list(tmp_path.iterdir())


def test_the_net_and_the_process_stay_as_they_were(trained):
    net = copy.deepcopy(trained["cbam"]).train()
    before = {name: tensor.clone() for name, tensor in net.state_dict().items()}
    filters, handlers = list(warnings.filters), list(logging.getLogger().handlers)
    level = logging.getLogger().level
    to_int8(to_onnx(net), [clip.features for clip in clips(3, seed=0)])
    assert net.training
    assert all(torch.equal(tensor, before[name]) for name, tensor in net.state_dict().items())
    assert warnings.filters == filters
    assert logging.getLogger().handlers == handlers
    assert logging.getLogger().level == level


def test_what_does_not_fit_is_refused(tmp_path):
    net, good = build(NETS["tinycnn"], CONTRACT, seed=0), clips(6, seed=0)
    small = [clip(np.zeros((8, 51), np.float32), "quiet")]
    broken = [*good, clip(np.full(CONTRACT.shape, np.nan, np.float32), "quiet")]
    for calibration, evaluation, said in (
        ([], good, "no clip to choose"),
        (small, good, "found 8 x 51"),
        (broken, good, "not finite"),
        (good, [], "no clip to compare"),
        (good, small, "found one of 8 x 51"),
        (good, broken, "differ by up to nan"),
    ):
        with pytest.raises(ModelError, match=said):
            export(net, calibration, evaluation, tmp_path / "out", **BUDGET)
    with pytest.raises(MetricError, match="cough"):
        export(net, good, [clip(good[0].features, "cough")], tmp_path / "out", **BUDGET)
    with torch.no_grad():
        net.far.weight[0] = torch.nan
    with pytest.raises(ModelError, match=r"far\.weight has values"):
        export(net, good, good, tmp_path / "out", **BUDGET)
    assert not (tmp_path / "out").exists()
    with pytest.raises(ModelError, match="cannot read"):
        session(b"not a model")


def test_latency_is_timed_on_one_core_in_turns():
    seen: list[tuple[str, int]] = []

    def call(name: str):
        seen.append((name, len(os.sched_getaffinity(0)) if CAN_PIN else 1))

    found = latencies({"a": lambda: call("a"), "b": lambda: call("b")}, runs=50)
    assert not CAN_PIN or os.sched_getaffinity(0) == CORES
    assert {cores for _, cores in seen} == {1}
    names = [name for name, _ in seen]
    assert names.count("a") == names.count("b") == 20 + 50
    timed = names[40:]
    assert timed.index("b") < len(timed) // 2 < len(timed) - timed[::-1].index("a")
    assert all(0 <= of.p50_ms <= of.p95_ms for of in found.values())
    assert latencies({"a": lambda: None}, runs=1)["a"].p50_ms >= 0
    with pytest.raises(ZeroDivisionError):
        latencies({"c": lambda: 1 // 0}, runs=10)
    assert not CAN_PIN or os.sched_getaffinity(0) == CORES


def test_percentiles_are_those_of_all_calls():
    """Of 200 calls 40 in a row are heavy: no block hides them, and the median is of the light ones."""
    done = iter(range(1000))

    def call():
        if 100 <= next(done) < 140:
            sum(range(200_000))

    found = latencies({"a": call}, runs=200)["a"]
    assert found.p95_ms > 10 * found.p50_ms


def test_processes_side_by_side_take_cores_in_turn():
    assert doctest.testmod(latency_module).failed == 0
    cores = {3, 9, 4}
    assert {core_of(process, cores) for process in range(77, 80)} == cores
    assert core_of(123, {6}) == 6


def test_the_bar_of_parity_grows_with_the_logits(tmp_path):
    """A net that is a thousand times as sure rounds a thousand times as much, and is the same net."""
    net, data = drawn("tinycnn"), clips(24, seed=7)
    plain = export(net, data, data, tmp_path, **BUDGET)
    with torch.no_grad():
        for weight in net.head.parameters():
            weight *= 1024.0
    sure = export(net, data, data, tmp_path, **BUDGET)
    assert sure["parity"] > 1e-5 > sure["parity_relative"]
    assert sure["parity"] > 100 * plain["parity"]
