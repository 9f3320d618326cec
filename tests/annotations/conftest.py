"""A label file of a few lines, and what it says."""

from __future__ import annotations

import pytest


@pytest.fixture
def put(tmp_path):
    """Write a file of the test's own folder: text as UTF-8, or bytes."""

    def put(name, content):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    return put


@pytest.fixture
def said():
    """Recording, start, end in float seconds and label of each mark."""
    return lambda labels: [
        (mark.recording, float(mark.start_s), None if mark.end_s is None else float(mark.end_s), mark.label)
        for mark in labels.marks
    ]
