"""The task `driving`: synchronised cameras of a vehicle, from chunk archives to a measured model."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING

from rushes.runs.usual import EVALUATE, LOOK, PREDICT, PREPARE, REPORT, TRAIN, TWIN
from rushes.runs.vlm_task import TAUGHT, VlmTask

if TYPE_CHECKING:
    from rushes.runs.run import Run
    from rushes.runs.source import Audit
    from rushes.tasks.driving.recipe import DrivingRecipe
    from rushes.tasks.driving.report.samples import WindowViewer
    from rushes.tasks.driving.sources.physical_ai_av.source import PhysicalAiAv

CLIP_S = 20.0
"""Length of a clip of the real dataset, for estimates."""

BYTES_PER_PIXEL = 0.125
"""Of the twin's H.264, as measured at 256x144."""


class Driving(VlmTask["DrivingRecipe"]):
    """How does the vehicle move, seen by its cameras?"""

    name = "driving"
    stages = (
        replace(TWIN, signs=lambda recipe: {"cameras": sorted(recipe.preprocessing.setup.cameras)}),
        replace(PREPARE, version=2),
        LOOK,
        replace(TRAIN, cost=TAUGHT),
        replace(PREDICT, units=True),
        EVALUATE,
        REPORT,
    )

    def faults(self, recipe: DrivingRecipe) -> Iterator[tuple[str, str]]:
        """The twin's clips must be longer than a window, and it must have the sides and cameras asked for."""
        from rushes.tasks.driving.preprocessing import camera_setups
        from rushes.tasks.driving.recipe import BY_DEFAULT, BY_INDEX

        if recipe.source.root is not None:
            return
        preprocessing, known = recipe.preprocessing, camera_setups()["surround"].cameras
        if recipe.source.split not in (BY_DEFAULT, BY_INDEX):
            yield "source.split", f"the twin has its own sides; write {BY_DEFAULT}, or give source.root"
        if preprocessing.span_s >= recipe.twin.clip_s:
            yield (
                "twin.clip_s",
                f"a window spans {preprocessing.span_s:g} s, clips of {recipe.twin.clip_s:g} s have no room for "
                "it; draw longer ones",
            )
        if strange := set(preprocessing.setup.cameras) - set(known):
            yield (
                "preprocessing.setup",
                f"the twin has no camera {', '.join(sorted(strange))}; it has {', '.join(known)}",
            )

    def source(self, recipe: DrivingRecipe) -> PhysicalAiAv:
        """See `Task.source`."""
        from rushes.tasks.driving.sources.physical_ai_av.source import PhysicalAiAv

        source = recipe.source
        return PhysicalAiAv(
            cameras=recipe.preprocessing.setup.cameras,
            chunks=source.chunks,
            offline=source.egomotion == "offline",
            split=source.split,
        )

    def audit(self, run: Run[DrivingRecipe]) -> Audit:
        """What each chunk has of each camera, and what its clips would give."""
        from rushes.tasks.driving.audit import audit_clips
        from rushes.tasks.driving.sources.physical_ai_av.audit import audit

        recipe, source, preprocessing = run.recipe, run.recipe.source, run.recipe.preprocessing
        archives = audit(
            run.raw(),
            preprocessing.setup.cameras,
            chunks=source.chunks,
            split=source.split,
            offline=source.egomotion == "offline",
            clip_s=recipe.twin.clip_s if source.root is None else CLIP_S,
            window_s=preprocessing.span_s,
            stride_s=recipe.prepare.stride / preprocessing.rate_hz,
        )
        needed, stride = ("train", recipe.evaluate.split), recipe.prepare.stride
        return audit_clips(run.scan, archives, source.split, preprocessing, stride=stride, needed=needed)

    def viewer(self, run: Run[DrivingRecipe]) -> WindowViewer:
        """All cameras at some moments of windows."""
        from rushes.tasks.driving.report.samples import WindowViewer

        return WindowViewer()

    def to_draw(self, recipe: DrivingRecipe) -> str:
        """Clips, cameras and the room that they take."""
        from rushes.tasks.driving.twin.script import settings_of

        drawn = settings_of(recipe.twin, recipe.preprocessing.setup.cameras)
        frames = drawn.clips * drawn.clip_s * drawn.fps * len(drawn.cameras)
        size = frames * drawn.size[0] * drawn.size[1] * BYTES_PER_PIXEL
        return (
            f"{drawn.clips} clips of {drawn.clip_s:g} s from {len(drawn.cameras)} cameras, "
            f"about {size / 1e6:,.0f} MB"
        )
