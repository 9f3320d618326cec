"""A small process that forks decoding processes: it imports once what they need, no model, and knows no request.

    server ──"+" number, end of a line──► forkserver ──fork──► child
           ──"-" number────────────────►             ──kill──►
           ◄─number, status─────────────

It is their parent, so a process id never means another process. It ends with the server, and they with it.
"""

from __future__ import annotations

import gc
import importlib
import os
import selectors
import signal
import socket
import sys
from contextlib import suppress
from importlib.util import find_spec
from struct import Struct
from typing import Final

from rushes.serve.child import live

_MOST_FILES = 1 << 20
ORDER: Final = Struct("!cI")
"""``+`` starts a child, ``-`` ends it; its number."""
GONE: Final = Struct("!Ii")
"""Number of a child that is no more, and how it ended: its exit code, or the negative of a signal."""

LATE = ("pandas",)
"""Imported by pyarrow, where installed, with the first sample: half a second in each child."""


def main() -> None:
    """Serve the socket whose number is the first argument; the others name modules to import."""
    orders = socket.socket(fileno=int(sys.argv[1]))
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # of a terminal: the server says when it is over
    for module in (*sys.argv[2:], *filter(find_spec, LATE)):
        importlib.import_module(module)
    gc.freeze()
    orders.send(GONE.pack(0, 0))  # ready
    children: dict[int, int] = {}
    try:
        _serve(orders, children)
    finally:
        for process in children.values():
            _end(process)


def _serve(orders: socket.socket, children: dict[int, int]) -> None:
    """Until the server hangs up.

    Args:
        orders: from it, and back to it.
        children: filled: number -> process id.
    """
    woken, waker = socket.socketpair()
    waker.setblocking(False)
    signal.set_wakeup_fd(waker.fileno(), warn_on_full_buffer=False)
    signal.signal(signal.SIGCHLD, lambda number, frame: None)
    with woken, waker, selectors.DefaultSelector() as selector:
        selector.register(orders, selectors.EVENT_READ)
        selector.register(woken, selectors.EVENT_READ)
        try:
            _until_hung_up(selector, orders, woken, children)
        finally:  # children that end from now on wake nobody
            signal.set_wakeup_fd(-1)


def _until_hung_up(
    selector: selectors.BaseSelector, orders: socket.socket, woken: socket.socket, children: dict[int, int]
) -> None:
    while True:
        ready = {key.fileobj for key, _ in selector.select()}
        if woken in ready:
            woken.recv(4096)
            for number in [
                number for number, process in children.items() if _reaped(process, orders, number)
            ]:
                del children[number]
        if orders in ready and not _obey(orders, children):
            return


def _obey(orders: socket.socket, children: dict[int, int]) -> bool:
    """One order; False where the server is gone."""
    try:
        data, lines, _, _ = socket.recv_fds(orders, ORDER.size, 1)
    except ConnectionError:
        return False
    if not data:
        return False
    order, number = ORDER.unpack(data)
    if order == b"-":
        if number in children:
            with suppress(ProcessLookupError):
                os.kill(children[number], signal.SIGKILL)
        return True
    forkserver = os.getpid()
    process = os.fork()
    if process == 0:
        signal.set_wakeup_fd(-1)
        os.closerange(3, lines[0])
        os.closerange(lines[0] + 1, _MOST_FILES)
        live(socket.socket(fileno=lines[0]), forkserver)
    os.close(lines[0])
    children[number] = process
    return True


def _reaped(process: int, orders: socket.socket, number: int) -> bool:
    found, status = os.waitpid(process, os.WNOHANG)
    if found:
        with suppress(ConnectionError):
            orders.send(GONE.pack(number, os.waitstatus_to_exitcode(status)))
    return bool(found)


def _end(process: int) -> None:
    with suppress(ProcessLookupError):
        os.kill(process, signal.SIGKILL)
    with suppress(ChildProcessError):
        os.waitpid(process, 0)
