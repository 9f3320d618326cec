import subprocess
import sys

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import nn
from torch.nn import functional

from rushes.errors import ModelError
from rushes.models import net_costs as sound_cost
from rushes.models.nets import PASS, best_device, build, float32_on, infer, load, passes, save
from rushes.models.stored import CONFIG_FILE, PREPROCESSING_FILE, WEIGHTS_FILE
from rushes.recipe.net import Net
from rushes.stages import weights_sha256
from rushes.tasks.operations.preprocessing import ClipPreprocessing
from rushes.tasks.sounds.preprocessing import SoundPreprocessing

torch.set_num_threads(1)

CONTRACT = SoundPreprocessing()
SMALL = SoundPreprocessing(labels=("a", "b", "c", "d"), mels=16, clip_s=0.5)
NETS = {
    "tinycnn": Net(),
    "cbam": Net(attention="cbam"),
    "channel": Net(attention="channel", reduction=16),
    "spatial": Net(attention="spatial", kernel=7),
    "crnn": Net(net="crnn"),
    "narrow crnn": Net(net="crnn", hidden=17, layers=3),
}
nets = pytest.mark.parametrize("model", NETS.values(), ids=NETS)


def spectrograms(count, preprocessing=SMALL, seed=0):
    rng = np.random.default_rng(seed)
    return rng.uniform(-80, 0, (count, *preprocessing.shape)).astype(np.float32)


# Sizes and costs

PUBLISHED = [
    (Net(net="crnn"), 73_411),
    (Net(net="crnn", layers=1), 48_451),
    (Net(), 23_491),
    (Net(attention="channel"), 23_783),
    (Net(attention="spatial"), 23_509),
    *(
        (Net(attention="cbam", reduction=reduction, kernel=kernel), count)
        for kernel, row in {
            3: (24_061, 23_801, 23_671),
            7: (24_141, 23_881, 23_751),
            11: (24_285, 24_025, 23_895),
        }.items()
        for reduction, count in zip((4, 8, 16), row, strict=True)
    ),
]


@pytest.mark.parametrize(("model", "count"), PUBLISHED)
def test_nets_have_the_published_sizes(model, count):
    assert sum(weight.numel() for weight in build(model, CONTRACT, seed=0).parameters()) == count
    assert sound_cost.parameters(model, CONTRACT.labels) == count


def counted_macs(net, preprocessing):
    """Multiplications of one clip, seen at each layer while the net runs."""
    seen = []

    def look(layer, inputs, output):
        if isinstance(layer, nn.Conv2d):
            seen.append(output.numel() * layer.weight[0].numel())
        elif isinstance(layer, nn.Linear):
            seen.append(output.numel() * layer.in_features)
        else:
            _, moments, _ = inputs[0].shape
            matrices = [weight for weight in layer.parameters() if weight.ndim == 2]
            seen.append(moments * sum(weight.numel() for weight in matrices))

    for layer in net.modules():
        if isinstance(layer, nn.Conv2d | nn.Linear | nn.GRU):
            layer.register_forward_hook(look)
    with torch.no_grad():
        net(torch.zeros(1, 1, *preprocessing.shape))
    return sum(seen)


@nets
@pytest.mark.parametrize("preprocessing", [CONTRACT, SMALL, SoundPreprocessing(mels=30, clip_s=0.37)])
def test_costs_are_those_of_the_net_itself(model, preprocessing):
    net = build(model, preprocessing, seed=0)
    assert sound_cost.macs(model, preprocessing) == counted_macs(net, preprocessing)
    assert sound_cost.parameters(model, preprocessing.labels) == sum(
        weight.numel() for weight in net.parameters()
    )


def test_costs_of_five_seconds():
    assert sound_cost.macs(Net(), CONTRACT) == 78_345_408
    assert sound_cost.macs(Net(net="crnn"), CONTRACT) == 84_489_408


def test_costs_need_no_torch():
    code = "import sys, rushes.models.net_costs; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


# The function


