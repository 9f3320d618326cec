"""Train a small net on sounds, from labels alone or from a teacher's stored logits as well.

    rushes train recipes/sounds-twin.yaml

The teacher is asked once, before: its logits of every training sound are part of the training set, so a pupil
costs no more than a net without a teacher, and what it learns from does not depend on the order of batches.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from rushes.errors import ShardError, TrainError
from rushes.metrics.confusion import confusion_matrix, confusion_scores
from rushes.models.nets import SoundNet, infer, passes, save
from rushes.shards.read import ShardDataset
from rushes.stages import canonical_json
from rushes.tasks.sounds.prepare.sample import Sample
from rushes.tasks.sounds.recipe import Distil, TrainOnSounds
from rushes.train.batches import Batch
from rushes.train.distil import soft_loss
from rushes.train.events import Event, narrate
from rushes.train.loop import FitResult, LoopSettings, StepOutput, fit

FORMAT = 1  # raised when the same recipe would train another net


@dataclass(frozen=True, slots=True, eq=False)
class Lesson:
    """A sound with what is taught about it.

    Attributes:
        sample: the sound.
        label: number of its class.
        teacher: (K,) a teacher's logits; None without a teacher.
    """

    sample: Sample
    label: int
    teacher: NDArray[np.float32] | None


class FeatureSet:
    """The sounds of one side; the classes of all stand in the indexes, features are read when asked for.

    Args:
        dataset: the side's shards.
        labels: the K classes in order.
        logits: (n, K) a teacher's, in the order of ``dataset``; None without a teacher.

    Attributes:
        dataset: the side's shards.
        classes: (n,) int64, number of each sound's class.
        counts: (K,) int64, sounds of each class.

    Raises:
        ShardError: a sound of a class that is not in ``labels``.
        TrainError: there are not as many logits as sounds, or not of as many classes.
    """

    def __init__(
        self, dataset: ShardDataset, labels: Sequence[str], *, logits: NDArray[np.float32] | None = None
    ) -> None:
        if logits is not None and logits.shape != (len(dataset), len(labels)):
            raise TrainError(
                f"a teacher's logits {logits.shape} for {len(dataset)} sounds of {len(labels)} classes",
                cure="let the teacher answer about this dataset",
            )
        self.labels, self.logits = tuple(labels), logits
        self.dataset = dataset
        number: dict[str | None, int] = {label: place for place, label in enumerate(self.labels)}
        found = list(dataset.labels())
        if strange := [index for index, label in enumerate(found) if label not in number]:
            raise ShardError(
                f"{len(strange)} sounds of other classes than {', '.join(self.labels)}, the first of class "
                f"{found[strange[0]]!r}",
                where=dataset.key(strange[0]),
                cure="take the features again",
            )
        self.classes = np.array([number[label] for label in found], np.int64)
        self.counts = np.bincount(self.classes, minlength=len(self.labels))

    def __len__(self) -> int:
        return len(self.dataset)

    def __getitem__(self, index: int) -> Lesson:
        teacher = None if self.logits is None else self.logits[index]
        return Lesson(self._sample(index), int(self.classes[index]), teacher)

    def features(self) -> Iterator[NDArray[np.floating]]:
        """Features of all sounds in order, (mels, frames) each."""
        return (self._sample(index).features for index in range(len(self)))

    def _sample(self, index: int) -> Sample:
        return Sample.of(self.dataset.key(index), self.dataset.sample(index))


class Hearing(nn.Module):
    """The net as something that takes a whole batch, so that a wrapper sees one forward pass."""

    def __init__(self, net: SoundNet) -> None:
        super().__init__()
        self.net = net

    def forward(self, features: Tensor) -> Tensor:
        """Logits of a batch."""
        return torch.cat([self.net(part) for part in passes(features)])


def collate(lessons: Sequence[Lesson], rngs: Sequence[np.random.Generator]) -> Batch:
    """Join lessons: ``features`` (n, 1, mels, frames), ``labels`` (n,), and ``teacher`` (n, K) if any."""
    spectrograms = np.stack([lesson.sample.features for lesson in lessons], dtype=np.float32)
    batch = {
        "keys": [lesson.sample.key for lesson in lessons],
        "features": torch.from_numpy(spectrograms[:, None]),
        "labels": torch.tensor([lesson.label for lesson in lessons]),
    }
    taught = [lesson.teacher for lesson in lessons if lesson.teacher is not None]
    if taught:
        batch["teacher"] = torch.from_numpy(np.stack(taught))
    return batch


def weights_of_classes(
    asked: Sequence[float] | str | None, counts: NDArray[np.int64], labels: Sequence[str]
) -> tuple[float, ...] | None:
    """Weight of each class in the loss.

    ``balanced`` is ``n / (K * count)``, by which every class counts the same in sum and the mean weight of a
    sound is 1.

    >>> weights_of_classes("balanced", np.array([6, 2]), ("quiet", "snore"))
    (0.6666666666666666, 2.0)

    Raises:
        TrainError: ``balanced``, and a class has no sounds.
    """
    if asked is None:
        return None
    if not isinstance(asked, str):
        return tuple(asked)
    if absent := [label for label, count in zip(labels, counts, strict=True) if not count]:
        raise TrainError(
            f"class_weights are to be balanced, and no training sound is of class {', '.join(absent)}",
            cure="leave the class out of preprocessing.labels, or name the weights",
        )
    return tuple(float(counts.sum() / (len(labels) * count)) for count in counts)


def train(
    net: SoundNet,
    samples: FeatureSet,
    validation: FeatureSet,
    settings: TrainOnSounds,
    folder: Path,
    signature: str,
    *,
    distil: Distil | None = None,
    on_event: Callable[[Event], None] = narrate,
) -> FitResult:
    """Train ``net``, resuming where an earlier call was interrupted; its best epoch is the result.

    After each epoch the validation side is heard: macro-F1, accuracy, loss, and how many classes the net
    answers with, which is 1 where it has collapsed.

    Args:
        net: fresh from ``build`` with ``settings.seed``; comes back trained.
        samples: of the training side; with a teacher's logits if ``distil`` asks for its opinion.
        validation: of the validation side.
        settings: how.
        folder: of this training; the trained net goes to ``model/``.
        signature: of data and net.
        distil: how much the teacher's opinion counts; None does not ask for it.
        on_event: is told everything that happens.

    Raises:
        TrainError: a side is empty, the loss is not finite, or there is a teacher without logits.
        StageError: the folder holds another training.
    """
    folder = Path(folder)
    for side, found in (("training", samples), ("validation", validation)):
        if not len(found):
            raise TrainError(f"there are no sounds on the {side} side", where=folder)
    if distil is not None and distil.soft_weight > 0 and samples.logits is None:
        raise TrainError(
            "a teacher's opinion is to count, and its logits are missing",
            where=folder,
            cure="give the training set the logits of the stage `logits`",
        )
    weights = weights_of_classes(settings.class_weights, samples.counts, samples.labels)
    soft_weight, temperature = (0.0, 1.0) if distil is None else (distil.soft_weight, distil.temperature)
    epoch = math.ceil(len(samples) / settings.batch_size)
    loop = LoopSettings.of(
        settings,
        steps=settings.epochs * epoch,
        floor=settings.floor * settings.learning_rate,
        eval_every=epoch,
        monitor="f1_macro",
        threads=1,
    )
    decisive = {
        "signature": signature,
        "format": FORMAT,
        "net": net.config.model_dump(mode="json"),
        "class_weights": weights,
        "soft_weight": soft_weight,
        "temperature": temperature,
    }
    result = fit(
        Hearing(net),
        partial(_step, class_weights=weights, soft_weight=soft_weight, temperature=temperature),
        samples,
        collate,
        loop,
        folder,
        canonical_json(decisive),
        shards=samples.dataset if settings.order == "streamed" else None,
        validate=partial(
            _validate, samples=validation, class_weights=weights, batch_size=settings.batch_size
        ),
        on_event=on_event,
    )
    save(net, folder / "model")
    return result


def _step(
    hearing: nn.Module,
    batch: Batch,
    *,
    class_weights: tuple[float, ...] | None,
    soft_weight: float,
    temperature: float,
) -> StepOutput:
    """The loss of one batch; its weight is 1, for the loss is a mean of its own."""
    logits = hearing(batch["features"])
    parts = []
    # A part that does not count is not computed either: 0 times an overflow would not be 0.
    if soft_weight > 0:
        parts.append(soft_weight * soft_loss(logits, batch["teacher"], temperature))
    if soft_weight < 1:
        hard = hard_loss(logits, batch["labels"], class_weights)
        parts.append((1 - soft_weight) * hard)
    return StepOutput(sum(parts), weight=1.0)


def hard_loss(logits: Tensor, labels: Tensor, class_weights: Sequence[float] | None) -> Tensor:
    """Cross-entropy of (n, K) logits and n labels, weighted by class: a scalar; None counts all alike."""
    weight = None if class_weights is None else logits.new_tensor(class_weights)
    return functional.cross_entropy(logits, labels, weight=weight)


def _validate(
    hearing: Hearing, *, samples: FeatureSet, class_weights: tuple[float, ...] | None, batch_size: int
) -> dict[str, float]:
    """Figures of a net on the validation side; the loss is that of the labels alone."""
    logits = torch.from_numpy(infer(hearing.net, samples.features(), batch_size))
    answers = logits.argmax(dim=1).numpy()
    counts = confusion_matrix(samples.classes.tolist(), answers.tolist(), range(len(samples.labels)))
    return {
        "f1_macro": float(confusion_scores(counts).f1_macro),
        "accuracy": float((answers == samples.classes).mean()),
        "loss": float(hard_loss(logits, torch.from_numpy(samples.classes), class_weights)),
        "classes": float(len(np.unique(answers))),
    }
