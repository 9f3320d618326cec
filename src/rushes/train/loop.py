"""The one training loop: set up, resume, train, finish, read from top to bottom in :func:`fit`.

A model family gives it a model, a step (model, batch -> loss), a set of samples and a collator. A folder is
one training: called again, ``fit`` resumes from the newest checkpoint; a finished training is only read. A
curriculum is a chain of ``fit`` calls on one model, each with a folder, settings and signature of its own:
finished phases put their weights into the model at once, the phase that was interrupted resumes.

One process, ``torchrun``, FSDP2 and mixed precision are accelerate's settings: ``torchrun`` and ``accelerate
launch`` bring them from outside, :class:`LoopSettings` says precision and device.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import asdict
from pathlib import Path

from torch import nn

from rushes.errors import StageError, TrainError
from rushes.shards.read import ShardDataset
from rushes.stages import canonical_json, read_json, write_json
from rushes.train.batches import Batches, Collate, Samples
from rushes.train.checkpoint import (
    Identity,
    keep_newest,
    newest_checkpoint,
    open_checkpoint,
    refuse_another,
    write_checkpoint,
)
from rushes.train.events import Event, EventLog, narrate
from rushes.train.learner import Learner, Step, StepOutput, Tally, Validate
from rushes.train.optimizer import SCHEDULES
from rushes.train.progress import FitResult, Progress
from rushes.train.settings import LoopSettings
from rushes.train.state import learnt_tensors, restore_tensors
from rushes.train.threads import threads_for

__all__ = ["FitResult", "LoopSettings", "Step", "StepOutput", "fit", "narrate"]


def fit(
    model: nn.Module,
    step: Step,
    samples: Samples,
    collate: Collate,
    settings: LoopSettings,
    folder: Path,
    signature: str,
    *,
    shards: ShardDataset | None = None,
    validate: Validate | None = None,
    constrain: Callable[[nn.Module], None] | None = None,
    on_event: Callable[[Event], None] = narrate,
) -> FitResult:
    """Train ``model`` in ``folder``, from its newest checkpoint if there is one; then it holds the result.

    On a CPU, with the same number of torch threads, the weights, the optimizer and events.jsonl (less
    ``TIME_FIELDS``) come out bit-identical however often the process was killed on the way. A small model has
    one thread, see :data:`rushes.train.threads.SMALL`.

    Args:
        model: its parameters that ask for gradients are trained; all others, and on a fresh start these too,
            must be the same at each call. It comes back in evaluation mode.
        step: the loss of one batch. It calls the model it is given, which may be a wrapper.
        samples: the training set; read from ``settings.threads`` threads at once.
        collate: samples and a generator for each -> batch of CPU tensors; the loop moves them to the device.
        settings: see :class:`LoopSettings`.
        folder: of this training alone; ``checkpoints/``, ``events.jsonl`` and ``result.json`` are made in it.
        signature: of all else that the weights depend on: data, model, step.
        shards: where ``samples`` lie, if they are to be read shard by shard, see :class:`Batches`.
        validate: figures of the model, which is in evaluation mode and without gradients.
        constrain: puts parameters of the model back within their bounds, after each update.
        on_event: is told everything that happens, on the main process only.

    Raises:
        StageError: the folder holds the training of another signature, of other settings or of other data.
        ModelError: the saved weights do not fit the model.
        TrainError: a loss or a gradient is not finite, there is nothing to train or to learn from, or a
            checkpoint cannot be written. The checkpoints before stay.
    """
    # Set up.
    folder = Path(folder)
    if not len(samples):
        raise TrainError("there are no samples to train on", where=folder)
    if settings.eval_every and validate is None:
        raise TrainError("eval_every asks for validations, and no function to validate with was given")
    learner = Learner(model, settings)
    main, checkpoints = learner.process == 0, folder / "checkpoints"
    batches = Batches(samples, collate, settings.batch_size, settings.seed, settings.threads, shards)
    identity = _identity(settings, signature, batches, learner.processes)
    log = EventLog(folder / "events.jsonl", on_event, silent=not main)

    # Resume.
    if (result := _finished(folder, identity, learner.model)) is not None:
        log.tell("done", reason="was finished before", **result.to_json(folder))
        learner.release()
        return result
    progress, lines = Progress(), 0
    found = newest_checkpoint(checkpoints, identity, lambda reason: log.tell("note", note=reason))
    if found is not None:
        progress, lines = Progress.of(found.state["progress"]), found.state["lines"]
        learner.restore(found.tensors, found.state["scaler"])
        log.tell("resume", step=progress.step, checkpoint=str(found.folder))

    # Train. The micro-batches of one update are dealt to the processes in turn.
    stride = learner.processes
    first, end = (at * settings.accumulate * stride for at in (progress.step, settings.steps))
    numbers = range(first + learner.process, end, stride)
    with closing(batches.stream(numbers)) as stream, log.open(progress.step), threads_for(learner.model):
        if main and log.lines != lines:
            log.tell("note", note=f"events.jsonl has {log.lines} of {lines} lines up to step {progress.step}")
        while progress.step < settings.steps and not progress.out_of_patience(settings.patience):
            began = time.perf_counter()
            rate = SCHEDULES[settings.schedule](
                progress.step, settings.steps, settings.learning_rate, settings.warmup, settings.floor
            )
            progress.add(*learner.update(step, stream, rate, number=progress.step + 1))
            if constrain is not None:
                constrain(learner.model)

            if _due(settings.log_every, progress.step, settings.steps):
                log.tell("train", step=progress.step, lr=rate, **progress.event())
                progress.since = Tally()

            if measured := _due(settings.eval_every, progress.step, settings.steps):
                assert validate is not None, "required above of whoever asks for validations"
                figures = learner.figures(validate, settings.monitor)
                progress.judge(figures[settings.monitor], settings.min_delta)
                log.tell("validation", step=progress.step, **figures)
            progress.seconds += time.perf_counter() - began

            # A validation is followed by a checkpoint: it was dear, and its weights may be the best.
            if measured or _due(settings.checkpoint_every, progress.step, settings.steps):
                began = time.perf_counter()
                tensors = learner.tensors()
                if main:
                    log.sync()
                    # Schedule and reader are functions of the step: their whole state stands in progress.
                    state = {
                        "progress": asdict(progress),
                        "scaler": learner.scaler_state(),
                        "lines": log.lines,
                    }
                    path = write_checkpoint(checkpoints, progress.step, identity, tensors, state)
                    keep_newest(checkpoints, progress.step, settings.keep, spare=progress.best_step)
                    log.tell("checkpoint", step=progress.step, checkpoint=str(path))
                learner.wait()
                progress.seconds += time.perf_counter() - began

    # Finish.
    if main:
        chosen = progress.step if settings.patience is None else progress.best_step
        outcome = progress.result(
            early=progress.step < settings.steps,
            weights=checkpoints / f"step-{chosen:08d}" / "weights.safetensors",
            peak_memory_bytes=learner.peak_memory_bytes(),
        )
        write_json(folder / "result.json", {"identity": identity, "result": outcome.to_json(folder)})
    learner.wait()
    result = _finished(folder, identity, learner.model)
    if result is None:
        raise TrainError(
            "the weights just written cannot be read back",
            where=checkpoints,
            cure="check the disk, move the folder away, train again",
        )
    reason = "out of patience" if result.stopped_early else "all steps done"
    log.tell("done", reason=reason, **result.to_json(folder))
    learner.release()
    return result


def _identity(settings: LoopSettings, signature: str, batches: Batches, processes: int) -> Identity:
    """What a run must share with a checkpoint to go on from it, as JSON gives it back."""
    order = {"samples": len(batches.samples), "streamed": batches.shards is not None}
    identity = {"signature": signature, **order, "processes": processes, **settings.decisive()}
    plain: Identity = json.loads(canonical_json(identity))
    return plain


def _due(every: int, step: int, last: int) -> bool:
    """Whether something that happens ``every`` so many steps (0: never), and at the end, happens now."""
    return every > 0 and (step % every == 0 or step == last)


def _finished(folder: Path, identity: Identity, model: nn.Module) -> FitResult | None:
    """The result that stands in ``folder``, its weights put into the model; None if missing or torn."""
    try:
        saved = read_json(folder / "result.json")
    except StageError:
        return None
    refuse_another(saved["identity"], identity, folder)
    result = FitResult.of(saved["result"], folder)
    try:
        checkpoint = open_checkpoint(result.weights.parent, identity)
    except TrainError:
        return None
    restore_tensors(learnt_tensors(model), checkpoint.tensors("weights"))
    model.eval()
    return result
