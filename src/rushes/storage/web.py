"""Files at http and https addresses that a table names, each brought once into a bounded folder.

What a server said stands in a ledger beside the files: a file that came is never asked for again, nor is one of which
the server said that it is not there. What failed for now (a time-out, an error of the server) is asked for again next
time. A table may come from a stranger, so only its owner allows this machine to connect, see `storage.recordings`.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from rushes.errors import RushesError, StageError, StorageError
from rushes.stages import read_json, write_atomic, write_json
from rushes.storage.recordings import ALLOW, allowed_by_owner

PROTOCOLS = ("http://", "https://")
LEDGER = "web.json"
_FINAL = range(400, 500)
_PASSING = (408, 425, 429)
_SAVED = 200  # files between two times that the ledger is written


@dataclass(frozen=True, slots=True)
class Bounds:
    """What addresses of a table may cost.

    Attributes:
        files: how many are brought at most.
        file_bytes: of one of them.
        total_bytes: of all in the folder.
        timeout_s: for one of them, from the first byte asked to the last one got.
        at_once: connections.
        redirects: that one address may lead through.
    """

    files: int = 1_000_000
    file_bytes: int = 50_000_000
    total_bytes: int = 100_000_000_000
    timeout_s: float = 30.0
    at_once: int = 8
    redirects: int = 5


def is_address(text: str) -> bool:
    """Whether a cell of a table is an address and no path."""
    return text.lower().startswith(PROTOCOLS)


def bring_files(
    urls: Iterable[str], folder: Path, require: Callable[[bytes, str], None], bounds: Bounds
) -> Mapping[str, Path | RushesError]:
    """Bring what stands at addresses and is not here yet.

    Args:
        urls: of http or https.
        folder: for them; made where it is missing.
        require: raises a RushesError of content, given with its address, that is not what is wanted.
        bounds: what this may cost.

    Returns:
        Address -> its file in ``folder``, or why there is none.

    Raises:
        StorageError: this machine's owner does not allow it, or the addresses are more than ``bounds``.
    """
    asked = list(dict.fromkeys(urls))
    folder.mkdir(parents=True, exist_ok=True)
    known = _known(folder / LEDGER)
    missing = [url for url in asked if not _is_settled(known.get(url), url, folder)]
    if missing:
        _require_allowed(missing, bounds)
        room = [bounds.total_bytes - sum(file.stat().st_size for file in folder.glob("*.bin"))]
        faults: dict[str, RushesError] = {}
        with (
            httpx.Client(
                follow_redirects=True, max_redirects=bounds.redirects, timeout=bounds.timeout_s
            ) as client,
            ThreadPoolExecutor(bounds.at_once) as crew,
        ):

            def bring(url: str) -> dict[str, Any] | RushesError:
                return _bring(client, url, folder, require, bounds, room)

            for number, (url, told) in enumerate(zip(missing, crew.map(bring, missing), strict=True), 1):
                if isinstance(told, RushesError):
                    faults[url] = told
                else:
                    known[url] = told
                if number % _SAVED == 0 or number == len(missing):
                    write_json(folder / LEDGER, known)
    else:
        faults = {}
    return {url: faults.get(url) or _told(known[url], url, folder) for url in asked}


def _bring(
    client: httpx.Client,
    url: str,
    folder: Path,
    require: Callable[[bytes, str], None],
    bounds: Bounds,
    room: list[int],
) -> dict[str, Any] | RushesError:
    """What is to be noted of an address for good, or what is wrong with it for now."""
    try:
        with client.stream("GET", url) as answer:
            if answer.status_code in _FINAL and answer.status_code not in _PASSING:
                return {"fault": f"the server answers {answer.status_code} {answer.reason_phrase}".strip()}
            if answer.status_code != 200:
                return StorageError(f"the server answers {answer.status_code}", where=url, cure=_LATER)
            data = b"".join(_bounded(answer.iter_bytes(1 << 16), bounds))
    except _TooLarge:
        return {"fault": f"more than {bounds.file_bytes:,} bytes"}
    except _TooSlow:
        return StorageError(f"not here after {bounds.timeout_s:g} s", where=url, cure=_LATER)
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        return StorageError(f"{type(error).__name__}: {error}"[:300], where=url, cure=_LATER)
    try:
        require(data, url)
    except RushesError as error:
        return {"fault": error.message}
    if room[0] < len(data):
        cure = f"empty {folder}, or keep the pictures below source.root"
        return StorageError(
            f"no room: all files together may have {bounds.total_bytes:,} bytes", where=url, cure=cure
        )
    room[0] -= len(data)
    write_atomic(_file(folder, url), data)
    return {"bytes": len(data)}


def _file(folder: Path, url: str) -> Path:
    return folder / f"{hashlib.sha256(url.encode()).hexdigest()[:32]}.bin"


class _TooLarge(Exception):
    """Of a file."""


class _TooSlow(Exception):
    """Of a server that sends a byte now and then, which no time-out of a connection notices."""


def _bounded(chunks: Iterator[bytes], bounds: Bounds) -> Iterator[bytes]:
    begun_s, got = time.monotonic(), 0
    for chunk in chunks:
        got += len(chunk)
        if got > bounds.file_bytes:
            raise _TooLarge
        if time.monotonic() - begun_s > bounds.timeout_s:
            raise _TooSlow
        yield chunk


_LATER = "try the address in a browser; it is asked for again with the next command"
_GONE = "correct the address, or remove the row"


def _told(entry: Mapping[str, Any], url: str, folder: Path) -> Path | RushesError:
    if "fault" not in entry:
        return _file(folder, url)
    return StorageError(
        str(entry["fault"]), where=url, cure=f"{_GONE}; remove {folder / LEDGER} to ask again"
    )


def _is_settled(entry: Any, url: str, folder: Path) -> bool:
    """Whether an address need not be asked for: its file is whole, or it has none for good."""
    if not isinstance(entry, dict):
        return False
    path = _file(folder, url)
    return "fault" in entry or (path.is_file() and path.stat().st_size == entry.get("bytes"))


def _known(ledger: Path) -> dict[str, dict[str, Any]]:
    try:
        known = read_json(ledger)
    except StageError:
        return {}
    return known if isinstance(known, dict) else {}


def _require_allowed(urls: list[str], bounds: Bounds) -> None:
    asked = {url.partition("://")[0].lower() for url in urls}
    if refused := sorted(asked - allowed_by_owner()):
        named = ",".join(sorted(asked))
        raise StorageError(
            f"{len(urls):,} pictures are at addresses by {' and '.join(refused)}, which are not read unless the owner "
            "of this machine allows it: a table can name any address",
            where=urls[0],
            cure=f"if you trust this table, type {ALLOW}={named} before the same command",
        )
    if len(urls) > bounds.files:
        raise StorageError(
            f"{len(urls):,} addresses; at most {bounds.files:,} are read",
            where=urls[0],
            cure="split the table",
        )