def by_hand(net, x):
    """The same function in the order of the papers: rectify, then pool; attention step by step."""
    w = net.state_dict()

    def conv(x, name):
        return functional.relu(functional.conv2d(x, w[f"{name}.weight"], w[f"{name}.bias"], padding=1))

    def mlp(x):
        inside = functional.relu(x @ w["attention.0.squeeze.weight"].T + w["attention.0.squeeze.bias"])
        return inside @ w["attention.0.excite.weight"].T + w["attention.0.excite.bias"]

    x = functional.max_pool2d(conv((x + 40) / 40, "near"), 2)
    x = functional.max_pool2d(conv(x, "middle"), 2)
    flat = x.flatten(2)
    x = x * torch.sigmoid(mlp(flat.mean(2)) + mlp(flat.max(2).values))[..., None, None]
    planes = torch.stack([x.mean(1), x.max(1).values], dim=1)
    x = x * torch.sigmoid(functional.conv2d(planes, w["attention.1.look.weight"], padding=1))
    x = conv(x, "far")
    return x.flatten(2).mean(2) @ w["head.weight"].T + w["head.bias"]


def test_cbam_is_the_published_function():
    net = build(Net(attention="cbam"), SMALL, seed=5)
    x = torch.from_numpy(spectrograms(3))[:, None]
    with torch.no_grad():
        assert torch.allclose(net(x), by_hand(net, x), atol=1e-5)


def test_crnn_hears_the_last_moment_of_a_gru_over_band_averages():
    net = build(Net(net="crnn"), SMALL, seed=5).eval()
    x = torch.from_numpy(spectrograms(2))[:, None]
    with torch.no_grad():
        hidden = functional.max_pool2d(functional.relu(net.near((x + 40) / 40)), 2)
        hidden = functional.max_pool2d(functional.relu(net.middle(hidden)), 2)
        bands = functional.relu(net.far(hidden)).mean(2)  # (B, C, T)
        last = net.gru(bands.permute(2, 0, 1).permute(1, 0, 2))[1][-1]  # the state of the last layer
        assert torch.allclose(net(x), net.head(last), atol=1e-6)
        assert not torch.allclose(net(x), net(x.flip(3)), atol=1e-4)


def test_decibels_are_scaled_to_one():
    seen = []
    net = build(Net(), SoundPreprocessing(mels=16, clip_s=0.5, top_db=60.0), seed=0)
    net.near.register_forward_hook(lambda _, inputs, __: seen.append(inputs[0]))
    x = torch.full((1, 1, *net.preprocessing.shape), -60.0)
    x[..., 0] = 0.0
    net(x)
    assert (seen[0].min(), seen[0].max()) == (-1.0, 1.0)


@nets
def test_every_weight_learns(model):
    net = build(model, SMALL, seed=1)
    net(torch.from_numpy(spectrograms(4))[:, None]).square().sum().backward()
    assert all(parameter.grad.abs().max() > 0 for parameter in net.parameters())


def test_weights_depend_on_the_seed_alone():
    torch.manual_seed(3)
    expected = torch.rand(4)
    torch.manual_seed(3)
    first = build(Net(net="crnn"), SMALL, seed=1)
    assert torch.equal(torch.rand(4), expected)
    second, other = (build(Net(net="crnn"), SMALL, seed=seed) for seed in (1, 2))
    for name, weight in first.state_dict().items():
        assert torch.equal(weight, second.state_dict()[name])
        assert torch.equal(weight, other.state_dict()[name]) == (weight.ndim == 1)


# Many sounds


@nets
def test_logits_are_the_same_bits_in_any_company(model):
    net = build(model, SMALL, seed=2)
    features = spectrograms(2 * PASS + 3)
    logits = infer(net, features, 64)
    assert logits.shape == (len(features), 4)
    assert logits.dtype == np.float32
    assert np.array_equal(infer(net, iter(features), 5), logits)
    assert np.array_equal(infer(net, features[: PASS + 1], 64), logits[: PASS + 1])
    with torch.no_grad():
        assert np.allclose(net(torch.from_numpy(features[:, None])), logits, atol=1e-5)


def test_half_precision_features_and_none_at_all():
    net = build(Net(), SMALL, seed=2)
    halves = spectrograms(3).astype(np.float16)
    assert np.array_equal(infer(net, halves, 8), infer(net, halves.astype(np.float32), 8))
    assert infer(net, [], 8).shape == (0, 4)


def test_other_spectrograms_are_refused():
    net = build(Net(), SMALL, seed=2)
    with pytest.raises(ModelError, match="16 x 51, found one of 64 x 501"):
        infer(net, spectrograms(1, CONTRACT), 8)


