"""What is known of each file of requests, one small JSON each, replaced in one step.

The states are those of the batch API, with ``prepared`` before them. Whatever costs money or leaves something at the
server is written down as meant before it is done, so that a process that was killed in between is followed by one that
asks the server whether it happened.

    prepared ─► validating ─► in_progress ─► finalizing ─► completed
        ▲            │             │                            │
        └── failed ◄─┘             ├─► expired                  ├─► collected
                                   └─► cancelling ─► cancelled ─┘
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Literal, get_args

from rushes.errors import LabelError
from rushes.stages import atomic_file, read_json, write_json

ServerState = Literal[
    "validating", "failed", "in_progress", "finalizing", "completed", "expired", "cancelling", "cancelled"
]
State = Literal["prepared"] | ServerState
Provider = Literal["batch", "chat"]

SERVER_STATES: tuple[str, ...] = get_args(ServerState)
QUEUED = frozenset({"validating", "in_progress", "finalizing", "cancelling"})
"""States in which the prompt tokens of a batch count against the account's queue."""

_NAME = re.compile(r"(\d{6})-(batch|chat)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Ticket:
    """A file of requests, and the batch that it became.

    Attributes:
        name: number and provider; files beside it begin with it.
        question: digest of the question, see `Question.digest`.
        rows, bytes, tokens, sha256: of the file; tokens are those of prompts, estimated.
        state: what the server said last.
        sends: batches that were meant to be made of it.
        meant: what was about to be done at the server, and is not known to be done.
        meant_s: when.
        wait_until_s: before that, nothing is tried.
        looks: how often a result that must be there was not found.
        file_id, batch_id, output_file_id, error_file_id: of the server.
        counts: requests that the server says it completed and failed.
        expires_s: when the batch does.
        errors: codes and messages of a batch that failed as a whole.
        collected: everything that there is of answers is on this disk.
    """

    name: str
    question: str
    rows: int = 0
    bytes: int = 0
    tokens: int = 0
    sha256: str = ""
    state: State = "prepared"
    sends: int = 0
    meant: Literal["", "upload", "create"] = ""
    meant_s: float = 0.0
    wait_until_s: float = 0.0
    looks: int = 0
    file_id: str | None = None
    batch_id: str | None = None
    output_file_id: str | None = None
    error_file_id: str | None = None
    counts: tuple[int, int] = (0, 0)
    expires_s: float | None = None
    errors: tuple[tuple[str, str], ...] = ()
    collected: bool = False

    @property
    def provider(self) -> Provider:
        """Who answers it."""
        return "chat" if self.name.endswith("chat") else "batch"

    @property
    def queued(self) -> bool:
        """Whether its tokens count against the queue, as far as is known."""
        return self.state in QUEUED or self.meant == "create"


class Tickets:
    """The tickets of a folder.

    Args:
        folder: made if it is missing.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.asked, self.answered = folder / "asked", folder / "answered"

    def __iter__(self) -> Iterator[Ticket]:
        """In the order in which they were made."""
        return (self._read(path) for path in sorted(self.asked.glob("*.json")))

    def save(self, ticket: Ticket) -> Ticket:
        """Put a ticket in place of its older self; it outlives a power cut."""
        write_json(self.asked / f"{ticket.name}.json", asdict(ticket))
        return ticket

    def next_name(self, provider: Provider) -> str:
        """Of a file that is to be written."""
        numbers = [int(path.name[:6]) for path in self.asked.glob("*.json")]
        return f"{max(numbers, default=0) + 1:06d}-{provider}"

    def requests(self, name: str) -> Path:
        """The file that goes to the server."""
        return self.asked / f"{name}.jsonl"

    def answers(self, name: str) -> tuple[Path, Path]:
        """Files of answers and of errors, as the server gave them; either may be missing."""
        return self.answered / f"{name}.output.jsonl", self.answered / f"{name}.error.jsonl"

    def write_ids(self, name: str, ids: Iterable[str]) -> None:
        """Note who is asked in a file; its requests may then be deleted."""
        with atomic_file(self.ids_file(name)) as file:
            file.writelines(f"{one}\n".encode() for one in ids)

    def ids(self, name: str) -> Iterator[str]:
        """Who is asked in a file."""
        with self.ids_file(name).open(encoding="utf-8") as file:
            yield from (line[:-1] for line in file if line.endswith("\n"))

    def ids_file(self, name: str) -> Path:
        """A line for each."""
        return self.asked / f"{name}.ids"

    def _read(self, path: Path) -> Ticket:
        found = read_json(path)
        known = {field.name for field in fields(Ticket)}
        if not isinstance(found, dict) or not found.keys() <= known or not _NAME.fullmatch(path.stem):
            raise LabelError(
                "no ticket of a file of requests",
                where=path,
                cure="move it away if it is none of rushes label",
            )
        lists = {name: tuple(map(_tuple, value)) for name, value in found.items() if isinstance(value, list)}
        return Ticket(**found | lists)


def _tuple(value: object) -> object:
    return tuple(value) if isinstance(value, list) else value
