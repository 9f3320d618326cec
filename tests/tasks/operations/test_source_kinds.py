"""Two layouts of footage in one recipe: what each asks, what it resolves to, and the whole way of one label a file."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import ClassVar

import fsspec
import pytest
from fsspec.implementations.memory import MemoryFileSystem

from rushes.errors import RecipeError, RushesError, StorageError
from rushes.recipe_file import load_recipe
from rushes.runs.do import do
from rushes.runs.look import look
from rushes.runs.run import Run
from rushes.storage import Workspace
from rushes.tasks import TASKS

REPOSITORY = Path(__file__).parents[3]
VIDEOS = REPOSITORY.parent / "shared" / "data" / "videos"

SIGNATURES = {
    "twin": "eea109e85cc7",
    "prepare": "7cc859e00a01",
    "train": "e4fc5433d7a7",
    "predict": "92c606d6e787",
    "evaluate": "95a2cf4d6036",
    "report": "b25820cb5003",
}
"""Of the twin's recipe before there was a second layout."""

HEAD = "file,start_s,end_s,label,person\n"

Open = Callable[..., Run]


@pytest.fixture
def open_run(tmp_path: Path) -> Open:
    """A run of a recipe with these lines under ``source`` and others behind; videos lie in ``footage``."""

    def open_(source: str, rest: str = "", root: str = "footage") -> Run:
        path = tmp_path / "recipe.yaml"
        path.write_text(f"task: operations\nsource: {{kind: table, root: {root}, {source}}}\n{rest}")
        recipe = load_recipe(path, [], TASKS)
        return Run(TASKS[recipe.task], recipe, Workspace(tmp_path / "workspace"))

    return open_


@pytest.fixture
def footage(tmp_path: Path, write_table) -> Path:
    """Four recordings of two people, two operations each."""
    names = [f"{person}{take}.mp4" for person in ("ann", "bob") for take in (1, 2)]
    rows = "".join(f"{name},0,2,put,{name[:3]}\n{name},2,4,take away,{name[:3]}\n" for name in names)
    return write_table(*names, labels=HEAD + rows)


def test_the_signatures_of_a_recipe_of_the_first_layout_stay(tmp_path: Path):
    recipe = load_recipe(REPOSITORY / "recipes" / "operations-twin.yaml", [], TASKS)
    run = Run(TASKS[recipe.task], recipe, Workspace(tmp_path))
    assert {name: spec.signature for name, spec in run.specs.items()} == SIGNATURES


def test_labels_are_filled_in_from_the_annotation_as_they_come(open_run: Open, footage: Path):
    run = open_run("groups: {column: person}")
    assert run.recipe.preprocessing.labels == ("put", "take away")
    assert run.recipe.source.labels == ("put", "take away")
    assert "take away" in run.recipe.preprocessing.texts()


def test_labels_that_are_written_out_are_the_same_run(open_run: Open, footage: Path):
    filled = open_run("groups: {column: person}").specs
    written = open_run("groups: {column: person}, labels: [put, take away]").specs
    assert filled == written
    other = open_run("groups: {column: person}, labels: [take away, put]").specs
    assert other["prepare"].signature != written["prepare"].signature


def test_another_label_in_the_annotation_is_another_dataset(open_run: Open, footage: Path):
    before = open_run("groups: {column: person}").specs["prepare"].signature
    table = footage / "labels.csv"
    table.write_text(table.read_text().replace("ann1.mp4,0,2,put", "ann1.mp4,0,1.9,put"))
    assert open_run("groups: {column: person}").specs["prepare"].signature != before


class Guarded(MemoryFileSystem):
    """Files in memory, of which no video may be read."""

    protocol = "guarded"
    store: ClassVar[dict] = {}
    pseudo_dirs: ClassVar[list] = [""]

    @classmethod
    def _strip_protocol(cls, path: str) -> str:
        return super()._strip_protocol(str(path).replace("guarded://", "memory://"))

    def _open(self, path: str, mode: str = "rb", **options: object):
        assert "w" in mode or not path.endswith(".mp4"), f"{path} is read"
        return super()._open(path, mode, **options)


