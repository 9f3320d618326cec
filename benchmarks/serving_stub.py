"""A service over doors without a model, in a process of its own, for the figures of `serving.py`.

    PYTHONPATH=tests python benchmarks/serving_stub.py FOLDER '{"at_once": 1}' '{"answer_s": 0.2}'

The first line that it prints is its port. The arguments are the folder of its uploads, limits of a service as in a
recipe, and what the stub takes, see ``tests/stub_door.py``.
"""

from __future__ import annotations

import json
import sys
from functools import partial
from pathlib import Path

from rushes.recipe.sections import Serve
from rushes.runs.listening import listen
from rushes.serve.app import Service, service_app
from rushes.serve.envelope import Provenance
from rushes.serve.process import serve

MODEL = Provenance(
    recipe="stub", task="stubs", train="0" * 12, weights="1" * 64, preprocessing="2" * 64, rushes="0.0.0"
)


def make(folder: Path, settings: Serve, stub: dict[str, float]) -> Service:
    """The application; nobody reads its log."""
    from stub_door import stub_doors

    return service_app(stub_doors(**stub), settings, MODEL, folder=folder, write=lambda line: None)


def main() -> int:
    """Serve until somebody stops the process."""
    folder, settings, stub = Path(sys.argv[1]), Serve(**json.loads(sys.argv[2])), json.loads(sys.argv[3])
    listening = listen("127.0.0.1", 0)
    print(listening.getsockname()[1], flush=True)
    return serve(partial(make, folder, settings, stub), folder, listening, settings.drain_s)


if __name__ == "__main__":
    sys.exit(main())
