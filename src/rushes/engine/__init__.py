"""Map units over processes, here or on a cluster, so that one bad unit costs itself and nothing else.

======================================  =============================================  ================
what happens in a unit                  what the caller gets                           tried again
======================================  =============================================  ================
returns                                 its value
raises a RushesError                    ``input``: type, message, where, cure          no
raises an OSError of the machine        ``machine``: a full disk, rights, open files   no
raises anything else                    ``exception``: the same and the traceback      no
returns what cannot be pickled          ``exception``                                  no
returns more than a megabyte            ``exception``: results travel, data does not   no
goes past ``memory_bytes`` in Python    ``memory``                                     no
the same in native code that aborts     ``crash``                                      ``retries`` times
segfault, ``os._exit``, killed          ``crash``: signal or exit code                 ``retries`` times
takes longer than ``timeout_s``         ``timeout``                                    ``retries`` times
its node dies, or leaves the cluster    ``crash``                                      ``retries`` times
======================================  =============================================  ================

A worker that crashed or ran out of time is replaced by a fresh one. One that died idle costs nothing, also
where the next unit was under way to it already: what it never took up is no attempt. Ctrl-C, an error in the
caller and closing the iterator stop all workers; a worker whose parent dies, also by ``kill -9``, leaves by
itself.

Attempts are counted by one supervisor, the same for both engines; only what a worker is differs. A unit is
never worked on twice at the same time on purpose: units may begin by taking away what an earlier attempt
left. So a straggler costs its time, up to ``timeout_s``, and is then tried once more by another worker.

Why not ``concurrent.futures``: there, one crash breaks the pool and fails every unit in flight, and nothing
can be stopped for taking too long.
"""

from rushes.engine.engine import LOCAL, Engine, EngineKind, map_units
from rushes.engine.results import Event, Failure, Unit, UnitDone, UnitResult, UnitRetried, UnitStarted

__all__ = [
    "LOCAL",
    "Engine",
    "EngineKind",
    "Event",
    "Failure",
    "Unit",
    "UnitDone",
    "UnitResult",
    "UnitRetried",
    "UnitStarted",
    "map_units",
]
