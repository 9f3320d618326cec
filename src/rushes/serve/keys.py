"""Who may come in: keys of which only digests are kept."""

from __future__ import annotations

import hmac
import shlex
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from rushes.errors import RecipeError, unreadable_as
from rushes.serve.refusal import Refusal

LEAST = 16  # characters of a key; whoever may guess at full speed guesses shorter ones
HEADERS = "send it as `Authorization: Bearer KEY` or `X-API-Key: KEY`"


@dataclass(frozen=True, slots=True)
class Keys:
    """The keys that a service takes.

    Attributes:
        digests: SHA-256 of each; none where everybody may come in.
    """

    digests: tuple[bytes, ...] = ()

    @classmethod
    def of(cls, keys: Iterable[str]) -> Keys:
        """Keep the digests of keys."""
        return cls(tuple(sha256(key.encode()).digest() for key in keys))

    def __bool__(self) -> bool:
        """Whether a key is needed."""
        return bool(self.digests)

    def check(self, headers: Mapping[str, str]) -> None:
        """Refuse a request that brings none of the keys.

        Every digest is compared, in constant time, whichever is the right one.

        Args:
            headers: of the request, by names in lower case.

        Raises:
            Refusal: 401.
        """
        if not self.digests:
            return
        given = _given(headers)
        if given is None:
            raise Refusal(401, "no_key", "this service needs a key, and none was sent", cure=HEADERS)
        digest = sha256(given.encode("utf-8", "surrogateescape")).digest()
        found = [hmac.compare_digest(digest, known) for known in self.digests]
        if not any(found):
            raise Refusal(401, "wrong_key", "this key is not known here", cure=HEADERS)


EVERYBODY = Keys()
"""No key is needed."""


def _given(headers: Mapping[str, str]) -> str | None:
    """The key that was sent; where there is an ``Authorization`` it alone counts, whatever it is."""
    if "authorization" in headers:
        scheme, _, token = headers["authorization"].partition(" ")
        return token.strip() if scheme.lower() == "bearer" else ""
    return headers.get("x-api-key") or None


def read_keys(path: Path) -> Keys:
    """The keys of a file: one a line; empty lines and those that begin with ``#`` are passed over.

    Raises:
        RecipeError: the file cannot be read, holds no key, or one that is too short.
    """
    with unreadable_as(
        RecipeError, "the file of API keys cannot be read", where=path, errors=(OSError, ValueError)
    ):
        lines = [line.strip() for line in path.read_text("utf-8").splitlines()]
    keys = {number: line for number, line in enumerate(lines, 1) if line and not line.startswith("#")}
    code = "import secrets; print(secrets.token_urlsafe(32))"
    make = f"make one with: python -c '{code}' >> {shlex.quote(str(path))}"
    if not keys:
        raise RecipeError("the file of API keys holds none, so nobody could come in", where=path, cure=make)
    for number, key in keys.items():
        if len(key) < LEAST:
            raise RecipeError(
                f"a key has {len(key)} characters; at least {LEAST} are needed",
                where=f"{path}:{number}",
                cure=make,
            )
    return Keys.of(keys.values())
