"""The OpenAPI document of a service says the truth: schemathesis tries every route in every way it knows."""

import subprocess
import sys
from pathlib import Path

import pytest
from live_service import SMALL, alive
from stub_door import Stub, stub_doors

from rushes.errors import QuestionError
from rushes.serve.keys import EVERYBODY, Keys

KEY = "a key of the tests alone"
PATIENT = SMALL.model_copy(update={"queue": 50})


class Shows(Stub):
    """Finds items that have a picture."""

    def picture(self, key: str) -> bytes:
        if len(key) > 1:
            raise QuestionError("there is no such item")
        return b"\xff\xd8 a picture"


def tried(url: str, folder: Path, *options: str) -> subprocess.CompletedProcess[str]:
    """Statuses, bodies, headers, methods and keys; a file of random bytes fits the document, and is refused."""
    command = [sys.executable, "-m", "schemathesis.cli", "run", f"{url}/openapi.json"]
    checks = ["--checks", "all", "--exclude-checks", "positive_data_acceptance"]
    few = ["--max-examples", "5", "--seed", "1", "--no-color", *options]
    return subprocess.run([*command, *checks, *few], cwd=folder, capture_output=True, text=True, timeout=280)


@pytest.mark.slow
@pytest.mark.parametrize("keys", [EVERYBODY, Keys.of([KEY])], ids=["open", "with keys"])
def test_every_status_and_body_is_as_documented(keys, tmp_path):
    sent = {"X-API-Key": KEY} if keys else {}
    doors = stub_doors() | {"search": Shows("search")}
    with alive(tmp_path / "uploads", doors, settings=PATIENT, keys=keys) as service:
        service.ready(sent)
        options = [option for name, value in sent.items() for option in ("--header", f"{name}: {value}")]
        found = tried(service.url, tmp_path, *options)
        assert "Tested: 11" in found.stdout, found.stdout + found.stderr
        assert found.returncode == 0, found.stdout
        asked = {(line["path"], line["status"]) for line in service.log()}
    assert {("/predict", 422), ("/analyze", 422), ("/search", 422), ("/live", 405)} <= asked
    assert bool(keys) == any(status == 401 for _, status in asked)
