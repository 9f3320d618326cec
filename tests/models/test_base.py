"""Weights are known by their content: where they lie is nobody's business, what they are is everybody's."""

from __future__ import annotations

import hashlib
import json
import shutil
from pathlib import Path

import pytest
import torch
from hub import COMMIT, downloaded, empty_hub
from safetensors.torch import load_file, save_file

from rushes.errors import ModelError
from rushes.models import trained
from rushes.models import vlm as family
from rushes.models.base import Base
from rushes.stages import RememberedHashes
from rushes.tasks.operations.preprocessing import ClipPreprocessing


@pytest.fixture
def folder(vlm, tmp_path) -> Path:
    trained.save(vlm, tmp_path / "base")
    return tmp_path / "base"


def change_weights(folder: Path) -> None:
    """One number of one tensor; the size of the file stays."""
    path = folder / "model.safetensors"
    tensors = load_file(path)
    tensors[min(tensors)].view(-1)[0] += 1
    save_file(tensors, path, metadata={"format": "pt"})


@pytest.fixture
def hub(folder, tmp_path, monkeypatch) -> Path:
    """A checkpoint in the local cache of the hub."""
    return downloaded(empty_hub(tmp_path / "hub", monkeypatch), "someone/checkpoint", folder)


def test_a_copy_is_the_same(folder, tmp_path):
    copy = shutil.copytree(folder, tmp_path / "elsewhere" / "copy")
    (copy / "README.md").write_text("nothing that loading reads")
    assert Base(str(copy)).identity() == Base(str(folder)).identity()


@pytest.mark.parametrize(
    "name", ["config.json", "tokenizer.json", "chat_template.jinja", "processor_config.json"]
)
def test_every_file_that_loading_reads_counts(folder, name):
    before = Base(str(folder)).identity()
    (folder / name).write_text((folder / name).read_text() + "\n")
    assert Base(str(folder)).identity() != before


def test_weights_count(folder):
    before = Base(str(folder)).identity()
    change_weights(folder)
    assert Base(str(folder)).identity() != before


def test_a_hub_name_is_known_by_its_commit_without_a_network(hub, preprocessing):
    for base in (
        Base("someone/checkpoint"),
        Base("someone/checkpoint", "main"),
        Base("someone/checkpoint", COMMIT),
    ):
        assert base.identity() == f"someone/checkpoint@{COMMIT}"
        assert base.prove().identity == base.identity()
    loaded = family.load("someone/checkpoint", preprocessing)
    assert loaded.origin is not None
    assert loaded.origin.name == "someone/checkpoint"


def test_a_hub_name_that_is_not_here_has_no_identity_unless_it_is_pinned(hub):
    assert Base("someone/other").identity() is None
    assert Base("someone/other", COMMIT).identity() == f"someone/other@{COMMIT}"
    with pytest.raises(ModelError, match="was not downloaded") as caught:
        Base("someone/other").bring()
    assert "hf download someone/other" in caught.value.cure


@pytest.mark.parametrize("name", ["model.safetensors", "config.json"])
def test_a_changed_download_is_refused(hub, name):
    blob = (hub / name).resolve()
    content = bytearray(blob.read_bytes())
    content[-2] ^= 1
    blob.write_bytes(content)
    with pytest.raises(ModelError, match="was downloaded"):
        Base("someone/checkpoint").prove()


# Hashes that are remembered


def test_a_hash_is_remembered_until_the_file_changes(tmp_path):
    path, hashes = tmp_path / "weights", RememberedHashes(tmp_path / "hashes.json")
    path.write_bytes(b"one")
    first = hashes(path)
    known = json.loads((tmp_path / "hashes.json").read_text())
    known[str(path)]["told"] = "f" * 64
    (tmp_path / "hashes.json").write_text(json.dumps(known))
    assert hashes(path) == "f" * 64  # not read again
    path.write_bytes(b"two")
    assert hashes(path) not in ("f" * 64, first)
    (tmp_path / "hashes.json").write_text("{")
    assert hashes(path) == hashlib.sha256(b"two").hexdigest()


def test_nothing_is_remembered_where_no_workspace_is(tmp_path):
    (tmp_path / "weights").write_bytes(b"one")
    RememberedHashes(tmp_path / "none" / "hashes.json")(tmp_path / "weights")
    assert not (tmp_path / "none").exists()


# Adapters


@pytest.fixture
def adapter(folder, preprocessing, tmp_path) -> Path:
    trained.save(family.adapt(family.load(str(folder), preprocessing), 4, 8, 0.0), tmp_path / "model")
    return tmp_path / "model"


def test_an_adapter_opens_on_a_copy_and_on_nothing_else(adapter, folder, tmp_path):
    copy = shutil.copytree(folder, tmp_path / "copy")
    shutil.rmtree(folder)
    assert trained.restore(adapter, ClipPreprocessing, base=Base(str(copy))).origin.name == "copy"
    change_weights(copy)
    with pytest.raises(ModelError, match="the adapter was trained on the base 'base', sha256:") as caught:
        trained.restore(adapter, ClipPreprocessing, base=Base(str(copy)))
    assert caught.value.cure
    with pytest.raises(ModelError, match="drawn anew"):
        trained.restore(adapter, ClipPreprocessing, base=Base("tiny"))


def test_an_adapter_of_a_folder_wants_to_be_told_where_it_is(adapter):
    with pytest.raises(ModelError, match="nobody said where it is"):
        trained.restore(adapter, ClipPreprocessing)


def test_an_adapter_of_the_hub_finds_its_base(hub, preprocessing, tmp_path):
    vlm = family.adapt(family.load("someone/checkpoint", preprocessing), 4, 8, 0.0)
    trained.save(vlm, tmp_path / "model")
    card = json.loads((tmp_path / "model" / "adapter_config.json").read_text())
    assert (card["base_model_name_or_path"], card["revision"]) == ("someone/checkpoint", COMMIT)
    restored = trained.restore(tmp_path / "model", ClipPreprocessing)
    weights = restored.model.state_dict()
    assert all(torch.equal(tensor, weights[name]) for name, tensor in vlm.model.state_dict().items())


def test_no_file_of_an_adapter_says_where_its_base_lies(adapter, tmp_path):
    named = [path.name for path in adapter.iterdir() if str(tmp_path).encode() in path.read_bytes()]
    assert named == []
