"""Names of recordings as label files write them -> the files that are there."""

from __future__ import annotations

import difflib
import re
import unicodedata
from collections import defaultdict
from collections.abc import Iterable, Mapping
from pathlib import PurePosixPath
from urllib.parse import parse_qs, unquote, urlsplit

from rushes.errors import SourceError
from rushes.media import audio_kinds
from rushes.media.names import VIDEOS

TOLD = 10
"""Names that an error lists."""

_UPLOAD = re.compile(r"[0-9a-f]{8}-(?=.)")
_MEDIA = frozenset((*VIDEOS, *audio_kinds.SUFFIXES, ".mpg", ".mpeg", ".wmv", ".flv"))
_SCHEME = re.compile(r"[a-zA-Z][a-zA-Z0-9+.-]+://")


def plain(name: str) -> str:
    r"""A name without what tools put around it: scheme, URL quoting, Windows' separators.

    >>> plain("file:///C:/clips/my%20cam.mp4"), plain(r"..\day 1\cam.mp4")
    ('C:/clips/my cam.mp4', 'day 1/cam.mp4')
    >>> plain("/data/local-files/?d=day1/cam.mp4")
    'day1/cam.mp4'
    """
    name = name.strip().replace("\\", "/")
    if _SCHEME.match(name) or name.startswith("/data/"):
        name = _path_of(name)
    steps = [step for step in name.split("/") if step not in ("", ".", "..")]
    return unicodedata.normalize("NFC", "/".join(steps))


def _path_of(url: str) -> str:
    try:
        parts = urlsplit(url)
    except ValueError:  # a host that is none, say with a bracket
        return unquote(_SCHEME.sub("", url))
    asked = parse_qs(parts.query).get("d")
    return asked[0] if asked else unquote(parts.path) or parts.netloc


class Names:
    """Files that are there, found by whatever a label file calls them.

    Args:
        files: their names, with ``/``: relative to the root of the recordings.
    """

    def __init__(self, files: Iterable[str]) -> None:
        self.files = list(files)
        self._exact = {unicodedata.normalize("NFC", file): file for file in self.files}
        self._folders = {step for name in self._exact for step in name.split("/")[:-1]}
        self._by_base: defaultdict[str, list[str]] = defaultdict(list)
        self._by_stem: defaultdict[str, list[str]] = defaultdict(list)
        for name, file in self._exact.items():
            base = PurePosixPath(name).name
            self._by_base[base].append(file)
            self._by_stem[_stem(base)].append(file)

    def find(self, name: str) -> list[str]:
        """The files that ``name`` can mean: one, where all is well.

        The whole name comes first, then its last part, then that without the suffix of a medium, then all of them
        without the eight digits that Label Studio puts before an upload and with the ``v_`` of ActivityNet.
        Of several, those stay whose folders agree with the name for most steps. Where there is a folder ``bob``,
        ``bob/cam.mp4`` is none of another folder.
        """
        asked = PurePosixPath(plain(name))
        for last in (asked.name, _UPLOAD.sub("", asked.name), f"v_{asked.name}") if asked.name else ():
            if found := self._of_form(str(asked.with_name(last))):
                return found
        return []

    def _of_form(self, name: str) -> list[str]:
        if name in self._exact:
            return [self._exact[name]]
        path = PurePosixPath(name)
        called = (
            self._by_base.get(path.name)
            or self._by_stem.get(path.name)
            or self._by_stem.get(_stem(path.name))
            or []
        )
        shared = {file: _shared_folders(name, file) for file in called}
        folders = path.parts[:-1]
        fitting = {
            file: steps
            for file, steps in shared.items()
            if not self._folders & set(folders[: len(folders) - steps])
        }
        return [file for file, steps in fitting.items() if steps == max(fitting.values())]

    def nearest(self, name: str) -> list[str]:
        """At most three files that are called alike."""
        known = {
            called.casefold(): files for called, files in (*self._by_stem.items(), *self._by_base.items())
        }
        asked = PurePosixPath(plain(name)).name.casefold()
        alike = difflib.get_close_matches(asked, known, n=3, cutoff=0.6)
        return list(dict.fromkeys(known[one][0] for one in alike))


def _stem(base: str) -> str:
    """A name without the suffix of a video or sound; what else follows a point is part of it.

    >>> _stem("P01.left.MP4"), _stem("P01.left")
    ('P01.left', 'P01.left')
    """
    path = PurePosixPath(base)
    return path.stem if path.suffix.lower() in _MEDIA else base


def _shared_folders(name: str, file: str) -> int:
    """Folders that two names have in common, counted from the file upwards."""
    pairs = zip(
        reversed(name.split("/")[:-1]),
        reversed(unicodedata.normalize("NFC", file).split("/")[:-1]),
        strict=False,
    )
    count = 0
    for mine, theirs in pairs:
        if mine != theirs:
            break
        count += 1
    return count


def places(names: Iterable[str], files: Iterable[str]) -> tuple[dict[str, str], dict[str, str]]:
    """The file of each name, and of those that have none, or more than one, why.

    >>> places(["C:/x/cam.mp4", "cup"], ["day1/cam.mp4", "day1/cap.mp4"])
    ({'C:/x/cam.mp4': 'day1/cam.mp4'}, {'cup': 'no such file; do you mean day1/cap.mp4?'})

    Args:
        names: as label files write them.
        files: relative to the root of the recordings, with ``/``.
    """
    known = Names(files)
    matched: dict[str, str] = {}
    faults: dict[str, str] = {}
    for name in dict.fromkeys(names):
        found = known.find(name)
        if len(found) == 1:
            matched[name] = found[0]
        elif found:
            more = f" and {len(found) - 3} more" * (len(found) > 3)
            faults[name] = f"may be {', '.join(found[:3])}{more}"
        else:
            near = " or ".join(known.nearest(name))
            faults[name] = f"no such file{f'; do you mean {near}?' if near else ''}"
    by_its_name = {
        file for name, file in matched.items() if plain(name) == unicodedata.normalize("NFC", file)
    }
    for name, file in list(matched.items()):
        apart = "/" in plain(name) and "/" in file and not _shared_folders(plain(name), file)
        if file in by_its_name and apart:
            faults[name] = f"no such file; {matched.pop(name)} has labels by its own name"
    return matched, faults


def match(names: Iterable[str], files: Iterable[str]) -> dict[str, str]:
    """The file of each name.

    Args:
        names: as label files write them.
        files: relative to the root of the recordings, with ``/``.

    Raises:
        SourceError: names that no file has, or that several have, all of them together.
    """
    matched, faults = places(names, files)
    if faults:
        raise unmatched(faults)
    return matched


def unmatched(faults: Mapping[str, str]) -> SourceError:
    """The error about names without a file of their own: name -> why."""
    lines = [f"\n  - {name}: {why}" for name, why in list(faults.items())[:TOLD]]
    more = f"\n  and {len(faults) - TOLD:,} more" * (len(faults) > TOLD)
    noun = "name that the labels use has" if len(faults) == 1 else "names that the labels use have"
    return SourceError(
        f"{len(faults):,} {noun} no recording of their own:{''.join(lines)}{more}",
        cure="write each name as the file is called below the root, with its folders where several are alike",
    )
