"""The twin of operations, its motion: what body, hands, box and tools do at a moment of the script.

Places are points ``(x, y)`` of a canonical picture of 640 x 480, seen by the camera in front of the bench:
the worker stands behind it, the rack of goods is behind on the left, the back table behind on the right.
`bench_scene` mirrors, shifts and zooms this picture for each person and camera.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from math import cos, pi, sin
from typing import Literal

from rushes.tasks.operations.twin.script import Step

Point = tuple[float, float]
Tool = Literal["tape", "scanner", "pen", "good", "goods", "tag", "box label", "shipping label"]
BoxForm = Literal["flat", "side", "open", "closed"]

BLEND_S = 0.24
"""Time in which hands and body leave the last operation's place for the next one's, seconds."""

WORK: Point = (330.0, 408.0)
GOODS: Point = (135.0, 425.0)
PRINTER: Point = (545.0, 345.0)
FORM: Point = (415.0, 440.0)
FORM_TRAY: Point = (118.0, 438.0)
SHEET: Point = (268.0, 440.0)
SPARE: Point = (520.0, 442.0)
RACK: Point = (80.0, 200.0)
BACK_TABLE: Point = (540.0, 205.0)


@dataclass(frozen=True, slots=True)
class Body:
    """Where the worker is.

    Attributes:
        x, y: middle between the shoulders.
        scale: 1 at the bench, less farther away.
        bow: how far the head is bowed, 0 to 1.
        turned: whether the back of the head is seen.
        left, right: the hands, as seen in the picture.
    """

    x: float = 320.0
    y: float = 178.0
    scale: float = 1.0
    bow: float = 0.3
    turned: bool = False
    left: Point = (255.0, 330.0)
    right: Point = (385.0, 330.0)


@dataclass(frozen=True, slots=True)
class Box:
    """The box at a moment.

    Attributes:
        form: ``flat`` carton, box on its ``side``, ``open`` or ``closed`` box.
        at: middle of its lower front edge.
        scale: 1 on the bench.
        fold: how far a flat carton is unfolded, or the flaps of an open box are folded down, 0 to 1.
        fill: how full it is, 0 to 1.
        tape: how much of the tape is stuck on, 0 to 1.
        label, shipping: whether the box label (side) and the shipping label (top) are on.
    """

    form: BoxForm
    at: Point = WORK
    scale: float = 1.0
    fold: float = 0.0
    fill: float = 0.0
    tape: float = 0.0
    label: bool = False
    shipping: bool = False


CLOSED = Box("closed", fold=1.0, tape=1.0)


@dataclass(frozen=True, slots=True)
class Moment:
    """All that is drawn in one frame, apart from the place itself.

    Attributes:
        body: the worker.
        box: the box in work, if there is one.
        waiting: operations whose props wait in their places.
        tool: what the working hand holds, and whether that is the right one.
        goods: how many goods lie on the bench; ``tagged`` with item labels or without.
        sheet: share of item labels on the backing sheet; None: no sheet on the bench.
        form: share of the order form that is filled out; None: the form is in its tray.
        beam: where the scanner's light falls.
    """

    body: Body
    box: Box | None
    waiting: frozenset[str]
    tool: Tool | None = None
    tool_right: bool = True
    goods: int = 0
    tagged: bool = False
    sheet: float | None = None
    form: float | None = None
    beam: Point | None = None


def moment_of(step: Step, before: Step | None, time_s: float, alike: float) -> Moment:
    """What is seen at ``time_s``.

    Args:
        step: the step under way.
        before: the one before, out of whose pose the body moves; None at the start.
        time_s: on the recording's clock, in ``[step.start_s, step.end_s)``.
        alike: 0 to 1: how much of the distinctive movement is left out (0.5 at the default difficulty).
    """
    moment = _moving(step, time_s, alike)
    since_s = time_s - step.start_s
    if before is None or since_s >= BLEND_S:
        return moment
    share = _smooth(since_s / BLEND_S)
    return replace(moment, body=_between(_moving(before, before.end_s, alike).body, moment.body, share))


def _moving(step: Step, time_s: float, alike: float) -> Moment:
    since_s = time_s - step.start_s
    share = min(1.0, since_s / (step.end_s - step.start_s))
    phase = (step.seed % 997) / 997.0
    act = ACTS.get(step.operation or "", _idle)
    return act(_standing(step), share, since_s + phase, alike)


def _standing(step: Step) -> Moment:
    """The desk as the last operation left it, and what waits on it."""
    box = None
    if step.box_state == "open":
        box = Box("open", fill=0.15)
    elif step.box_state == "closed":
        label, shipping = "Attach Box Label" in step.labels, "Attach Shipping Label" in step.labels
        box = replace(CLOSED, label=label, shipping=shipping)
    waiting = frozenset(step.clutter) | ({step.cue} if step.cue else frozenset())
    return Moment(Body(), box, waiting)


# --- the ten operations; each: the standing desk, share done in [0, 1], seconds, likeness -> the moment ---


def _idle(desk: Moment, share: float, time_s: float, alike: float) -> Moment:
    sway = 4.0 * sin(1.7 * time_s)
    body = Body(x=320 + sway, bow=0.0, left=(238 + sway, 318), right=(402 + sway, 318))
    return replace(desk, body=body)


def _picking(desk: Moment, share: float, time_s: float, alike: float) -> Moment:
    """Turned to the rack, takes goods out of it, carries them over."""
    walk = _ramp(share, 0.6, 0.95)
    x = 150 + 90 * walk
    reach = (1.0 - walk) * sin(2 * pi * 0.9 * time_s)
    body = Body(
        x=x,
        y=150 + 12 * walk,
        scale=0.84,
        bow=0.2,
        turned=share < 0.6,
        left=(x - 45 - 20 * (1 - walk), 225 + 22 * reach),
        right=(x + 45, 228 - 14 * reach),
    )
    return replace(desk, body=body, tool="goods")


def _relocating(desk: Moment, share: float, time_s: float, alike: float) -> Moment:
    """Peels item labels off the goods and sticks them onto a sheet."""
    swing = 0.5 - 0.5 * cos(2 * pi * 0.8 * time_s)
    left = (GOODS[0] - 15, GOODS[1] - 30)
    right = (GOODS[0] + 45 + 120 * swing, GOODS[1] - 25 - 40 * sin(pi * swing) + 15 * swing)
    body = Body(x=285, y=196, bow=0.9, left=left, right=right)
    return replace(desk, body=body, goods=3, tagged=True, sheet=share, tool="tag")


def _assembling(desk: Moment, share: float, time_s: float, alike: float) -> Moment:
    """Unfolds a flat carton, lays it on its side and tapes the bottom."""
    if share < 0.35:
        unfold = _smooth(share / 0.35)
        lift = 40 * (1 - unfold)
        wide = 95 + 15 * sin(2 * pi * time_s)
        body = Body(bow=0.4, left=(WORK[0] - wide, 330 - lift), right=(WORK[0] + wide, 330 - lift))
        return replace(desk, body=body, box=Box("flat", fold=unfold, at=(WORK[0], WORK[1] - lift)))
    sweep = _sweep((share - 0.35) / 0.65, time_s)
    body = Body(x=330, y=186, bow=0.6, left=(WORK[0] - 80, 350), right=(WORK[0] - 70 + 150 * sweep, 322))
    return replace(desk, body=body, box=Box("side", tape=sweep), tool="tape")


def _inserting(desk: Moment, share: float, time_s: float, alike: float) -> Moment:
    """Moves goods from the bench into the open box, one by one."""
    goods = max(0, 3 - int(share * 3.3))
    swing = 0.5 - 0.5 * cos(2 * pi * 0.75 * time_s)
    left = (GOODS[0] + 20 + 150 * swing, GOODS[1] - 45 - 85 * sin(pi * swing) - 60 * swing)
    right = (WORK[0] + 62, 318 + 10 * sin(2 * pi * 1.5 * time_s))
    body = Body(x=290, y=184, bow=0.7, left=left, right=right)
    return replace(
        desk, body=body, box=Box("open", fill=0.15 + 0.85 * share), goods=goods, tool="good", tool_right=False
    )


def _closing(desk: Moment, share: float, time_s: float, alike: float) -> Moment:
    """Folds the flaps down with both hands, then draws tape along the lid, sideways, and presses it."""
    if share < 0.3:
        fold = _smooth(share / 0.3)
        wide = 125 - 70 * fold
        body = Body(
            y=186, bow=0.6, left=(WORK[0] - wide, 275 + 25 * fold), right=(WORK[0] + wide, 275 + 25 * fold)
        )
        return replace(desk, body=body, box=Box("open", fold=fold, fill=1.0))
    press = 1.0 - 0.25 * alike
    if share > press:
        rub = 45 + 35 * sin(2 * pi * 1.1 * time_s)
        body = Body(y=188, bow=0.8, left=(WORK[0] - rub, 296), right=(WORK[0] + rub, 296))
        return replace(desk, body=body, box=CLOSED)
    sweep = _sweep((share - 0.3) / (press - 0.3), time_s)
    body = Body(y=180, bow=0.6, left=(WORK[0] - 92, 335), right=(WORK[0] - 75 + 150 * sweep, 282))
    return replace(desk, body=body, box=Box("closed", fold=1.0, tape=sweep), tool="tape")


def _box_label(desk: Moment, share: float, time_s: float, alike: float) -> Moment:
    """Brings the number label to the front of the box and rubs it on."""
    bring = _ramp(share, 0.0, 0.25)
    rub = 9 * bring
    right = (
        WORK[0] + 70 - 60 * bring + rub * cos(2 * pi * 1.6 * time_s),
        440 - 55 * bring + rub * sin(2 * pi * 1.6 * time_s),
    )
    body = Body(x=345, y=212, bow=1.0, left=(WORK[0] - 95, 350), right=right)
    box = desk.box or CLOSED
    return replace(desk, body=body, box=box, tool="box label")


def _scanning(desk: Moment, share: float, time_s: float, alike: float) -> Moment:
    """Holds the scanner high and lets its light wander over box and bench."""
    wander = sin(2 * pi * 0.45 * time_s)
    body = Body(
        x=335,
        y=172,
        bow=0.4,
        left=(225, 330),
        right=(455 + 14 * wander, 225 + 10 * cos(2 * pi * 0.6 * time_s)),
    )
    return replace(desk, body=body, tool="scanner", beam=(WORK[0] + 10 + 60 * wander, 385))


def _shipping_label(desk: Moment, share: float, time_s: float, alike: float) -> Moment:
    """Pulls the label out of the printer, lays it onto the lid, smooths it with both hands."""
    if share < 0.22:
        pull = _smooth(share / 0.22)
        right = (PRINTER[0] - 20 - 100 * pull, 375 - 60 * pull)
        return replace(
            desk, body=Body(x=370, y=182, bow=0.5, left=(270, 335), right=right), tool="shipping label"
        )
    smooth = 0.5 - 0.5 * cos(2 * pi * 1.1 * time_s)
    apart = 28 + 34 * smooth
    body = Body(x=330, y=192, bow=0.9, left=(WORK[0] - apart, 296), right=(WORK[0] + apart, 296))
    box = desk.box or CLOSED
    return replace(desk, body=body, box=replace(box, shipping=True))


def _putting_away(desk: Moment, share: float, time_s: float, alike: float) -> Moment:
    """Lifts the box and carries it to the back table."""
    lift, walk = _ramp(share, 0.0, 0.2), _ramp(share, 0.1, 0.7)
    step_bob = 4 * sin(2 * pi * 1.8 * time_s) * (0.0 < walk < 1.0)
    x, scale = 320 + 160 * walk, 1.0 - 0.16 * walk
    y = 172 - 18 * walk + step_bob
    at = (x + 4, 392 - 75 * lift - 42 * walk + step_bob)
    body = Body(
        x=x,
        y=y,
        scale=scale,
        bow=0.1,
        turned=walk > 0.6,
        left=(x - 88 * scale, at[1] - 45 * scale),
        right=(x + 95 * scale, at[1] - 45 * scale),
    )
    box = desk.box or CLOSED
    return replace(desk, body=body, box=replace(box, at=at, scale=scale * 0.92))


def _filling_out(desk: Moment, share: float, time_s: float, alike: float) -> Moment:
    """Bends over the order form and writes."""
    line = share * 4 % 1.0
    right = (FORM[0] - 60 + 110 * line + 3 * sin(2 * pi * 4 * time_s), FORM[1] - 35 + 9 * int(share * 4))
    body = Body(x=395, y=214, bow=1.0, left=(FORM[0] - 90, FORM[1] - 15), right=right)
    return replace(desk, body=body, tool="pen", form=share)


ACTS: Mapping[str, Callable[[Moment, float, float, float], Moment]] = {
    "Picking": _picking,
    "Relocate Item Label": _relocating,
    "Assemble Box": _assembling,
    "Insert Items": _inserting,
    "Close Box": _closing,
    "Attach Box Label": _box_label,
    "Scan Label": _scanning,
    "Attach Shipping Label": _shipping_label,
    "Put on Back Table": _putting_away,
    "Fill out Order": _filling_out,
}


# --- small helpers --------------------------------------------------------------------------------------


def _smooth(share: float) -> float:
    share = min(1.0, max(0.0, share))
    return share * share * (3.0 - 2.0 * share)


def _ramp(share: float, start: float, end: float) -> float:
    return _smooth((share - start) / (end - start))


def _sweep(share: float, time_s: float) -> float:
    """Two strokes along the seam: there, a quick way back, and there again."""
    stroke = (2.0 * share) % 1.0 if share < 1.0 else 1.0
    return _ramp(stroke, 0.0, 0.75) * (1.0 - _ramp(stroke, 0.85, 1.0) * (share < 0.5))


def _between(one: Body, other: Body, share: float) -> Body:
    def mix(a: float, b: float) -> float:
        return a + (b - a) * share

    return replace(
        other,
        x=mix(one.x, other.x),
        y=mix(one.y, other.y),
        scale=mix(one.scale, other.scale),
        bow=mix(one.bow, other.bow),
        left=(mix(one.left[0], other.left[0]), mix(one.left[1], other.left[1])),
        right=(mix(one.right[0], other.right[0]), mix(one.right[1], other.right[1])),
    )
