"""A finished run's model as a checkpoint folder for other engines, held against the model that was measured.

The folder is written first, read back, and asked the questions of the reported side beside the adapter on its base.
What is not the same model does not stay. ``export.json`` in it says what was merged and how near the answers are.
"""

from __future__ import annotations

import gc
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rushes.errors import ModelError, RecipeError, StageError
from rushes.recipe.sections import TINY, Model, Precision, family_of
from rushes.runs.families import task_of, trained_model
from rushes.runs.proof import require_whole
from rushes.runs.run import Run
from rushes.stages import new_folder, sha256_file, weights_sha256, write_json

if TYPE_CHECKING:
    from torch import Tensor

    from rushes.models.base import Origin
    from rushes.models.merged import Update
    from rushes.models.vlm import Vlm

EXPORT_FILE = "export.json"
SAMPLES = 16
LOGITS = 1e-5
"""By which logits in float32 may differ, as a share of ``max(1, the largest)``: rounding grows with what is added."""
SAME = 0.95
"""Least share of equal answers in 16 bits, where rounding may turn close ones; in float32 all are equal."""

POSITIONS: Mapping[bool, str] = {
    True: "frames carry their times as text, and we let rotary positions follow the clock too; other engines number "
    "positions one after the other, so their answers can differ: library_positions says how much",
    False: "those of the library: frames are one plain video with its times in the rotary positions",
}
"""What an engine makes of positions, by whether times are written before frames."""

Tell = Callable[[int, int, str], None]


@dataclass(frozen=True, slots=True)
class Agreement:
    """How near the exported model is to another one, on the same questions.

    Attributes:
        beside: the other one.
        logits: greatest difference of a logit where an answer is scored.
        largest: the largest of these logits.
        ulps: the same difference in steps of the exported precision at the largest logit of its place.
        mean_ulps: the mean of all, likewise.
        argmax: share of scored places at which the likeliest token is the same.
        answers: share of questions that are answered the same.
    """

    beside: str
    logits: float
    largest: float
    ulps: float
    mean_ulps: float
    argmax: float
    answers: float


@dataclass(frozen=True, slots=True)
class Exported:
    """What was written.

    Attributes:
        folder: the checkpoint.
        told: content of ``export.json``.
    """

    folder: Path
    told: Mapping[str, Any]

    def to_json(self) -> dict[str, Any]:
        """As the command line prints it."""
        return {"folder": str(self.folder), **self.told}

    def text(self) -> str:
        """For people."""
        told = self.told
        lines = [f"{told['what']} in {told['precision']}: {self.folder}"]
        for proof in told["proof"]:
            apart = f"{proof['logits']:.2g} apart ({proof['ulps']:.1f} steps of {told['precision']})"
            lines.append(
                f"beside {proof['beside']}: answers {proof['answers']:.1%} the same, logits at most {apart}, "
                f"on {told['samples']} samples"
            )
        lines += told["remarks"]
        library = told["library_positions"]
        lines.append(
            f"with the positions of other engines: {library['same']:.1%} of first answers the same, "
            f"probabilities at most {library['probability']:.2g} apart"
        )
        return "\n".join(lines)


@dataclass(frozen=True, slots=True)
class _Said:
    """What a model says of the samples: logits of each, and the answers as rows."""

    logits: Sequence[Tensor]
    answers: Sequence[tuple[Any, ...]]


