"""The clients of file systems that are elsewhere: how each is opened, how long it is waited for, what it met.

Only this module tries again. Clients below it are told to try once, so that their reason is known within
seconds; while a store is waited for, one line on standard error says for what, why, and until when.
"""

from __future__ import annotations

import errno
import os
import re
import sys
import threading
import time
from collections.abc import Callable, Mapping
from itertools import chain, repeat
from typing import Any, TypeVar

import fsspec

from rushes.errors import StorageError

T = TypeVar("T")

CONNECT_LIMIT_S = 5.0
ANSWER_LIMIT_S = 10.0
"""For the next byte of an answer."""

PATIENCE = "RUSHES_PATIENCE_S"
PATIENCE_S = 60.0
"""For a store that fails for now, from its first failure on, unless `PATIENCE` says otherwise."""

_LONG_TRIES = 4  # of a transfer that breaks after it went well for longer than that
_WAITS_S = (0.2, 1.0, 4.0)  # between tries; the last one repeats
_USER = re.compile(r"(?<=://)[^/@\s]*@")
_RIGHTS = (
    "give the client credentials that may read, write, copy, list and delete there "
    "(for s3://: AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, AWS_PROFILE, or a role)"
)
_REGION = "name the region or the address that the bucket has (AWS_DEFAULT_REGION, AWS_ENDPOINT_URL)"
_LATER = "see to the network and the endpoint (for s3://: AWS_ENDPOINT_URL), then run again: it resumes"
_ABSENT = "see that the bucket and the folder are there, and that the URL is right"
_CURES: Mapping[str, str] = {
    **dict.fromkeys(("NoCredentialsError", "PartialCredentialsError", "CredentialRetrievalError"), _RIGHTS),
    **dict.fromkeys(("ProfileNotFound", "ConfigNotFound", "ConfigParseError"), _RIGHTS),
    **dict.fromkeys(("AccessDenied", "InvalidAccessKeyId", "SignatureDoesNotMatch", "ExpiredToken"), _RIGHTS),
    **dict.fromkeys(("PermissionError", "401", "403"), _RIGHTS),
    **dict.fromkeys(("PermanentRedirect", "AuthorizationHeaderMalformed", "301", "307"), _REGION),
    **dict.fromkeys(("NoRegionError", "InvalidRegionError", "IllegalLocationConstraintException"), _REGION),
    "RecursionError": _REGION,  # botocore's, of a bucket that has moved without saying where to
    **dict.fromkeys(("NoSuchBucket", "FileNotFoundError", "ParamValidationError", "404"), _ABSENT),
    "ImportError": "install the client of this file system; for s3://: pip install 'rushes[s3]'",
    "RequestTimeTooSkewed": "set the clock of this machine",
}
"""By the code that a server gives, or the class of the error; what is listed does not pass with time."""

_FINAL = (PermissionError, FileExistsError, IsADirectoryError, NotADirectoryError, ImportError, ValueError)
_ABSENCES = frozenset(("FileNotFoundError", "NoSuchKey", "404"))
_PASSING = frozenset(("RequestTimeout", "XAmzContentSHA256Mismatch", "408", "409", "425", "429"))

_said_s: dict[str, float] = {}  # place -> when it was last said that it is waited for
_saying = threading.Lock()


def open_client(url: str) -> Any:
    """The file system of ``url``, as fsspec has it; one object for each kind of place.

    Raises:
        ImportError, ValueError: its client is not installed, or there is no such protocol.
    """
    protocol = url.partition("://")[0]
    if protocol in ("s3", "s3a"):
        from rushes.storage.s3 import S3Files

        return S3Files()
    if protocol in ("http", "https"):
        from aiohttp import ClientTimeout

        limits = ClientTimeout(total=None, sock_connect=CONNECT_LIMIT_S, sock_read=ANSWER_LIMIT_S)
        return fsspec.filesystem(protocol, client_kwargs={"timeout": limits})
    kind = fsspec.get_filesystem_class(protocol)
    return kind(**kind._get_kwargs_from_urls(url))  # as fsspec's url_to_fs, without its chains of `::`


