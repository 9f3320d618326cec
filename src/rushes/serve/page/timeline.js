// A timeline that can be zoomed, read under the pointer, and played by pointer and keyboard.

import { button, make } from "./dom.js";
import { drawLanes, drawOverview, gutterOf, lanesOf } from "./lanes.js";
import { clock, percent } from "./words.js";

const SHORTEST_S = 2;
const THEME = ["ink", "muted", "line", "nothing", "card"];
const OVERVIEW = 18;

export class Timeline {
  /** @param seek called with the seconds to play from. */
  constructor(seek) {
    this.seek = seek;
    this.time = 0;
    this.shown = null;
    this.canvas = make("canvas", { "aria-hidden": "true" });
    this.head = make("i", { className: "head" });
    this.tip = make("div", { className: "tip", hidden: true });
    this.lanes = make("div", {
      className: "lanes", tabIndex: 0, role: "slider", "aria-label": "Timeline",
      "aria-valuemin": "0", "aria-description": "Arrow keys go from segment to segment, space plays, plus and minus zoom",
    }, this.canvas, this.head, this.tip);
    this.overview = make("canvas", { "aria-hidden": "true" });
    this.frame = make("i", { className: "frame" });
    this.whole = make("div", { className: "whole", hidden: true, title: "The whole recording" }, this.overview, this.frame);
    this.zoomed = make("span", { className: "quiet" });
    this.element = make("section", { className: "card timeline" },
      make("div", { className: "row head-row" },
        make("h2", { textContent: "Timeline" }),
        this.zoomed,
        make("span", { className: "zoom" },
          button("−", () => this.zoom(2), { "aria-label": "Zoom out", title: "Zoom out (−)" }),
          button("Fit", () => this.fit(), { title: "Show all of it (0)" }),
          button("+", () => this.zoom(0.5), { "aria-label": "Zoom in", title: "Zoom in (+)" }))),
      this.lanes, this.whole);
    this.listen();
  }

