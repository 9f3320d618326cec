"""`rushes label` as it is typed, against the offline service."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from html_tree import Tree
from PIL import Image
from typer.testing import CliRunner

from rushes.cli import app
from rushes.label.clock import WallClock
from rushes.label.offline.app import served
from rushes.label.offline.faults import Faults
from rushes.label.offline.world import Pace, RunningClock, World
from rushes.runs.labelling.page import PAGE

COLOURS = {"red": (190, 40, 40), "blue": (50, 85, 180)}
RECIPE = """\
task: catalog
name: shop
source: {root: raw}
label:
  model: offline
  picture: {side_px: 64}
  limits: {poll_s: 0.05, settle_s: 0.1, attempts: 9}
"""

Cli = Callable[..., tuple[int, str, str]]


@pytest.fixture
def url(tmp_path: Path) -> Iterator[str]:
    """A service that goes through all of its states within a tenth of a second."""
    (tmp_path / "service").mkdir()
    clock = RunningClock(WallClock(), speed=100.0)
    with served(World(tmp_path / "service", clock, Faults(), Pace())) as address:
        yield address


@pytest.fixture
def cli(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Cli:
    """Types a line in a folder with a shop of twelve; the second, fourth ... chair is blue, whatever its title says."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    Path("raw/pictures").mkdir(parents=True)
    rows = ["id,name,image_path"]
    for number in range(12):
        picture = np.full((60, 80, 3), 255, np.uint8)
        picture[10:50, 15:65] = COLOURS["blue" if number % 2 else "red"]
        picture[20, 20] = number  # no two alike
        Image.fromarray(picture).save(f"raw/pictures/{number}.png")
        named = "red" if number % 4 else "blue"
        rows.append(f"{number},{named} <oak> chair {number},pictures/{number}.png")
    Path("raw/products.csv").write_text("\n".join(rows) + "\n")
    Path("shop.yaml").write_text(RECIPE)

    def type_(*words: str) -> tuple[int, str, str]:
        done = CliRunner().invoke(app, ["label", *words])
        if done.exception is not None and not isinstance(done.exception, SystemExit):
            raise done.exception
        return done.exit_code, done.stdout, done.stderr

    return type_


def test_a_plan_asks_nobody_and_says_what_it_rests_on(cli: Cli):
    code, said, _ = cli("plan", "shop.yaml")
    assert code == 0
    assert "12 open" in said
    assert "assumed; --smoke 20 measures it" in said
    code, said, _ = cli("plan", "shop.yaml", "--model", "gpt-5-mini", "--json")
    told = json.loads(said)
    assert (told["more"], told["files"], told["waves"], told["measured"]) == (12, 1, 1, 0)
    assert 0 < told["usd"] < 0.01
    code, said, _ = cli("plan", "shop.yaml", "--model", "of-my-own")
    assert "the price of of-my-own is not known" in said
    assert not list(Path("labels").rglob("*.jsonl"))


@pytest.mark.skipif(datetime.now(UTC).date().isoformat() >= "2026-12-11", reason="it is shut down")
def test_another_question_than_the_one_that_was_asked_is_told(cli: Cli, url: str):
    """A flag that was forgotten is another question, of which nothing is known."""
    assert cli("run", "shop.yaml", "--url", url)[0] == 0
    asked = json.loads(cli("status", "shop.yaml", "--json")[1])
    assert asked["others"] == {}
    code, _, said = cli("status", "shop.yaml", "--model", "gpt-5-mini")
    assert code == 1
    assert "nobody has asked this question yet; there are answers to " in said
    assert "(12 items) in this folder" in said
    assert "repeat --model and --set" in said
    assert "labels/shop" in cli("plan", "shop.yaml", "--model", "gpt-5-mini")[1]  # which opens an index
    code, said, _ = cli("status", "shop.yaml", "--model", "gpt-5-mini")
    assert code == 0
    assert "not asked yet; there are answers to " in said


def test_a_plan_warns_of_a_model_that_ends(cli: Cli):
    _, said, _ = cli("plan", "shop.yaml", "--model", "gpt-5-nano")
    assert "gpt-5-nano is shut down on 2026-12-11" in said


@pytest.mark.parametrize("provider", ["batch", "chat"])
def test_from_a_smoke_batch_to_all_answers_and_their_page(cli: Cli, url: str, provider: str):
    ask = ("run", "shop.yaml", "--url", url, "--provider", provider)
    code, said, _ = cli(*ask, "--smoke", "4", "--json")
    assert code == 0
    assert json.loads(said)["states"]["answered"] == 4
    _, said, _ = cli("plan", "shop.yaml")
    assert "8 items" in said
    assert "measured on 4 answers" in said
    code, said, _ = cli(*ask)
    assert code == 0
    assert "items: 12 answered" in said
    assert "finalized" in said
    _, said, _ = cli("status", "shop.yaml", "--json")
    assert json.loads(said)["states"]["answered"] == 12
    table = pq.read_table("labels/shop/attributes.parquet")
    assert table.num_rows == 12
    assert sorted(table["color"].to_pylist()) == ["blue"] * 6 + ["red"] * 6
    code, said, _ = cli("page", "shop.yaml")
    page = Path(said.removeprefix("page: ").strip())
    assert page.name == PAGE
    text = page.read_text()
    assert "&lt;oak&gt;" in text
    assert "img" in Tree(text).tags
    # chairs 0, 4, 8 are red and called blue; 1, 3, 5, 7, 9, 11 are blue and called red
    assert text.count("title: red") == 6
    assert text.count("title: blue") == 3