def attempt(
    verb: str,
    where: str,
    action: Callable[[Any], T],
    missing: Any = StorageError,
    patience_s: float | None = None,
) -> T | Any:
    """Do something with the file system of a URL, again and again while it fails for now.

    Args:
        verb: what is done, as "bring".
        where: URL of the file that it is done to.
        action: does it, given the client.
        missing: the answer where no such file is there; a `StorageError` is raised by default.
        patience_s: from the first failure on; 0 is one try. By default what the environment says, or a minute.

    Raises:
        FileExistsError: of ``action``.
        StorageError: it cannot be done: the reason, and the time that it was tried for.
    """
    patience_s = _patience_s() if patience_s is None else patience_s
    failed_s: float | None = None
    for tries, wait_s in enumerate(chain(_WAITS_S, repeat(_WAITS_S[-1])), start=1):
        began_s = time.monotonic()
        try:
            files = open_client(where)
            files.invalidate_cache()  # others write here as well
            return action(files)
        except (FileExistsError, StorageError):
            raise
        except Exception as error:  # a client may raise whatever its libraries do
            if missing is not StorageError and _is_absence(error):
                return missing
            now_s = time.monotonic()
            failed_s = now_s if failed_s is None else failed_s
            moved = now_s - began_s > max(patience_s, 2 * ANSWER_LIMIT_S) and tries < _LONG_TRIES
            over = now_s - failed_s + wait_s > patience_s and not moved
            if over or not _may_pass(error):
                raise _explained(verb, where, error, now_s - failed_s) from None
            _say_once(where, f"cannot {verb} a remote file yet: {_reason(error)}", patience_s)
        time.sleep(wait_s)
    raise AssertionError("unreachable: the last try returns or raises")


def _patience_s() -> float:
    told = os.environ.get(PATIENCE, str(PATIENCE_S))
    if re.fullmatch(r"\d{1,8}(\.\d*)?", told) is None:
        raise StorageError(f"{PATIENCE} is no number of seconds: {told!r}", cure="write it as 600")
    return float(told)


def without_credentials(text: str) -> str:
    """``text`` without the user and the password of the URLs in it."""
    return _USER.sub("", text)


def _say_once(where: str, what: str, patience_s: float) -> None:
    """Say that a place is waited for, once while many files of it are."""
    place = "/".join(where.split("/")[:3])
    with _saying:
        if time.monotonic() - _said_s.get(place, -patience_s) < patience_s:
            return
        _said_s[place] = time.monotonic()
    until = time.strftime("%H:%M:%S", time.localtime(time.time() + patience_s))
    text = f"waiting for {without_credentials(where)} until {until}: {what}"
    print(text, file=sys.stderr, flush=True)


def _met(error: BaseException) -> BaseException:
    """What a client met before it put it into the words of a file system: an answer, or no way to the place."""
    cause = error.__cause__
    answered = hasattr(cause, "response") or hasattr(cause, "status")
    unreachable = isinstance(error, FileNotFoundError) and isinstance(cause, OSError)
    return cause if cause is not None and (answered or unreachable) else error


def _answer(error: Exception) -> tuple[int | None, str]:
    """The server's status and code, as 404 and ``NoSuchBucket``; without an answer the class of the error."""
    met = _met(error)
    response = getattr(met, "response", None)
    if isinstance(response, Mapping):  # botocore's
        return response["ResponseMetadata"].get("HTTPStatusCode"), str(response["Error"].get("Code"))
    status = getattr(met, "status", None)  # aiohttp's
    return (status, str(status)) if isinstance(status, int) else (None, type(met).__name__)


def _is_absence(error: Exception) -> bool:
    """Whether a file is not there; a place that is not there, or not to be reached, is another thing."""
    return isinstance(error, FileNotFoundError) and _answer(error)[1] in _ABSENCES


def _may_pass(error: Exception) -> bool:
    """Whether trying again may help: a time-out, a broken connection, a busy server."""
    met, (status, code) = _met(error), _answer(error)
    if status is not None:
        return status >= 500 or code in _PASSING or str(status) in _PASSING
    if code in _CURES or isinstance(met, _FINAL) or _of_the_disk(error):
        return False
    ours = type(met).__module__.split(".")[0] in ("builtins", "rushes")
    return not ours or isinstance(met, OSError)


def _of_the_disk(error: Exception) -> bool:
    """Whether it is the local disk that refuses."""
    return isinstance(error, OSError) and error.errno in (
        errno.ENOSPC,
        errno.EDQUOT,
        errno.EFBIG,
        errno.EROFS,
    )


def _reason(error: Exception) -> str:
    """What happened, in a line: the server's status, code and words, or the client's."""
    met, (status, code) = _met(error), _answer(error)
    response = getattr(met, "response", None)
    if isinstance(response, Mapping):
        text = f"{status} {code}: {response['Error'].get('Message')}"
    else:
        text = f"{type(met).__name__}: {met}"
    return " ".join(without_credentials(text).split())[:500]


def _explained(verb: str, where: str, error: Exception, seconds: float) -> StorageError:
    if _of_the_disk(error):
        cure = "make room on the local disk, or bound the cache, then run again: it resumes"
    else:
        names = (_answer(error)[1], *(kind.__name__ for kind in type(_met(error)).__mro__))
        cure = next((_CURES[name] for name in names if name in _CURES), _LATER)
    tried = f" (tried for {seconds:.0f} s)" if seconds >= 1.0 else ""
    return StorageError(f"cannot {verb} a remote file: {_reason(error)}{tried}", where=where, cure=cure)
