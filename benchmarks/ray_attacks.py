"""A Ray cluster is attacked while a dataset is made: does it end in our own words, and are the bytes equal after all?

    python benchmarks/ray_attacks.py [--quick] [--json] [--folder DIR] [ATTACK ...]

Each attack makes the dataset of a folder of sounds by the command line on a cluster of its own, with `ray start`.
`ends well`: the command went on to its end, or stopped with an error of ours as its last lines, that says what
to type next. `bytes equal`: after the cause was taken away, the same command gave the shards of a local run.
With --quick, those that need no minute.
"""

from __future__ import annotations

import argparse
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import wave
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import psutil
from report import Figure, emit

RECIPE = """\
task: sounds
name: attacked
source: {kind: folder, root: ROOT, split: index}
preprocessing: {clip_s: 2.0, sample_rate: 16000, labels: [hum, hiss]}
prepare: {workers: 2}
"""
SOUNDS = {"train": 600, "val": 300, "test": 300}
STORE_BYTES = 80 << 20
LIMIT_S = 240.0
FILL = """
import sys, time
import numpy, ray
ray.init(address=sys.argv[1], logging_level="ERROR")
held = [ray.put(numpy.ones(1 << 20, numpy.uint8)) for _ in range(72)]
print("full", flush=True)
sys.stdin.read()
"""


@dataclass(frozen=True, slots=True)
class Said:
    """How a command ended."""

    code: int
    err: str

    def ends_well(self, *words: str) -> bool:
        """Whether it came to its end, or its last lines are an error of ours with ``words`` and a cure."""
        last = self.err[self.err.rfind("Error: ") :]
        ours = "  cure:  " in last and "Traceback" not in last and all(word in last for word in words)
        return self.code == 0 or (self.code == 1 and ours)


