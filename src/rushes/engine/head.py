"""Whether the head of a cluster is there.

Ray's core ends the process of a driver a minute after it lost the head, with a line about a log file of its own.
So the head is looked at in between, and its loss is an error of ours, in time.
"""

from __future__ import annotations

import socket
import time
from dataclasses import dataclass, field

from rushes.errors import UnitError

LOOK_S = 2.0
SILENCE_S = 20.0
"""Of a head that may be starting again; far below the minute of Ray's ``gcs_rpc_server_reconnect_timeout_s``."""


@dataclass(slots=True)
class Head:
    """The head of a cluster, as far as it can be reached from here.

    Attributes:
        address: ``host:port``.
        gone: whether it was given up.
    """

    address: str
    gone: bool = False
    looked_s: float = field(default_factory=time.monotonic)
    heard_s: float = field(default_factory=time.monotonic)

    def require(self) -> None:
        """Look at it, if that is due.

        Raises:
            UnitError: it has not been there for twenty seconds.
        """
        now_s = time.monotonic()
        if now_s - self.looked_s < LOOK_S:
            return
        self.looked_s = now_s
        try:
            connect(self.address, LOOK_S)
            self.heard_s = now_s
        except OSError as error:
            self.gone = now_s - self.heard_s > SILENCE_S
            if self.gone:
                raise UnitError(
                    f"the head of the Ray cluster is gone, for {now_s - self.heard_s:.0f} s now: {error}; "
                    "what was finished is kept",
                    where=self.address,
                    cure="start the cluster again, as with `ray start --head`, then type the same command: "
                    "it resumes; or leave --engine ray out to go on with this machine alone",
                ) from None


def connect(address: str, limit_s: float) -> None:
    """Open a connection to ``host:port`` and close it.

    Raises:
        OSError: nothing answers there.
    """
    host, _, port = address.rpartition(":")
    socket.create_connection((host.strip("[]"), int(port)), limit_s).close()
