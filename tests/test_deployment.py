"""What stands around a service agrees with the service: its image, its replicas and the proxy before them."""

from __future__ import annotations

import json
import re
import tomllib
from pathlib import Path

import pytest
import typer
import yaml

from rushes.cli import app
from rushes.cli.serve import PORT
from rushes.recipe.sections import Serve

ROOT = Path(__file__).parents[1]
DOCKERFILE = (ROOT / "Dockerfile").read_text()
NGINX = (ROOT / "deploy" / "nginx.conf").read_text()
COMPOSE = yaml.safe_load((ROOT / "compose.yaml").read_text())
REPLICA = COMPOSE["services"]["rushes"]
BYTES = {"m": 1 << 20, "g": 1 << 30}


def instruction(name: str) -> str:
    """What the last such line of the Dockerfile says."""
    return re.findall(rf"^{name} (.*)$", DOCKERFILE, re.MULTILINE)[-1]


def in_bytes(text: str) -> int:
    """Of a size as nginx and compose write it; of a variable, its default."""
    number, unit = re.search(r"(\d+)([mg])\}?$", text).groups()
    return int(number) * BYTES[unit]


def test_extras_of_the_image_are_extras_of_the_package():
    known = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    named = {
        extra.strip() for extras in re.findall(r'"\.\[([\w,]+)\]"', DOCKERFILE) for extra in extras.split(",")
    }
    assert named
    assert named <= set(known)


def test_what_is_copied_into_the_image_is_sent_to_its_builder():
    sent = {
        line.removeprefix("!") for line in (ROOT / ".dockerignore").read_text().splitlines() if line[0] == "!"
    }
    copied = re.findall(r"^COPY (?!--from)(.*) \S+$", DOCKERFILE, re.MULTILINE)
    assert {name for line in copied for name in line.split()} == sent
    assert all((ROOT / name).exists() for name in sent)


@pytest.mark.parametrize(
    "words", [json.loads(instruction("CMD")), REPLICA["command"]], ids=["image", "replica"]
)
def test_its_command_is_one_of_ours(words):
    assert json.loads(instruction("ENTRYPOINT")) == ["rushes"]
    verb, *options = words
    said = typer.main.get_command(app).commands[verb].make_context(verb, options).params
    assert said["host"] == "0.0.0.0"
    assert said["port"] == PORT
    if said["api_key_file"] is not None:
        assert said["api_key_file"].parent == Path("/run/secrets")
        assert said["api_key_file"].name in REPLICA["secrets"]
        assert said["api_key_file"].name in COMPOSE["secrets"]


def test_everybody_speaks_to_the_same_port():
    assert instruction("EXPOSE") == str(PORT)
    assert f"http://127.0.0.1:{PORT}/live" in DOCKERFILE
    assert f"server rushes:{PORT};" in NGINX


def test_targets_and_files_that_replicas_name_are_there():
    target = re.search(r":-(\w+)", REPLICA["build"]["target"])[1]
    assert f" AS {target}\n" in DOCKERFILE
    assert {f"ARG {name}" for name in REPLICA["build"]["args"]} <= set(
        re.findall(r"^ARG \w+", DOCKERFILE, re.M)
    )
    assert (ROOT / COMPOSE["services"]["proxy"]["volumes"][0].partition(":")[0]).is_file()


def test_whatever_surrounds_a_service_leaves_it_the_first_word():
    """Its own limits come before those of the proxy and of the container, so that its refusals are heard."""
    limits = Serve()
    assert "client_max_body_size 0;" in NGINX, "the service alone bounds bodies"
    assert int(re.search(r"proxy_read_timeout (\d+)s;", NGINX)[1]) > limits.deadline_s
    assert int(REPLICA["stop_grace_period"].removesuffix("s")) > limits.drain_s
    assert in_bytes(REPLICA["tmpfs"][0]) > limits.disk_mb * 1e6
