"""The twin of sounds, its script: who sleeps, which clips there are of each, and what is heard when in them.

No samples here. A clip is five seconds of a night, with one of DreamCatcher's nine classes. What tells the
classes apart is partly what sounds and partly *when*:

- breathing is a bright stroke (in), a short rest, a dark stroke (out);
- cloth drawn to and fro in bed, which counts as quiet, makes the same strokes the other way round;
- a snore flutters on the first stroke of a breath; a groan, which counts as breathing, on the second.

So a net that only knows which sounds there are on average must fail where `difficulty` puts such clips, and
one that hears their order need not. `body` makes the strokes, `room` what the microphones hear,
and `writer` writes it down in the layout of the DreamCatcher dataset.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np

from rushes.runs.drawing import seeded
from rushes.tasks.sounds.recipe import SleepTwin
from rushes.tasks.sounds.sources.dreamcatcher import LABELS

Split = Literal["train", "validation", "test"]
Sound = Literal["in", "out", "flutter", "cough", "swallow", "grind", "talk", "rustle"]

CLIP_S = 5.0

SHARES = {"quiet": 0.52, "breathe": 0.33, "snore": 0.09}
"""Of the clips; those of the dataset among the classes that are mostly used: 56, 35 and 9 %. The other six
share what is left."""


@dataclass(frozen=True, slots=True)
class SleepUnit:
    """One wearer's clips: what is drawn by itself.

    Attributes:
        wearer: id, unique in the twin, such as ``P03``.
        split: side.
        labels: class of each clip, in order.
    """

    wearer: str
    split: Split
    labels: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Stroke:
    """One sound in a clip.

    Attributes:
        sound: what.
        start_s: when it begins on the clip's clock.
        length_s: how long it lasts.
        level_db: of its loudest part, relative to the wearer's breath.
        far: whether it comes from somebody else in the room.
    """

    sound: Sound
    start_s: float
    length_s: float
    level_db: float = 0.0
    far: bool = False


def units(settings: SleepTwin) -> list[SleepUnit]:
    """The wearers of a twin; on each side the classes have their shares, each at least one clip if it can."""
    found: list[SleepUnit] = []
    sides: Mapping[Split, int] = {"train": settings.train, "validation": settings.val, "test": settings.test}
    for split, wearers in sides.items():
        counts = _counts(wearers * settings.clips)
        labels = [label for label, count in counts.items() for _ in range(count)]
        order = seeded(settings.seed, "labels", split).permutation(len(labels))
        for number in range(wearers):
            mine = order[number * settings.clips : (number + 1) * settings.clips]
            wearer = f"P{len(found) + 1:02d}"
            found.append(SleepUnit(wearer, split, tuple(labels[place] for place in mine)))
    return found


def script(label: str, rng: np.random.Generator, *, rate_per_min: float, difficulty: float) -> list[Stroke]:
    """What is heard when in a clip of class ``label``.

    Args:
        label: one of the nine.
        rng: of the clip.
        rate_per_min: breaths a minute of the wearer.
        difficulty: 0 to 1.
    """
    breath = _Breath.draw(rng, rate_per_min)
    if label == "quiet":
        return breath.strokes(("out", 0.0), ("in", 0.0)) if rng.random() < difficulty else []
    if label == "breathe":
        if rng.random() < 0.4 * difficulty:
            return breath.strokes((_noise(rng), 0.0), ("flutter", _loudness(rng, difficulty)))
        return breath.strokes(("in", 0.0), ("out", 0.0))
    if label == "snore":
        return breath.strokes(("flutter", _loudness(rng, difficulty)), (_noise(rng), 0.0))
    if label == "non_wearer":
        strokes = breath.strokes(("in", 0.0), ("out", 0.0))
        if rng.random() < 0.6:
            strokes = breath.strokes(("flutter", 12.0), ("out", 0.0))
        return [Stroke(it.sound, it.start_s, it.length_s, it.level_db, far=True) for it in strokes]
    return _events(label, rng)


@dataclass(frozen=True, slots=True)
class _Breath:
    """The one whole breath of a clip: two strokes with a short rest between them, anywhere in it.

    Neither stroke is cut, so that both orders sound the same on average.

    Attributes:
        first_s, first_length_s: of the first stroke.
        second_s, second_length_s: of the second.
    """

    first_s: float
    first_length_s: float
    second_s: float
    second_length_s: float

    @classmethod
    def draw(cls, rng: np.random.Generator, rate_per_min: float) -> _Breath:
        first, second = rng.uniform(0.2, 0.28, 2) * 60.0 / rate_per_min
        rest_s = rng.uniform(0.25, 0.45)
        start_s = rng.uniform(0.1, CLIP_S - 0.1 - first - rest_s - second)
        return cls(start_s, first, start_s + first + rest_s, second)

    def strokes(self, first: tuple[Sound, float], second: tuple[Sound, float]) -> list[Stroke]:
        """Its strokes, each a sound and its level."""
        return [
            Stroke(first[0], self.first_s, self.first_length_s, first[1]),
            Stroke(second[0], self.second_s, self.second_length_s, second[1]),
        ]


def _events(label: str, rng: np.random.Generator) -> list[Stroke]:
    """The rare classes: one to some events at any time."""
    kinds: Mapping[str, tuple[Sound, tuple[int, int], tuple[float, float], float]] = {
        "cough": ("cough", (1, 3), (0.25, 0.45), 22.0),
        "swallow": ("swallow", (1, 2), (0.3, 0.6), 8.0),
        "bruxism": ("grind", (2, 4), (0.4, 1.0), 12.0),
        "somniloquy": ("talk", (2, 4), (0.5, 1.3), 14.0),
        "movements": ("rustle", (2, 5), (0.4, 1.4), 10.0),
    }
    sound, count, length_s, level_db = kinds[label]
    starts = np.sort(rng.uniform(0.2, 4.2, rng.integers(count[0], count[1] + 1)))
    return [Stroke(sound, float(start), rng.uniform(*length_s), level_db) for start in starts]


def _noise(rng: np.random.Generator) -> Sound:
    return "in" if rng.random() < 0.5 else "out"


def _loudness(rng: np.random.Generator, difficulty: float) -> float:
    """Of a flutter over the breath, dB: a loud breath is as loud as a faint snore where it is hard."""
    return float(rng.uniform(10.0 - 9.0 * difficulty, 20.0 - 6.0 * difficulty))


def _counts(total: int) -> dict[str, int]:
    """Clips of each class: shares by largest remainders, but no class without one while there is room."""
    rare = (1.0 - sum(SHARES.values())) / (len(LABELS) - len(SHARES))
    exact = {label: total * SHARES.get(label, rare) for label in LABELS}
    counts = {label: int(share) for label, share in exact.items()}
    for label in sorted(exact, key=lambda label: counts[label] - exact[label])[
        : total - sum(counts.values())
    ]:
        counts[label] += 1
    for label in LABELS:
        if counts[label] == 0 and total >= len(LABELS):
            counts[label] += 1
            counts[max(counts, key=counts.__getitem__)] -= 1
    return counts
