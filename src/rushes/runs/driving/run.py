"""A run of the driving task."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cached_property
from itertools import chain
from pathlib import Path
from typing import Any

from rushes.contract import RigContract
from rushes.contract.driving import camera_setups
from rushes.recipe import DrivingRecipe
from rushes.runs.run import Audit, Bring
from rushes.runs.vlm_run import VlmRun

CLIP_S = 20.0
"""Length of a clip of the real dataset, for estimates."""

BYTES_PER_PIXEL = 0.125
"""Of the twin's H.264, as measured at 256x144."""


class DrivingRun(VlmRun[DrivingRecipe]):
    """Synchronised cameras of a vehicle, from chunk archives to a measured model."""

    @classmethod
    def faults(cls, recipe: DrivingRecipe) -> Iterator[tuple[str, str]]:
        """The twin's clips must be longer than a window, and it must have the sides and cameras asked for."""
        if recipe.source.root is not None:
            return
        contract, known = recipe.preprocessing, camera_setups()["surround"].cameras
        if isinstance(recipe.source.split, dict):
            yield "source.split", "the twin has its own sides; write index, or give source.root"
        if contract.span_s >= recipe.twin.clip_s:
            yield (
                "twin.clip_s",
                f"a window spans {contract.span_s:g} s, clips of {recipe.twin.clip_s:g} s have no room for "
                "it; draw longer ones",
            )
        if strange := set(contract.setup.cameras) - set(known):
            yield (
                "preprocessing.setup",
                f"the twin has no camera {', '.join(sorted(strange))}; it has {', '.join(known)}",
            )

    @property
    def contract(self) -> RigContract:
        """The preprocessing contract."""
        return self.recipe.preprocessing

    @cached_property
    def scan(self) -> Any:
        """The recordings, read from indexes and the directories of archives.

        Raises:
            SourceError: they do not hold, or the split lists a clip that the clip index does not.
        """
        from rushes.sources.physical_ai_av import require_clips, scan

        source = self.recipe.source
        offline = source.egomotion == "offline"
        found = scan(self.raw(), self.contract.setup.cameras, chunks=source.chunks, offline=offline)
        if not isinstance(source.split, str):
            require_clips(found.root, chain.from_iterable(source.split.values()))
        return found

    def fetch(self, bring: Bring) -> Path:
        """The tables; then, of the archives, those of the setup's cameras and the motion of chunks in use."""
        from rushes.sources.physical_ai_av import TABLES, archives

        root = bring(TABLES.__contains__)
        wanted = archives(root, self.contract.setup.cameras, self.recipe.source.chunks)
        return bring(wanted.__contains__)

    @property
    def twin_settings(self) -> Any:
        """The twin has the cameras of the setup."""
        from rushes.twins.driving import DrivingSettings

        twin = self.recipe.twin
        return DrivingSettings(
            train=twin.train,
            val=twin.val,
            test=twin.test,
            clip_s=twin.clip_s,
            cameras=tuple(sorted(self.contract.setup.cameras)),
            size=twin.picture,
            difficulty=twin.difficulty,
            missing_share=twin.missing,
            seed=twin.seed,
        )

    def twin_part(self) -> Mapping[str, Any]:
        """What is drawn, by which cameras."""
        cameras = sorted(self.contract.setup.cameras)
        return {"twin": self.recipe.twin.model_dump(mode="json"), "cameras": cameras}

    def to_draw(self) -> str:
        """Clips, cameras and the room that they take."""
        drawn = self.twin_settings
        frames = drawn.clips * drawn.clip_s * drawn.fps * len(drawn.cameras)
        size = frames * drawn.size[0] * drawn.size[1] * BYTES_PER_PIXEL
        return (
            f"{drawn.clips} clips of {drawn.clip_s:g} s from {len(drawn.cameras)} cameras, "
            f"about {size / 1e6:,.0f} MB"
        )

    def fingerprint(self) -> str:
        """Of the archives' members."""
        from rushes.sources.physical_ai_av import fingerprint

        return fingerprint(self.scan.root, self.scan.recordings)

    def audit(self) -> Audit:
        """What each chunk has of each camera."""
        from rushes.sources.physical_ai_av import audit

        source, contract = self.recipe.source, self.contract
        return audit(
            self.raw(),
            contract.setup.cameras,
            chunks=source.chunks,
            split=source.split,
            offline=source.egomotion == "offline",
            clip_s=self.recipe.twin.clip_s if source.root is None else CLIP_S,
            window_s=contract.span_s,
            stride_s=self.recipe.prepare.stride / contract.rate_hz,
        )

    def headline(self) -> dict[str, Any]:
        """Errors of speed, distance and turn, and those of the baselines."""
        from rushes.evaluate.driving.tables import headline

        return headline(self.metrics())

    def print_metrics(self, console: Any) -> None:
        """The model among its baselines."""
        from rushes.evaluate.driving.tables import print_metrics

        print_metrics(self.metrics(), console)

    @classmethod
    def figures(cls) -> Mapping[str, bool]:
        """Errors of each quantity, and the share of answers that could be read."""
        from rushes.evaluate.driving.names import QUANTITY_OF, TITLES

        return {name: name in QUANTITY_OF for name in TITLES}
