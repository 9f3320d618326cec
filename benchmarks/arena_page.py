"""The arena's page in Chromium, for `arena.py`: times, votes that must not be lost, and an adversary."""

from __future__ import annotations

import random
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from report import Figure, at_most

from rushes.arena.ballot import read_events, standing
from rushes.arena.draw import Ask, make_study
from rushes.arena.schedule import schedule
from rushes.arena.study import read_key, read_study
from rushes.media.image import encode_jpeg
from rushes.metrics.estimate import wilson
from rushes.runs.contest import Contender, Question


class AtRandom(Contender):
    """A system that answers with any items, so that no content tells it from another such."""

    items = tuple(f"item-{number:04d}" for number in range(400))

    def __init__(self, name: str, questions: int) -> None:
        self.name, self._count = name, questions

    def questions(self) -> Sequence[Question]:
        """Half of them words, half pictures."""
        return [
            Question(
                f"q{n}", "" if n % 2 else f"thing {n}", self.items[n % 400] if n % 2 else None, "all", f"q{n}"
            )
            for n in range(self._count)
        ]

    def ranked(self, question: Question, k: int) -> tuple[str, ...]:
        """Any items."""
        rng = np.random.default_rng([*self.name.encode(), *question.key.encode()])
        return tuple(self.items[place] for place in rng.choice(len(self.items), k, replace=False))

    def picture(self, key: str) -> bytes:
        """Noise as fine as the key says, so that files differ in size as photos do."""
        rng = np.random.default_rng(list(key.encode()))
        detail = int(rng.integers(4, 40))
        small = rng.integers(0, 256, (detail, detail, 3), np.uint8)
        return encode_jpeg(small.repeat(-(-480 // detail), 0).repeat(-(-480 // detail), 1)[:480, :480])

    def signature(self) -> str:
        """Its name."""
        return self.name


class Served:
    """A server in a process of its own, to be killed."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.port = folder, 0
        self.start()

    def start(self) -> None:
        """Begin, at the same port as before."""
        command = [
            sys.executable,
            "-m",
            "rushes.cli",
            "arena",
            "serve",
            str(self.folder),
            "--port",
            str(self.port),
        ]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        assert self.process.stdout is not None
        count = len(read_study(self.folder).raters)
        self.links = [self.process.stdout.readline().split()[-1] for _ in range(count)]
        self.port = int(self.links[0].split(":")[2].split("/")[0])

    def kill(self) -> None:
        """As a power cut would."""
        self.process.kill()
        self.process.wait()
        assert self.process.stdout is not None
        self.process.stdout.close()


@contextmanager
def chromium() -> Iterator[Any]:
    """The browser.

    Raises:
        ImportError, FileNotFoundError: it, or what drives it, is not there.
    """
    from playwright.sync_api import sync_playwright

    path = shutil.which("chromium")
    if path is None:
        raise FileNotFoundError("there is no program chromium")
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=path, args=["--no-sandbox"])
        yield browser
        browser.close()


KEYED = """
window.pressed = [];
addEventListener("keydown", (event) => pressed.push(performance.now()), true);
"""
MARKS = "performance.getEntriesByType('mark').map(one => [Number(one.name.split(' ')[1]), one.startTime])"


def at(page: Any, number: int) -> None:
    """Wait until the pair of this number, from 1, takes keys."""
    page.wait_for_selector(f"#count:text('{number} /')", timeout=60_000)
    page.wait_for_selector("#keys [data-key=N]:enabled", timeout=60_000)


def page_figures(quick: bool, folder: Path) -> Iterator[Figure]:
    """Time to the next pair, and what becomes of votes."""
    pairs = 40 if quick else 150
    made = make_study(folder / "fast", AtRandom("a", 400), AtRandom("b", 400), Ask(pairs=pairs, repeats=0.0))
    with chromium() as browser:
        server = Served(folder / "fast")
        page = browser.new_page(viewport={"width": 1280, "height": 800})
        page.add_init_script(KEYED)
        page.goto(server.links[0])
        for number in range(1, pairs):
            at(page, number)
            page.keyboard.press("abnx"[number % 4])
        at(page, pairs)
        shown = dict(page.evaluate(MARKS))
        waits = [shown[n + 1] - pressed for n, pressed in enumerate(page.evaluate("pressed"))]
        server.kill()
    yield at_most(f"from a key to the next pair, ms, median of {len(waits)}", float(np.median(waits)), 100)
    yield at_most("the same, 95th percentile", float(np.quantile(waits, 0.95)), 100)
    yield from lost_figures(folder / "killed", 20 if quick else 80, seed=made.seed)


def lost_figures(folder: Path, pairs: int, seed: int) -> Iterator[Figure]:
    """Reloads, second pages and kill -9 at random moments of a rater who presses on."""
    made = make_study(folder, AtRandom("a", 400), AtRandom("b", 400), Ask(pairs=pairs, repeats=0.0))
    rng, wrong, kills = random.Random(seed), 0, 0
    sent = []
    with chromium() as browser:
        server = Served(folder)
        context = browser.new_context()
        page = context.new_page()
        page.goto(server.links[0])
        for number in range(1, pairs + 1):
            at(page, number)
            key = rng.choice("abnxs")
            sent.append({"a": "top", "b": "bottom", "n": "tie", "x": "bad", "s": "skip"}[key])
            fate = rng.choice(("none", "kill before", "kill after", "reload", "second page"))
            if fate == "kill before":
                server.kill()
            page.keyboard.press(key)
            if fate == "kill after":
                time.sleep(rng.uniform(0.0, 0.02))
                server.kill()
            if fate.startswith("kill"):
                kills += 1
                server.start()
            if number == pairs:
                page.wait_for_selector("#end:visible", timeout=60_000)
                break
            at(page, number + 1)
            if fate == "reload":
                page.reload()
                at(page, number + 1)
            if fate == "second page":
                second = context.new_page()
                second.goto(page.url)
                at(second, number + 1)
                sources = [
                    one.locator(".words, .query img").first.evaluate("e => e.src || e.textContent")
                    for one in (page, second)
                ]
                wrong += sources[0] != sources[1]
                second.close()
        server.kill()
    kept = [vote.choice for vote in standing(read_events(folder / "votes-1.jsonl")[0], schedule(made, 0))]
    yield at_most(
        f"votes lost, doubled or changed, of {pairs} with {kills} kills of the server", misses(sent, kept), 0
    )
    yield at_most("second pages that showed another pair", wrong, 0)


def misses(sent: Sequence[str], kept: Sequence[str]) -> int:
    """Positions at which what was pressed is not what is kept."""
    return abs(len(sent) - len(kept)) + sum(one != two for one, two in zip(sent, kept, strict=False))


# --- blind --------------------------------------------------------------------------------------------------


TOOK = 5  # place of the time that an answer took
LEAK_MS = 20.0


def received(
    browser: Any, link: str, pairs: int
) -> tuple[dict[tuple[int, int], tuple[float, ...]], list[str]]:
    """What a browser gets to know: position, place -> figures of that picture's answer; and all text."""
    page, seen, texts = browser.new_page(), [], []
    page.on("requestfinished", lambda request: seen.append(request))
    page.goto(link)
    for number in range(1, pairs + 1):
        at(page, number)
        texts.append(page.content())
        page.keyboard.press("n")
    page.wait_for_selector("#end:visible", timeout=60_000)
    found: dict[tuple[int, int], tuple[float, ...]] = {}
    for order, request in enumerate(seen):
        answer, timing = request.response(), request.timing
        headers = answer.all_headers()
        if not request.url.endswith(".jpg"):
            texts.append(answer.text() if request.resource_type != "document" else "")
            continue
        position, place = (int(word) for word in request.url.removesuffix(".jpg").split("/")[-2:])
        sizes = request.sizes()
        found[position, place] = (
            order,
            sizes["responseBodySize"],
            sizes["responseHeadersSize"],
            hash(tuple(sorted((k, v) for k, v in headers.items() if k != "content-length"))) % 997,
            timing["responseStart"] - timing["requestStart"],
            timing["responseEnd"] - timing["requestStart"],
        )
    page.close()
    return found, texts


def blind_figures(quick: bool, folder: Path) -> Iterator[Figure]:
    """How well an adversary tells the systems apart."""
    from sklearn.ensemble import RandomForestClassifier
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import cross_val_predict
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    pairs = 80 if quick else 300
    systems = AtRandom("first", 2 * pairs), AtRandom("second", 2 * pairs)
    study = make_study(folder / "blind", *systems, Ask(pairs=pairs, repeats=0.0))
    key = read_key(folder / "blind", study)
    with chromium() as browser:
        server = Served(folder / "blind")
        seen, texts = received(browser, server.links[0], pairs)
        server.kill()
    shown = schedule(study, 0)
    rows = [[seen[position, place] for place in range(1, 9)] for position in range(pairs)]
    truth = [key.system(one.pair.id, one.top) == "A" for one in shown]
    answers, actual = np.array(rows, float), np.array(truth)  # (pairs, tiles, figures of an answer)
    leaking = answers.copy()
    leaking[actual, :4, TOOK] += LEAK_MS
    leaking[~actual, 4:, TOOK] += LEAK_MS
    adversaries = {
        "linear": make_pipeline(StandardScaler(), LogisticRegression(C=0.1, max_iter=2_000)),
        "forest": RandomForestClassifier(300, random_state=0),
    }
    for name, adversary in adversaries.items():
        of = {
            what: int((cross_val_predict(adversary, flat(told), actual, cv=10) == actual).sum())
            for what, told in (("as it is", answers), ("leaking", leaking))
        }
        found = wilson(of["as it is"], len(actual), 1 - 0.05 / len(adversaries))
        said = f"{found.value:.3f} [{found.low:.3f}, {found.high:.3f}]"
        yield Figure(
            f"adversary, {name}: accuracy on {len(actual)} pairs",
            said,
            "interval holds .5",
            found.low <= 0.5 <= found.high,
        )
        yield Figure(
            f"the same if one system's pictures took {LEAK_MS:g} ms longer, {name}",
            of["leaking"] / len(actual),
        )
    hidden = {*AtRandom.items, study.key_sha256} | {pair.id for pair in study.pairs}
    mains = [found[0] for text in texts if (found := re.search("<main.*</main>", text, re.DOTALL))]
    forms = {re.sub(r"\d+", "#", re.sub(r">thing \d+<", "><", main)) for main in mains}
    yield at_most("forms of a pair's elements, numbers and the words that are asked apart", len(forms), 2)
    named = [word for word in hidden if any(word in text for text in texts)]
    yield at_most("names of items and pairs in everything that was received", len(named), 0)


def flat(answers: NDArray[np.float64]) -> NDArray[np.float64]:
    """Of each pair, everything about its tiles, and how the upper row differs from the lower."""
    differences = answers[:, :4] - answers[:, 4:]
    parts = (answers, differences, differences.mean(axis=1))
    return np.hstack([part.reshape(len(answers), -1) for part in parts])
