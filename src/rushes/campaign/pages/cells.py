"""Cells of the leaderboard's tables: figures with intervals, gains, costs; each with what it sorts by."""

from __future__ import annotations

from collections.abc import Mapping

from markupsafe import Markup

from rushes.campaign.judging.standing import Spread
from rushes.evaluate.markup import tag

_NOTHING = tag("span", "–", class_="none")

TITLES = {
    "macs": "MACs a clip (M)",
    "macs_per_s": "MACs/s (M)",
    "bytes_fp32": "fp32 (kB)",
    "bytes_int8": "int8 (kB)",
    "int8_drop": "int8 drop",
    "latency_p50_ms": "p50 (ms)",
    "latency_p95_ms": "p95 (ms)",
    "seconds": "training (s)",
}
_SCALE = {"macs": 1e6, "macs_per_s": 1e6, "bytes_fp32": 1e3, "bytes_int8": 1e3}


def cost(value: float | None, name: str) -> Markup:
    """A cost in the unit that its title names."""
    if value is None:
        return number(None)
    if name == "fits":
        pill = ("yes", "good") if value == 1.0 else ("no", "warn")
        return tag("td", tag("span", pill[0], class_=f"pill {pill[1]}"), data_value=value)
    shown = value / _SCALE.get(name, 1.0)
    digits = {"parity": f"{shown:.1e}", "parameters": f"{shown:,.0f}", "int8_drop": f"{shown:+.4f}"}
    return tag(
        "td", digits.get(name, f"{shown:,.1f}" if shown >= 10 else f"{shown:.2f}"), data_value=f"{value!r}"
    )


def figure(found: Spread | None, lone: Mapping[str, float] | None = None, note: str | None = None) -> Markup:
    """A mean with its interval and a note; with one seed that of ``lone``, the run's own over its clips."""
    if found is None:
        return number(None)
    low, high = found.low, found.high
    if low is None and lone is not None:
        low, high = lone["low"], lone["high"]
    ends = None if low is None or high is None else tag("small", f"[{low:.4f}, {high:.4f}]", class_="ci")
    said = None if note is None else tag("span", note, class_="pill warn")
    return tag("td", f"{found.mean:.4f}", ends, said, data_value=f"{found.mean!r}")


def signed(found: Spread, over: str | None = None) -> Markup:
    """A gain with its interval, in the colour of its sign; ``over`` names what it is a gain over."""
    ends = None if found.low is None else tag("small", f"[{found.low:+.4f}, {found.high:+.4f}]", class_="ci")
    colour = "good" if found.mean > 0 else "bad"
    said = None if over is None else tag("small", f" over {over}", class_="ci")
    return tag("td", f"{found.mean:+.4f}", ends, said, class_=colour, data_value=f"{found.mean!r}")


def number(value: float | None, *, sign: bool = False) -> Markup:
    """A plain number; a dash where there is none."""
    if value is None:
        return tag("td", _NOTHING)
    return tag("td", f"{value:+.4f}" if sign else f"{value:.4f}", data_value=f"{value!r}")
