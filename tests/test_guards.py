"""Rules of the house that a machine can check: floors, sizes, forbidden ways, what documents promise."""

from __future__ import annotations

import ast
import re
import shlex
import tomllib
from pathlib import Path

import pytest
import typer
from importlinter.cli import lint_imports
from pydantic import BaseModel

from rushes.cli import app
from rushes.recipe import Recipe
from rushes.storage import open_workspace
from rushes.tasks import OURS, load_recipe, open_run

ROOT = Path(__file__).parents[1]
SOURCES = sorted((ROOT / "src" / "rushes").rglob("*.py"))
DOCUMENTS = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("benchmarks/*.md")])
MAX_LINES = 450
MAX_FIELDS = 25
FORBIDDEN = {
    r"MethodType\(": "patches a method into an object",
    r"\.forward = ": "patches a model",
    r"\bsetattr\(": "patches something",
    r"\bpickle\.|torch\.load\((?!.*weights_only=True)|allow_pickle=True": "reads pickles",
    r"(?<![.\w])(eval|exec)\(": "runs text as code",
    r"trust_remote_code\s*=\s*True": "runs code of others",
    r"yaml\.(load|unsafe_load|full_load)\(": "reads YAML without the safe loader",
}


def test_floors_hold(monkeypatch, capsys):
    monkeypatch.chdir(ROOT)
    assert lint_imports(no_cache=True) == 0, capsys.readouterr().out


def test_every_part_of_the_house_has_a_floor():
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
    floors = next(contract["layers"] for contract in contracts if contract["type"] == "layers")
    named = {name.strip() for floor in floors for name in floor.split("|")}
    parts = {path.relative_to(ROOT / "src" / "rushes").parts[0].removesuffix(".py") for path in SOURCES}
    assert parts - {"__init__"} == named


def test_no_floor_knows_a_task_by_name():
    """Whatever a shared floor needs to know of a task, the task says itself, see `rushes.runs.task`."""
    shared = [
        path for path in (ROOT / "src" / "rushes").rglob("*") if path.is_file() and path.suffix != ".pyc"
    ]
    named = re.compile(rf"\b({'|'.join(OURS)}|catalog)\b")
    found = [
        f"{path.relative_to(ROOT)}:{number}: {line.strip()}"
        for path in shared
        if "tasks" not in path.relative_to(ROOT / "src" / "rushes").parts
        for number, line in enumerate(path.read_text().splitlines(), start=1)
        if named.search(line)
    ]
    assert found == []


def test_files_are_short():
    lengths = {str(path.relative_to(ROOT)): len(path.read_text().splitlines()) for path in SOURCES}
    assert {path: length for path, length in lengths.items() if length > MAX_LINES} == {}


def test_nothing_is_patched_and_nothing_is_run_that_was_read():
    found = [
        f"{path.relative_to(ROOT)}:{number}: {line.strip()}: {why}"
        for path in SOURCES
        for number, line in enumerate(path.read_text().splitlines(), start=1)
        for pattern, why in FORBIDDEN.items()
        if re.search(pattern, line.partition("#")[0])
        # The engine's processes talk to each other so, over pipes that nobody else can write to.
        and not (path.parent.name == "engine" and "pickle" in pattern)
    ]
    assert found == []


def test_no_configuration_is_too_large():
    """Fields of every class that holds settings: models of pydantic, and dataclasses by their annotations."""
    large = [
        f"{path.name}: {node.name}"
        for path in SOURCES
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.ClassDef)
        and sum(isinstance(statement, ast.AnnAssign) for statement in node.body) > MAX_FIELDS
    ]
    assert large == []
    assert issubclass(Recipe, BaseModel)


# --- documents and recipes ----------------------------------------------------------------------------------


def commands(document: Path) -> list[str]:
    """Lines of code blocks that call ``rushes`` or ``make``, without prompt and comment."""
    found = []
    for block in re.findall(r"^```[a-z]*\n(.*?)^```", document.read_text(), re.MULTILINE | re.DOTALL):
        lines = block.replace("\\\n", " ").splitlines()
        found += [line.strip().removeprefix("$ ") for line in lines]
    return [line for line in found if re.match(r"(rushes|make)( |$)", line)]


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_commands_in_documents_are_understood(document):
    group = typer.main.get_command(app)
    targets = set(re.findall(r"^([a-z][\w-]*):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    for line in commands(document):
        program, *words = shlex.split(line, comments=True)
        if program == "make":
            assert {word for word in words if "=" not in word and not word.startswith("-")} <= targets, line
        elif words and not words[0].startswith("-"):
            verb, *rest = words
            assert verb in group.commands, line
            group.commands[verb].make_context(verb, list(rest))  # parses, and calls nothing
            named = [word.partition(":")[0] for word in rest if word.startswith("recipes/")]  # RECIPE:SYSTEM
            assert all((ROOT / word).is_file() for word in named), line


@pytest.mark.parametrize("path", sorted(ROOT.glob("recipes/*.yaml")), ids=lambda path: path.name)
def test_recipes_open_as_their_first_lines_say(path, tmp_path):
    [line] = re.findall(r"^# +(rushes run .*)$", path.read_text(), re.MULTILINE)
    _, verb, named, *options = shlex.split(line)
    parsed = typer.main.get_command(app).commands[verb].make_context(verb, [named, *options]).params
    assert ROOT / parsed["recipe"] == path
    run = open_run(load_recipe(path, parsed["overrides"] or ()), open_workspace(tmp_path))
    assert run.recipe.name == path.stem
    if run.recipe.source.root is None:
        assert all(run.status(name).state == "absent" for name in run.stages)


def test_docstrings_name_verbs_that_exist():
    """``rushes VERB`` in docstrings and cures, too."""
    known = set(typer.main.get_command(app).commands) | {"--help"}
    named = {
        verb for path in SOURCES for verb in re.findall(r"(?:`|^    )rushes ([a-z]+)", path.read_text(), re.M)
    }
    assert named <= known
