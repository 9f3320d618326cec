"""The local cache of the hub, as its client lays it out: what was downloaded is there, and nothing else is."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

COMMIT = "0123456789abcdef0123456789abcdef01234567"


def empty_hub(cache: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache of its own, without a network behind it."""
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(cache))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    return cache


def downloaded(cache: Path, name: str, folder: Path) -> Path:
    """The snapshot of ``folder`` as the checkpoint ``name``."""
    repo = cache / f"models--{name.replace('/', '--')}"
    snapshot = repo / "snapshots" / COMMIT
    for place in (repo / "refs", repo / "blobs", snapshot):
        place.mkdir(parents=True)
    (repo / "refs" / "main").write_text(COMMIT)
    for path in folder.iterdir():
        content = path.read_bytes()
        large = path.suffix == ".safetensors"
        digest = hashlib.sha256(content) if large else hashlib.sha1(b"blob %d\0" % len(content) + content)
        blob = repo / "blobs" / digest.hexdigest()
        blob.write_bytes(content)
        (snapshot / path.name).symlink_to(blob)
    return snapshot
