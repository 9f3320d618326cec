"""The scene of one clip of the twin of driving: what is there to be seen, and in what light."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from rushes.tasks.driving.twin.ground import Colour, Ground, draw_ground, draw_sky
from rushes.tasks.driving.twin.motion import RoadMotion
from rushes.tasks.driving.twin.props import Mover, Props, draw_movers, draw_props

SKIES: tuple[tuple[Colour, Colour], ...] = (
    ((205, 216, 230), (104, 118, 120)),
    ((214, 212, 208), (112, 116, 112)),
    ((226, 204, 182), (96, 94, 104)),
)
"""Colours of the haze above the horizon and of the hills: clear, overcast, evening."""

DARKEST, BRIGHTEST = 36, 215
"""Luma of a picture stays within these, so that the sensor's noise cannot wrap around."""


@dataclass(frozen=True, slots=True)
class RoadScene:
    """All that can be seen on a drive.

    Attributes:
        motion: the drive.
        ground: its texture.
        sky: as `draw_sky` gives it.
        props: what stands along the road.
        movers: what drives.
    """

    motion: RoadMotion
    ground: Ground
    sky: np.ndarray
    props: Props
    movers: tuple[Mover, ...]


@dataclass(frozen=True, slots=True)
class Light:
    """How bright a camera's pictures are over time: the hour, clouds that pass, the camera's own exposure.

    Attributes:
        gain: mean brightness.
        swing: share of the gain by which clouds change it.
        period_s: of these changes.
        phase: of these changes, radians.
    """

    gain: float
    swing: float
    period_s: float
    phase: float

    def table(self, time_s: float) -> np.ndarray:
        """Luma as it comes out at ``time_s``, for each luma that goes in: uint8 (256,)."""
        gain: float = self.gain * (1.0 + self.swing * np.sin(2 * np.pi * time_s / self.period_s + self.phase))
        lumas: np.ndarray = np.clip(16 + (np.arange(256) - 16) * gain, DARKEST, BRIGHTEST)
        return lumas.astype(np.uint8)


def draw_scene(
    rng: np.random.Generator,
    motion: RoadMotion,
    times_s: tuple[float, float],
    scene: str,
    difficulty: float,
    width_px: int,
) -> RoadScene:
    """Draw all that is seen from the first to the last frame.

    Args:
        rng: of the clip.
        motion: the drive.
        times_s: of the first and the last frame.
        scene: ``town``, ``suburb`` or ``country``.
        difficulty: 0 to 1: weaker texture, more clutter.
        width_px: of the pictures; wide ones get a finer ground.
    """
    first, last = motion.way(np.array(times_s)).tolist()
    haze, hills = SKIES[rng.integers(len(SKIES))]
    contrast = 28.0 - 20.0 * difficulty
    return RoadScene(
        motion=motion,
        ground=draw_ground(rng, motion, (first, last), scene, contrast, 0.125 if width_px <= 320 else 0.0625),
        sky=draw_sky(rng, haze, hills),
        props=draw_props(rng, motion, (first, last), scene, difficulty),
        movers=draw_movers(rng, motion, (first, last), difficulty),
    )


def draw_light(rng: np.random.Generator, hour: int, difficulty: float) -> Light:
    """The light of one camera; low sun is darker, clouds and exposure count more the harder the twin is."""
    noon = np.cos((hour - 13) / 12 * np.pi)
    return Light(
        gain=float((0.72 + 0.28 * noon) * (1.0 + difficulty * rng.uniform(-0.12, 0.12))),
        swing=0.25 * difficulty * float(rng.random()),
        period_s=float(rng.uniform(3.0, 10.0)),
        phase=float(rng.uniform(0.0, 2 * np.pi)),
    )
