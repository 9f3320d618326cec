"""A prepared dataset as a page and a folder of examples, before anything is trained; a `rushes.runs.stage.Work`.

    look.html       samples of each class and side, how much there is of what, what was left out and why
    samples/        some of them as files: pictures and sample.json

Nobody's answer is measured here, so it is no look at the test side in the sense of `rushes.runs.looks`; what the audit
sees of recordings is `rushes.runs.look`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any

from rushes.evaluate.contents import UNKNOWN, Contents, Place, in_order
from rushes.evaluate.diverse import farthest, spread
from rushes.runs.run import Run
from rushes.runs.stage import Made, Tell, is_drawn
from rushes.shards.manifest import Manifest, load_manifest
from rushes.stages import OpenStage, read_done, read_json, read_quarantine, write_atomic

if TYPE_CHECKING:
    from rushes.evaluate.pages import Head, Markup, Section
    from rushes.evaluate.viewer import Shown, Viewer
    from rushes.shards.read import ShardDataset

LOOK_FILE, SAMPLES = "look.html", "samples"

EACH = 4
"""Samples of a class that are shown of each side."""

COMPARED = 48
"""Samples of a class and side among which these are chosen, if there are not too many of both."""

COMPARED_IN_ALL = 6000
"""Samples whose pictures are read to choose: a minute of one core."""

PAGE_BYTES = 20_000_000
"""Of all samples on the page; the first of each class comes before the second of any."""

EXAMPLES = 20
"""Samples in the folder, as the earlier system wrote."""

QUARANTINED = 100
"""Entries of the quarantine that the page lists."""


@dataclass(frozen=True, slots=True)
class Chosen:
    """A sample that is to be shown.

    Attributes:
        rank: its number among those of its class and side.
        place: where it belongs.
        number: of the sample on its side.
        key: of the sample.
    """

    rank: int
    place: Place
    number: int
    key: str


def preview(run: Run[Any], stage: OpenStage, tell: Tell) -> Made:
    """Write the page and the folder of examples; a `rushes.runs.stage.Work`."""
    from rushes.evaluate.pages import page
    from rushes.prepare.stage import RECORDINGS

    manifest = load_manifest(run.folder(run.dataset))
    sides = {side: run.samples(side) for side in in_order(manifest.splits) if manifest.splits[side]}
    viewer = run.task.viewer(run)
    recordings = read_json(run.folder(run.dataset) / RECORDINGS)
    contents = Contents.of(
        (place for side, samples in sides.items() for _, place in places(side, samples)),
        viewer.seconds(recordings, sides),
    )
    chosen = choose(sides, viewer, tell)
    cards = shown(viewer, sides, chosen, tell)
    for one, card in cards[:EXAMPLES]:
        for name, data in card.files.items():
            write_atomic(stage.folder / SAMPLES / one.key / name, data)
    sections = _sections(run, manifest, contents, viewer, cards, len(chosen))
    write_atomic(stage.folder / LOOK_FILE, page(_head(run, stage, contents), sections))
    return {"file": LOOK_FILE}, {"shown": len(cards), "samples": sum(map(len, sides.values()))}


def places(side: str, samples: ShardDataset) -> Iterator[tuple[str, Place]]:
    """Key and place of each sample, in order; reads indexes alone."""
    for key, group, label in zip(samples.keys(), samples.groups(), samples.labels(), strict=True):
        yield key, Place(side, group or UNKNOWN, label or UNKNOWN)


# --- which samples ----------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Cell:
    """The samples of one class on one side: their numbers, keys and groups."""

    numbers: list[int] = field(default_factory=list)
    keys: list[str] = field(default_factory=list)
    groups: list[str] = field(default_factory=list)


def choose(sides: Mapping[str, ShardDataset], viewer: Viewer, tell: Tell) -> list[Chosen]:
    """Up to `EACH` samples of each class and side: of many groups, and as different as they come.

    Returns:
        The first of each class and side, then the second of each: where room ends, every class has been seen.
    """
    cells: dict[tuple[str, str], _Cell] = {}
    for side, samples in sides.items():
        for number, (key, place) in enumerate(places(side, samples)):
            cell = cells.setdefault((side, place.label), _Cell())
            cell.numbers.append(number)
            cell.keys.append(key)
            cell.groups.append(place.group)
    compared = max(EACH, min(COMPARED, COMPARED_IN_ALL // max(len(cells), 1)))
    chosen = []
    for done, ((side, label), cell) in enumerate(cells.items()):
        tell("look", done, len(cells), "choosing")
        rows = spread(cell.keys, cell.groups, compared)
        features = [viewer.feature(sides[side].sample(cell.numbers[row])) for row in rows]
        for rank, row in enumerate(rows[number] for number in farthest(features, EACH)):
            place = Place(side, cell.groups[row], label)
            chosen.append(Chosen(rank, place, cell.numbers[row], cell.keys[row]))
    order = list(sides)
    return sorted(chosen, key=lambda one: (one.rank, order.index(one.place.side), one.place.label))


def shown(
    viewer: Viewer, sides: Mapping[str, ShardDataset], chosen: Sequence[Chosen], tell: Tell
) -> list[tuple[Chosen, Shown]]:
    """Samples as people see them, in order, as many as the page has room for."""
    from rushes.evaluate.viewer import Picked

    picked = [Picked(one.key, one.place, sides[one.place.side].sample(one.number)) for one in chosen]
    cards, used = [], 0
    for one, card in zip(chosen, viewer.show(picked), strict=True):
        used += len(card.picture) + len(card.caption)
        if used > PAGE_BYTES:
            break
        cards.append((one, card))
        tell("look", len(cards), len(chosen), "drawing")
    return cards


# --- the page ---------------------------------------------------------------------------------------------


def _head(run: Run[Any], stage: OpenStage, contents: Contents) -> Head:
    from rushes.evaluate.pages import Head

    made = read_json(run.folder(run.dataset) / "recipe.json")
    samples = contents.along("side")
    return Head(
        title=run.recipe.name,
        what=f"the prepared dataset of a run of {run.task.name}"
        + (", of drawn recordings" if is_drawn(run.recipe) else ""),
        date=datetime.fromisoformat(
            made["created"]
        ),  # of the dataset, so that the page always has the same bytes
        command=read_json(stage.folder / "recipe.json").get("command", ""),
        model="none: the dataset alone",
        sizes={
            **{f"{side} samples": samples[side,].samples for side in contents.sides},
            "classes": len(contents.names("label")),
            "groups": len(contents.names("group")),
        },
    )


def _sections(
    run: Run[Any],
    manifest: Manifest,
    contents: Contents,
    viewer: Viewer,
    cards: Sequence[tuple[Chosen, Shown]],
    chosen: int,
) -> list[Section]:
    from rushes.evaluate.pages import Section, facts, join, note, palette, remarks
    from rushes.evaluate.pages.contents import classes, groups, sides

    provenance = {"dataset": manifest.checksum, run.dataset: run.specs[run.dataset].signature}
    return [
        Section(
            "Contents",
            join(
                (
                    sides(contents),
                    remarks(list(contents.remarks(manifest.labels))),
                    note(viewer.seconds_said) if contents.timed else None,
                )
            ),
        ),
        Section("Classes", classes(contents, palette(manifest.labels))),
        Section("Samples", _samples(viewer, cards, chosen, manifest.labels)),
        Section("Groups", groups(contents)),
        Section("Left out", _left_out(run)),
        Section("Preprocessing", facts(manifest.preprocessing)),
        Section("Provenance", facts(provenance)),
    ]


def _samples(
    viewer: Viewer, cards: Sequence[tuple[Chosen, Shown]], chosen: int, labels: Sequence[str]
) -> Markup:
    """The samples by side and class, whatever the order in which they were drawn."""
    from rushes.evaluate.pages import Clip, gallery, join, note

    said = (
        f"{viewer.said} Of each class and side the most usual sample, then those least like it, of many groups; "
        f"{min(EXAMPLES, len(cards))} of them are files in {SAMPLES}/ beside this page."
    )
    if len(cards) < chosen:
        said += f" There is room for {len(cards):,} of {chosen:,}: of each class the first come first."
    known = {label: number for number, label in enumerate(labels)}
    sides = in_order({one.place.side for one, _ in cards})
    ordered = sorted(
        cards,
        key=lambda card: (
            sides.index(card[0].place.side),
            known.get(card[0].place.label, len(known)),
            card[0].place.label,
            card[0].rank,
        ),
    )
    clips = [
        Clip(
            card.picture,
            card.caption,
            label=one.place.label,
            heading=f"{one.place.side}: {one.place.label or 'no label'}",
        )
        for one, card in ordered
    ]
    return join((note(said), gallery(clips, "samples", least=viewer.least)))


def _left_out(run: Run[Any]) -> Markup:
    """What became of every recording and file, what is in quarantine and why, and what else was counted."""
    from rushes.evaluate.pages import Column, account, facts, join, table, tag

    told, done = run.account(), read_done(run.folder(run.dataset)) or {}
    entries = [
        [entry["unit"], str(entry["reason"].get("message", "")), str(entry["reason"].get("where") or "")]
        for entry in read_quarantine(run.folder(run.dataset))
    ]
    caption = f"{len(entries):,} in quarantine"
    if len(entries) > QUARANTINED:
        caption += f", the first {QUARANTINED} of them"
    columns = [Column(name, text=True) for name in ("recording", "reason", "where")]
    counted = {
        name: f"{value:,.15g}"
        for name, value in done.get("summary", {}).items()
        if isinstance(value, int | float) and not isinstance(value, bool)
    }
    return join(
        (
            account(told) if told else None,
            table(columns, entries[:QUARANTINED], caption) if entries else None,
            tag("h3", "Counted while preparing") if counted else None,
            facts(counted) if counted else None,
        )
    )