  listen() {
    new ResizeObserver(() => this.draw()).observe(this.lanes);
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.draw());
    this.lanes.addEventListener("pointerdown", (event) => this.press(event));
    this.lanes.addEventListener("pointermove", (event) => this.move(event));
    this.lanes.addEventListener("pointerleave", () => { this.tip.hidden = true; });
    this.lanes.addEventListener("wheel", (event) => this.wheel(event), { passive: false });
    const pan = (event) => {
      if (!event.buttons) return;
      this.whole.setPointerCapture(event.pointerId);
      const box = this.whole.getBoundingClientRect(), half = (this.to - this.from) / 2;
      const middle = ((event.clientX - box.left) / box.width) * this.shown.length;
      this.look(middle - half, middle + half);
    };
    this.whole.addEventListener("pointerdown", pan);
    this.whole.addEventListener("pointermove", pan);
  }

  /**
   * Show a recording.
   *
   * @param shown {length, segments, labels, colours, scores, tick, offset, picture, known}: known is up to where it
   *     was answered, null where all is.
   */
  show(shown) {
    const kept = this.shown && this.shown.length === shown.length;
    this.shown = { current: null, ...shown, best: shown.scores.map(best) };
    if (!kept) [this.from, this.to] = [0, shown.length];
    this.lanes.setAttribute("aria-valuemax", shown.length);
    this.at(this.time, true);
  }

  /** The segment at a time. */
  segmentAt(time) {
    return this.shown?.segments.find((one) => time >= one.start_s - 1e-9 && time < one.end_s - 1e-9) ?? null;
  }

  /** Move the playhead; nothing is drawn again unless the segment changes. */
  at(time, again = false) {
    this.time = time;
    if (!this.shown) return;
    const current = this.segmentAt(time);
    const changed = current !== this.shown.current;
    this.shown.current = current;
    this.lanes.setAttribute("aria-valuenow", time.toFixed(1));
    if (changed || again) {
      const said = current ? `${clock(time)}, ${current.label}` : clock(time);
      this.lanes.setAttribute("aria-valuetext", said);
    }
    if (time < this.from || time > this.to) this.follow(time);
    else if (changed || again) this.draw();
    else this.drawHead();
  }

  follow(time) {
    const length = this.to - this.from;
    this.look(time - 0.1 * length, time + 0.9 * length);
  }

  /** Jump to the next segment, or with -1 to the one before. */
  step(by) {
    const { segments, current } = this.shown;
    const place = current ? segments.indexOf(current) : segments.filter((one) => one.start_s <= this.time).length - (by > 0);
    const one = segments[Math.min(Math.max(place + by, 0), segments.length - 1)];
    if (one) this.seek(one.start_s);
  }

  fit() {
    this.look(0, this.shown.length);
  }

  zoom(by, around = null) {
    const middle = around ?? (this.time >= this.from && this.time <= this.to ? this.time : (this.from + this.to) / 2);
    this.look(middle - (middle - this.from) * by, middle + (this.to - middle) * by);
  }

  look(from, to) {
    const { length } = this.shown;
    const wide = Math.min(Math.max(to - from, Math.min(SHORTEST_S, length)), length);
    this.from = Math.min(Math.max(from, 0), length - wide);
    this.to = this.from + wide;
    this.draw();
  }

  // --- pointer ----------------------------------------------------------------------------------------------

  timeOf(event) {
    const box = this.lanes.getBoundingClientRect();
    const share = (event.clientX - box.left - this.gutter) / (box.width - this.gutter);
    return Math.min(Math.max(this.from + share * (this.to - this.from), 0), this.shown.length);
  }

  laneOf(event) {
    const y = event.clientY - this.lanes.getBoundingClientRect().top;
    return lanesOf(this.shown).lanes.find(({ top, height }) => y >= top && y <= top + height) ?? null;
  }

  press(event) {
    if (!this.shown || event.button) return;
    this.lanes.setPointerCapture(event.pointerId);
    const time = this.timeOf(event);
    const segment = this.laneOf(event)?.kind === "segments" ? this.segmentAt(time) : null;
    this.pressed = event.clientX;
    this.seek(segment ? segment.start_s : time);
  }

  move(event) {
    if (!this.shown) return;
    const time = this.timeOf(event);
    if (event.buttons && Math.abs(event.clientX - this.pressed) > 4) {
      this.pressed = Infinity;
      this.seek(time);
    }
    this.explain(event, time);
  }

  explain(event, time) {
    const lane = this.laneOf(event), box = this.lanes.getBoundingClientRect();
    const said = lane && event.clientX - box.left >= this.gutter ? this.said(lane, time) : "";
    this.tip.hidden = !said;
    if (!said) return;
    this.tip.textContent = said;
    const left = Math.min(Math.max(event.clientX - box.left, 90), box.width - 90);
    this.tip.style.transform = `translate(calc(${left}px - 50%), calc(${lane.top}px - 100% - 4px))`;
  }

  said(lane, time) {
    if (lane.kind === "segments") {
      const one = this.segmentAt(time);
      if (!one) return "";
      const rival = one.rival ? ` · or ${one.rival} ${percent(one.rival_confidence)}` : "";
      const sure = Number.isFinite(one.confidence) ? ` · ${percent(one.confidence)}` : "";
      return `${one.label} · ${clock(one.start_s)} – ${clock(one.end_s)}${sure}${rival}`;
    }
    const { scores, tick, offset, labels } = this.shown;
    const place = Math.min(Math.max(Math.floor((time - offset) / tick), 0), scores.length - 1);
    if (lane.kind === "raw") return `${clock(time)} · ${labels[this.shown.best[place]] ?? "not asked"}`;
    const score = scores[place]?.[labels.indexOf(lane.label)];
    if (lane.kind !== "scores") return clock(time);
    return `${lane.label} · ${clock(time)} · ${Number.isFinite(score) ? percent(score) : "not asked"}`;
  }

  wheel(event) {
    if (!this.shown) return;
    const sideways = event.shiftKey ? event.deltaY : event.deltaX;
    if (event.ctrlKey || event.metaKey) this.zoom(Math.exp(event.deltaY / 300), this.timeOf(event));
    else if (sideways && this.to - this.from < this.shown.length) {
      const by = (sideways / this.lanes.clientWidth) * (this.to - this.from);
      this.look(this.from + by, this.to + by);
    } else return;
    event.preventDefault();
  }

  // --- drawing ----------------------------------------------------------------------------------------------

  draw() {
    const width = this.lanes.clientWidth;
    if (!this.shown || !width) return;
    const { height } = lanesOf(this.shown), ink = theme(this.element);
    const context = sized(this.canvas, width, height);
    this.gutter = gutterOf(context, width, this.shown.labels);
    drawLanes(context, this.shown, { from: this.from, to: this.to, gutter: this.gutter, width, height }, ink);
    const part = (this.to - this.from) / this.shown.length, all = part > 0.999;
    this.whole.hidden = all;
    this.zoomed.textContent = all ? "" : `${clock(this.from)} – ${clock(this.to)} of ${clock(this.shown.length)}`;
    if (!all) {
      const wide = this.whole.clientWidth;
      drawOverview(sized(this.overview, wide, OVERVIEW), this.shown, { width: wide, height: OVERVIEW }, ink);
      this.frame.style.width = `${Math.max(part * wide, 4)}px`;
      this.frame.style.transform = `translateX(${(this.from / this.shown.length) * wide}px)`;
    }
    this.drawHead();
  }

  drawHead() {
    const wide = this.lanes.clientWidth - this.gutter;
    const x = this.gutter + ((this.time - this.from) / (this.to - this.from)) * wide;
    this.head.hidden = !(this.time >= this.from && this.time <= this.to);
    this.head.style.transform = `translateX(${Math.min(x, this.lanes.clientWidth - 1)}px)`;
  }
}

/** Place of the highest score of a tick, -1 where it was not asked. */
function best(row) {
  if (!row || !row.some(Number.isFinite)) return -1;
  return row.reduce((at, score, place) => (score > row[at] ? place : at), 0);
}

function sized(canvas, width, height) {
  const sharp = devicePixelRatio || 1;
  const [across, down] = [Math.round(width * sharp), Math.round(height * sharp)];
  if (canvas.width !== across || canvas.height !== down) {
    [canvas.width, canvas.height] = [across, down];
    canvas.style.width = `${width}px`;
    canvas.style.height = `${height}px`;
  }
  const context = canvas.getContext("2d");
  context.setTransform(sharp, 0, 0, sharp, 0, 0);
  return context;
}

function theme(element) {
  const style = getComputedStyle(element);
  return Object.fromEntries(THEME.map((name) => [name, style.getPropertyValue(`--${name}`).trim()]));
}
