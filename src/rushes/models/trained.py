"""The folder of a trained model: written when training ends, read by whoever asks the model."""

from __future__ import annotations

import json
import warnings
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, TypeVar

from peft import PeftModel

from rushes.errors import ModelError
from rushes.models.base import Base, Origin
from rushes.models.library import refused, without_peft_warning
from rushes.models.processor import write_processor
from rushes.models.vlm import Vlm, load
from rushes.recipe.preprocessing import FramePreprocessing
from rushes.recipe.sections import Precision
from rushes.stages import new_folder, write_atomic, write_json

P = TypeVar("P", bound=FramePreprocessing)

PREPROCESSING_FILE, BASE_FILE = "preprocessing.json", "base.json"


def save(vlm: Vlm[Any], folder: Path) -> None:
    """Write a new folder, which replaces one that stands there.

    Weights (the adapter alone if there is one), tokenizer, processor, preprocessing, and the origin. Nothing in
    it says where the base lies.
    """
    with new_folder(folder) as new:
        if isinstance(vlm.model, PeftModel):
            _save_adapter(vlm.model, vlm.origin, new)
        else:
            vlm.model.save_pretrained(new)
        vlm.tokenizer.save_pretrained(new)
        write_processor(vlm.preprocessing, new)
        if vlm.origin is not None:
            write_json(new / BASE_FILE, asdict(vlm.origin))
        write_atomic(new / PREPROCESSING_FILE, vlm.preprocessing.model_dump_json(indent=2) + "\n")


def _save_adapter(model: PeftModel, origin: Origin | None, folder: Path) -> None:
    """Write an adapter that names its base, where the library would write the path that it was loaded from."""
    card = model.peft_config["default"]
    place = card.base_model_name_or_path
    if origin is not None:
        name, _, commit = origin.identity.partition("@")
        card.base_model_name_or_path, card.revision = origin.name, commit if name == origin.name else None
    # Asked whether to save embeddings, PEFT would look for the base on the hub; no adapter of ours has any.
    model.save_pretrained(folder, save_embedding_layers=False)
    (folder / "README.md").unlink()  # a form without content, but with the path
    card.base_model_name_or_path = place


def restore(
    folder: Path,
    schema: type[P],
    *,
    base: Base | None = None,
    precision: Precision = "float32",
    nf4: bool = False,
) -> Vlm[P]:
    """Load what ``save`` wrote, with its own preprocessing, which must be of ``schema``.

    Args:
        folder: that ``save`` wrote.
        schema: of the preprocessing.
        base: where the weights under an adapter are now; a base from the hub need not be named.
        precision, nf4: see `load`.

    Raises:
        ModelError: the folder is no trained model of rushes, or its adapter was trained on another base.
    """
    cure = "run `rushes verify RECIPE --repair`"
    with refused("no trained model", folder / PREPROCESSING_FILE, cure):
        preprocessing = schema.model_validate_json((folder / PREPROCESSING_FILE).read_text())
    if not (folder / "adapter_config.json").is_file():
        return load(str(folder), preprocessing, precision=precision, nf4=nf4)
    with refused("no adapter", folder / BASE_FILE, cure):
        origin = Origin(**json.loads((folder / BASE_FILE).read_text()))
    found = _load_same(origin, base, preprocessing, precision, nf4)
    with refused("cannot load the adapter", folder, cure), without_peft_warning():
        # PEFT would go on with adapters that are not there.
        warnings.filterwarnings("error", "Found missing adapter keys", UserWarning)
        return replace(found, model=PeftModel.from_pretrained(found.model, folder))


def _load_same(
    origin: Origin, base: Base | None, preprocessing: P, precision: Precision, nf4: bool
) -> Vlm[P]:
    """Load the very weights that an adapter was trained on.

    Raises:
        ModelError: they are others, or nobody said where they are.
    """
    name, _, commit = origin.identity.partition("@")
    asked = base or Base(name, commit)
    if base is None and not commit:
        raise ModelError(
            f"the adapter was trained on the folder {origin.name!r}, {name[:19]}..., and nobody said where it is now",
            where="base",
            cure="name that folder, or a copy of it",
        )
    found = load(asked.name, preprocessing, precision=precision, nf4=nf4, revision=asked.revision)
    origin.require(found.origin, asked.name)
    return found
