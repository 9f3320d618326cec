"""Every asking of a gate is on record, so that tries which a manifest no longer names still count.

A gate that is asked several times must be surer each time. The count would be worth nothing if it went by the
manifest: a try that did badly could be taken out, and the next would be the first again.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from rushes.stages import canonical_json
from rushes.storage import Workspace
from rushes.storage.record import Record

GATES = "gates"
"""Folder of the record in a workspace."""


def number_of(workspace: Workspace, campaign: str, asking: Mapping[str, Any]) -> int:
    """Put an asking on record, unless it is there; its number among those of the same gate, from 1.

    Args:
        workspace: that keeps the record.
        campaign: whose gate it is.
        asking: ``gate`` and all that was asked and compared, as JSON values; the same asking, made again, has the
            number that it had.

    Raises:
        StageError: the record was changed.
        StorageError: a remote workspace cannot be read or written.
    """
    record, told = Record(workspace, GATES), json.loads(canonical_json({**asking, "campaign": campaign}))
    entry = record.add(told, lambda known: known.content == told)
    own = [one for one in record.read() if _gate(one.content) == _gate(told)]
    return own.index(entry) + 1


def _gate(told: Mapping[str, Any]) -> tuple[str, str]:
    return told["campaign"], told["gate"]