def test_a_batch_goes_through_in_parts_on_a_cpu():
    batch = torch.arange(2 * PASS + 1)
    assert [len(part) for part in passes(batch)] == [PASS, PASS, 1]
    assert torch.equal(torch.cat(passes(batch)), batch)
    assert best_device().type in ("cpu", "cuda", "mps")


# On disk


@nets
def test_a_net_comes_back_whole(model, tmp_path):
    net = build(model, SMALL, seed=4)
    save(net, tmp_path / "model")
    found = load(tmp_path / "model", SoundPreprocessing)
    assert (found.config, found.preprocessing, found.training) == (model, SMALL, False)
    features = spectrograms(5)
    assert np.array_equal(infer(found, features, 8), infer(net, features, 8))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["model"]


def test_saving_again_replaces_and_gives_the_same_bytes(tmp_path):
    save(build(Net(), SMALL, seed=4), tmp_path / "model")
    before = weights_sha256(tmp_path / "model")
    save(build(Net(), SMALL, seed=5), tmp_path / "model")
    assert weights_sha256(tmp_path / "model") != before
    save(load(tmp_path / "model", SoundPreprocessing), tmp_path / "model")
    save(build(Net(), SMALL, seed=4), tmp_path / "model")
    assert weights_sha256(tmp_path / "model") == before


def spoil(folder, file, change):
    path = folder / file
    path.write_bytes(change(path.read_bytes()))


@pytest.mark.parametrize(
    ("file", "change"),
    [
        (WEIGHTS_FILE, lambda data: data[:-4]),
        (WEIGHTS_FILE, lambda data: b""),
        (CONFIG_FILE, lambda data: data.replace(b'"cbam"', b'"channel"')),
        (CONFIG_FILE, lambda data: data.replace(b'"cbam"', b'"else"')),
        (PREPROCESSING_FILE, lambda data: data[:20]),
        (PREPROCESSING_FILE, lambda data: ClipPreprocessing(labels=("x", "y")).model_dump_json().encode()),
        (PREPROCESSING_FILE, lambda data: data.replace(b'"d"', b'"d", "e"')),
    ],
)
def test_what_is_torn_or_does_not_fit_is_refused(tmp_path, file, change):
    save(build(Net(attention="cbam"), SMALL, seed=4), tmp_path)
    load(tmp_path, SoundPreprocessing)
    spoil(tmp_path, file, change)
    with pytest.raises(ModelError, match="no trained net"):
        load(tmp_path, SoundPreprocessing)


@pytest.mark.parametrize("file", [WEIGHTS_FILE, CONFIG_FILE, PREPROCESSING_FILE])
def test_a_missing_file_is_refused(tmp_path, file):
    save(build(Net(), SMALL, seed=4), tmp_path)
    (tmp_path / file).unlink()
    with pytest.raises(ModelError, match="No such file") as caught:
        load(tmp_path, SoundPreprocessing)
    assert caught.value.where == str(tmp_path / file)


def test_a_net_that_the_machine_refuses_to_open_is_not_torn(tmp_path, no_file_opens):
    save(build(Net(), SMALL, seed=4), tmp_path)
    with no_file_opens(), pytest.raises(OSError, match="Too many open files"):
        load(tmp_path, SoundPreprocessing)


def test_weights_that_are_no_numbers_are_refused(tmp_path):
    save(build(Net(), SMALL, seed=4), tmp_path)
    tensors = load_file(tmp_path / WEIGHTS_FILE)
    tensors["far.bias"][3] = float("nan")
    save_file(tensors, tmp_path / WEIGHTS_FILE)
    with pytest.raises(ModelError, match=r"far.bias has values that are not finite"):
        load(tmp_path, SoundPreprocessing)


def test_a_gpu_computes_in_float32_while_it_infers_and_then_as_before():
    def settings() -> tuple:
        cudnn = torch.backends.cudnn
        return cudnn.enabled, cudnn.allow_tf32, cudnn.deterministic

    before = settings()
    with float32_on(torch.device("cpu")):
        assert settings() == before
    with float32_on(torch.device("cuda")):
        assert settings() == (True, False, True)
    assert settings() == before