def test_a_url_brings_the_annotation_alone_to_learn_its_labels(open_run: Open, footage: Path, monkeypatch):
    monkeypatch.setenv("RUSHES_ALLOW", "guarded")
    fsspec.register_implementation("guarded", Guarded, clobber=True)
    files = Guarded()
    files.pipe("/lab/labels.csv", (footage / "labels.csv").read_bytes())
    files.pipe("/lab/ann1.mp4", b"never read")
    run = open_run("groups: {column: person}", root="guarded://lab")
    assert run.recipe.preprocessing.labels == ("put", "take away")
    with pytest.raises(StorageError, match=r"ann1\.mp4 is read"):
        run.raw()


def test_recordings_at_a_url_are_those_of_a_folder(open_run: Open, footage: Path, monkeypatch):
    monkeypatch.setenv("RUSHES_ALLOW", "memory")
    files = MemoryFileSystem()
    for path in footage.iterdir():
        files.pipe(f"/table-lab/{path.name}", path.read_bytes())
    files.pipe("/table-lab/notes.txt", b"never brought")
    source = "groups: {column: person}, split: {train: [ann], test: [bob]}"
    here, there = open_run(source), open_run(source, root="memory://table-lab")
    assert there.audit().samples == here.audit().samples
    assert there.specs["prepare"].signature == here.specs["prepare"].signature
    assert not (there.raw() / "notes.txt").exists()
    assert there.inventory.files == here.inventory.files + 1


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("lables: [put]", "source.lables: unknown key; did you mean labels?"),
        ("anotation: {}", "source.anotation: unknown key; did you mean annotation?"),
        ("annotation: {fils: x}", "source.annotation.fils: unknown key; did you mean files?"),
        ("media: frames", "source.media: unknown key; known here: kind, labels, annotation"),
        ("labels: put", "source.labels: expected a list such as [name], found 'put'"),
        ("labels: [put]", "source.labels: 1 label: there is nothing to tell apart"),
        ("labels: [put, take], ignore: [put]", "source.ignore: 'put' stands under source.labels as well"),
        ("groups: {pattern: '[a-z]+'}", "pattern has no named group group"),
        ("groups: {pattern: '(?P<group>a)', column: person}", "column and pattern both say what a group is"),
        ("split: {train: [ann], test: [ann]}", "source.split: ann stands on two sides"),
        ("split: {test: [ann]}", "source.split names nobody for train"),
        ("shares: {train: 0.9}", "shares add up to 1.2, not to 1"),
        ("overlaps: middle", "source.overlaps: expected 'refuse', 'first', 'last', 'shorter' or 'longer'"),
    ],
)
def test_what_cannot_be_asked_is_told_with_its_key(open_run: Open, source: str, message: str):
    with pytest.raises(RecipeError) as caught:
        open_run(source)
    assert message in caught.value.message


def test_a_table_needs_a_root(open_run: Open):
    with pytest.raises(RecipeError, match=r"source\.root: missing; write the folder of the recordings"):
        open_run("labels: [a, b]", root="null")


def test_a_layout_that_is_none_lists_those_that_there_are(tmp_path: Path):
    path = tmp_path / "recipe.yaml"
    path.write_text("task: operations\nsource: {kind: tabel}\n")
    with pytest.raises(RecipeError, match=r"source\.kind: expected 'openpack' or 'table', found 'tabel'"):
        load_recipe(path, [], TASKS)


def test_a_pair_of_labels_that_the_annotation_does_not_have_is_refused(open_run: Open, footage: Path):
    with pytest.raises(
        RecipeError, match=r"prepare\.wide_pairs\.0: no label 'wipe'; known are put, take away"
    ):
        open_run("groups: {column: person}", "prepare: {wide_pairs: [[put, wipe]]}\n")


