"""A process that serves stub doors: ``python stub_service.py FOLDER WORKERS ANSWER_S [DRAIN_S]``; says its address."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path

from live_service import MODEL, SMALL
from stub_door import stub_doors

from rushes.runs.listening import listen
from rushes.serve.app import Service, service_app
from rushes.serve.process import serve


@dataclass(frozen=True)
class OfStubs:
    """Makes the service, in this process or another one."""

    folder: Path
    workers: int
    answer_s: float

    def __call__(self) -> Service:
        """The service."""
        doors = stub_doors(answer_s=self.answer_s, batch_size=1)
        return service_app(doors, SMALL, MODEL, folder=self.folder, workers=self.workers)


def main() -> int:
    """Serve until told to stop."""
    folder, workers, answer_s = Path(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3])
    drain_s = float(sys.argv[4]) if len(sys.argv) > 4 else 20.0
    with listen("127.0.0.1", 0) as socket:
        print(f"http://127.0.0.1:{socket.getsockname()[1]}", flush=True)
        return serve(OfStubs(folder, workers, answer_s), folder, socket, drain_s, workers)


if __name__ == "__main__":
    sys.exit(main())
