"""What becomes of each file of an OpenPack copy, by its place in the layout alone."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from functools import cache

from rushes.records import MediaKind
from rushes.stages import Claim, Claims
from rushes.tasks.operations.sources.openpack.layout import key_of
from rushes.tasks.operations.sources.pictures import is_frame

SENSORS = ("annotation", "atr", "e4", "kinect", "lidar", "rs02", "system")
"""Folders of a subject, of which this task reads one form of the colour footage and the operations."""

OURS = ("openpack-operations", "color-masked")


def claims_of(fates: Mapping[str, Claim], subjects: Collection[str], media: MediaKind) -> Claims:
    """Claims of names relative to the folder of the subjects.

    A session's claim is made once, however many frames it has.

    Args:
        fates: key of each session -> what becomes of its files.
        subjects: whose folders these are.
        media: form of the footage that is read.
    """

    @cache
    def of_session(user: str, session: str, what: str) -> Claim | None:
        fate = fates.get(key_of(user, session))
        return fate if fate is None or fate.fate != "used" else fate._replace(reason=what)

    def footage(form: MediaKind, user: str, session: str, what: str) -> Claim | None:
        if form == media:
            return of_session(user, session, what)
        return Claim("skipped", f"{form}; the recipe reads {media}")

    def claims(name: str) -> Claim | None:
        match name.split("/", 5):
            case [user, "kinect", "color-masked", "frames", session, frame]:
                return footage("frames", user, session, "frames") if _is_frame(frame) else None
            case [user, "kinect", "color-masked", "video", file]:
                session, _, suffix = file.rpartition(".")
                what = {"mp4": "video", "json": "sidecars"}.get(suffix)
                return footage("video", user, session, what) if session and what else None
            case [user, "annotation", "openpack-operations", file] if file.endswith(".csv"):
                return of_session(user, file.removesuffix(".csv"), "annotation")
            case [user, sensor, kind, _, *_] if user in subjects and sensor in SENSORS and kind not in OURS:
                return None if "/." in name else Claim("skipped", f"not used: {sensor}/{kind}")
        return None

    return claims


def _is_frame(below_session: str) -> bool:
    return is_frame(below_session.rpartition("/")[2])