@dataclass(frozen=True, slots=True)
class Place:
    """Where an attack has its recipe, its workspace and its cluster."""

    folder: Path

    @property
    def recipe(self) -> Path:
        """Shared by all attacks."""
        return self.folder.parent / "recipe.yaml"

    def environment(self, **more: str) -> dict[str, str]:
        """Of all processes: a home of its own, so that no token of this user plays a part."""
        (self.folder / "home").mkdir(parents=True, exist_ok=True)
        kept = {name: value for name, value in os.environ.items() if not name.startswith("RAY_")}
        return kept | {"HOME": str(self.folder / "home"), "OMP_NUM_THREADS": "1"} | more

    def begin(self, address: str | None, **environment: str) -> subprocess.Popen[str]:
        """The command that makes the dataset, with Ray or here."""
        command = [sys.executable, "-m", "rushes.cli", "features", str(self.recipe), "--json"]
        command += ["--workspace", str(self.folder / "workspace")]
        command += [] if address is None else ["--engine", "ray", "--address", address]
        return subprocess.Popen(
            command,
            env=self.environment(**environment),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def run(self, address: str | None, **environment: str) -> Said:
        """It, to its end."""
        return end_of(self.begin(address, **environment))

    def shards(self) -> dict[str, bytes]:
        """What it made, by name."""
        made = self.folder.glob("workspace/features-*/shards/*/*")
        return {f"{path.parent.name}/{path.name}": path.read_bytes() for path in made if path.name[0] != "."}

    @contextmanager
    def cluster(self, **environment: str) -> Iterator[str]:
        """A cluster of one node on this machine; its address."""
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        temporary = Path(tempfile.mkdtemp(prefix="ray-"))  # short: it becomes part of a socket's name
        options = ["--head", "--port", str(port), "--num-cpus", "2", "--include-dashboard", "false"]
        options += ["--object-store-memory", str(STORE_BYTES), "--disable-usage-stats"]
        ray = [sys.executable, "-m", "ray.scripts.scripts", "start", *options, "--temp-dir", str(temporary)]
        subprocess.run(ray, env=self.environment(**environment), capture_output=True, check=True)
        try:
            yield f"127.0.0.1:{port}"
        finally:
            for process in processes_of(temporary):
                process.kill()
            shutil.rmtree(temporary, ignore_errors=True)


def processes_of(temporary: Path) -> list[psutil.Process]:
    """All processes of the cluster that has this folder."""
    found = []
    for process in psutil.process_iter():
        try:
            if any(str(temporary) in word for word in process.cmdline()):
                found.append(process)
        except psutil.Error:
            continue
    return found


def end_of(process: subprocess.Popen[str]) -> Said:
    """Wait for a command; one that does not end is killed, and its code says so."""
    try:
        _, err = process.communicate(timeout=LIMIT_S)
    except subprocess.TimeoutExpired:
        process.kill()
        _, err = process.communicate()
    print(*err.splitlines()[-5:], sep="\n", file=sys.stderr, flush=True)
    return Said(process.returncode, err)


def wait_for(condition: Callable[[], object]) -> None:
    until_s = time.monotonic() + LIMIT_S
    while not condition() and time.monotonic() < until_s:
        time.sleep(0.05)


def driver_works(driver: subprocess.Popen[str]) -> bool:
    """Whether a worker of this driver's cluster runs, or the driver has ended."""
    names = (" ".join(process.cmdline()[:1]) for process in psutil.process_iter(["pid"]) if alive(process))
    return driver.poll() is not None or any("RemoteControl" in name for name in names)


def alive(process: psutil.Process) -> bool:
    try:
        return bool(process.cmdline())
    except psutil.Error:
        return False


# --- attacks: each answers whether the command ended well; what it leaves must be fit to be resumed ------------


def head_dies(place: Place) -> bool:
    """The head is killed as soon as a worker runs, and nobody starts it again."""
    with place.cluster() as address:
        driver = place.begin(address)
        wait_for(lambda: driver_works(driver))
        for process in psutil.process_iter(["cmdline"]):
            words = process.info["cmdline"] or []
            if words and words[0].endswith("gcs_server") and f"--gcs_server_port={address[10:]}" in words:
                process.kill()
        return end_of(driver).ends_well("the head of the Ray cluster is gone", "the same command")


def cluster_dies(place: Place) -> bool:
    """All of it at once, as by `ray stop --force`."""
    with place.cluster() as address:
        driver = place.begin(address)
        wait_for(lambda: driver_works(driver))
    return end_of(driver).ends_well()


def node_without_the_package(place: Place) -> bool:
    """No node can import rushes."""
    stub = place.folder / "stub" / "rushes"
    stub.mkdir(parents=True)
    (stub / "__init__.py").write_text("raise ModuleNotFoundError('No module named rushes')\n")
    with place.cluster(PYTHONPATH=str(stub.parent)) as address:
        return place.run(address).ends_well("No module named rushes", "each node needs the same rushes")


def node_of_another_version(place: Place) -> bool:
    """A node has a copy of rushes in which one line differs."""
    import rushes

    other = place.folder / "other" / "rushes"
    shutil.copytree(Path(rushes.__file__).parent, other, ignore=shutil.ignore_patterns("__pycache__"))
    (other / "records.py").write_text((other / "records.py").read_text() + "# of another day\n")
    with place.cluster(PYTHONPATH=str(other.parent)) as address:
        return place.run(address).ends_well("another rushes", "each node needs the same rushes")


def two_drivers(place: Place) -> bool:
    """The same command twice at once: one does it, the other is told who does."""
    with place.cluster() as address:
        both = [end_of(driver) for driver in [place.begin(address), place.begin(address)]]
    return any(said.code == 0 for said in both) and all(
        said.ends_well("works on this stage") for said in both
    )


def full_object_store(place: Place) -> bool:
    """Another driver holds nearly all of the object store."""
    with place.cluster() as address:
        command = [sys.executable, "-c", FILL, address]
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
        with subprocess.Popen(command, env=place.environment(), text=True, **pipes) as hog:
            assert hog.stdout is not None
            hog.stdout.readline()
            try:
                return place.run(address).ends_well()
            finally:
                hog.send_signal(signal.SIGKILL)


def no_token(place: Place) -> bool:
    """The cluster wants a token that this user does not have."""
    wants = {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": "a" * 64}
    with place.cluster(**wants) as address:
        return place.run(address).ends_well("InvalidAuthToken", "ray get-auth-token")


def token_and_address(place: Place) -> bool:
    """This user has the token, and names the cluster by its address."""
    token = {"RAY_AUTH_TOKEN": "a" * 64}
    with place.cluster(RAY_AUTH_MODE="token", **token) as address:
        return place.run(address, **token).code == 0


ATTACKS: Mapping[str, Callable[[Place], bool]] = {
    "head dies": head_dies,
    "cluster dies": cluster_dies,
    "node without the package": node_without_the_package,
    "node of another version": node_of_another_version,
    "two drivers": two_drivers,
    "full object store": full_object_store,
    "no token": no_token,
    "token and address": token_and_address,
}
QUICK = ("node without the package", "node of another version", "token and address")


def draw_sounds(folder: Path) -> None:
    """Sounds of noise, and the recipe that makes a dataset of them."""
    noise = np.random.default_rng(1)
    for side, number in SOUNDS.items():
        for index in range(number):
            path = folder / "raw" / side / ("hum", "hiss")[index % 2] / f"{side}{index}.wav"
            path.parent.mkdir(parents=True, exist_ok=True)
            with wave.open(str(path), "wb") as file:
                file.setparams((1, 2, 16000, 0, "NONE", ""))
                file.writeframes(noise.integers(-9000, 9000, 32000).astype("<i2").tobytes())
    (folder / "recipe.yaml").write_text(RECIPE.replace("ROOT", str(folder / "raw")))


def local_run(folder: Path) -> Place:
    """The dataset that a run without a cluster makes."""
    local = Place(folder / "local")
    said = local.run(None)
    assert said.code == 0, said.err
    return local


def figures(names: list[str], folder: Path) -> Iterator[Figure]:
    draw_sounds(folder)
    expected = local_run(folder).shards()
    for name in names:
        place = Place(folder / name.replace(" ", "-"))
        well = ATTACKS[name](place)
        place.run(None)  # the cause is gone: the same work, by the same signature
        same = place.shards() == expected
        print(f"{name}: {well=} {same=}", file=sys.stderr, flush=True)
        yield Figure(f"{name}: ends well", str(well).lower(), "true", well)
        yield Figure(f"{name}: bytes equal", str(same).lower(), "true", same)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("attacks", nargs="*", metavar="ATTACK", help=f"among: {', '.join(ATTACKS)}")
    parser.add_argument("--quick", action="store_true", help="only those that need no minute")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--folder", type=Path, help="a folder that is not there yet, and stays")
    arguments = parser.parse_args()
    names = arguments.attacks or list(QUICK if arguments.quick else ATTACKS)
    with tempfile.TemporaryDirectory() as temporary:
        emit(figures(names, arguments.folder or Path(temporary)), arguments.json)


if __name__ == "__main__":
    main()
