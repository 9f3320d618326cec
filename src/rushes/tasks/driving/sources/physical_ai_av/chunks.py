"""One chunk of the dataset: its archives, opened once each, and what a clip has in them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from rushes.errors import MediaError, SourceError
from rushes.media.zipped import members
from rushes.records import Member
from rushes.tasks.driving.sources.physical_ai_av.clip import CameraFootage
from rushes.tasks.driving.sources.physical_ai_av.layout import EGOMOTION, OFFLINE, TIMES, VIDEO, Feature


@dataclass(slots=True)
class Chunk:
    """The archives of a chunk.

    Attributes:
        root: of the dataset.
        number: of the chunk.
        features: those of the dataset, by name.
    """

    root: Path
    number: int
    features: Mapping[str, Feature]
    _opened: dict[str, dict[str, Member] | MediaError | None] = field(default_factory=dict)

    def path(self, feature: str) -> Path:
        """The archive of a feature, whether it is there or not."""
        return self.root / self.features[feature].archive(self.number)

    def has(self, feature: str) -> bool:
        """Whether the dataset has the feature and the archive is there."""
        return feature in self.features and self.path(feature).is_file()

    def members(self, feature: str) -> dict[str, Member] | None:
        """Members of a feature's archive by name; None where it is not there.

        Raises:
            MediaError: the archive is damaged; again at every call, at the cost of one reading.
        """
        if feature not in self._opened:
            self._opened[feature] = _open(self.path(feature)) if self.has(feature) else None
        found = self._opened[feature]
        if isinstance(found, MediaError):
            raise MediaError(found.message, where=found.where, cure=found.cure)
        return found

    def footage(self, clip: str, camera: str) -> CameraFootage | None:
        """A camera's video and timestamps; None where it has neither.

        Raises:
            SourceError: one without the other.
            MediaError: the archive is damaged.
        """
        feature, found = self.features[camera], self.members(camera) or {}
        video, times = (found.get(feature.file(clip, what)) for what in (VIDEO, TIMES))
        if (video is None) != (times is None):
            lost = TIMES if times is None else VIDEO
            raise SourceError(
                f"{camera}: a video and its timestamps belong together, found no {feature.file(clip, lost)}",
                where=self.path(camera),
                cure="fetch the archive again; leave the clip out if it is incomplete at its source",
            )
        return None if video is None or times is None else CameraFootage(camera, video, times)

    def egomotion(self, clip: str, *, offline: bool) -> Member | None:
        """The table of poses; the offline one if ``offline`` says so. None where it is not there.

        The offline tables have a series of archives of their own, or lie beside the others in theirs.

        Raises:
            MediaError: an archive is damaged.
        """
        for feature in (OFFLINE, EGOMOTION) if offline else (EGOMOTION,):
            found = self.members(feature) or {}
            name = self.egomotion_file(clip, offline=offline)
            if name in found:
                return found[name]
        return None

    def egomotion_file(self, clip: str, *, offline: bool) -> str:
        """Name of the table of poses in its archive."""
        name = OFFLINE if offline else EGOMOTION
        feature = self.features.get(name)
        if feature is None or len(feature.files) != 1:
            return f"{clip}.{name}.parquet"
        return feature.file(clip, next(iter(feature.files)))


def _open(archive: Path) -> dict[str, Member] | MediaError:
    try:
        return {member.name: member for member in members(archive)}
    except MediaError as error:
        return error
