"""What a camera of the twin of driving sees: ground and sky looked up per pixel, things painted over them.

The camera does not move on the vehicle, so where a pixel's ray meets the ground never changes in the rig's
frame: a picture needs one turn and one shift of those points, then a look-up. The same holds for the sky.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from PIL import Image, ImageDraw

from rushes.tasks.driving.twin.ground import SKY_SIDE, SKY_TOP_DEG
from rushes.tasks.driving.twin.motion import RoadPoses
from rushes.tasks.driving.twin.props import CORNERS, OPPOSITE_M, Mover, Props
from rushes.tasks.driving.twin.rig import Camera
from rushes.tasks.driving.twin.scene import RoadScene

NEAR_M = 0.4
"""Things are cut off at this distance before the camera."""

FAR_M = 300.0
"""Ground beyond this distance looks like the ground there."""

REACH_PX = 110.0 / 74.0
"""Things are drawn up to this many metres for each pixel of the focal length."""


class RoadView:
    """Draws what one camera sees of a scene.

    Args:
        scene: of the clip.
        camera: as it is built in.
    """

    def __init__(self, scene: RoadScene, camera: Camera) -> None:
        self._scene, self._camera = scene, camera
        rays = camera.rays()
        self._horizon = int(np.searchsorted(-rays[:, 0, 2], 0.0, side="right"))
        self._ground_table(rays[self._horizon :].reshape(-1, 3))
        self._sky_table(rays[: self._horizon].reshape(-1, 3))
        self._reach_m = min(400.0, max(60.0, REACH_PX * camera.focal_px * 256 / camera.size[0]))

    def _ground_table(self, rays: np.ndarray) -> None:
        """Where each pixel below the horizon meets the ground (rig, texels), and which copy it reads."""
        ground, height_m = self._scene.ground, self._camera.place[2]
        scale = np.minimum(height_m / -rays[:, 2], FAR_M / np.hypot(rays[:, 0], rays[:, 1]))
        meets = self._camera.place[:2] + rays[:, :2] * scale[:, np.newaxis]
        far = np.hypot(np.hypot(rays[:, 0], rays[:, 1]) * scale, height_m)
        across = far / self._camera.focal_px
        levels = np.log2(across * np.sqrt(far / height_m) / ground.texel_m)
        levels = np.clip(np.floor(levels + 0.3), 0, len(ground.starts) - 1).astype(np.int32)
        self._ahead, self._left = (meets / ground.texel_m).astype(np.float32).T.copy()
        self._levels, self._starts = levels, ground.starts[levels]
        self._row_shift = np.int32(ground.log_size[0]) - levels

    def _sky_table(self, rays: np.ndarray) -> None:
        columns, rows = SKY_SIDE
        around = np.arctan2(rays[:, 1], rays[:, 0]) / (2 * np.pi) * columns
        up = np.degrees(np.arctan2(rays[:, 2], np.hypot(rays[:, 0], rays[:, 1]))) / SKY_TOP_DEG * rows
        self._around = np.rint(around).astype(np.int32)
        self._up = np.clip(up, 0, rows - 1).astype(np.int32) * columns

    def draw(self, poses: RoadPoses, number: int) -> Image.Image:
        """The picture at pose ``number`` of ``poses``, mode RGBA (opaque)."""
        yaw, position = float(poses.yaws[number]), poses.positions[number, :2]
        width, height = self._camera.size
        pixels = np.empty(width * height, np.uint32)
        border = self._horizon * width
        turned = self._around + np.int32(round(yaw / (2 * np.pi) * SKY_SIDE[0]))
        turned &= SKY_SIDE[0] - 1
        turned += self._up
        np.take(self._scene.sky, turned, out=pixels[:border], mode="clip")
        np.take(self._scene.ground.texels, self._texels(yaw, position), out=pixels[border:], mode="clip")
        image = Image.fromarray(pixels.view(np.uint8).reshape(height, width, 4), "RGBA")
        self._paint(ImageDraw.Draw(image), float(poses.times_s[number]), yaw, position)
        return image

    def _texels(self, yaw: float, position: np.ndarray) -> np.ndarray:
        ground = self._scene.ground
        log_width, log_height = ground.log_size
        cos, sin = np.float32(np.cos(yaw)), np.float32(np.sin(yaw))
        # whole turns of the texture keep the numbers positive, so that cutting off decimals rounds down
        x, y = (position - ground.origin) / ground.texel_m + (4 << log_width, 4 << log_height)
        columns = (self._ahead * cos - self._left * sin + np.float32(x)).astype(np.int32)
        rows: np.ndarray = (self._ahead * sin + self._left * cos + np.float32(y)).astype(np.int32)
        columns &= (1 << log_width) - 1
        rows &= (1 << log_height) - 1
        columns >>= self._levels
        rows >>= self._levels
        rows <<= self._row_shift
        rows += columns
        rows += self._starts
        return rows

    def _paint(self, draw: ImageDraw.ImageDraw, time_s: float, yaw: float, position: np.ndarray) -> None:
        """Paint things from far to near."""
        cos, sin = np.cos(yaw), np.sin(yaw)
        turn = np.array([[cos, -sin], [sin, cos]])
        eye = position + turn @ self._camera.place[:2]
        view = turn @ self._camera.axes[:2, 2]
        shapes = [self._seen(self._scene.props, eye, view, turn)]
        for mover in self._scene.movers:
            shapes.append(self._seen(self._placed(mover, time_s), eye, view, turn))
        keys = np.concatenate([keys for keys, _, _ in shapes])
        polygons = [polygon for _, polygons, _ in shapes for polygon in polygons]
        colours = [colour for _, _, colours in shapes for colour in colours]
        for number in np.argsort(-keys, kind="stable").tolist():
            draw.polygon(polygons[number], tuple(colours[number]))

    def _placed(self, mover: Mover, time_s: float) -> Props:
        motion, props = self._scene.motion, mover.props
        way = np.clip(mover.way_m - mover.speed_mps * time_s, motion.path.x[0], motion.path.x[-1])
        x, y = motion.beside(np.array([way]), OPPOSITE_M)[0]
        yaw = float(motion.heading(way))
        turn = np.array([[np.cos(yaw), -np.sin(yaw)], [np.sin(yaw), np.cos(yaw)]])
        corners, normals = props.corners.copy(), props.normals.copy()
        corners[..., :2] = corners[..., :2] @ turn.T + (x, y)
        normals[:, :2] = normals[:, :2] @ turn.T
        return replace(props, corners=corners, normals=normals, centres=np.array([[x, y]]))

    def _seen(
        self, props: Props, eye: np.ndarray, view: np.ndarray, turn: np.ndarray
    ) -> tuple[np.ndarray, list[list[float]], list[list[int]]]:
        """Distances, outlines in pixels and colours of the polygons that can be seen."""
        camera = self._camera
        (width, height), (x0, y0) = camera.size, camera.centre
        away = props.centres - eye
        far = np.hypot(*away.T)
        ahead = away @ view
        aside = np.abs(away[:, 0] * view[1] - away[:, 1] * view[0])
        in_view = aside * camera.focal_px <= np.maximum(ahead, 0.0) * x0 * 1.15 + 2.0 * props.radii_m * (
            camera.focal_px + x0
        )
        near = (far < self._reach_m) & (ahead > -props.radii_m) & in_view
        things = props.things
        chosen = np.flatnonzero(near[things] & (props.sizes_m * camera.focal_px > 0.9 * far[things]))
        first = props.corners[chosen, 0]
        normals = props.normals[chosen]
        facing = (first[:, 0] - eye[0]) * normals[:, 0] + (first[:, 1] - eye[1]) * normals[:, 1]
        facing += (first[:, 3] - camera.place[2]) * normals[:, 2]
        chosen = chosen[facing <= 0.0]
        corners, owners = props.corners[chosen], things[chosen]
        rights = np.stack([away[owners, 1], -away[owners, 0]], -1) / np.maximum(far[owners], 1e-6)[:, None]
        places = corners[..., :2] - eye + corners[..., 2:3] * rights[:, np.newaxis]
        rig = np.concatenate([places @ turn, corners[..., 3:] - camera.place[2]], -1)
        seen = rig @ camera.axes
        depths = seen[..., 2]
        whole = depths.min(1) > NEAR_M
        flat = seen[..., :2] / np.maximum(depths, NEAR_M)[..., None] * camera.focal_px + (x0, y0)
        low, high = flat.min(1), flat.max(1)
        inside = (high[:, 0] > 0) & (low[:, 0] < width) & (high[:, 1] > 0) & (low[:, 1] < height)
        keep = np.flatnonzero(np.where(whole, inside, depths.max(1) > NEAR_M))
        outlines = flat[keep].reshape(len(keep), 2 * CORNERS).tolist()
        for place in np.flatnonzero(~whole[keep]).tolist():
            outlines[place] = self._cut(seen[keep[place]].tolist())
        keys = (far + props.radii_m)[owners[keep]]
        return keys, outlines, props.colours[chosen[keep]].tolist()

    def _cut(self, points: list[list[float]]) -> list[float]:
        """Outline in pixels of the part of a polygon [(x, y, depth)] that lies before the camera."""
        (x0, y0), focal, outline = self._camera.centre, self._camera.focal_px, []
        before = points[-1]
        for here in points:
            if (here[2] >= NEAR_M) != (before[2] >= NEAR_M):
                share = (NEAR_M - before[2]) / (here[2] - before[2])
                for axis, middle in ((0, x0), (1, y0)):
                    value = before[axis] + share * (here[axis] - before[axis])
                    outline.append(value / NEAR_M * focal + middle)
            if here[2] >= NEAR_M:
                outline += [here[0] / here[2] * focal + x0, here[1] / here[2] * focal + y0]
            before = here
        return outline