def export_run(
    run: Run[Any],
    folder: Path,
    precision: Precision | None = None,
    *,
    samples: int = SAMPLES,
    tell: Tell = lambda done, total, what: None,
) -> Exported:
    """Write the trained model of a run as one checkpoint.

    Args:
        run: finished up to its weights.
        folder: new, or one that an export wrote; whole or not at all.
        precision: of the weights; that of the run without it, bfloat16 for one whose base has 4 bits.
        samples: of the reported side, spread evenly, on which the result is held against the run's own model.
        tell: how far it is.

    Raises:
        RecipeError: the model is no such checkpoint, or ``folder`` holds something else.
        StageError: it is not trained.
        ModelError: what was written does not answer as the model of the run does; nothing is left.
    """
    from rushes.models.merged import files_of, write_checkpoint

    folder = Path(folder)
    _require_model(run)
    _require_free(folder)
    trained = _require_trained(run)
    model: Model = run.recipe.model
    precision = precision or ("bfloat16" if model.nf4 else model.precision)
    asked = _questions(run, samples)
    others = [
        f"the adapter on the base in {precision}" if model.adapter else f"the run's own model in {precision}"
    ]
    if model.nf4:
        others.append("the run's own model on 4-bit weights")
    elif model.precision != precision:
        others.append(f"the run's own model in {model.precision}")
    total = len(others) + 2
    said: list[_Said | str] = []
    for number, what in enumerate(others):
        tell(number, total, f"asking {what}")
        own = number > 0
        said.append(_say_of(run, model.precision if own else precision, own and model.nf4, asked))
    with new_folder(folder) as new:
        tell(total - 2, total, f"merging in {precision}")
        merged, update = _merged(run, precision)
        base = _base_of(run, merged.origin)
        write_checkpoint(merged, new)
        del merged
        tell(total - 1, total, "asking what was written")
        written = _written(new, run, precision)
        mine, library = _say(written, run, asked), _library(written, asked)
        proof = [
            _agreement(what, mine, theirs, precision)
            for what, theirs in zip(others, said, strict=True)
            if isinstance(theirs, _Said)
        ]
        remarks = [
            f"{what} was not asked: {why}"
            for what, why in zip(others, said, strict=True)
            if isinstance(why, str)
        ]
        remarks += _require_same(proof[0], precision, new)
        told = {
            "rushes": metadata.version("rushes"),
            "run": run.recipe.name,
            "task": run.task.name,
            "what": "an adapter merged into its base" if model.adapter else "a model trained as a whole",
            "precision": precision,
            "base": base,
            "trained": weights_sha256(trained),
            "merged": asdict(update),
            "samples": len(asked),
            "split": run.recipe.evaluate.split,
            "proof": [asdict(one) for one in proof],
            "remarks": remarks,
            "positions": POSITIONS[run.recipe.preprocessing.time_marks],
            "library_positions": library,
            "files": {path.name: sha256_file(path) for path in files_of(new)},
        }
        write_json(new / EXPORT_FILE, told)
    tell(total, total, "exported")
    return Exported(folder, told)


# --- what may be exported -------------------------------------------------------------------------------------


def _require_model(run: Run[Any]) -> None:
    if family_of(run.recipe.model) != "vlm":
        raise RecipeError(
            "a head on a frozen encoder is no checkpoint that other engines load",
            where=run.folder(run.maker("weights")) / "model",
            cure="its files are there; serve it with rushes, or train a vision language model",
        )


def _require_free(folder: Path) -> None:
    if (
        folder.exists()
        and not (folder / EXPORT_FILE).is_file()
        and (not folder.is_dir() or any(folder.iterdir()))
    ):
        raise RecipeError(
            "there is something else than an export",
            where=folder,
            cure="name a new folder, or one that export wrote, which it replaces",
        )


def _require_trained(run: Run[Any]) -> Path:
    """Folder of the trained weights, whole."""
    name = run.maker("weights")
    if run.status(name).state != "done":
        raise StageError(
            "the model is not trained yet", where=run.folder(name), cure=f"run `rushes {name} RECIPE`"
        )
    folder = run.bring(name) / "model"
    require_whole(run, name, run.stages[name].read)
    return folder


# --- models ---------------------------------------------------------------------------------------------------


def _merged(run: Run[Any], precision: Precision) -> tuple[Vlm[Any], Update]:
    from rushes.models.merged import merge, stored_precision

    stored: Precision = (
        "float32" if run.recipe.model.adapter is None or run.base is None else stored_precision(run.base)
    )
    found: tuple[Vlm[Any], Update] = merge(trained_model(run, precision=stored, nf4=False), precision)
    return found


def _base_of(run: Run[Any], origin: Origin | None) -> dict[str, str] | None:
    """What training started from, and not where it lies; None where it started from nothing."""
    if run.recipe.model.adapter is not None and origin is not None:
        return asdict(origin)
    if run.base is None or run.base_identity in (None, TINY):
        return None
    return {"name": Path(run.base.name).name, "identity": run.base_identity}


def _written(folder: Path, run: Run[Any], precision: Precision) -> Vlm[Any]:
    from rushes.models.trained import restore

    return restore(folder, type(run.recipe.preprocessing), precision=precision)


