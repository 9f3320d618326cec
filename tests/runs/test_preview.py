"""``rushes look``: the page and the examples of a prepared dataset, once, and outside of every run."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from html_tree import Tree

from rushes.errors import ShardError
from rushes.evaluate.contents import Place
from rushes.evaluate.pages import Clip, gallery
from rushes.evaluate.viewer import Picked, Viewer
from rushes.media.image import decode_jpeg
from rushes.runs import preview
from rushes.runs.do import do
from rushes.runs.preview import choose, shown
from rushes.stages import read_json
from rushes.testing.subject import silent


@pytest.fixture(scope="module")
def job(copy_of):
    return copy_of("twin", "prepare")


@pytest.fixture(scope="module")
def looked(job):
    told = job.tell("look", "--json")
    assert told.code == 0, told.err
    return told.json


@pytest.fixture(scope="module")
def page(looked):
    return Path(looked["file"]).read_text("utf-8")


def test_it_does_what_leads_to_it_and_nothing_else(job, looked):
    assert [(stage["name"], stage["state"]) for stage in looked["stages"]] == [
        ("twin", "done"),
        ("prepare", "done"),
        ("look", "ran"),
    ]
    assert job.run().status("train").state == "absent"
    assert "report" not in looked


def test_it_draws_and_prepares_first_where_that_is_not_done(copy_of):
    told = copy_of("twin").tell("look", "--json")
    assert [stage["state"] for stage in told.json["stages"]] == ["done", "ran", "ran"]


def test_a_second_time_is_skipped_and_names_the_page(job, looked):
    told = job.tell("look")
    assert "look: skipped: finished" in told.err
    assert told.out.strip().replace("\n", "") == f"look: {looked['file']}"


def test_no_run_has_it_and_no_signature_knows_it(job, looked):
    run = job.run()
    assert "look" not in run.stages
    assert "look" not in job.tell("plan").out
    own = run.towards("look")
    assert list(own.stages) == ["twin", "prepare", "look"]
    assert all(run.specs[name] == own.specs[name] for name in ("twin", "prepare"))


def test_it_is_no_look_at_the_test_side(job, looked):
    assert "look" not in read_json(Path(looked["file"]).parent / "DONE")["summary"]


def test_the_page_is_whole_and_needs_nothing_else(page):
    tree = Tree(page)
    headings = {"Contents", "Classes", "Samples", "Groups", "Left out", "Preprocessing", "Provenance"}
    assert headings <= set(tree.texts)
    for name, value in tree.attributes:
        if name in ("src", "href", "xlink:href"):
            assert value.startswith(("data:", "#")), value
    assert tree.tags.count("script") == 1


def test_every_class_and_side_that_has_samples_is_seen(job, page):
    run = job.run()
    there = {(side, label) for side in ("train", "test") for label in run.samples(side).labels() if label}
    assert there <= {tuple(text.split(": ", 1)) for text in Tree(page).texts if ": " in text}


def test_the_page_adds_up_to_the_dataset(job, page):
    run, said = job.run(), set(Tree(page).texts)
    for side in ("train", "test"):
        assert f"{len(run.samples(side)):,}" in said
    assert f"{run.account()['recordings']['planned']:,} recordings" in said


def test_the_examples_are_the_samples_themselves(job, looked):
    folders = sorted((Path(looked["file"]).parent / "samples").iterdir())
    assert len(folders) == 20
    run = job.run()
    samples = {side: run.samples(side) for side in ("train", "test")}
    for folder in folders:
        told = json.loads((folder / "sample.json").read_text("utf-8"))
        dataset = samples[told["side"]]
        fields = dataset.sample(list(dataset.keys()).index(folder.name))
        frames = sorted(folder.glob("*.jpg"))
        assert [frame.read_bytes() for frame in frames] == [
            bytes(fields[name]) for name in sorted(fields) if name.endswith(".jpg")
        ]
        assert decode_jpeg(frames[0].read_bytes()).shape == (56, 56, 3)
        assert told["meta"] == json.loads(bytes(fields["meta.json"]))
        assert told["target"]["operation"] == told["label"]


def test_the_same_dataset_gives_the_same_page(copy_of, page):
    again = copy_of("twin", "prepare").tell("look", "--json").json["file"]
    assert Path(again).read_text("utf-8") == page


def test_a_page_that_was_taken_away_is_missed(copy_of):
    job = copy_of("twin", "prepare")
    page = Path(job.tell("look", "--json").json["file"])
    page.unlink()
    told = job.tell("look")
    assert (told.code, told.err.splitlines()[-3]) == (1, "StageError: the page is missing")
    assert f"delete {page.parent}" in told.err


def test_another_engine_is_refused(job):
    told = job.tell("look", "--engine", "ray")
    assert told.code == 2
    assert "look runs in this process" in told.err


def test_damaged_samples_are_not_shown(copy_of):
    job = copy_of("twin", "prepare")
    for shard in job.run().folder("prepare").glob("shards/train/*.tar"):
        data = bytearray(shard.read_bytes())
        data[len(data) // 4 : len(data) // 2] = bytes(len(data) // 2 - len(data) // 4)
        shard.write_bytes(data)
    with pytest.raises(ShardError):
        do(job.run().towards("look"), "look", silent)


# --- which samples, and how many --------------------------------------------------------------------------


@pytest.fixture
def sides(job):
    run = job.run()
    return {side: run.samples(side) for side in ("train", "test")}


def test_the_first_of_each_class_comes_before_the_second_of_any(sides):
    chosen = choose(sides, Viewer(), silent)
    assert [one.rank for one in chosen] == sorted(one.rank for one in chosen)
    firsts = {(one.place.side, one.place.label) for one in chosen if one.rank == 0}
    assert firsts == {(side, label or "") for side, samples in sides.items() for label in samples.labels()}
    assert len({one.key for one in chosen}) == len(chosen)


def test_there_are_as_many_as_the_page_has_room_for(sides, monkeypatch):
    chosen = choose(sides, Viewer(), silent)
    whole = shown(Viewer(), sides, chosen, silent)
    assert len(whole) == len(chosen)
    sizes = [len(card.picture) + len(card.caption) for _, card in whole]
    monkeypatch.setattr(preview, "PAGE_BYTES", sum(sizes[:5]))
    assert [one.key for one, _ in shown(Viewer(), sides, chosen, silent)] == [one.key for one in chosen[:5]]


def test_what_is_read_to_choose_is_bounded(sides, monkeypatch):
    read = []

    class Counting(Viewer):
        def feature(self, fields):
            read.append(1)
            return super().feature(fields)

    cells = {(side, label) for side, samples in sides.items() for label in samples.labels()}
    monkeypatch.setattr(preview, "COMPARED_IN_ALL", 1)
    choose(sides, Counting(), silent)
    assert len(read) <= preview.EACH * len(cells)


def test_names_are_no_markup_wherever_they_stand(sides):
    evil = "<script>alert(1)</script>\u202e ひも"
    picked = Picked("k", Place(evil, evil, evil), sides["train"].sample(0) | {"meta.json": b'"<script>"'})
    [card] = Viewer().show([picked])
    [bare] = Viewer().show([Picked("k", picked.place, {"meta.json": b'{"a": "<script>"}'})])
    clips = [Clip(one.picture, one.caption, label=evil, heading=f"{evil}: {evil}") for one in (card, bare)]
    tree = Tree(str(gallery(clips, "samples")))
    assert "script" not in tree.tags
    assert evil in tree.texts
