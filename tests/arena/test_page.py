"""The page in a real browser: what presses do, and when; reloads, second pages, servers that die."""

import re

import pytest
from contenders import ITEMS, Drawn, questions

from rushes.arena.ballot import read_events, standing
from rushes.arena.draw import Ask, make_study
from rushes.arena.schedule import schedule
from rushes.arena.study import read_study

ASKED = questions(12, pictures=True)
pytestmark = pytest.mark.slow


@pytest.fixture
def study(tmp_path):
    ask = Ask(pairs=6, repeats=0.0, seed=3)
    make_study(tmp_path / "s", Drawn("tuned", ASKED), Drawn("older", ASKED), ask)
    return tmp_path / "s"


@pytest.fixture
def page(chromium, served, study):
    server = served(study)
    context = chromium.new_context(viewport={"width": 1280, "height": 800})
    made = context.new_page()
    made.server, made.faults = server, []
    made.on("pageerror", lambda error: made.faults.append(str(error)))
    made.goto(server.links[0])
    yield made
    context.close()
    assert made.faults == []


def at(page, number):
    """Wait until the pair of this number, from 1, can be answered."""
    page.wait_for_selector(f"#count:text-is('{number} / 6')")
    page.wait_for_selector("#keys [data-key=N]:enabled")


def votes(study):
    return standing(read_events(study / "votes-1.jsonl")[0], schedule(read_study(study), 0))


def test_every_key_does_what_its_button_says(page, study):
    for number, key in enumerate("abnxs", start=1):
        at(page, number)
        page.keyboard.press(key)
    at(page, 6)
    assert [vote.choice for vote in votes(study)] == ["top", "bottom", "tie", "bad", "skip"]
    page.keyboard.press("u")
    at(page, 5)
    page.keyboard.press("Backspace")
    at(page, 4)
    for button in ("N", "X"):
        page.click(f"#keys [data-key={button}]")
        at(page, len(votes(study)) + 1)
    page.click(".list[data-list=B] .choose")
    page.wait_for_selector("#end:visible")
    assert [vote.choice for vote in votes(study)][3:] == ["tie", "bad", "bottom"]
    page.keyboard.press("q")
    page.wait_for_selector("#end h1:text('Thank you')")
    assert (study / "closed.json").exists()


def test_all_nine_pictures_are_decoded_before_a_key_counts(page, study):
    at(page, 1)
    held = []
    page.route(re.compile(r"/2/[48]\.jpg$"), lambda route: held.append(route))  # of the pair after the next
    page.keyboard.press("a")
    at(page, 2)
    page.keyboard.press("a")
    page.wait_for_selector("#count:text-is('3 / 6')")
    page.wait_for_timeout(600)
    page.keyboard.press("b")
    assert len(votes(study)) == 2
    assert page.locator("#keys [data-key=N]").is_disabled()
    for route in held:
        route.continue_()
    at(page, 3)
    page.keyboard.press("b")
    at(page, 4)
    assert len(votes(study)) == 3


def test_a_key_that_is_held_votes_once(page, study):
    at(page, 1)
    for _ in range(30):
        page.keyboard.down("a")
        page.wait_for_timeout(30)
    page.keyboard.up("a")
    at(page, 2)
    assert len(votes(study)) == 1


def test_presses_before_the_pair_has_settled_are_ignored(page, study):
    page.clock.install()
    page.reload()
    at(page, 1)
    page.clock.pause_at(page.evaluate("Date.now() / 1000") + 1)
    page.keyboard.press("a")
    page.wait_for_selector("#count:text-is('2 / 6')")
    page.wait_for_selector("#pair:not(.waiting)")
    for wait in (0, 299):
        page.clock.run_for(wait)
        page.keyboard.press("b")
    assert page.locator("#keys [data-key=N]").is_disabled()
    assert [vote.choice for vote in votes(study)] == ["top"]
    page.clock.run_for(1)
    at(page, 2)
    page.keyboard.press("b")
    page.wait_for_selector("#count:text-is('3 / 6')")


def test_pictures_enlarge_by_key_and_by_mouse(page):
    at(page, 1)
    page.keyboard.press("5")
    assert page.locator("#zoom img").get_attribute("src").endswith("/0/5.jpg")
    page.keyboard.press("ArrowRight")
    assert page.locator("#zoom img").get_attribute("src").endswith("/0/6.jpg")
    page.keyboard.press("6")
    assert not page.locator("#zoom").is_visible()
    page.click(".list[data-list=A] .tile:nth-child(2)")
    assert page.locator("#zoom img").get_attribute("src").endswith("/0/2.jpg")
    page.keyboard.press("Escape")
    assert not page.locator("#zoom").is_visible()
    page.keyboard.press(" ")
    assert page.locator("#zoom").is_visible()


def test_a_reload_and_a_second_page_show_the_same_pair(page, study):
    at(page, 1)
    page.keyboard.press("a")
    at(page, 2)
    page.reload()
    at(page, 2)
    second = page.context.new_page()
    second.goto(page.url)
    at(second, 2)
    second.keyboard.press("b")
    at(second, 3)
    page.keyboard.press("n")  # of the pair that the second page has judged by now
    at(page, 3)
    assert [vote.choice for vote in votes(study)] == ["top", "bottom"]


def test_a_vote_outlives_a_server_that_dies(page, study):
    at(page, 1)
    page.keyboard.press("a")
    at(page, 2)
    page.server.kill()
    page.keyboard.press("b")
    page.wait_for_selector("#said.bad")
    assert len(votes(study)) == 1
    page.server.start()
    at(page, 3)
    assert [vote.choice for vote in votes(study)] == ["top", "bottom"]


def test_pausing_hides_the_pair_and_goes_on_at_the_same(page, study):
    at(page, 1)
    page.keyboard.press("q")
    assert page.locator("#end h1").inner_text() == "Everything is saved"
    page.keyboard.press("a")
    page.keyboard.press("q")
    at(page, 1)
    assert votes(study) == []


def test_the_document_names_nothing_and_every_control_has_a_name(page):
    at(page, 1)
    source = page.content()
    assert not re.search("tuned|older|signature|" + "|".join(ITEMS), source)
    assert page.locator("img:not([alt=''])").evaluate_all("all => all.map(one => one.alt)") == [
        "Enlarged picture"
    ]
    names = page.locator("main button").evaluate_all("all => all.map(one => one.ariaLabel)")
    assert "List A, 1 of 4; enlarge" in names
    assert all(names)
    assert page.locator("#aloud").inner_text().startswith("Pair 1 of 6")


def test_by_touch_alone(chromium, served, study):
    context = chromium.new_context(viewport={"width": 390, "height": 780}, has_touch=True, is_mobile=True)
    page = context.new_page()
    page.goto(served(study).links[0])
    at(page, 1)
    page.tap(".list[data-list=A] .tile")
    page.tap("#zoom")
    page.tap(".list[data-list=B] .choose")
    at(page, 2)
    assert [vote.choice for vote in votes(study)] == ["bottom"]
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    context.close()


def test_nothing_is_asked_of_another_host(chromium, served, study):
    context = chromium.new_context()
    page, asked = context.new_page(), []
    page.on("request", lambda request: asked.append(request.url))
    server = served(study)
    page.goto(server.links[0])
    at(page, 1)
    assert all(url.startswith(f"http://127.0.0.1:{server.port}/") for url in asked)
    assert len({url for url in asked if url.endswith(".jpg")}) == len(
        [url for url in asked if url.endswith(".jpg")]
    )
    context.close()
