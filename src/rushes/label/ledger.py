"""Who was asked, who answered, who is to be asked again: an index of the answered files, in a file of SQLite.

It holds nothing that does not follow from tickets and answers, so it can be deleted. Everything is streamed: a result
of any size is read in a few megabytes of memory.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rushes.errors import LabelError
from rushes.label.outcomes import Outcome, lines_of, outcome_of
from rushes.label.question import LEVELS, Answer, Question
from rushes.label.row import Row
from rushes.label.tickets import Ticket, Tickets

_FORM = 1
_CACHE_KB = 48_000  # keys come in any order, so what does not fit is read and written again and again
_TABLES = f"""
PRAGMA journal_mode = WAL;
PRAGMA synchronous = NORMAL;
BEGIN;
CREATE TABLE item (position INTEGER PRIMARY KEY, id TEXT UNIQUE, key TEXT, title TEXT, place TEXT, asked INTEGER);
CREATE TABLE flight (id TEXT PRIMARY KEY, name TEXT, seen INTEGER DEFAULT 0) WITHOUT ROWID;
CREATE TABLE said (
    id TEXT PRIMARY KEY, kind TEXT, code TEXT, message TEXT, answer TEXT, model TEXT,
    attempts INTEGER, level INTEGER
) WITHOUT ROWID;
CREATE TABLE batch (
    name TEXT PRIMARY KEY, asked INTEGER, ok INTEGER, error INTEGER, missing INTEGER,
    duplicates INTEGER, strangers INTEGER, unreadable INTEGER, faults INTEGER,
    counted INTEGER, prompt_tokens INTEGER, answer_tokens INTEGER
);
PRAGMA user_version = {_FORM};
COMMIT;
"""
_SAY = """
INSERT INTO said VALUES (:id, :kind, :code, :message, :answer, :model, :attempts, :level)
ON CONFLICT (id) DO UPDATE SET kind = :kind, code = :code, message = :message, answer = :answer, model = :model,
    attempts = attempts + :attempts, level = min(level + :level, :most)
WHERE kind <> 'ok'
"""
_OPEN = """
SELECT coalesce(said.level, 0) FROM item LEFT JOIN said USING (id) LEFT JOIN flight USING (id)
WHERE item.id = ? AND item.asked AND flight.id IS NULL
    AND (said.kind IS NULL OR said.kind IN ('retry', 'shrink', 'fault') AND said.attempts < ?)
"""
_JOINED = """
FROM item LEFT JOIN said USING (id) LEFT JOIN flight USING (id)
"""
_STATE = """
CASE WHEN said.kind = 'ok' THEN 'answered' WHEN flight.id IS NOT NULL THEN 'asked'
    WHEN said.kind = 'refuse' THEN 'refused' WHEN said.attempts >= :attempts THEN 'exhausted'
    WHEN NOT item.asked THEN 'left' WHEN said.kind IS NULL THEN 'open' ELSE 'again' END AS state
