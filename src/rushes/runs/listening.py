"""The socket of whatever is served from this machine: a page for raters, or a model."""

from __future__ import annotations

import os
import socket

from rushes.errors import RushesError


def listen(host: str, port: int) -> socket.socket:
    """A socket that others can reach; port 0 takes any that is free.

    Raises:
        RushesError: the port is taken, or the host is not this machine.
    """
    try:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        listening = socket.create_server((host, port), family=family, backlog=2048)
    except OSError as error:  # its own words say the address again; a name that is not found has no number
        why = os.strerror(error.errno) if error.errno and error.errno > 0 else error.strerror or error
        raise RushesError(
            f"cannot listen at {host}, port {port}: {why}",
            cure="name another port: --port 0 takes any that is free",
        ) from None
    # Connections inherit it. asyncio sets it only where a socket names its protocol, which this one does not, and
    # every answer but the first of a connection would wait 40 ms for the client's acknowledgement.
    listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return listening


def address_of(listening: socket.socket) -> str:
    """Where others find a socket; one that takes every address of this machine, under the machine's name."""
    host, port = listening.getsockname()[:2]
    if host in ("0.0.0.0", "::"):
        host = socket.gethostname()
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
