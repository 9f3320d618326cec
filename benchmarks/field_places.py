"""Rows of places and machines: what does not answer, what is not allowed, what never ends."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from field_readings import RECIPE, ROOT
from field_recordings import CLASSES, OPERATIONS
from field_row import Row, Skipped, Told, lacks
from field_sounds import filled

PATIENCE_S = 90.0


@contextmanager
def _answering(code: int) -> Iterator[tuple[str, list[str]]]:
    """A server that answers every request with ``code``; its URL, and what it was asked."""
    asked: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            self.send_response(code)
            self.send_header("Content-Length", "0")
            self.end_headers()

        do_HEAD = do_PUT = do_POST = do_PROPFIND = do_GET

        def log_message(self, *told: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", asked
    finally:
        server.shutdown()


def command(*arguments: str, limit_s: float = PATIENCE_S, **variables: str) -> Told:
    """``rushes`` in a process of its own; a code of -9 where it says nothing for ``limit_s`` and goes on."""
    process = subprocess.Popen(
        [sys.executable, "-m", "rushes.cli", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env=os.environ | variables,
    )
    try:
        out, _ = process.communicate(timeout=limit_s)
    except subprocess.TimeoutExpired:
        process.kill()
        out, _ = process.communicate()
        return Told(-9, out)
    return Told(process.returncode, out)


def _recipe(folder: Path, text: str = OPERATIONS) -> str:
    (folder / RECIPE).write_text(text)
    return str(folder / RECIPE)


KEYS = {"AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": "b", "AWS_DEFAULT_REGION": "us-east-1"}


def s3_503(folder: Path) -> str | None:
    try:
        import s3fs  # noqa: F401
    except ImportError:
        raise Skipped("no package s3fs") from None
    with _answering(503) as (url, _):
        asked = (
            "plan",
            _recipe(folder),
            "--set",
            "source.root=s3://bkt/raw",
            "--workspace",
            str(folder / "w"),
        )
        told = command(*asked, **KEYS, AWS_ENDPOINT_URL=url)
    if told.code == -9:
        return f"no end after {PATIENCE_S:.0f} s; said: {told.text.strip()[:200] or 'nothing'}"
    if told.code == 0:
        return "plan ends with 0"
    return (
        lacks(told.text, "503") and lacks(told.text, "SlowDown") and lacks(told.text, "Service Unavailable")
    )


def nobody_listens(folder: Path) -> str | None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{free.getsockname()[1]}/raw"
    told = command("plan", _recipe(folder), "--set", f"source.root={url}", "--workspace", str(folder / "w"))
    if told.code in (0, -9):
        return f"plan ends with {told.code}: {told.text[:200]}"
    reasons = ("refused", "connect", "allow", "protocol")
    known = any(word in told.text.lower() for word in reasons)
    return None if known else f"no reason: {told.text[:200]}"


def strange_keys(folder: Path) -> str | None:
    from rushes.errors import RushesError
    from rushes.storage import open_workspace

    found = []
    for url in ("s3://bkt/my runs ü", "s3://bkt/a#b", "s3://bkt/50%", "s3://bkt/a?b"):
        try:
            kept = open_workspace(url, folder).url  # type: ignore[attr-defined]  # of a remote one
        except RushesError as error:
            found.append(f"{url}: {error.message}")
        else:
            if not kept.rstrip("/").endswith(url.rpartition("/")[2]):
                found.append(f"{url} became {kept}")
    return "; ".join(found) or None


def protocols(folder: Path) -> str | None:
    with _answering(200) as (url, asked):
        told = command(
            "plan", _recipe(folder), "--set", f"source.root={url}/raw", "--workspace", str(folder / "w")
        )
    if asked:
        return f"a recipe made {len(asked)} requests to an address that nobody allowed"
    return lacks(told.text, "allow") if told.code else "plan ends with 0"


def disk_full(folder: Path) -> str | None:
    place = folder / "small"
    place.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=64k", "none", str(place)], capture_output=True
    )
    if mounted.returncode:
        raise Skipped("a small disk cannot be mounted here")
    try:
        filled(folder)
        told = command(
            "features",
            str(folder / RECIPE),
            "--set",
            f"source.root={folder / ROOT}",
            "--workspace",
            str(place),
        )
    finally:
        subprocess.run(["umount", "-l", str(place)], check=False)
    if told.code == 0:
        return "features ends with 0 on a full disk"
    if "Traceback" in told.text:
        return f"{told.text.count(chr(10))} lines with a traceback"
    return (
        lacks(told.text, "No space left", str(place), "resume")
        if "need" in told.text.lower()
        else "how much was needed is not said"
    )


def endless_pattern(folder: Path) -> str | None:
    root = filled(folder)
    (root / ("a" * 40 + "!.wav")).write_bytes((root / "low" / "00.wav").read_bytes())
    recipe = CLASSES.replace("kind: folder,", 'kind: folder, pattern: "((?P<label>a+)+)+$",')
    began = time.monotonic()
    told = command("audit", _recipe(folder, recipe), "--set", f"source.root={root}", limit_s=45.0)
    if told.code == -9:
        return f"no end after {time.monotonic() - began:.0f} s"
    return lacks(told.text, "pattern")


def bucket_missing(folder: Path) -> str | None:
    with _answering(404) as (url, _):
        asked = (
            "plan",
            _recipe(folder),
            "--set",
            "source.root=s3://nobody/raw",
            "--workspace",
            str(folder / "w"),
        )
        told = command(*asked, **KEYS, AWS_ENDPOINT_URL=url)
    return f"plan ends with {told.code}: {told.text[:200]}" if told.code in (0, -9) else None


ROWS = (
    Row("7 S3 503", "a store that always answers 503: the reason, and an end", s3_503),
    Row("7 S3 bucket", "a missing bucket is no success of a plan", bucket_missing),
    Row("7 HTTP", "nothing listens: the reason", nobody_listens),
    Row("7 keys", "every key that a store allows", strange_keys),
    Row("7 protocols", "a recipe connects to nothing that its owner did not allow", protocols),
    Row("7 disk", "a full disk: how much was needed, where, what is kept", disk_full),
    Row("7 pattern", "a pattern that never ends has a bound", endless_pattern),
)
