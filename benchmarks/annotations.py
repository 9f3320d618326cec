"""Whether labels come back as they were written, in every format, and whether others' readers agree.

    python benchmarks/annotations.py [--quick] [--json]

Draws random annotations, unicode, quotes, separators and overlaps among them, on the grid that a format
declares (nanoseconds, microseconds, milliseconds, frames at 29.97), with what it declares to keep; writes and
reads them again and counts what differs. Then the files go to readers of others, where a peer's environment is
there (`python benchmarks/peers.py labels`). Takes ten seconds.
"""

from __future__ import annotations

import argparse
import tempfile
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import partial
from pathlib import Path
from random import Random

from peers import Unavailable, ask
from report import Figure, at_most, emit, not_measured

from rushes.annotations import FORMATS, About, How, Labels, Mark, read, recognise, write
from rushes.recipe.annotation import FormatName, Unit

FPS = Fraction(30000, 1001)
LENGTH_S = 3600
WORDS = (
    *("walk", "None", "NA", "1e5", "yes", "0012", "Gehen – zurück", "歩く", "идти", "🙂 ok", "a,b;c", "x=1"),
    *('say "hi"', "it's", "<v Ann> & <b>", "-->", "item [1]", "intervals [3]:", "c:\\d", "%s {0}", "#"),
)
OTHERS = ("item [1]", "intervals [3]:", 'say "hi"')
"""Labels on which praatio stops, or leaves the quotes of a point doubled."""


@dataclass(frozen=True)
class Case:
    """A format, and what it declares to keep of a time.

    Attributes:
        format: its name.
        grid: in seconds; None is a frame.
        unit: that it is written in, where it has a choice.
        without: what it keeps in the other unit alone.
    """

    format: FormatName
    grid: Fraction | None
    unit: Unit | None = None
    without: frozenset[str] = frozenset()

    @property
    def step_s(self) -> Fraction:
        """The grid in seconds."""
        return 1 / FPS if self.grid is None else self.grid

    @property
    def keeps(self) -> list[str]:
        """Fields of a mark that come back."""
        return sorted(FORMATS[self.format].keeps - self.without)

    def __str__(self) -> str:
        grid = "a frame" if self.grid is None else f"{float(self.grid):g} s"
        return f"{self.format}{' in seconds' if self.unit else ''}, to {grid}"


NANO, MICRO, MILLI = (Fraction(1, 10**places) for places in (9, 6, 3))
CASES = (
    *(Case(name, NANO) for name in ("table", "raven", "textgrid")),
    *(Case(name, MICRO) for name in ("cvat_audio", "audacity", "dcase", "activitynet")),
    *(Case(name, MILLI) for name in ("elan", "via", "boris", "webvtt", "srt")),
    Case("label_studio", MICRO, unit="s"),
    Case("label_studio", None, without=frozenset({"channel"})),
    *(Case(name, None) for name in ("cvat", "frames_text")),
)


def drawn(case: Case, count: int, random: Random, words: Sequence[str] = WORDS) -> Labels:
    """Labels that the format can hold, on its grid; every field that it keeps is used."""
    format, grid = FORMATS[case.format], case.step_s
    recordings = ["day 1/cam.mp4", "ночь.wav", "c.mp4"] if format.many else ["day 1/cam.mp4"]
    marks: list[Mark] = []
    for number in range(2 * count):
        start = random.randrange(int(LENGTH_S / grid / 2)) * grid
        end = start + random.randrange(1, int(60 / grid)) * grid
        held = {
            key: _value(key, random)
            for key in case.keeps
            if random.random() < 0.7 or key in ("annotator", "track")  # without them some have a name of ours
        }
        point = format.points and number % 10 == 0
        marks.append(
            Mark(
                recording=random.choice(recordings),
                start_s=start,
                end_s=start if point else end,
                label=random.choice(words),
                kind="point" if point else "interval",
                **held,
            )
        )
    fitted = {"boris": apart, "frames_text": partial(tiled, grid=grid)}.get(case.format, list)
    marks = fitted(marks)[:count]
    length = marks[-1].end_s if case.format == "frames_text" else round(LENGTH_S / grid) * grid
    return Labels(tuple(marks), dict.fromkeys(recordings, About(duration_s=length)))


