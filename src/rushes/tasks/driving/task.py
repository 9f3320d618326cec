"""The task `driving`: synchronised cameras of a vehicle, from chunk archives to a measured model."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from rushes.runs.usual import EVALUATE, LOOK, PREDICT, PREPARE, REPORT, TRAIN, TWIN
from rushes.runs.vlm_task import TAUGHT, VlmTask

if TYPE_CHECKING:
    from rushes.runs.run import Run
    from rushes.runs.source import Audit
    from rushes.tasks.driving.recipe import DrivingRecipe
    from rushes.tasks.driving.report.samples import WindowViewer
    from rushes.tasks.driving.sources.layout import RigLayout

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
        from rushes.tasks.driving.recipe import ARCHIVES, BY_DEFAULT, BY_INDEX

        if recipe.source.kind != ARCHIVES:
            yield from _of_files(recipe)
            return
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

    def source(self, recipe: DrivingRecipe) -> RigLayout[Any]:
        """See `Task.source`."""
        from rushes.tasks.driving.sources import layout_of

        return layout_of(recipe.source, recipe.preprocessing.setup.cameras)

    def audit(self, run: Run[DrivingRecipe]) -> Audit:
        """What each chunk has of each camera, and what its clips would give."""
        from rushes.tasks.driving.audit import audit_clips

        recipe, preprocessing, source = run.recipe, run.recipe.preprocessing, self.source(run.recipe)
        holdings = source.holdings(
            run.scan,
            clip_s=recipe.twin.clip_s if recipe.source.root is None else CLIP_S,
            window_s=preprocessing.span_s,
            stride_s=recipe.prepare.stride / preprocessing.rate_hz,
        )
        needed, stride = ("train", recipe.evaluate.split), recipe.prepare.stride
        return audit_clips(source, run.scan, holdings, preprocessing, stride=stride, needed=needed)

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


def _of_files(recipe: DrivingRecipe) -> Iterator[tuple[str, str]]:
    """What cannot be of drives that have files of their own."""
    from rushes.records import KEY
    from rushes.tasks.driving.recipe import RigSource

    source, cameras = recipe.source, recipe.preprocessing.setup.cameras
    if source.root is None:
        yield "source.root", f"recordings of kind {source.kind} are not drawn: give their folder"
    if strange := [camera for camera in cameras if KEY.fullmatch(camera) is None]:
        yield (
            "preprocessing.setup",
            f"cameras are called by letters, digits, _ and -, found {', '.join(strange)}",
        )
    if not isinstance(source, RigSource):
        if source.split == "index":
            yield "source.split", f"{source.kind} gives no sides; write shares, or list groups"
        return
    for key in ("cameras", "offset_s"):
        named = getattr(source, key)
        if isinstance(named, dict) and (others := sorted(set(named) - set(cameras))):
            yield f"source.{key}", f"the setup has no camera {', '.join(others)}; it has {', '.join(cameras)}"
