"""A study that is served by a process of its own."""

import subprocess
import sys
from pathlib import Path

import pytest

SERVE = """
import sys
from pathlib import Path
from rushes.arena.box import open_box
from rushes.arena.server import links, serve
from rushes.runs.listening import listen
with open_box(Path(sys.argv[1])) as box, listen("127.0.0.1", int(sys.argv[2])) as listening:
    print(*links(box, listening).values(), flush=True)
    serve(box, listening, lambda: None)
"""


class Served:
    """A server that can be killed and started again at the same port."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.port = folder, 0
        self.start()

    def start(self) -> None:
        command = [sys.executable, "-c", SERVE, str(self.folder), str(self.port)]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        self.links = self.process.stdout.readline().split()
        self.port = int(self.links[0].split(":")[2].split("/")[0])

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()
        self.process.stdout.close()


@pytest.fixture
def served():
    """Starts a server for the study in a folder."""
    running = []

    def start(folder: Path) -> Served:
        running.append(Served(folder))
        return running[-1]

    yield start
    for one in running:
        if one.process.poll() is None:
            one.kill()
