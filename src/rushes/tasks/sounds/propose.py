"""What this task would make of a folder: sounds in folders named by their class, or the published layout."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import PurePosixPath

from rushes.errors import RecipeError
from rushes.runs.begin.doubts import FEW, such
from rushes.runs.begin.found import Found, FoundRecording
from rushes.runs.begin.proposal import Line, Proposal
from rushes.runs.begin.who import UNKNOWN, Who, sides_of, who_in
from rushes.tasks.sounds.preprocessing import SoundPreprocessing
from rushes.tasks.sounds.recipe import PrepareSounds
from rushes.tasks.sounds.sources.blocks import key_of

LONGEST_CLIP_S = 10.0
HELD_WHOLE = 0.8
"""Share of the sounds that a clip is to hold whole."""

_DREAMCATCHER = re.compile(r"(?:data/)?(?:train|validation|test)\.(?:tar\.gz|tgz|tar)")


def propose(found: Found) -> Proposal | None:
    """A recipe for sounds of a class each; None where there are no sounds.

    Raises:
        RecipeError: there are sounds, and something that only a person can say.
    """
    if any(map(_DREAMCATCHER.fullmatch, found.names)):
        return Proposal(
            1.0, "the folder is in DreamCatcher's layout", (Line("source.kind", "dreamcatcher"), *_training())
        )
    sounds = found.of_kind("sound")
    return _class_folders(found, sounds) if sounds else None


def _class_folders(found: Found, sounds: Sequence[FoundRecording]) -> Proposal:
    label_of = {one.name: PurePosixPath(one.name).parent.name for one in sounds}
    count = Counter(label_of.values())
    if len(count) < 2:
        raise RecipeError(
            f"{len(sounds):,} sounds in one folder, and nothing that says what is heard in them",
            where=found.root,
            cure="move them into a folder for each class, or label them in Audacity, Praat, Raven, ELAN or Label Studio, or "
            "write labels.csv there with the header file,start,end,label",
        )
    who = who_in(found, None, label_of)
    amounts = {one.name: {label_of[one.name]: one.duration_s or 1.0} for one in sounds}
    dealt = sides_of(amounts, who, key_of)
    labels = [label for label, _ in count.most_common()]
    if dealt is None or not {"train", "val", "test"} <= set(dealt[1].values()):
        raise RecipeError(
            f"{who.count or len(sounds)} groups of sounds; training, validation and test need one each",
            where=found.root,
            cure="add recordings of others",
        )
    return Proposal(
        fits=len(sounds) / len(found.recordings),
        because=f"{len(sounds):,} sounds lie in {len(labels):,} folders, which name their classes",
        lines=(
            Line("source.kind", "folder", "a sound's class is the folder that it lies in"),
            *_pattern(who),
            Line("source.split", "shares"),
            *dealt[0],
            *_hearing(sounds, labels),
            *_training(),
        ),
        doubts=tuple(_doubts(sounds, label_of, who, dealt[1])),
    )
