"""Products of a drawn shop become vectors, are found from the command line, and are asked for by two systems."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner, Result

from rushes.cli import app
from rushes.cli.search import MAX_BYTES
from rushes.errors import AnswerError, StageError
from rushes.media.image import decode_jpeg
from rushes.models.clip import build, save
from rushes.predict.vectors import QUERIES, VECTORS, Vectors, read_vectors
from rushes.prepare.pair import Pair
from rushes.runs.do import do
from rushes.runs.proof import proof
from rushes.runs.run import Run
from rushes.storage import open_workspace
from rushes.tasks import load_recipe, open_run
from rushes.tasks.catalog.predict import model_of
from rushes.tasks.catalog.recipe import CatalogRecipe

RECIPE = """\
task: catalog
source: {columns: {languages: {de: name_de}}}
twin: {products: 20, other: 8, picture_px: 32}
preprocessing: {size: 32}
prepare: {workers: 0}
train: {epochs: 1, batch_size: 32, micro_batch: 16, learning_rate: 0.01}
evaluate: {languages: [de]}
"""


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("shop")
    (folder / "shop.yaml").write_text(RECIPE)
    return folder


def opened(place: Path, *overrides: str) -> Run[CatalogRecipe]:
    workspace = open_workspace(str(place / "workspace"), None, None)
    return open_run(load_recipe(place / "shop.yaml", overrides), workspace)


@pytest.fixture(scope="module")
def progress() -> list[tuple[float, float]]:
    """What the stage ``embed`` told: how much was done, of how much."""
    return []


@pytest.fixture(scope="module")
def run(place: Path, progress: list[tuple[float, float]]) -> Run[CatalogRecipe]:
    """All stages up to the vectors; the base has random weights, which take no minute to learn."""
    run = opened(place)
    for name in ("twin", "prepare"):
        do(run, name, lambda *told: None)
    with run.workspace.working(run.specs["pretrain"]) as stage:
        save(build(run.recipe.model, 32, seed=5), stage.folder / "model")
        stage.finish(proof(run, "pretrain"), {})
    do(run, "train", lambda *told: None)
    do(run, "embed", lambda name, done, total, said: progress.append((done, total)))
    return run


@pytest.fixture(scope="module")
def vectors(run: Run[CatalogRecipe]) -> Vectors:
    return read_vectors(run.folder("embed"))


def pairs(run: Run[CatalogRecipe], side: str) -> list[Pair]:
    samples = run.samples(side)
    return [Pair.of(samples.key(number), samples.sample(number)) for number in range(len(samples))]


def test_progress_knows_all_questions_from_the_start(
    run: Run[CatalogRecipe], progress: list[tuple[float, float]]
) -> None:
    done, total = zip(*progress, strict=True)
    assert len(set(total)) == 1
    assert list(done) == sorted(done)
    assert done[-2] == done[-1] == total[-1]


def test_products_of_all_sides_and_of_the_probe_have_vectors_of_both_models(
    run: Run[CatalogRecipe], vectors: Vectors
) -> None:
    expected = {side: pairs(run, side) for side in ("train", "val", "test", "probe")}
    assert vectors.keys.tolist() == [pair.key for side in expected.values() for pair in side]
    assert vectors.sides.tolist() == [side for side, found in expected.items() for _ in found]
    pictures = np.stack([decode_jpeg(pair.picture) for pair in expected["test"]])
    of_test = vectors.sides == "test"
    for system in ("base", "model"):
        found = model_of(run, system).embed_pictures(pictures)
        assert np.allclose(vectors.picture(system)[of_test], found, atol=1e-3)
    assert not np.allclose(vectors.picture("base"), vectors.picture("model"), atol=1e-2)


def test_the_side_that_is_reported_is_asked_by_views_in_other_languages_and_of_an_untrained_model(
    run: Run[CatalogRecipe], vectors: Vectors
) -> None:
    test = pairs(run, "test")
    assert set(vectors.kinds) == {"view", "language:de", "untrained:picture", "untrained:text"}
    assert vectors.queries("view").ids.tolist() == [pair.key for pair in test for _ in pair.views]
    assert vectors.queries("language:de").texts.tolist() == [pair.words.titles["de"] for pair in test]
    untrained = vectors.queries("untrained:picture")
    assert untrained.ids.tolist() == [pair.key for pair in test]
    assert list(untrained.vectors) == ["model"]


def test_where_nothing_learns_both_systems_are_the_same(place: Path, run: Run[CatalogRecipe]) -> None:
    frozen = opened(place, "model.scenario=zero_shot")
    for name in ("train", "embed"):
        do(frozen, name, lambda *told: None)
    found = read_vectors(frozen.folder("embed"))
    assert np.array_equal(found.text("model"), found.text("base"))


def test_the_same_vectors_are_written_with_the_same_bytes_once_more(
    run: Run[CatalogRecipe], tmp_path: Path
) -> None:
    before = {name: (run.folder("embed") / name).read_bytes() for name in (VECTORS, QUERIES)}
    stage = run.folder("embed")
    moved = stage.rename(tmp_path / "moved")
    try:
        do(run, "embed", lambda *told: None)
        assert {name: (stage / name).read_bytes() for name in before} == before
    finally:
        if not stage.exists():
            moved.rename(stage)


def searched(place: Path, *options: str) -> Result:
    given = ["search", str(place / "shop.yaml"), *options, "--workspace", str(place / "workspace")]
    return CliRunner().invoke(app, given)


def hits(place: Path, *options: str) -> list[dict[str, Any]]:
    result = searched(place, *options, "--json")
    assert result.exit_code == 0, result.output
    found: list[dict[str, Any]] = json.loads(result.stdout)["hits"]
    return found


@pytest.mark.usefixtures("run")
def test_the_verb_finds_by_words_by_picture_and_by_both_with_filters(
    place: Path, vectors: Vectors, run: Run[CatalogRecipe], tmp_path: Path
) -> None:
    pair = pairs(run, "train")[3]
    (tmp_path / "photo.jpg").write_bytes(pair.picture)
    by_words = hits(place, "grey oak sideboard", "-k", "7")
    assert [hit["rank"] for hit in by_words] == list(range(1, 8))
    assert not {hit["key"] for hit in by_words} & set(vectors.keys[vectors.sides == "probe"])
    by_picture = hits(place, "--image", str(tmp_path / "photo.jpg"), "-k", "3")
    assert by_picture[0]["score"] == pytest.approx(1.0, abs=2e-3)
    both = hits(place, "bed", "--image", str(tmp_path / "photo.jpg"), "--weight", "0", "-k", "3")
    assert both == by_picture
    style = pair.words.fields["style"]
    filtered = hits(
        place, "bed", "--where", f"style={style.upper()}", "--where", f"color={pair.words.fields['color']}"
    )
    assert pair.key in {hit["key"] for hit in filtered}
    assert {hit["fields"]["style"] for hit in filtered} == {style}
    assert hits(place, "bed", "--system", "base") != hits(place, "bed")
    assert hits(place, "bed", "--of", "both") != hits(place, "bed")


@pytest.mark.usefixtures("run")
def test_the_verb_prints_a_table_or_writes_a_page(place: Path, tmp_path: Path) -> None:
    told = searched(place, "bed", "-k", "3")
    assert told.exit_code == 0
    assert len(told.stdout.strip().splitlines()) == 4
    result = searched(place, "bed", "-k", "3", "--page", str(tmp_path / "found.html"))
    assert result.stdout.strip() == str(tmp_path / "found.html")
    text = (tmp_path / "found.html").read_text()
    assert text.count("data:image/jpeg;base64,") == 3
    assert "<h1>bed</h1>" in text


@pytest.mark.usefixtures("run")
@pytest.mark.parametrize(
    ("options", "words"),
    [
        ((), "nothing is asked"),
        (("bed", "--where", "style"), "no FIELD=VALUE"),
        (("bed", "--where", "colour=red"), "no item has a field 'colour'"),
        (("bed", "--where", "color=reddish"), "no item has color 'reddish'; frequent values are "),
        (("--image", "missing.jpg"), "no picture there"),
        (("--image", __file__), "a JPEG, PNG, WebP, GIF or BMP is read"),
    ],
)
def test_the_verb_says_what_is_wrong_with_a_question(
    place: Path, options: tuple[str, ...], words: str
) -> None:
    result = searched(place, *options)
    assert result.exit_code == 1
    assert words in result.stderr
    assert "cure:" in result.stderr


@pytest.mark.usefixtures("run")
def test_a_picture_of_more_bytes_than_anybody_asks_with_is_not_read(place: Path, tmp_path: Path) -> None:
    with (tmp_path / "huge.jpg").open("wb") as file:
        file.truncate(MAX_BYTES + 1)
    result = searched(place, "--image", str(tmp_path / "huge.jpg"))
    assert result.exit_code == 1
    assert "a picture of at most 50 MB is read, this file is larger" in result.stderr


@pytest.mark.parametrize(
    ("page", "why"), [("", "it is a folder"), ("gone/page.html", "its folder is missing")]
)
def test_a_page_makes_no_folder(place: Path, tmp_path: Path, page: str, why: str) -> None:
    result = searched(place, "grey chair", "--page", str(tmp_path / page))
    assert (result.exit_code, result.stdout) == (1, "")
    assert why in result.stderr
    assert not list(tmp_path.iterdir())


def test_a_run_that_is_not_trained_yet_is_refused(place: Path, run: Run[CatalogRecipe]) -> None:
    untrained = opened(place, "train.seed=9")
    for ask in (untrained.task.search, untrained.task.contenders):
        with pytest.raises(StageError, match="needs the vectors of a trained model, and embed is not done"):
            ask(untrained)


def test_vectors_that_are_gone_are_refused_with_a_cure_that_brings_them_back(
    place: Path, run: Run[CatalogRecipe]
) -> None:
    vectors = run.folder("embed") / VECTORS
    before = vectors.read_bytes()
    vectors.unlink()
    refused = searched(place, "grey chair")
    assert refused.exit_code == 1
    assert "run `rushes verify RECIPE --repair`" in refused.stderr
    command = ["verify", str(place / "shop.yaml"), "--repair", "--workspace", str(place / "workspace")]
    repaired = CliRunner().invoke(app, command)
    assert repaired.exit_code == 0, repaired.stderr
    assert vectors.read_bytes() == before


def test_contenders_answer_with_products_of_the_side_and_show_what_was_prepared(
    run: Run[CatalogRecipe],
) -> None:
    contenders = run.task.contenders(run)
    assert list(contenders) == ["model", "base"]
    test = {pair.key: pair for pair in pairs(run, "test")}
    model, base = contenders["model"], contenders["base"]
    assert model.questions() == base.questions()
    for question in model.questions():
        assert set(model.ranked(question, 4)) <= test.keys()
        if question.picture is not None:
            item, _, view = question.picture.partition(":view")
            expected = test[item].views[int(view)] if view else test[item].picture
            assert base.picture(question.picture) == expected
    for key, pair in test.items():
        assert model.picture(key) == pair.picture
    with pytest.raises(AnswerError, match="no product"):
        model.picture("0" * 16)