def test_step_by_step(cli: Cli, url: str):
    address = ("shop.yaml", "--url", url)
    assert "prepared" in cli("submit", *address)[2]
    assert "12 asked" in cli("status", "shop.yaml")[1]
    assert cli("watch", *address)[0] == 0
    assert "completed" in cli("status", "shop.yaml")[1]
    assert "12 asked" in cli("status", "shop.yaml")[1]
    assert "items: 12 answered" in cli("collect", *address)[1]
    assert Path("labels/shop/attributes.csv").is_file()


def test_attributes_of_ones_own(cli: Cli, url: str):
    Path("shop.yaml").write_text(
        RECIPE + "  attributes:\n    paint: {}\n    colour: {choices: [red, blue]}\n"
    )
    assert cli("run", "shop.yaml", "--url", url)[0] == 0
    assert Path("labels/shop/attributes.csv").read_text().startswith("id,title,paint,colour,model,")


@pytest.mark.parametrize(
    ("words", "says", "cure"),
    [
        (("run", "shop.yaml"), "the variable OPENAI_API_KEY is not set", "rushes label offline"),
        *(
            (
                ("run", "shop.yaml", "--url", url),
                "--url is no address of a service",
                "--url http://127.0.0.1:8400/v1",
            )
            for url in (
                "shop.example",
                "ftp://shop.example/v1",
                "http:///v1",
                "http://shop:99999/v1",
                "http://[::1/v1",
            )
        ),
        (
            ("submit", "shop.yaml", "--provider", "chat"),
            "nothing to submit with --provider chat",
            "label run",
        ),
        (("run", "shop.yaml", "--provider", "fax"), "no provider 'fax'", "--provider chat"),
        (("status", "shop.yaml"), "nobody has asked this question yet", "label plan"),
        (("page", "shop.yaml"), "nobody has asked this question yet", "label plan"),
        (("offline", "--faults", "most"), "no setting 'most'", "none, some or many"),
    ],
)
def test_what_cannot_be_is_told_with_its_cure(cli: Cli, words: tuple[str, ...], says: str, cure: str):
    code, _, told = cli(*words)
    assert code == 1
    assert says in told
    assert cure in told


@pytest.mark.parametrize(
    ("out", "why"), [("shop.yaml", "File exists"), ("shop.yaml/deep", "Not a directory")]
)
def test_a_folder_that_cannot_be_made_is_told(cli: Cli, out: str, why: str):
    code, _, told = cli("plan", "shop.yaml", "--out", out)
    assert code == 1
    assert why in told
    assert "name another folder" in told


def test_money_is_spent_only_where_somebody_agreed(cli: Cli, url: str):
    asked = ("run", "shop.yaml", "--url", url, "--model", "gpt-5-mini")
    code, _, told = cli(*asked)
    assert code == 1
    assert "nobody agreed to spend it" in told
    assert "--budget" in told
    code, _, told = cli(*asked, "--budget", "0.0000001")
    assert code == 1
    assert "--smoke N" in told
    assert "as a whole or not at all" in told
    assert cli(*asked, "--budget", "1")[0] == 0


def test_a_task_without_items_says_so(cli: Cli):
    Path("work.yaml").write_text("task: operations\nname: work\n")
    code, _, told = cli("plan", "work.yaml")
    assert code == 2
    assert "have no section label" in told


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("chromium") is None, reason="there is no chromium")
def test_the_page_shows_its_pictures_and_fetches_nothing(cli: Cli, url: str):
    from playwright.sync_api import sync_playwright

    cli("run", "shop.yaml", "--url", url)
    cli("page", "shop.yaml")
    said: list[str] = []
    asked: list[str] = []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        tab = browser.new_page()
        tab.on("console", lambda message: said.append(message.text))
        tab.on("request", lambda request: asked.append(request.url))
        tab.goto(Path("labels/shop", PAGE).resolve().as_uri())
        widths = tab.eval_on_selector_all(".clip img", "all => all.map(one => one.naturalWidth)")
        first = tab.locator(".clip").first.inner_text()
        browser.close()
    assert widths == [224] * 12
    assert said == []
    assert [one for one in asked if not one.startswith(("data:", "file:"))] == []
    assert "title:" in first
