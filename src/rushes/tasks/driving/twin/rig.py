"""The rig of the twin of driving: where seven cameras sit, and what ray each pixel looks along.

Rig: x forward, y left, z up, origin at the rear axle on the ground. Camera: x right, y down, z along its
view. All cameras are pinholes without roll, so the horizon is one row of the picture.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

TOLERANCE_DEG = 0.4
"""How far a camera of one vehicle points away from the drawing, at most."""


@dataclass(frozen=True, slots=True)
class Mount:
    """How a camera is built in, by the drawing.

    Attributes:
        place: (x, y, z) in the rig, metres.
        yaw_deg: of its view, left positive.
        down_deg: how far its view points below the horizon.
        view_deg: horizontal field of view.
    """

    place: tuple[float, float, float]
    yaw_deg: float
    down_deg: float
    view_deg: float


MOUNTS: Mapping[str, Mount] = {
    "camera_front_wide_120fov": Mount((1.75, 0.0, 1.45), 0.0, 4.0, 120.0),
    "camera_front_tele_30fov": Mount((1.75, -0.1, 1.45), 0.0, 1.0, 30.0),
    "camera_cross_left_120fov": Mount((2.3, 0.95, 1.0), 65.0, 4.0, 120.0),
    "camera_cross_right_120fov": Mount((2.3, -0.95, 1.0), -65.0, 4.0, 120.0),
    "camera_rear_left_70fov": Mount((2.1, 1.0, 1.0), 150.0, 3.0, 70.0),
    "camera_rear_right_70fov": Mount((2.1, -1.0, 1.0), -150.0, 3.0, 70.0),
    "camera_rear_tele_30fov": Mount((-0.9, 0.0, 1.3), 180.0, 1.0, 30.0),
}

VEHICLE: Mapping[str, float] = {
    "length": 4.87,
    "width": 2.12,
    "height": 1.47,
    "rear_axle_to_bbox_center": 1.45,
    "wheelbase": 2.98,
    "track_width": 1.62,
}
"""Metres; the columns of the dataset's table of vehicle dimensions."""


@dataclass(frozen=True, slots=True)
class Camera:
    """A camera as it is built into one vehicle.

    Attributes:
        name: of the camera.
        size: width and height of the picture, pixels.
        focal_px: focal length, the same for both axes; the principal point is the picture's centre.
        place: (3,) in the rig, metres.
        axes: (3, 3) camera -> rig; columns are the camera's x (right), y (down) and z (view) in the rig.
    """

    name: str
    size: tuple[int, int]
    focal_px: float
    place: NDArray[np.float64]
    axes: NDArray[np.float64]

    @property
    def centre(self) -> tuple[float, float]:
        """The principal point; pixel (0, 0) has its centre at (0.5, 0.5)."""
        return self.size[0] / 2, self.size[1] / 2

    @property
    def quaternion(self) -> NDArray[np.float64]:
        """(4,) camera -> rig, scalar last."""
        quaternion: NDArray[np.float64] = Rotation.from_matrix(self.axes).as_quat(canonical=True)
        return quaternion

    def rays(self) -> NDArray[np.float64]:
        """Directions (height, width, 3) in the rig that the pixels' centres look along, not normalised."""
        (width, height), (x, y) = self.size, self.centre
        columns, rows = np.meshgrid(np.arange(width) + 0.5 - x, np.arange(height) + 0.5 - y)
        return np.stack([columns, rows, np.full_like(rows, self.focal_px)], -1) @ self.axes.T


def camera_of(name: str, size: tuple[int, int], rng: np.random.Generator) -> Camera:
    """The camera ``name`` of one vehicle: the drawing, with the tolerance of its building in.

    Raises:
        KeyError: no such camera.
    """
    mount = MOUNTS[name]
    off_yaw, off_down = rng.uniform(-TOLERANCE_DEG, TOLERANCE_DEG, 2)
    yaw, down = np.radians(mount.yaw_deg + off_yaw), np.radians(mount.down_deg + off_down)
    view = np.array([np.cos(yaw) * np.cos(down), np.sin(yaw) * np.cos(down), -np.sin(down)])
    right = np.array([np.sin(yaw), -np.cos(yaw), 0.0])
    return Camera(
        name=name,
        size=size,
        focal_px=size[0] / 2 / np.tan(np.radians(mount.view_deg / 2)),
        place=np.array(mount.place) + rng.uniform(-0.01, 0.01, 3),
        axes=np.stack([right, np.cross(view, right), view], -1),
    )
