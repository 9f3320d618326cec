"""What a page must know to show a service: which verbs there are, what each takes, how much of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

from rushes.recipe.sections import Serve
from rushes.runs.door.contract import Door, Verb
from rushes.serve.envelope import Body, Provenance
from rushes.serve.keys import Keys

LIMITS = ("max_mb", "max_s", "max_pixels", "max_frames", "at_once", "queue", "upload_s", "deadline_s")
"""Those of `Serve` that whoever asks can do something about."""


class VerbInfo(Body):
    """One way of asking.

    Attributes:
        summary: what it says about what.
        files: names of form fields that hold a file -> whether it must be there.
        asked: JSON schema of what may be said beside the files.
    """

    summary: str
    files: Mapping[str, bool]
    asked: Mapping[str, Any]


class About(Body):
    """What can be asked here, and how.

    Attributes:
        name: of the recipe.
        task: of it.
        player: what plays the recordings that are asked about; None where there are none, or several at once.
        labels: that answers choose from, in the order of all tables; empty where they are none.
        verbs: under each, how it is asked.
        limits: by the names of the recipe's section ``serve``.
        keys: whether a key is needed.
        version: of the program.
    """

    name: str
    task: str
    player: Literal["video", "audio"] | None
    labels: Sequence[str]
    verbs: Mapping[str, VerbInfo]
    limits: Mapping[str, float]
    keys: bool
    version: str


def about_of(doors: Mapping[Verb, Door], settings: Serve, model: Provenance, keys: Keys) -> About:
    """Of a service.

    Args:
        doors: that are asked.
        settings: its limits.
        model: which one answers.
        keys: that it takes.
    """
    verbs = {
        verb: VerbInfo(summary=door.summary, files=door.files, asked=door.asked.model_json_schema())
        for verb, door in doors.items()
    }
    return About(
        name=model.recipe,
        task=model.task,
        player=next((door.player for door in doors.values() if door.player is not None), None),
        labels=next((door.labels for door in doors.values() if door.labels), ()),
        verbs=verbs,
        limits={name: getattr(settings, name) for name in LIMITS},
        keys=bool(keys),
        version=model.rushes,
    )