def _say_of(run: Run[Any], precision: Precision, nf4: bool, asked: Sequence[Any]) -> _Said | str:
    """What the run's own model says; why it cannot be asked, where 4 bits do not run here."""
    try:
        vlm = trained_model(run, precision=precision, nf4=nf4)
    except ModelError as error:
        if not nf4:
            raise
        return error.message
    return _say(vlm, run, asked)


# --- what they say --------------------------------------------------------------------------------------------


def _questions(run: Run[Any], count: int) -> list[tuple[Any, Any]]:
    """Samples of the reported side, spread evenly, and what is asked about each."""
    questions, samples = task_of(run).questions, run.samples(run.recipe.evaluate.split)
    numbers = list(questions.asked_about(samples, "untrained"))
    if not numbers:
        raise StageError("there is no sample to hold the model against", where=run.folder(run.dataset))
    chosen = sorted({numbers[place * len(numbers) // count] for place in range(count)})
    seed = run.recipe.train.seed
    return [(one, questions.question(one, "model", seed)) for one in questions.samples_of(samples, chosen)]


def _say(vlm: Vlm[Any], run: Run[Any], asked: Sequence[tuple[Any, Any]]) -> _Said:
    from rushes.models.merged import scored_logits
    from rushes.models.vlm import on_best_device
    from rushes.train.threads import one_thread

    questions = task_of(run).questions
    vlm = on_best_device(vlm)
    vlm.model.eval()
    with one_thread():
        answers = questions.answerer(vlm, run.recipe.evaluate.batch_size).answer(
            [question for _, question in asked]
        )
        logits = [scored_logits(vlm, question.views, question.times_s) for _, question in asked]
    rows = [questions.row(sample, answer) for (sample, _), answer in zip(asked, answers, strict=True)]
    del vlm
    gc.collect()
    return _Said(logits, [tuple(row[name] for name in questions.said) for row in rows])


def _library(vlm: Vlm[Any], asked: Sequence[tuple[Any, Any]]) -> dict[str, float]:
    """The first value of each answer with our positions beside the same with the library's."""
    from rushes.models.merged import first_value
    from rushes.train.threads import one_thread

    with one_thread():
        pairs = [
            [first_value(vlm, one.views, one.times_s, of_library=of) for of in (False, True)]
            for _, one in asked
        ]
    return {
        "same": sum(int(ours.argmax() == theirs.argmax()) for ours, theirs in pairs) / len(pairs),
        "probability": max(float(abs(ours - theirs).max()) for ours, theirs in pairs),
    }


def _agreement(beside: str, mine: _Said, theirs: _Said, precision: Precision) -> Agreement:
    import torch

    from rushes.models.merged import units_in_last_place

    ours, others = torch.cat(list(mine.logits)), torch.cat(list(theirs.logits))
    steps = units_in_last_place(ours, others, precision)
    same = [one == other for one, other in zip(mine.answers, theirs.answers, strict=True)]
    return Agreement(
        beside,
        logits=float((ours - others).abs().max()),
        largest=float(others.abs().max()),
        ulps=float(steps.max()),
        mean_ulps=float(steps.mean()),
        argmax=float((ours.argmax(1) == others.argmax(1)).double().mean()),
        answers=sum(same) / len(same),
    )


def _require_same(proof: Agreement, precision: Precision, folder: Path) -> list[str]:
    """Refuse a model that is another one; what must be said of one that is not quite the same.

    Raises:
        ModelError: logits or answers are too far from those of the run.
    """
    exact = precision == "float32"
    allowed = LOGITS * max(1.0, proof.largest)
    if (exact and not proof.logits <= allowed) or not proof.answers >= (1.0 if exact else SAME):
        raise ModelError(
            f"what was written is not the model of the run: beside {proof.beside}, {proof.answers:.1%} of "
            f"answers are the same and logits are up to {proof.logits:.2g} apart"
            + (f", {allowed:.2g} is allowed" if exact else f", {SAME:.0%} of answers must be the same"),
            where=folder,
            cure="export in float32, see that the weights are finite, and report this if it is so there too",
        )
    if proof.answers < 1.0:
        return [
            f"rounding to {precision} changes {1 - proof.answers:.1%} of the answers: measure it before it is used"
        ]
    return []
