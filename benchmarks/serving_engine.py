"""An export in another engine, and a hostile model's texts before our parser: rows of `benchmarks/serving.py`.

    python benchmarks/serving_engine.py [--quick] [--json]

Texts come with the answer that they hold, by construction: the parser may read that one or refuse, and never another.
The merge is measured on a tiny model with an adapter that was really trained. vLLM is asked where its environment was
built: `python benchmarks/peers.py vllm`, which takes nine minutes. Takes five minutes; --quick asks fewer texts.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import socket
import string
import subprocess
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from peers import Unavailable, interpreter
from report import Figure, at_least, at_most, emit, not_measured

from rushes.errors import AnswerError, ModelError
from rushes.predict.free_text import read_slots
from rushes.recipe.sections import Precision
from rushes.recipe.turns import Slot
from rushes.runs.run import Run
from rushes.tasks.operations.predict.parse import parse_answer
from rushes.tasks.operations.preprocessing import NEXT, OPERATION

LABELS = (
    *("Picking", "Relocate Item Label", "Assemble Box", "Insert Items", "Close Box", "Attach Box Label"),
    *(
        "Scan Label",
        "Attach Shipping Label",
        "Put on Back Table",
        "Fill out Order",
        "Label",
        "Box",
        "Tape",
        "Pack",
    ),
)
CLIP_S = 5.0
SLOTS = (Slot(OPERATION, '{"operation": "', LABELS), Slot(NEXT, '", "next": "', LABELS))
TEXTS, QUICK = 10_000, 2_000

Answer = tuple[str, str]
"""Operation and next."""


@dataclass(frozen=True, slots=True)
class Text:
    """What a model said.

    Attributes:
        kind: by which trick it was made.
        said: all of it.
        truth: the one answer in it; None where there is none, or more than one.
        must: whether it must be read, not only may.
    """

    kind: str
    said: str
    truth: Answer | None
    must: bool = False


Make = Callable[[random.Random, "Form"], Text]


@dataclass(frozen=True, slots=True)
class Form:
    """One of the three ways in which an answer is written.

    Attributes:
        name: of it.
        first, last: keys of the operation and of the next one.
    """

    name: str
    first: str
    last: str

    def fields(self, rng: random.Random, answer: Answer) -> dict[str, object]:
        """A legal answer."""
        now, then = answer
        if self.name == "slots":
            return {"operation": now, "next": then}
        start = rng.randrange(1, 60)
        if self.name == "ours":
            return {"operation": now, "start": start / 25, "end": (start + 50) / 25, "next": then}
        return {
            "dominant_operation": now,
            "temporal_segment": {"start_frame": start, "end_frame": start + 50},
            "anticipated_next_operation": then,
            "confidence": 0.5,
        }

    def read(self, text: str) -> Answer:
        """What our parser makes of a text."""
        if self.name == "slots":
            (now, then), _ = read_slots(text, SLOTS)
            return now, then
        reading = parse_answer(text, LABELS, CLIP_S)
        return reading.operation, reading.next


FORMS = (
    Form("slots", "operation", "next"),
    Form("ours", "operation", "next"),
    Form("earlier", "dominant_operation", "anticipated_next_operation"),
)


def two(rng: random.Random) -> Answer:
    """An operation and another one."""
    now, then = rng.sample(LABELS, 2)
    return now, then


def prose(rng: random.Random) -> str:
    """Words of a talkative model, with labels and brackets among them, and no answer."""
    return rng.choice(
        (
            f"The worker is busy with {rng.choice(LABELS)} here.",
            "Sure! Here is my answer:",
            f"I considered {', '.join(rng.sample(LABELS, 4))} and [more].",
            f"First {rng.choice(LABELS)}, then {rng.choice(LABELS)}; hard to tell {{really}}.",
            'A 5" box (see [1]).',
            f"taping the box, the next is {rng.choice(LABELS)}",
        )
    )


# --- texts with one answer, which must be read ------------------------------------------------------------------


def _plain(rng: random.Random, form: Form) -> Text:
    answer = two(rng)
    said = json.dumps(form.fields(rng, answer), indent=rng.choice((None, 2)))
    return Text("plain", rng.choice(("", "\n", "  ")) + said, answer, must=True)


def _fenced(rng: random.Random, form: Form) -> Text:
    answer = two(rng)
    block = f"```{rng.choice(('json', '', 'JSON'))}\n{json.dumps(form.fields(rng, answer))}\n```"
    return Text("fenced", f"{prose(rng)}\n{block}\n{prose(rng)}", answer, must=True)


def _in_prose(rng: random.Random, form: Form) -> Text:
    answer = two(rng)
    return Text(
        "in prose", f"{prose(rng)} {json.dumps(form.fields(rng, answer))} {prose(rng)}", answer, must=True
    )


def _said_twice(rng: random.Random, form: Form) -> Text:
    answer = two(rng)
    said = json.dumps(form.fields(rng, answer))
    return Text("said twice", f"{said}\n{said}", answer, must=True)


def _case(rng: random.Random, form: Form) -> Text:
    answer = two(rng)
    fields = form.fields(rng, answer)
    fields[form.first] = "  ".join(answer[0].upper().split())
    return Text("case and spaces", json.dumps(fields), answer, must=True)


# --- texts that may be refused, or read as the one answer in them -----------------------------------------------


def _by_name(rng: random.Random, form: Form) -> Text:
    answer = two(rng)
    parts = [
        f"{key}: {value}" for key, value in form.fields(rng, answer).items() if not isinstance(value, dict)
    ]
    rng.shuffle(parts)
    return Text("by name", rng.choice((", ", "\n", "; ")).join(parts), answer)


def _look_alikes(rng: random.Random, form: Form) -> Text:
    answer = two(rng)
    table = str.maketrans(rng.choice(({"e": "е"}, {"a": "а", "o": "о"}, {" ": "\u00a0"}, {"i": "і"})))
    fields = form.fields(rng, answer)
    fields[form.first] = answer[0].translate(table) + rng.choice(("", "\u200b", "\ufeff"))
    return Text("look-alikes", json.dumps(fields, ensure_ascii=bool(rng.randrange(2))), answer)


def _torn(rng: random.Random, form: Form) -> Text:
    answer = two(rng)
    said = json.dumps(form.fields(rng, answer))
    return Text("torn", said[: rng.randrange(len(said))], answer)


def _quoted_json(rng: random.Random, form: Form) -> Text:
    answer = two(rng)
    return Text("JSON in a string", json.dumps(json.dumps(form.fields(rng, answer))), answer)


def _nested(rng: random.Random, form: Form) -> Text:
    answer = two(rng)
    said: object = form.fields(rng, answer)
    for _ in range(rng.randrange(1, 4)):
        said = rng.choice(
            ({"answer": said}, [said], {"operation": said}, {form.first: said, form.last: two(rng)[1]})
        )
    return Text("nested", json.dumps(said), answer)


# --- texts without an answer, or with two -----------------------------------------------------------------------


def _contradicting(rng: random.Random, form: Form) -> Text:
    one, other = rng.sample([(now, then) for now in LABELS[:6] for then in LABELS[:6] if now != then], 2)
    texts = [json.dumps(form.fields(rng, answer)) for answer in (one, other)]
    glue = rng.choice((" ", "\nWait, no: ", "```\n```json\n", " or "))
    return Text("contradicting", glue.join(texts), None)


def _twice_in_one(rng: random.Random, form: Form) -> Text:
    one, other = rng.sample(LABELS, 2)
    said = json.dumps(form.fields(rng, (one, two(rng)[1])))
    return Text("duplicate key", said[:-1] + f', "{form.first}": "{other}"}}', None)


def _class_list(rng: random.Random, form: Form) -> Text:
    said = rng.choice((json.dumps(LABELS), ", ".join(LABELS), "\n".join(f"- {label}" for label in LABELS)))
    return Text("echoed classes", f"{prose(rng)}\n{said}", None)


def _echoed_prompt(rng: random.Random, form: Form) -> Text:
    asked = "Which operation is this, and what comes next?"
    shape = {form.first: "one of 10", form.last: "one of 10"}
    return Text("echoed prompt", f"user\n{asked}\nassistant\n{json.dumps(shape)}", None)


def _not_that(rng: random.Random, form: Form) -> Text:
    now, then = two(rng)
    said = rng.choice(
        (
            f"It is taping, the next is {then}",
            f"previous {form.first}: {now}, {form.last}: {then}",
            f"next {form.first}: {now}",
            f"It is not {form.first}: {now}. {form.last}: {then}",
            f"the expected {form.first} = {now}\n{form.last} = {then}",
            f"{now}",
            f"{form.last}: {then}",
        )
    )
    return Text("something else by name", f"{said}, start: 1.0, end: 2.0" if rng.randrange(2) else said, None)


def _numbers(rng: random.Random, form: Form) -> Text:
    fields = form.fields(rng, two(rng))
    bad = rng.choice(("NaN", "Infinity", "-Infinity", "null", '"3"', "true", "[1]", "1e999", "-1", "{}"))
    if form.name == "slots":
        fields[rng.choice((form.first, form.last))] = "@"
    elif form.name == "ours":
        fields[rng.choice(("start", "end"))] = "@"
    else:
        fields["temporal_segment"] = {"start_frame": "@", "end_frame": rng.choice(("@", 20))}
    return Text("no number", json.dumps(fields).replace('"@"', bad), None)


def _reversed(rng: random.Random, form: Form) -> Text:
    fields = form.fields(rng, two(rng))
    if form.name == "ours":
        fields |= {"start": 4.0, "end": rng.choice((4.0, 1.0, 99.0))}
    elif form.name == "earlier":
        fields["temporal_segment"] = {"start_frame": 80, "end_frame": rng.choice((79, 3, 900))}
    else:
        fields |= {"start": 4.0}
    return Text("impossible segment", json.dumps(fields), None)


def _frames_as_text(rng: random.Random, form: Form) -> Text:
    fields = form.fields(rng, two(rng))
    fields["temporal_segment"] = rng.choice(
        ("frames 3 to 90", {"start_frame": "3", "end_frame": "90"}, [3, 90])
    )
    return Text("frames as text", json.dumps(fields), None)


def _almost(rng: random.Random, form: Form) -> Text:
    now, then = two(rng)
    changed = rng.choice(
        (f"{now}s", f"the {now}", now[:-1], f"{now}/{then}", f"{now} and {then}", f"not {now}", "")
    )
    changed = (
        "Unknown"
        if " ".join(changed.split()).casefold() in {label.casefold() for label in LABELS}
        else changed
    )
    return Text("no label", json.dumps(form.fields(rng, (changed, then))), None)


def _lacking(rng: random.Random, form: Form) -> Text:
    fields = form.fields(rng, two(rng))
    del fields[rng.choice((form.first, form.last))]
    return Text("lacks a field", json.dumps(fields), None)


def _garbage(rng: random.Random, form: Form) -> Text:
    signs = string.printable + '{}[]"":,\\' * 3 + "é\u2028\U0001f4e6\x00\ud800"
    return Text("garbage", "".join(rng.choices(signs, k=rng.randrange(400))), None)


def _deep(rng: random.Random, form: Form) -> Text:
    depth = rng.choice((200, 3_000, 9_000))
    opening, closing = rng.choice((("[", "]"), ('{"a":', "}"), ('{"operation":', "}")))
    if len(opening) * depth > 19_000:
        depth = 19_000 // (len(opening) + 1)
    return Text("deep", opening * depth + rng.choice(("", "1" + closing * depth)), None)


def _huge(rng: random.Random, form: Form) -> Text:
    said = json.dumps(form.fields(rng, two(rng)))
    filler = rng.choice(("{", '"', "a", "\\", "operation: ", " ", "```\n"))
    return Text("huge", filler * (rng.choice((25_000, 60_000)) // len(filler)) + said, None)


def _huge_number(rng: random.Random, form: Form) -> Text:
    answer = two(rng)
    fields = form.fields(rng, answer)
    fields["start" if form.name == "ours" else "confidence"] = "@"
    return Text(
        "huge number", json.dumps(fields).replace('"@"', "9" * rng.choice((50, 4_000, 10_000))), answer
    )


MAKERS: tuple[Make, ...] = (
    *(_plain, _fenced, _in_prose, _said_twice, _case),
    *(_by_name, _look_alikes, _torn, _quoted_json, _nested),
    *(
        _contradicting,
        _twice_in_one,
        _class_list,
        _echoed_prompt,
        _not_that,
        _numbers,
        _reversed,
        _frames_as_text,
    ),
    *(_almost, _lacking, _garbage, _deep, _huge, _huge_number),
)


def texts(count: int, seed: int = 12) -> Iterator[tuple[Form, Text]]:
    """Texts of every kind in every form in turn, the same for the same seed."""
    for number in range(count):
        rng = random.Random(seed * 1_000_003 + number)
        form = FORMS[number // len(MAKERS) % len(FORMS)]
        yield form, MAKERS[number % len(MAKERS)](rng, form)


@dataclass(frozen=True, slots=True)
class Judged:
    """What became of texts, by kind: exceptions other than a typed failure, wrong answers, and answers not read."""

    asked: int
    crashes: Mapping[str, int]
    wrong: Mapping[str, int]
    missed: Mapping[str, int]
    read: int
    examples: Sequence[tuple[Text, object]]


def judge(count: int) -> Judged:
    """Put so many texts before the parser."""
    crashes, wrong, missed = Counter[str](), Counter[str](), Counter[str]()
    examples: list[tuple[Text, object]] = []
    read = 0
    for form, text in texts(count):
        try:
            found: Answer | None = form.read(text.said)
        except AnswerError:
            found = None
        except Exception as error:  # what the row counts
            crashes[text.kind] += 1
            examples.append((text, error))
            continue
        read += found is not None
        if found is not None and found != text.truth:
            wrong[text.kind] += 1
            examples.append((text, found))
        elif found is None and text.must:
            missed[text.kind] += 1
            examples.append((text, found))
    return Judged(count, crashes, wrong, missed, read, examples)


def text_figures(quick: bool) -> Iterator[Figure]:
    """The parser before adversarial texts."""
    judged = judge(QUICK if quick else TEXTS)
    of = f"of {judged.asked} adversarial texts"
    yield at_most(f"{of}: exceptions that are no typed failure", sum(judged.crashes.values()), 0)
    yield at_most(f"{of}: answers that the text does not hold", sum(judged.wrong.values()), 0)
    yield at_most(f"{of}: plain answers that were not read", sum(judged.missed.values()), 0)
    yield Figure(f"{of}: read, the others refused", judged.read)


# --- the merge ----------------------------------------------------------------------------------------------------

RECIPE = """\
task: operations
name: merged
source: {split: {train: [U0101], test: [U0102]}}
twin: {subjects: 2, boxes: 1, difficulty: 0.0}
preprocessing: {frames: 8, frame_size: [84, 56], signal_size: [40, 30]}
prepare: {window_stride_s: 8.0, workers: 0}
train: {log_every: 1, checkpoint_every: 100, phases: [PHASES]}
MODEL
evaluate: {compare: []}
"""
WHOLE = "{ask: captions, steps: 120, batch_size: 8, accumulate: 1, learning_rate: 0.001}"
ADAPTED = "{ask: clips, steps: 20, batch_size: 4, accumulate: 1, learning_rate: 0.003}"


def job(folder: Path, phases: str, model: str = "") -> Run:
    """A trained run in a folder; its recordings and samples are shared by all of the folder."""
    from rushes.runs.do import do
    from rushes.storage import Workspace
    from rushes.tasks import load_recipe, open_run

    recipe = folder / f"{random.Random(phases + model).randrange(10**9)}.yaml"
    recipe.write_text(RECIPE.replace("PHASES", phases).replace("MODEL", model))
    run = open_run(load_recipe(recipe, ()), Workspace(folder / "workspace"))
    for name in (*run.stages,)[: [*run.stages].index("train") + 1]:
        do(run, name, lambda *said: None)
    return run


def adapted(folder: Path, whole: Run, nf4: bool = False) -> Run:
    """An adapter on what was trained before."""
    base = whole.folder("train") / "model"
    return job(
        folder, ADAPTED, f"model: {{name: {base}, adapter: {{rank: 8, alpha: 32}}, nf4: {str(nf4).lower()}}}"
    )


def merge_figures(folder: Path, whole: Run) -> Iterator[Figure]:
    """How near an export is to the adapter on its base."""
    from rushes.models import merged, trained
    from rushes.runs.exported import export_run

    run = adapted(folder, whole)
    kinds: tuple[Precision, ...] = ("float32", "bfloat16", "float16")
    for precision in kinds:
        told = export_run(run, folder / f"export-{precision}", precision, samples=24).told
        proof, lost = told["proof"][0], told["merged"]["lost"]
        what = f"an adapter merged in {precision}, {told['samples']} clips"
        if precision == "float32":
            yield at_most(f"{what}: greatest difference of a logit", proof["logits"], 1e-5)
            yield at_least(f"{what}: share of equal answers", proof["answers"], 1.0)
        else:
            yield Figure(f"{what}: greatest difference of a logit", proof["logits"])
            yield Figure(f"{what}: the same, in steps of {precision} at the largest logit", proof["ulps"])
            yield Figure(f"{what}: greatest share of an update that rounding took", lost)
            yield at_least(f"{what}: share of equal answers", proof["answers"], 0.95)
    library = told["library_positions"]
    yield Figure(
        "the same with the library's positions in place of ours: equal first values", library["same"]
    )
    small = adapted(folder, whole, nf4=True)
    four = trained.restore(
        small.folder("train") / "model", type(small.recipe.preprocessing), base=small.base, nf4=True
    )
    try:
        merged.merge(four, "bfloat16")
        refused = False
    except ModelError:
        refused = True
    yield Figure("merging into 4-bit weights is refused", str(refused), "True", refused)
    told = export_run(small, folder / "export-nf4", samples=24).told
    merge, own = told["proof"]
    yield at_least(
        "an adapter trained on 4 bits, in the whole base: answers as unmerged there", merge["answers"], 0.95
    )
    yield Figure("the same beside its own 4-bit base: equal answers", own["answers"])
    yield Figure("the same beside its own 4-bit base: equal likeliest tokens", own["argmax"])
    yield Figure("the same beside its own 4-bit base: greatest difference of a logit", own["logits"])


# --- a real engine ------------------------------------------------------------------------------------------------

START_S = 600.0
FLAGS = ("--served-model-name", "tiny", "--host", "127.0.0.1", "--enforce-eager", "--dtype", "float32")
SET = {
    "VLLM_CPU_KVCACHE_SPACE": "1",
    "VLLM_CPU_OMP_THREADS_BIND": "nobind",
    "HF_HUB_OFFLINE": "1",
    "VLLM_NO_USAGE_STATS": "1",
}


@contextmanager
def vllm(python: Path, folder: Path) -> Iterator[str]:
    """The engine with an export; its address.

    Raises:
        Unavailable: it does not start.
    """
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    module = "vllm.entrypoints.openai.api_server"
    command = [
        str(python),
        "-m",
        module,
        "--model",
        str(folder),
        "--port",
        str(port),
        *FLAGS,
        "--max-model-len",
        "4096",
    ]
    with tempfile.TemporaryFile() as log:
        process = subprocess.Popen(command, stdout=log, stderr=log, env=os.environ | SET, cwd=folder.parent)
        try:
            _await(process, port)
            yield f"http://127.0.0.1:{port}/v1"
        finally:
            process.terminate()
            try:
                process.wait(60.0)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def _await(process: subprocess.Popen[bytes], port: int) -> None:
    import httpx

    ends_s = time.monotonic() + START_S
    while time.monotonic() < ends_s and process.poll() is None:
        try:
            if httpx.get(f"http://127.0.0.1:{port}/health", timeout=5.0).status_code == 200:
                return
        except httpx.HTTPError:
            pass
        time.sleep(1.0)
    raise Unavailable(f"vLLM did not start, exit code {process.poll()}")


def vllm_figures(folder: Path, whole: Run) -> Iterator[Figure]:
    """The answers of vLLM with an export, beside the model itself with the positions of other engines."""
    from rushes.runs.exported import export_run

    figure, bar = (
        "vLLM with the export: share of moments with the label of the model at an engine's positions",
        ">= 0.95",
    )
    python = interpreter("vllm")
    if python is None:
        yield not_measured(figure, bar, "no environment .peers/vllm: run `python benchmarks/peers.py vllm`")
        return
    exported = export_run(whole, folder / "export-vllm", "float32")
    try:
        with vllm(python, exported.folder) as url:
            same, own, count, seconds = asked(whole, exported.folder, url)
    except Unavailable as why:
        yield not_measured(figure, bar, why)
        return
    yield at_least(figure, same, 0.95)
    yield Figure(f"the same, at our positions, {count} moments", own)
    yield Figure("vLLM: seconds for a clip of 8 frames, four requests at a time", seconds)


def asked(run: Run, folder: Path, url: str, clips: int = 12) -> tuple[float, float, int, float]:
    """Shares of moments at which an engine says what the model says at the library's and at our positions.

    Returns:
        Both shares, the number of moments, and seconds for a clip.
    """
    from rushes.models.merged import first_value
    from rushes.models.trained import restore
    from rushes.predict.remote import Engine
    from rushes.tasks.operations.predict.by_engine import EngineAnswerer
    from rushes.tasks.operations.prepare.sample import Sample
    from rushes.tasks.operations.preprocessing import ClipPreprocessing

    vlm, dataset = restore(folder, ClipPreprocessing), run.samples("test")
    numbers = range(0, len(dataset), max(1, len(dataset) // clips))
    samples = [Sample.of(dataset.key(number), dataset.sample(number)) for number in numbers]
    answerer = EngineAnswerer(Engine(url, at_once=4), vlm.preprocessing)
    began_s = time.perf_counter()
    tracks = answerer.tracks(samples)
    seconds = (time.perf_counter() - began_s) / len(samples)
    answerer.close()
    same = own = count = 0
    for track, sample in zip(tracks, samples, strict=True):
        for number, said in enumerate(track.operations.argmax(1).tolist()):
            end = 2 * number + 2
            shown = [sample.pixels(*range(end))], sample.times_s[:end]
            same += said == int(first_value(vlm, *shown, of_library=True).argmax())
            own += said == int(first_value(vlm, *shown).argmax())
            count += 1
    return same / count, own / count, count, seconds


def engine_figures(quick: bool, folder: Path) -> Iterator[Figure]:
    """All of them; `benchmarks/serving.py` has them too."""
    yield from text_figures(quick)
    whole = job(folder, WHOLE)
    yield from merge_figures(folder, whole)
    yield from vllm_figures(folder, whole)


def main() -> None:
    """Measure, and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help=f"{QUICK} texts, not {TEXTS}")
    parser.add_argument("--json", action="store_true", help="print JSON")
    said = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        emit(engine_figures(said.quick, Path(name)), said.json)


if __name__ == "__main__":
    main()
