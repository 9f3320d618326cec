"""The layouts of drives that are read, by the kind that a recipe names."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from rushes.tasks.driving.recipe import ChunkSource, KittiSource, NuScenesSource, RigSource
    from rushes.tasks.driving.sources.layout import RigLayout

Kind = Literal["physical_ai_av", "rig", "kitti", "nuscenes"]


def layout_of(
    asked: ChunkSource | RigSource | KittiSource | NuScenesSource, cameras: tuple[str, ...]
) -> RigLayout[Any]:
    """The layout that a recipe names.

    Args:
        asked: its source.
        cameras: of its setup.
    """
    return _LAYOUTS[asked.kind](asked, cameras)


def _archives(asked: ChunkSource, cameras: tuple[str, ...]) -> RigLayout[Any]:
    from rushes.tasks.driving.sources.physical_ai_av.source import PhysicalAiAv

    return PhysicalAiAv(cameras, asked.chunks, asked.egomotion == "offline", asked.split)


def _rig(asked: RigSource, cameras: tuple[str, ...]) -> RigLayout[Any]:
    from rushes.tasks.driving.sources.rig.source import Rig

    return Rig(cameras, asked)


def _kitti(asked: KittiSource, cameras: tuple[str, ...]) -> RigLayout[Any]:
    from rushes.tasks.driving.sources.kitti.source import Kitti

    return Kitti(cameras, asked)


def _nuscenes(asked: NuScenesSource, cameras: tuple[str, ...]) -> RigLayout[Any]:
    from rushes.tasks.driving.sources.nuscenes.source import NuScenes

    return NuScenes(cameras, asked)


_LAYOUTS: Mapping[Kind, Callable[[Any, tuple[str, ...]], RigLayout[Any]]] = {
    "physical_ai_av": _archives,
    "rig": _rig,
    "kitti": _kitti,
    "nuscenes": _nuscenes,
}
