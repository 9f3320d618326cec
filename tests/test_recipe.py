"""Recipes: every fault at once, each with its place; overrides; YAML that means harm."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator
from datetime import date
from pathlib import Path
from typing import Any, get_args

import pytest
from pydantic import BaseModel

from rushes.campaign.manifest.schema import Manifest
from rushes.errors import RecipeError
from rushes.recipe import Recipe
from rushes.recipe.sections import Side
from rushes.recipe_file import validate
from rushes.recipe_file.document import MAX_BYTES, MAX_FAULTS, read_tree
from rushes.recipe_file.words import _models
from rushes.tasks import TASKS, load_recipe
from rushes.tasks.driving.preprocessing import CameraSetup, Scale
from rushes.tasks.operations.recipe import LabelSetName, OperationsRecipe, SplitName
from rushes.tasks.operations.sources.openpack.tables import (
    SIDES,
    load_label_set,
    split_subjects,
)

Load = Callable[..., Recipe]


@pytest.fixture
def load(tmp_path: Path) -> Load:
    def write_and_load(text: str, *overrides: str) -> Recipe:
        path = tmp_path / "job.yaml"
        path.write_text(text, encoding="utf-8")
        return load_recipe(path, overrides)

    return write_and_load


def faults(load: Load, text: str, *overrides: str) -> list[str]:
    """The faults that the recipe is refused with, without their bullets."""
    with pytest.raises(RecipeError) as caught:
        load(text, *overrides)
    return [line.removeprefix("  - ") for line in caught.value.message.splitlines()[1:]]


def sections(*models: type[BaseModel]) -> list[type[BaseModel]]:
    """The models and everything inside of them."""
    found = list(models)
    pending = [field.annotation for model in models for field in model.model_fields.values()]
    while pending:
        kind = pending.pop()
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            found += sections(kind)
        pending += get_args(kind)
    return found


SECTIONS = tuple(dict.fromkeys(sections(*(task.recipe for task in TASKS.values()))))


# --- what holds -------------------------------------------------------------------------------------------


def test_a_recipe_names_only_what_differs(load: Load):
    recipe = load("name: mine\ntrain: {phases: [{steps: 7}], seed: 3}\n")
    assert (recipe.name, recipe.train.seed, recipe.train.phases[0].steps) == ("mine", 3, 7)
    assert recipe.train.warmup == OperationsRecipe().train.warmup
    assert recipe.twin == OperationsRecipe().twin


def test_a_byte_order_mark_and_a_home_folder_are_understood(load: Load):
    assert load("\ufeffname: mine\nsource: {root: ~/openpack}\n").source.root == Path.home() / "openpack"
    assert load("source: {root: s3://bucket/a//b/}\n").source.root == "s3://bucket/a//b/"


@pytest.mark.parametrize("section", SECTIONS, ids=lambda section: section.__name__)
def test_sections_are_small_and_say_what_each_key_means(section: type[BaseModel]):
    assert len(section.model_fields) <= 25
    parents = [parent.__doc__ or "" for parent in section.__mro__ if parent is not BaseModel]
    documented = "\n".join(text.partition("Attributes:")[2] for text in parents)
    names = {
        name.strip() for line in documented.splitlines() for name in line.partition(":")[0].strip().split(",")
    }
    assert set(section.model_fields) <= names
    if section not in (Scale, CameraSetup):  # these are values: whole or not at all
        assert all(not field.is_required() for field in section.model_fields.values())


def test_names_in_the_schema_are_those_of_the_tables():
    assert get_args(Side) == SIDES
    assert all(load_label_set(name).labels for name in get_args(LabelSetName))
    assert all(split_subjects(name)["train"] for name in get_args(SplitName))


# --- faults -----------------------------------------------------------------------------------------------


def test_all_faults_come_at_once_with_line_and_near_name(load: Load):
    text = """\
nam: x
twin:
  subject: 3
  difficulty: 1.5
train:
  phases:
    - steps: 5
    - steps: 0
      batchsize: 4
preprocessing:
  frame_size: [100, 112]
  question: no place for it
