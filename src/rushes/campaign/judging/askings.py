"""Every asking of a gate is on record, so that tries which a manifest no longer names still count.

A gate that is asked several times must be surer each time. The count would be worth nothing if it went by the
manifest: a try that did badly could be taken out, and the next would be the first again.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from typing import Any

from rushes.errors import StageError
from rushes.stages import canonical_json
from rushes.storage import Workspace
from rushes.storage.record import Entry, Record

GATES = "gates"
"""Folder of the record in a workspace."""


def number_of(
    workspace: Workspace, campaign: str, gates: Collection[str], asking: Mapping[str, Any]
) -> tuple[int, str]:
    """Put an asking on record, unless it is there.

    Args:
        workspace: that keeps the record.
        campaign: whose gate it is.
        gates: that the campaign has now; one that it has no more may have been renamed, so its askings count, as
            do those by other campaigns against the same values: a campaign may be renamed, too.
        asking: ``gate`` and all that was asked and compared, as JSON values; the same asking, made again, has the
            number that it had.

    Returns:
        Its number among those of the same gate, from 1, and the hash of its entry.

    Raises:
        StageError: the record was changed.
        StorageError: a remote workspace cannot be read or written.
    """
    told = json.loads(canonical_json({**asking, "campaign": campaign}))

    def of_the_gate(known: Entry) -> bool:
        asked = known.content
        if asked["campaign"] == campaign:
            return asked["gate"] == told["gate"] or asked["gate"] not in gates
        than = told["values"][1]
        return bool(than) and (asked["metric"], asked["values"][1]) == (told["metric"], than)

    def says(known: Entry) -> bool:
        return of_the_gate(known) and {**known.content, "gate": told["gate"], "campaign": campaign} == told

    record = Record(workspace, GATES)
    entry = record.add(told, says)
    return list(filter(of_the_gate, record.read())).index(entry) + 1, entry.hash


def require_on_record(workspace: Workspace, told: Mapping[str, str]) -> None:
    """See that the record holds what verdicts rest on.

    Args:
        workspace: that keeps the record.
        told: gate -> hash of the entry that its verdict names.

    Raises:
        StageError: an entry is missing, or the record was changed.
        StorageError: a remote workspace cannot be read.
    """
    known = {entry.hash for entry in Record(workspace, GATES).read()}
    if missing := sorted(gate for gate, entry in told.items() if entry not in known):
        raise StageError(
            f"the gate {missing[0]} was asked, which is not on record: the record of gates was cut short or "
            f"taken away ({len(known)} askings are on record)",
            where=f"{workspace.place}/{GATES}",
            cure=f"restore the folder {GATES} as it was",
        )
