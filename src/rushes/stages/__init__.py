"""Stages: signature, folder, lock, receipts, DONE: the build system that everything stands on.

A stage is a step with a signature and a folder ``<workspace>/<stage>-<signature>``::

    recipe.json             first: what the signature is made of, and where the code came from
    lock                    held while somebody works here; says who
    units/<unit>.json       receipts: a unit without a valid one does not exist
    quarantine/<unit>.json  bad inputs, one file each, merged into quarantine.jsonl at the end
    DONE                    last: seconds, summary, counts

Typical use::

    spec = StageSpec("prepare", version=1, recipe={...}, inputs={"twin": "0123456789ab"})
    if status(spec, workspace).state != "done":
        with working(spec, workspace) as stage:
            for unit in account(stage.folder, planned).pending:
                write_receipt(stage.folder, unit, {...})       # or quarantine(stage.folder, unit, {...})
            closed = account(stage.folder, planned).close(max_quarantine=0.05)
            stage.finish({"samples": 1200}, closed.counts)
"""

from rushes.stages.files import (
    atomic_file,
    canonical_json,
    make_folder,
    new_folder,
    read_json,
    sha256_file,
    sha256_of_ends,
    sha256_of_sizes,
    weights_sha256,
    write_atomic,
    write_json,
    write_new,
)
from rushes.stages.folder import (
    OpenStage,
    Status,
    check_done,
    lock_owner,
    locked,
    provenance,
    read_done,
    status,
    status_of,
    working,
)
from rushes.stages.hashes import RememberedFiles, RememberedHashes
from rushes.stages.inventory import FATES, Claim, Claims, Fate, Inventory, Sized, take_inventory
from rushes.stages.spec import StageSpec, signature_of_folder, spec_of, spec_of_folder
from rushes.stages.units import (
    Account,
    account,
    quarantine,
    read_quarantine,
    read_receipt,
    write_receipt,
)

__all__ = [
    "FATES",
    "Account",
    "Claim",
    "Claims",
    "Fate",
    "Inventory",
    "OpenStage",
    "RememberedFiles",
    "RememberedHashes",
    "Sized",
    "StageSpec",
    "Status",
    "account",
    "atomic_file",
    "canonical_json",
    "check_done",
    "lock_owner",
    "locked",
    "make_folder",
    "new_folder",
    "provenance",
    "quarantine",
    "read_done",
    "read_json",
    "read_quarantine",
    "read_receipt",
    "sha256_file",
    "sha256_of_ends",
    "sha256_of_sizes",
    "signature_of_folder",
    "spec_of",
    "spec_of_folder",
    "status",
    "status_of",
    "take_inventory",
    "weights_sha256",
    "working",
    "write_atomic",
    "write_json",
    "write_new",
    "write_receipt",
]