model: {name: tiny, nf4: true}
"""
    found = faults(load, text)
    expected = {
        "job.yaml:1: nam: unknown key; did you mean name?",
        "job.yaml:3: twin.subject: unknown key; did you mean subjects?",
        "job.yaml:4: twin.difficulty: expected 1 or less, found 1.5",
        "job.yaml:8: train.phases.1.steps: expected 1 or more, found 0",
        "job.yaml:9: train.phases.1.batchsize: unknown key; did you mean batch_size?",
        "job.yaml:11: preprocessing.frame_size.0: expected a multiple of 28, found 100",
        "job.yaml:13: model: 4-bit weights cannot be trained: add model.adapter, or set nf4: false",
    }
    assert expected == set(found)


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("zzz: 1", "job.yaml:1: zzz: unknown key; known here: task, name"),
        ("source: {zzz: 1}", "job.yaml:1: source.zzz: unknown key; known here: kind, "),
        ("prepare:\n  workerz: 1", "job.yaml:2: prepare.workerz: unknown key; did you mean workers?"),
        ("model: {adapter: {ranks: 1}}", "job.yaml:1: model.adapter.ranks: unknown key; did you mean rank?"),
        ("train: {phases: [{step: 1}]}", "train.phases.0.step: unknown key; did you mean steps?"),
        ("evaluate: {splitt: val}", "evaluate.splitt: unknown key; did you mean split?"),
        (
            "preprocessing:\n  samplers: motion",
            "job.yaml:2: preprocessing.samplers: unknown key; did you mean",
        ),
        ("1: x", "job.yaml:1: 1: unknown key; known here"),
    ],
)
def test_unknown_keys_are_found_on_every_level(load: Load, text: str, place: str):
    assert [fault for fault in faults(load, text) if place in fault]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("source: {labels: openpak}", "source.labels: expected 'openpack' or 'classes10', found 'openpak'"),
        ("source: {split: erlier}", "source.split: expected 'earlier' or 'colour', found 'erlier'"),
        ("source: {split: {trian: [U0101]}}", "source.split.trian: expected 'train', 'val' or 'test', found 'trian'"),
        ("source: {split: {train: [], test: [U0108]}}", "split.train: expected a list of 1 item or more such as"),
        ("source: {split: {train: [U0101]}}", "source.split names nobody for test"),
        ("source: {root: 5}", "job.yaml:1: source.root: expected a folder or a URL such as s3://bucket/prefix"),
        ("source: {split: 5}", "source.split: expected 'earlier' or 'colour', found 5"),
        ("model: {name: Qwen/Qwen2.5-VL-2B}", "ever released; write Qwen/Qwen2.5-VL-3B-Instruct"),
        ("model: {name: ./nowhere/checkpoint}", "no checkpoint in './nowhere/checkpoint': config.json"),
        ("model: {adapter: {rank: 8}}", "tiny starts from random weights and is trained whole"),
        ("model: {precision: bfloat16}", "tiny is built and trained in float32"),
        ("model: {name: someone/model, precision: float16}", "weights in float16 cannot be trained"),
        ("model: {revision: main}", "only a name on the hub has a revision"),
        ("preprocessing: {labels: [a]}", "preprocessing.labels and label_set follow from source.labels"),
        ("prepare: {timeout_s: .inf}", "prepare.timeout_s: expected a finite number such as 0.5, found inf"),
        ("prepare: {timeout_s: .nan}", "prepare.timeout_s: expected a finite number"),
        ("train: 5", "train: expected keys such as phases, warmup, weight_decay, clip_norm, found 5"),
        ("train:", "train: expected keys such as phases, warmup, weight_decay, clip_norm, found nothing"),
        ("train: {phases: []}", "train.phases: expected a list of 1 item or more such as [{ask"),
        ("train: {phases: {steps: 3}}", "expected a list such as [{ask: captions}], found 1 key with values"),
        ("name: two words", "name: expected letters, digits, _ and - only, such as my-first-run, found"),
        ("name: yes", 'name: expected a text, found yes, which YAML reads as true: quote it, "yes"'),
        ("name: 12", 'name: expected a text, found 12, which YAML reads as a whole number: quote it, "12"'),
        ("name: 1.50", 'found 1.50, which YAML reads as a number: quote it, "1.50"'),
        ("name: 2022-03-29", 'found 2022-03-29, which YAML reads as a date: quote it, "2022-03-29"'),
        ("name:", "name: expected a text, found nothing"),
        ("source: {split: {train: [U0101], test: [no, U0108]}}", 'test.0: expected a text, found no, which YAML'),
        ("twin: {subjects: two}", "twin.subjects: expected a whole number such as 1, found 'two'"),
        ("twin: {subjects: 2.5}", "twin.subjects: expected a whole number such as 1, found 2.5"),
        ("preprocessing: {time_marks: maybe}", "preprocessing.time_marks: expected true or false, found 'maybe'"),
        ("preprocessing: {frame_size: 336}", "frame_size: expected a list such as [28, 28], found 336"),
        ("preprocessing: {frame_size: [336]}", "preprocessing.frame_size.1: missing; write one such as 28"),
        ("source: {table: labels.csv}", "source.table: unknown key; known here: kind, media, labels, split, root"),
        ("twin: {seed: 1}\ntwin: {seed: 2}", "job.yaml:2: twin: stands here again, first in line 1"),
        ("train:\n  phases:\n    - steps: 1\n      steps: 2", "job.yaml:4: train.phases.0.steps: stands"),
    ],
)  # fmt: skip
def test_what_a_user_may_stumble_over_is_said(load: Load, text: str, says: str):
    assert [fault for fault in faults(load, text) if says in fault]


# --- overrides --------------------------------------------------------------------------------------------


def test_words_of_an_override_are_taken_whole(load: Load):
    """A file begins a comment at a blank and ``#``; what was typed for a shell has none."""
    recipe = load("name: mine\n", "source.root=s3://bucket/my runs #7")
    assert recipe.source.root == "s3://bucket/my runs #7"
    assert load("name: mine\n", "source.root='s3://bucket/a #b'").source.root == "s3://bucket/a #b"