def test_the_audit_tells_sides_remarks_and_every_file(open_run: Open, footage: Path):
    told = look(open_run("split: {train: [ann1, ann2], test: [bob1.mp4]}")).text()
    assert "2 sessions for train" in told
    assert "4 x put" not in told
    assert "3 x put" in told
    assert "nobody said who is in the 3 recordings: one person may stand on two sides" in told
    assert "1 skipped  on no side of the split  such as bob2" in told
    known = look(open_run("groups: {column: person}, split: {train: [ann], test: [bob]}")).text()
    assert "nobody said" not in known


def test_an_empty_side_of_shares_names_the_draw_that_fills_it(open_run: Open, footage: Path):
    source = "groups: {column: person}, shares: {train: 0.5, val: 0, test: 0.5, seed: %d}"
    empty = next(n for n in range(100) if len(set(open_run(source % n).audit().recordings)) == 1)
    faults = open_run(source % empty).audit().faults
    (cure,) = {fault["cure"] for fault in faults}
    seed = int(cure.rpartition("source.shares.seed: ")[2])
    assert set(open_run(source % seed).audit().recordings) == {"train", "test"}


def test_prepare_makes_what_the_audit_foretold(open_run: Open, footage: Path):
    rest = "preprocessing: {frames: 2, frame_size: [56, 56], clip_s: 1.0}\nprepare: {workers: 0}\n"
    run = open_run("groups: {column: person}, split: {train: [ann], test: [bob]}", rest)
    expected = dict(run.audit().samples)
    do(run, "prepare", lambda *said: None)
    assert {side: len(run.samples(side)) for side in expected} == expected
    assert set(run.samples("train").labels()) == {"put"}  # what comes behind take away, nobody says
    assert set(run.samples("train").groups()) == {"ann"}


def test_the_docs_show_a_recipe_that_loads(tmp_path: Path):
    page = (REPOSITORY / "docs" / "operations.md").read_text()
    [shown] = re.findall(r"```\n(task: operations\nname: kitchen\n.*?)```", page, re.DOTALL)
    (tmp_path / "kitchen.yaml").write_text(shown)
    source = load_recipe(tmp_path / "kitchen.yaml", [], TASKS).source
    assert (source.kind, source.root, source.split["test"]) == ("table", tmp_path / "kitchen", ("bob",))


@pytest.mark.slow
@pytest.mark.skipif(not VIDEOS.is_dir(), reason="needs the public clips beside the repository")
def test_real_clips_with_one_label_each_come_to_a_report(tmp_path: Path, open_run: Open):
    root = tmp_path / "footage"
    root.mkdir()
    rows = ["file,label,person"]
    for number, clip in enumerate(sorted(VIDEOS.glob("*.m*"))):
        shutil.copy(clip, root)
        rows.append(f"{clip.name},{clip.stem.rpartition('-')[2]},{('ann', 'bob', 'cem')[number % 3]}")
    (root / "labels.csv").write_text("\n".join(rows))
    run = open_run(
        "groups: {column: person}, split: {train: [ann, bob], test: [cem]}",
        "preprocessing: {frames: 2, frame_size: [56, 56], clip_s: 2.0}\nprepare: {workers: 0}\n"
        "train: {phases: [{ask: clips, steps: 2, batch_size: 2, accumulate: 1}]}\n",
    )
    for name in run.stages:
        do(run, name, lambda *said: None)
    assert run.account()["recordings"]["lines"][0]["recordings"] == len(rows) - 1
    page = run.report.read_text()
    assert "nobody says what comes next in any clip" in page
    assert all(row.split(",")[1] in page for row in rows[1:])


def test_a_folder_that_is_no_openpack_names_the_other_layout(tmp_path: Path, footage: Path):
    path = tmp_path / "recipe.yaml"
    path.write_text("task: operations\nsource: {root: footage}\n")
    recipe = load_recipe(path, [], TASKS)
    with pytest.raises(RushesError, match="kind: table"):
        Run(TASKS[recipe.task], recipe, Workspace(tmp_path)).audit()
