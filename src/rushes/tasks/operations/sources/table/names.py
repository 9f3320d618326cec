"""Names of recordings below a folder, videos and folders of frames, and the keys that follow from them."""

from __future__ import annotations

import unicodedata
from collections.abc import Collection, Sequence

from rushes.errors import SourceError
from rushes.media.names import VIDEOS, folder_of_frame
from rushes.records import KEY, hashed_key


def recording_of(name: str) -> str | None:
    """Name of the recording that a file belongs to; None for a file that is no footage.

    >>> recording_of("line 3/day.MP4"), recording_of("cam/2022/03/29/14/25/20220329_142511_030.jpg")
    ('line 3/day.MP4', 'cam')
    """
    if any(part.startswith(".") for part in name.split("/")):
        return None
    return name if is_video(name) else folder_of_frame(name)


def is_video(name: str) -> bool:
    """Whether a recording of this name is a video; else it is a folder of frames."""
    return name.lower().endswith(VIDEOS)


def key_of(name: str) -> str:
    """The key of a recording, from its own name alone, so that new recordings change no old key.

    A plain name is its own key, but for its suffix. Of names in folders, with spaces or of any script the last
    part stays legible, and digits of a hash tell them apart.

    >>> key_of("asl-eat.mkv"), key_of("Anna Müller/take 2.mov")
    ('asl-eat', 'take-2-d7700e512b')
    """
    stem = name[: name.rfind(".")] if is_video(name) else name
    if KEY.fullmatch(stem):
        return stem
    return hashed(name)


def hashed(name: str) -> str:
    """A key with what is legible of a name's last part, and digits that tell names apart."""
    name = unicodedata.normalize("NFC", name)  # a copy by way of another system may take letters apart
    return hashed_key(name.rsplit("/", 1)[-1].rsplit(".", 1)[0], name)


def keys_of(names: Sequence[str], labelled: Collection[str]) -> dict[str, str]:
    """Name of each recording -> its key.

    Args:
        names: of all recordings.
        labelled: those that have labels; of others one may bear a labelled one's plain name.

    Raises:
        SourceError: two labelled recordings differ in their suffix alone.
    """
    keys: dict[str, str] = {}
    name_of: dict[str, str] = {}
    for name in sorted(names, key=lambda name: (name not in labelled, name)):
        key = key_of(name)
        if key in name_of and name in labelled:
            raise SourceError(
                f"{name_of[key]} and {name} would both be called {key}",
                where=name,
                cure="rename one of them, or leave its labels out",
            )
        keys[name] = hashed(name) if key in name_of else key
        name_of.setdefault(key, name)
    return keys