def _value(key: str, random: Random):
    if key in ("low_hz", "high_hz"):
        return round(random.uniform(0, 20000), 2)
    if key == "score":
        return round(random.random(), 4)
    if key == "channel":
        return random.randrange(4)
    if key == "attributes":
        return (("mood", random.choice(WORDS)),)
    return random.choice(("left", "Œuvre 2", 'the "other"'))


def apart(marks: Sequence[Mark]) -> list[Mark]:
    """Those of one subject and label that do not overlap: BORIS pairs by them."""
    kept, ends = [], {}
    for mark in sorted(marks, key=lambda mark: mark.start_s):
        key = mark.track, mark.label
        if mark.start_s >= ends.get(key, 0):
            ends[key] = mark.end_s
            kept.append(mark)
    return kept


def tiled(marks: Sequence[Mark], grid: Fraction) -> list[Mark]:
    """One after the other from 0, neighbours with different labels."""
    found: list[Mark] = []
    for mark in marks:
        if found and mark.label == found[-1].label:
            continue
        start = found[-1].end_s if found else Fraction(0)
        found.append(
            replace(mark, start_s=start, end_s=start + (mark.end_s - mark.start_s) // grid % 90 * grid + grid)
        )
    return found


def differing(case: Case, one: Labels, other: Labels) -> int:
    """Marks of either that the other does not have, by what the format keeps of them."""
    keys = ("recording", "start_s", "end_s", "label", "kind", *case.keeps)
    ours, theirs = (
        Counter(tuple(getattr(mark, key) for key in keys) for mark in labels.marks) for labels in (one, other)
    )
    return ((ours - theirs) + (theirs - ours)).total()


def round_trips(count: int, folder: Path) -> Iterator[Figure]:
    for case in CASES:
        format = FORMATS[case.format]
        labels, how = drawn(case, count, Random(0)), How(format=case.format, fps=FPS, unit=case.unit)
        path = folder / f"labels{format.suffix}"
        lost = write(labels, path, how)
        again = read(path, how, "day 1/cam.mp4")
        unknown = case.format != "frames_text" and recognise(path) != case.format  # labels of one word alone
        wrong = differing(case, labels, again) + len(lost) + unknown
        yield at_most(f"{case}: of {len(labels.marks)} annotations, not exact", float(wrong), 0)


READERS: dict[str, tuple[FormatName, int]] = {
    "pympi-ling": ("elan", 3),
    "praatio": ("textgrid", 6),
    "webvtt-py": ("webvtt", 3),
    "srt": ("srt", 3),
}
"""Package of somebody else -> the format that it reads, and to how many decimals it tells times."""


def strangers(count: int, folder: Path) -> Iterator[Figure]:
    """What readers of others find in the files that were written."""
    for package, (name, places) in READERS.items():
        figure = f"{package} reads {name}: annotations that are not as written"
        path = folder / f"labels{FORMATS[name].suffix}"
        case = next(case for case in CASES if case.format == name)
        words = [word for word in WORDS if word not in OTHERS]
        labels = drawn(case, count, Random(1), words)
        write(labels, path, How(format=name))
        try:
            found = ask("labels", "annotations_peer.py", package, path)
        except Unavailable as why:
            yield not_measured(figure, "<= 0", why)
            continue
        theirs = Counter((round(start, places), round(end, places), label) for start, end, label in found)
        ours = Counter(
            (round(float(mark.start_s), places), round(float(mark.end_s), places), mark.label)
            for mark in labels.marks
        )
        yield at_most(figure, float(((ours - theirs) + (theirs - ours)).total()), 0)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--quick", action="store_true", help="100 annotations in place of 500")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        count = 100 if arguments.quick else 500
        figures = [*round_trips(count, Path(folder)), *strangers(count, Path(folder))]
    emit(figures, arguments.json)


if __name__ == "__main__":
    main()