def test_overrides_reach_sections_lists_and_what_the_file_leaves_out(load: Load):
    recipe = load(
        "train:\n  phases:\n    - steps: 5\n    - steps: 6\nmodel:\n",
        "train.phases.1.steps=9",
        "twin.subjects=3",
        "model.name=Qwen/Qwen2.5-VL-3B-Instruct",
        "model.adapter.rank=8",
        "source.split={train: [U0101], test: [U0102]}",
        "twin.subjects=2",
    )
    assert [phase.steps for phase in recipe.train.phases] == [5, 9]
    assert recipe.twin.subjects == 2
    assert recipe.model.adapter.rank == 8
    assert recipe.source.split == {"train": ("U0101",), "test": ("U0102",)}


@pytest.mark.parametrize(
    ("override", "fault"),
    [
        ("train.phases", "--set train.phases: write it as section.key=value"),
        ("train..seed=1", "--set train..seed=1: write it as section.key=value"),
        ("=1", "--set =1: write it as section.key=value"),
        ("source.root=", "--set source.root=: no value; write null where none is meant"),
        (
            "train.phases.4.steps=1",
            "--set train.phases.4.steps=1: train.phases is a list of 1 in this recipe",
        ),
        ("train.phases.last.steps=1", "train.phases is a list of 1 in this recipe, found no item last"),
        ("evaluate.compare.0=shuffled", "evaluate.compare is not spelt out in this recipe: set all of it"),
        ("name.first=x", "--set name.first=x: name is 'mine' in this recipe, which has no keys"),
        ("train.seed=[1", "--set train.seed=[1: "),
        ("train.seed=2022-13-45", "--set train.seed=2022-13-45: "),
        ("train.sed=1", "--set train.sed=1: train.sed: unknown key; did you mean seed?"),
        ("trian.seed=1", "--set trian.seed=1: trian: unknown key; did you mean train?"),
        (
            "train.phases.0.steps=none",
            "--set train.phases.0.steps=none: train.phases.0.steps: expected a whole",
        ),
    ],
)
def test_a_wrong_override_is_named_and_not_a_line_of_the_file(load: Load, override: str, fault: str):
    found = faults(load, "name: mine\ntrain:\n  phases:\n    - steps: 5\n", override)
    assert len(found) == 1
    assert fault in found[0]


@pytest.mark.parametrize(
    ("override", "fault"),
    [
        ("source.split={train: [U0101]}", "recipe: source.split names nobody for test"),
        ("twin.subjects=1", "twin.subjects: 1 would be U0101 to U0101, nobody of whom is on side test"),
        ("source.split=colour", "twin.subjects: 8 would be U0101 to U0108, nobody of whom is on side test"),
    ],
)
def test_a_fault_that_an_override_causes_elsewhere_names_it(load: Load, override: str, fault: str):
    (found, *_) = faults(load, "name: mine\nevaluate: {split: test}\n", "train.seed=3", override)
    assert found.startswith(f"--set {override}: {fault}")


def test_a_fault_that_the_file_has_anyway_keeps_its_line(load: Load):
    assert faults(load, "name: mine\ntwin: {boxes: 0}\n", "train.seed=3") == [
        "job.yaml:2: twin.boxes: expected 1 or more, found 0"
    ]


def test_a_relative_root_begins_at_the_folder_of_whoever_wrote_it(load: Load, tmp_path: Path):
    assert load("source: {root: raw}").source.root == tmp_path / "raw"
    assert load("source: {root: ../raw}").source.root == tmp_path / "../raw"
    assert load("source: {root: /raw}").source.root == Path("/raw")
    assert load("source: {root: raw}", "source.root=other").source.root == Path("other")
    assert load("source: {root: raw}", "source={root: other}").source.root == Path("other")
    assert load("source: {root: s3://bucket/raw}").source.root == "s3://bucket/raw"


