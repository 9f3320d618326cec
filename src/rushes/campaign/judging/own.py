"""What this user judged on this machine: results carry a mark that whoever edits their file cannot set.

Judging follows a result from the predictions. To do that anew each time would take as long as the campaign, so a
result is kept; but a file that anybody may edit proves nothing. The mark is an HMAC of the result and of all
that it rests on, with a key that stands outside of any workspace. A result without the right mark, edited or
judged elsewhere, is judged again from its predictions.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from functools import cache
from pathlib import Path
from typing import Any

from rushes.stages import canonical_json, write_new

KEY_BYTES = 32


def key_file() -> Path:
    """Where the key stands; taken away, everything is judged once more."""
    return Path.home() / ".cache" / "rushes" / "judge.key"


@cache
def _key(path: Path) -> bytes:
    """The key, made where there is none; one for this process alone where none can be kept."""
    fresh = secrets.token_bytes(KEY_BYTES)
    try:
        write_new(path, fresh)
        path.chmod(0o600)
        found = path.read_bytes()
    except OSError:
        return fresh
    return found if len(found) == KEY_BYTES else fresh


def mark_of(told: Any) -> str:
    """The mark of a JSON value, 64 hex digits."""
    return hmac.new(_key(key_file()), canonical_json(told).encode(), hashlib.sha256).hexdigest()


def is_own(told: Any, mark: str) -> bool:
    """Whether this user marked the value on this machine."""
    return hmac.compare_digest(mark_of(told), mark)
