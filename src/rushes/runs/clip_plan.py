"""What a plan says of a CLIP before anything is loaded."""

from __future__ import annotations

from collections.abc import Iterator

from rushes.errors import ModelError
from rushes.models.clip_sizes import sizes_of
from rushes.models.machine import memory
from rushes.recipe.clip import LOCKED, LOCKED_PICTURES, LOCKED_WIDTH, Clip
from rushes.recipe.frozen import INSTALL_LOCKED, SENTENCE_PACKAGES, SENTENCES, missing_packages
from rushes.runs.vlm_task import to_download


def faults(model: Clip, size: int) -> Iterator[tuple[str, str]]:
    """See `Task.faults`: packages that are missing, a checkpoint that does not take pictures of ``size`` pixels."""
    if model.name == LOCKED and (missing := missing_packages(*SENTENCE_PACKAGES)):
        yield "model.name", f"{LOCKED} needs {' and '.join(missing)}, not installed here: {INSTALL_LOCKED}"
    try:
        sizes_of(model, size)
    except ModelError as error:
        yield "model.name", f"{error.message}: {error.cure}"


def notes(model: Clip, size: int, micro_batch: int) -> Iterator[str]:
    """Of training with pictures of ``size`` pixels: how much learns, and the memory that it takes."""
    if model.scenario == "zero_shot":
        yield "nothing learns: the base is stored as it is"
    if model.name == LOCKED:
        learning = LOCKED_WIDTH * (LOCKED_PICTURES.width + SENTENCES.width) * (model.scenario != "zero_shot")
        yield f"two frozen encoders of 49 MB, maps of their features to {LOCKED_WIDTH}: {learning:,} parameters learn"
    elif (sizes := sizes_of(model, size)) is None:
        yield to_download(model.name, "train")
    elif model.scenario != "zero_shot":
        estimate = sizes.estimate(model, micro_batch)
        yield estimate.text()
        yield memory().compared(estimate.peak_gib, "lower train.micro_batch, or plan on another machine")