WRONG = (
    None,
    True,
    "x",
    "",
    3,
    -1,
    10**30,
    1.5,
    math.nan,
    math.inf,
    [],
    [[]],
    ["x", None],
    {},
    {"x": 1},
    date.min,
)
FOREIGN = re.compile(
    r"input should|valid (string|tuple|integer|number|boolean|dictionary|list)|validation|value error"
    r"|field required|dictionary|tuple|instance of|pydantic|extra inputs|unable to parse",
    re.IGNORECASE,
)


def places(schema: type[BaseModel]) -> Iterator[tuple[str, ...]]:
    """Keys of every field, however deep, of a schema."""
    for name, field in schema.model_fields.items():
        yield (name,)
        for model in _models(field.annotation):
            yield from ((name, *inner) for inner in places(model))


@pytest.mark.parametrize(
    "schema", [*(task.recipe for task in TASKS.values()), Manifest], ids=lambda one: one.__name__
)
def test_no_fault_of_any_key_speaks_the_language_of_the_library(schema: type[BaseModel], tmp_path: Path):
    path = tmp_path / "job.yaml"
    path.write_text("name: x\n")
    document, seen = read_tree(path), 0
    for place in places(schema):
        for value in WRONG:
            tree: Any = value
            for key in reversed(place):
                tree = {key: tree}
            _, found = validate(schema, document, tree)
            seen += len(found)
            assert not [fault for fault in found if FOREIGN.search(fault.replace(repr(value), ""))]
    assert seen > 500


# --- files ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "found an empty file"),
        ("- a\n- b\n", "expected keys such as task and source, found list"),
        ("just words", "found str"),
        ("a: [1", "job.yaml:1: not YAML"),
        ("name: a\nb:\n\tc: 1", "job.yaml:3: not YAML"),
        ("name: a\n---\nname: b\n", "job.yaml:2: not YAML: but found another document"),
        ("name: !!python/object/apply:os.system [ls]", "job.yaml:1: not YAML: could not determine"),
        ("? [a, b]\n: 1\n", "job.yaml:1: not YAML: found unhashable key"),
        ("name: 2022-13-45", "not YAML: month must be in 1..12"),
        ("twin: {seed: " + "9" * 5000 + "}", "not YAML: Exceeds the limit"),
        ("name: \x01", "not YAML"),
        ("a: " + "[" * 40_000, "job.yaml:1: nested more than 20 deep"),
    ],
)  # fmt: skip
def test_what_is_no_recipe_is_refused(load: Load, text: str, says: str):
    found = faults(load, text)
    assert len(found) == 1
    assert says in found[0]


def test_aliases_that_would_grow_without_bound_are_refused(load: Load):
    rows = ["a0: &a0 {x: 1}"]
    rows += [f"a{n}: &a{n} {{<<: [{', '.join([f'*a{n - 1}'] * 9)}]}}" for n in range(1, 12)]
    assert "job.yaml:2: *a0: write the value out" in faults(load, "\n".join(rows))[0]


def test_a_huge_or_endless_file_is_not_read_to_its_end(tmp_path: Path):
    path = tmp_path / "job.yaml"
    path.write_bytes(b"# " + b"x" * MAX_BYTES)
    for endless in (path, Path("/dev/zero")):
        with pytest.raises(RecipeError, match=f"at most {MAX_BYTES} bytes"):
            load_recipe(endless)


def test_the_list_of_faults_ends(load: Load):
    found = faults(load, "\n".join(f"key{n}: 1" for n in range(500)))
    assert len(found) == MAX_FAULTS + 1
    assert found[-1] == "and 450 more"


def test_a_file_that_cannot_be_read_is_said_so(tmp_path: Path):
    with pytest.raises(RecipeError, match="cannot be read: No such file") as caught:
        load_recipe(tmp_path / "none.yaml")
    assert caught.value.exit_code == 2
    with pytest.raises(RecipeError, match="cannot be read: Is a directory"):
        load_recipe(tmp_path)
    (tmp_path / "latin.yaml").write_bytes("name: größe".encode("latin-1"))
    with pytest.raises(RecipeError, match="not a text in UTF-8"):
        load_recipe(tmp_path / "latin.yaml")


def test_no_number_of_a_recipe_can_be_infinite(load: Load):
    """Every number is bounded or finite: JSON, of which signatures are made, has no form for the others."""
    for section in SECTIONS:
        for name, field in section.model_fields.items():
            if field.annotation is float:
                with pytest.raises(ValueError, match=name):
                    section.model_validate({name: math.inf})


def test_a_manifest_given_as_a_recipe_is_told_so(tmp_path):
    path = tmp_path / "campaign.yaml"
    path.write_text("campaign: night\nrecipe: night.yaml\nphases: []\n")
    with pytest.raises(RecipeError, match="manifest of a campaign, no recipe: type `rushes campaign run`"):
        load_recipe(path)
