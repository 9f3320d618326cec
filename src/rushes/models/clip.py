"""CLIP: built or loaded, adapted, saved and restored, whichever kind a recipe names."""

from __future__ import annotations

from math import prod
from pathlib import Path
from typing import Literal

import torch
from peft import get_peft_model_state_dict, set_peft_model_state_dict
from pydantic import BaseModel, ConfigDict
from safetensors import SafetensorError, safe_open
from safetensors.torch import save as tensor_bytes
from torch import Tensor

from rushes.errors import ModelError
from rushes.models import clip_locked, clip_tiny, clip_towers
from rushes.models.base import Base, Origin
from rushes.models.dual_encoder import DualEncoder, on_best_device
from rushes.models.stored import PREPROCESSING_FILE, description, read_weights
from rushes.recipe.clip import LEARNING, LOCKED, Clip, Scenario, TowerLora
from rushes.recipe.sections import TINY
from rushes.stages import new_folder, write_atomic

__all__ = ["DualEncoder", "build", "count_learnt", "merge", "on_best_device", "restore", "save"]

CLIP_FILE, LEARNT_FILE, BASE_FOLDER = "clip.json", "learnt.safetensors", "base"


class Trained(BaseModel):
    """What stands beside weights that were learnt, so that they come where they belong.

    Attributes:
        format: of the folder.
        size: side of a picture, in pixels.
        sigmoid: whether the loss was that of pairs.
        scenario, adapter: see `Clip`.
        origin: the base, which is not in the folder; None where it is.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    format: Literal[1] = 1
    size: int
    sigmoid: bool
    scenario: Scenario
    adapter: TowerLora
    origin: Origin | None


def build(
    model: Clip, size: int, *, seed: int, pretrained: Path | None = None, sigmoid: bool = False
) -> DualEncoder:
    """The model before training: what learns asks for gradients, and nothing else does.

    Args:
        model: which, and what of it learns.
        size: side of its pictures, in pixels.
        seed: of whatever is drawn: adapters, the maps of ``locked``, all weights of ``tiny``.
        pretrained: folder of the pretrained ``tiny``, that `save` wrote; without one it is built from nothing, and all
            of it learns, whatever the scenario.
        sigmoid: whether the loss is that of pairs.

    Raises:
        ModelError: no such checkpoint, a package is missing, or it takes pictures of another size.
    """
    if model.name == TINY and pretrained is None:
        clip, words = clip_tiny.build(size, seed)
        encoder = clip_towers.encoder_of(clip, words, clip_towers.LEVELS, sigmoid=sigmoid, asked=model)
        encoder.learning = frozenset({"pictures", "texts"})
        return encoder
    if model.name == LOCKED:
        encoder = clip_locked.build(model, size, seed=seed, sigmoid=sigmoid)
    else:
        base = Base(model.name, model.revision) if pretrained is None else Base(str(pretrained))
        encoder = clip_towers.load(base, size, sigmoid=sigmoid, asked=model)
    _choose_what_learns(encoder, model, seed)
    return encoder


def _choose_what_learns(encoder: DualEncoder, model: Clip, seed: int) -> None:
    encoder.requires_grad_(False)
    encoder.learning = LEARNING[model.scenario]
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        for side in sorted(encoder.learning):
            clip_towers.adapt(getattr(encoder, side), model.adapter)
    if model.scenario != "zero_shot":
        for learnt in _maps(encoder).values():
            learnt.requires_grad_(True)


def _maps(encoder: DualEncoder) -> dict[str, Tensor]:
    """Maps, scale and bias, by name."""
    towers = ("pictures.", "texts.")
    return {name: weight for name, weight in encoder.named_parameters() if not name.startswith(towers)}


def save(encoder: DualEncoder, folder: Path, preprocessing: BaseModel | None = None) -> None:
    """Write a new folder, which replaces one that stands there.

    A model that was built from nothing becomes an ordinary checkpoint folder, for `build` to start from. Of any other
    the folder holds what it learnt, and what its base is known by; nothing says where that lies. ``tiny`` has its base
    in the folder.

    Args:
        encoder: to write.
        folder: where to.
        preprocessing: how its pictures and words are made, for whoever asks it later.
    """
    with new_folder(Path(folder)) as new:
        if encoder.origin is None:
            clip_towers.write(encoder, new, merged=True)
        else:
            _save_learnt(encoder, new)
        if preprocessing is not None:
            write_atomic(new / PREPROCESSING_FILE, preprocessing.model_dump_json(indent=2) + "\n")


def _save_learnt(encoder: DualEncoder, folder: Path) -> None:
    asked, whole = encoder.asked, encoder.asked.name == TINY
    if whole:
        clip_towers.write(encoder, folder / BASE_FOLDER, merged=False)
    trained = Trained(
        size=encoder.size,
        sigmoid=encoder.bias is not None,
        scenario=asked.scenario,
        adapter=asked.adapter,
        origin=None if whole else encoder.origin,
    )
    write_atomic(folder / CLIP_FILE, trained.model_dump_json(indent=2) + "\n")
    tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in _learnt(encoder).items()}
    write_atomic(folder / LEARNT_FILE, tensor_bytes(tensors))


def _learnt(encoder: DualEncoder) -> dict[str, Tensor]:
    """Maps, scale, bias and adapters, by names that outlast versions of PEFT."""
    found = _maps(encoder)
    for side in encoder.learning:
        adapter = get_peft_model_state_dict(getattr(encoder, side).tower)
        found |= {f"{side}.{name}": weight for name, weight in adapter.items()}
    return found


def restore(folder: Path, model: Clip) -> DualEncoder:
    """Load what `save` wrote of a trained model; it comes in evaluation mode, bit by bit as it was.

    Args:
        folder: that `save` wrote.
        model: says where its base is now, and in which precision it answers; what learnt is as the folder says.

    Raises:
        ModelError: the folder is no trained model, or it was trained on another base.
    """
    folder = Path(folder)
    trained = description(folder / CLIP_FILE, Trained)
    model = model.model_copy(update={"scenario": trained.scenario, "adapter": trained.adapter})
    within = folder / BASE_FOLDER if trained.origin is None else None
    encoder = build(model, trained.size, seed=0, pretrained=within, sigmoid=trained.sigmoid)
    if trained.origin is not None:
        trained.origin.require(encoder.origin, model.name)
    saved = read_weights(folder / LEARNT_FILE, _learnt(encoder))
    for side in encoder.learning:
        start = f"{side}."
        ours = {name.removeprefix(start): saved.pop(name) for name in [*saved] if name.startswith(start)}
        set_peft_model_state_dict(getattr(encoder, side).tower, ours)
    encoder.load_state_dict(saved, strict=False)
    encoder.eval()
    return encoder


def count_learnt(folder: Path) -> int:
    """Weights of maps and adapters in a folder that `save` wrote of a trained model; scale and bias apart.

    Raises:
        ModelError: the folder is no trained model.
    """
    path = Path(folder) / LEARNT_FILE
    try:
        with safe_open(path, "pt") as file:
            shapes = {name: file.get_slice(name).get_shape() for name in file.keys()}  # noqa: SIM118 (no mapping)
    except (FileNotFoundError, SafetensorError) as error:
        raise ModelError(
            f"no trained model: {error}", where=path, cure="run `rushes verify RECIPE --repair`"
        ) from error
    return sum(prod(shape) for name, shape in shapes.items() if name not in ("log_scale", "bias"))


def merge(encoder: DualEncoder, folder: Path) -> None:
    """Write an ordinary checkpoint of `CLIPModel`, adapters merged, into a new folder, which replaces one there.

    Raises:
        ModelError: its towers are of other classes, as those of ``locked`` are.
    """
    with new_folder(Path(folder)) as new:
        clip_towers.write(encoder, new, merged=True)