"""
STATES = ("answered", "asked", "open", "again", "refused", "exhausted", "left")


@dataclass(frozen=True, slots=True)
class Account:
    """What came of a file: ``ok + error + missing`` is who was asked, each once.

    Attributes:
        asked, ok, error, missing: items.
        duplicates: further lines about an item that had one.
        strangers: lines about nobody who was asked here.
        unreadable: lines that are no JSON with a ``custom_id``.
        faults: items of ``error`` that are whoever asks to blame for.
        counted: lines whose tokens the server counted.
        prompt_tokens, answer_tokens: of those.
    """

    asked: int
    ok: int
    error: int
    missing: int
    duplicates: int
    strangers: int
    unreadable: int
    faults: int
    counted: int
    prompt_tokens: int
    answer_tokens: int


@dataclass(frozen=True, slots=True)
class Labelled:
    """An item with what was said about it.

    Attributes:
        key, title, place: of the item, see `Row`.
        answer: None where there is none.
        state: one of `STATES`.
        model: that answered.
        code, message: of the answer, or of the last error.
        attempts: how often it was asked.
        level: how often the question shrank.
    """

    key: str
    title: str
    place: str
    answer: Answer | None
    state: str
    model: str
    code: str
    message: str
    attempts: int
    level: int


class Ledger:
    """The index of a folder for one question.

    Args:
        path: of its file; ``:memory:`` for one that is not kept.
        question: whose answers are read.
    """

    def __init__(self, path: Path | str, question: Question) -> None:
        self.question = question
        if isinstance(path, Path):
            path.parent.mkdir(parents=True, exist_ok=True)
        try:
            self._sql = sqlite3.connect(path, isolation_level=None)
            self._sql.execute(f"PRAGMA cache_size = {-_CACHE_KB}")
            if self._sql.execute("PRAGMA user_version").fetchone() != (_FORM,):
                self._sql.executescript(_TABLES)
        except sqlite3.DatabaseError as error:
            raise LabelError(
                f"the index of answers cannot be read: {error}",
                where=path,
                cure="delete it, then type the same again: it is made anew of the answers beside it",
            ) from error

    def close(self) -> None:
        """Close the file."""
        self._sql.close()

    def enrol(self, rows: Iterable[Row], only: int | None = None) -> int:
        """Take note of all items; how many there are.

        Args:
            rows: in the order of the result.
            only: ask so many of them, spread by their keys; all if None.

        Raises:
            LabelError: two items have one key.
        """
        with self._sql as sql:
            sql.execute("BEGIN IMMEDIATE")
            sql.execute("DELETE FROM item")
            try:
                sql.executemany(
                    "INSERT INTO item VALUES (?, ?, ?, ?, ?, 1)",
                    (
                        (n, self.question.id(row.key), row.key, row.title, row.where)
                        for n, row in enumerate(rows)
                    ),
                )
            except sqlite3.IntegrityError:
                raise LabelError(
                    "two items have the same key, so their answers could not be told apart",
                    cure="`rushes audit RECIPE` lists items that stand twice; take one of them out",
                ) from None
            if only is not None:
                sql.execute(
                    "UPDATE item SET asked = id IN (SELECT id FROM item ORDER BY id LIMIT ?)", (only,)
                )
        return self._one("SELECT count(*) FROM item")

    def follow(self, tickets: Tickets) -> None:
        """Read what was answered since, and know who is being asked."""
        for ticket in tickets:
            if ticket.question != self.question.digest or self.knows(ticket.name):
                continue
            if ticket.collected:
                self.take(ticket, tickets)
            else:
                with self._sql as sql:
                    sql.execute("BEGIN IMMEDIATE")
                    self.fly(ticket.name, tickets)

    def knows(self, name: str) -> bool:
        """Whether the answers of a file are read."""
        return bool(self._one("SELECT count(*) FROM batch WHERE name = ?", name))

    def fly(self, name: str, tickets: Tickets) -> None:
        """Note that whoever is asked in a file waits for an answer."""
        self._sql.execute("DELETE FROM flight WHERE name = ?", (name,))
        self._sql.executemany(
            "INSERT OR REPLACE INTO flight (id, name) VALUES (?, ?)",
            ((one, name) for one in tickets.ids(name)),
        )

    def level_of(self, row: Row, attempts: int) -> int | None:
        """At which level an item is to be asked now; None where it is not."""
        found = self._sql.execute(_OPEN, (self.question.id(row.key), attempts)).fetchone()
        return None if found is None else found[0]

    def refuse(self, row: Row, code: str, message: str) -> None:
        """Note that an item cannot be asked about."""
        self._say(self.question.id(row.key), Outcome("refuse", code, message), first=True)

    def take(self, ticket: Ticket, tickets: Tickets) -> Account:
        """Read the answers of a file, all of them or none.

        A line in the answers goes before one in the errors, an answer before an error, and the first before a second.
        """
        counts = dict.fromkeys(Account.__slots__, 0)
        with self._sql as sql:
            sql.execute("BEGIN IMMEDIATE")
            self.fly(ticket.name, tickets)
            for path in tickets.answers(ticket.name):
                if path.is_file():
                    self._read(path, ticket.name, counts)
            code = f"batch_{ticket.state}" if ticket.state in ("expired", "cancelled") else "lost"
            lost = Outcome("retry", code, "the service gave no line about it")
            for (one,) in sql.execute(
                "SELECT id FROM flight WHERE name = ? AND NOT seen", (ticket.name,)
            ).fetchall():
                counts["missing"] += 1
                self._say(one, lost, first=True)
            counts["asked"] = self._one("SELECT count(*) FROM flight WHERE name = ?", ticket.name)
            sql.execute("DELETE FROM flight WHERE name = ?", (ticket.name,))
            marks = ", ".join(f":{name}" for name in counts)
            sql.execute(f"INSERT INTO batch VALUES (:name, {marks})", {"name": ticket.name, **counts})
        return Account(**counts)

    def _read(self, path: Path, name: str, counts: dict[str, int]) -> None:
        for one, line in lines_of(path):
            if one is None:
                counts["unreadable"] += 1
                continue
            found = self._sql.execute(
                "SELECT seen FROM flight WHERE id = ? AND name = ?", (one, name)
            ).fetchone()
            if found is None:
                counts["strangers"] += 1
                continue
            outcome, seen = outcome_of(line, self.question), found[0]
            if seen:
                counts["duplicates"] += 1
                if not (seen == 1 and outcome.kind == "ok"):
                    continue
                counts["error"] -= 1
            elif outcome.prompt_tokens is not None:
                counts["counted"] += 1
                counts["prompt_tokens"] += outcome.prompt_tokens
                counts["answer_tokens"] += outcome.answer_tokens or 0
            counts["ok" if outcome.kind == "ok" else "error"] += 1
            counts["faults"] += outcome.kind == "fault"
            self._sql.execute(
                "UPDATE flight SET seen = ? WHERE id = ?", (2 if outcome.kind == "ok" else 1, one)
            )
            self._say(one, outcome, first=not seen)

    def _say(self, one: str, outcome: Outcome, *, first: bool) -> None:
        answer = None if outcome.answer is None else json.dumps(outcome.answer, ensure_ascii=False)
        said = {
            "id": one,
            "kind": outcome.kind,
            "code": outcome.code,
            "message": outcome.message,
            "answer": answer,
            "model": outcome.model,
            "attempts": int(first),
            "level": int(outcome.kind == "shrink"),
            "most": LEVELS - 1,
        }
        self._sql.execute(_SAY, said)

    def states(self, attempts: int) -> Mapping[str, int]:
        """Items by how far they are; the counts add up to all items.

        ``answered``; ``asked`` and without an answer yet; ``open``, not asked yet; ``again``, to be asked again;
        ``refused`` by the service or for their picture; ``exhausted``, asked ``attempts`` times in vain; ``left`` out
        of a smoke batch.
        """
        query = f"SELECT {_STATE}, count(*) {_JOINED} GROUP BY state"
        found = dict(self._sql.execute(query, {"attempts": attempts}).fetchall())
        return {name: found.get(name, 0) for name in STATES}

    def reasons(self) -> Mapping[str, int]:
        """Code of the last error -> items that have it and no answer."""
        query = "SELECT code, count(*) FROM item JOIN said USING (id) WHERE kind <> 'ok' GROUP BY code ORDER BY code"
        return dict(self._sql.execute(query).fetchall())

    def fault(self) -> tuple[str, str]:
        """Code and message of an item that whoever asks is to blame for."""
        found = self._sql.execute("SELECT code, message FROM said WHERE kind = 'fault' ORDER BY id LIMIT 1")
        return found.fetchone() or ("", "")

    def accounts(self) -> Mapping[str, Account]:
        """Name of each file whose answers are read -> what came of it."""
        rows = self._sql.execute("SELECT * FROM batch ORDER BY name").fetchall()
        return {name: Account(*counts) for name, *counts in rows}

    def labelled(self, attempts: int) -> Iterator[Labelled]:
        """All items in order; ``attempts`` as of `states`."""
        query = f"""
            SELECT key, title, place, answer, {_STATE}, coalesce(model, ''), coalesce(code, ''),
                coalesce(message, ''), coalesce(attempts, 0), coalesce(level, 0) {_JOINED} ORDER BY position
        """
        for key, title, place, answer, *rest in self._sql.execute(query, {"attempts": attempts}):
            yield Labelled(key, title, place, None if answer is None else json.loads(answer), *rest)

    def _one(self, query: str, *values: Any) -> int:
        count: int = self._sql.execute(query, values).fetchone()[0]
        return count
