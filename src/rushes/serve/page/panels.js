// What stands beside and below a timeline: what is seen now, what comes next, time of each label, all segments.

import { bar, button, chip, download, make } from "./dom.js";
import { shares } from "./facts.js";
import { FORMATS } from "./formats.js";
import { clock, isNumber, percent, span } from "./words.js";

const FIRST_ROWS = 100;
const WIDE = ["#", "To", "Or else"];  // columns that a narrow screen leaves out
const MOST_NOW = 8;

/** The label under the playhead, with its rivals. */
export class Now {
  constructor() {
    this.body = make("div", { className: "now" });
    this.element = make("section", { className: "card" }, make("h2", { textContent: "Now" }), this.body);
    this.told = null;
  }

  /** Of a time; nothing happens while the same tick of the same segment is under the playhead. */
  at(time, shown) {
    const { scores, tick, offset, labels, colours, current } = shown;
    const place = scores.length ? Math.min(Math.max(Math.floor((time - offset) / tick), 0), scores.length - 1) : -1;
    if (this.told?.shown === shown && this.told.place === place && this.told.current === current) return;
    this.told = { shown, place, current };
    const row = scores[place];
    const alone = labels[shown.best[place]];
    const rivals = row?.every(isNumber) ? labels.map((label, n) => [label, row[n]]) : rivalsOf(current);
    this.body.replaceChildren(...[
      make("p", { className: "big" }, current ? [chip(colours.get(current.label)), current.label] : "–"),
      make("p", { className: "quiet", textContent: current ? `${clock(current.start_s)} – ${clock(current.end_s)}` : "nothing is said here" }),
      current && alone && alone !== current.label && make("p", { className: "quiet", textContent: `smoothed; the model alone says ${alone}` }),
      shares(rivals, colours, MOST_NOW),
    ].filter(Boolean));
  }
}

const rivalsOf = (one) => (one ? [[one.label, one.confidence], [one.rival, one.rival_confidence]] : [])
  .filter(([label, share]) => label && isNumber(share));

/** What is expected after the end; null where an answer does not say it. */
export function nextCard(answer, colours) {
  const found = Object.entries(answer).find(([name, value]) => /^(next|anticipated)/.test(name) && value);
  if (!found) return null;
  const said = typeof found[1] === "string" ? { label: found[1] } : found[1];
  if (!said.label) return null;
  const at = said.at_s ?? said.predicted_at_s ?? said.predicted_at_second;
  return make("section", { className: "card" },
    make("h2", { textContent: "Next" }),
    make("p", { className: "big" }, chip(colours.get(said.label)), said.label),
    make("p", { className: "quiet" },
      [isNumber(at) ? `after ${clock(at)}` : "afterwards", isNumber(said.confidence) ? percent(said.confidence) : ""].filter(Boolean).join(" · ")));
}

/** How much of the recording each label has. */
export function timesCard(shown) {
  const seconds = new Map();
  for (const one of shown.segments) seconds.set(one.label, (seconds.get(one.label) ?? 0) + one.end_s - one.start_s);
  const sorted = [...seconds].sort(([, one], [, other]) => other - one);
  const longest = sorted[0]?.[1] ?? 1;
  return make("section", { className: "card" },
    make("h2", { textContent: "Time of each label" }),
    make("ul", { className: "shares" }, sorted.map(([label, length]) => make("li", {},
      make("span", { className: "label" }, chip(shown.colours.get(label)), label),
      bar(length / longest, shown.colours.get(label)),
      make("span", { className: "figure", textContent: span(length) })))));
}

/** All segments as a table, in order or the least sure first. */
export class Segments {
  /** @param seek called with the seconds to play from. */
  constructor(seek) {
    this.seek = seek;
    this.doubted = false;
    this.whole = false;
    this.order = button("Least sure first", () => { this.doubted = !this.doubted; this.draw(); }, { "aria-pressed": "false" });
    this.count = make("span", { className: "quiet" });
    this.rows = make("tbody");
    this.more = button("", () => { this.whole = true; this.draw(); }, { hidden: true });
    this.head = make("tr");
    this.element = make("section", { className: "card" },
      make("div", { className: "row head-row" }, make("h2", { textContent: "Segments" }), this.count, this.order),
      make("div", { className: "scroll" }, make("table", { className: "segments" }, make("thead", {}, this.head), this.rows)),
      this.more);
    this.lines = new Map();
  }

  show(shown) {
    this.shown = shown;
    this.draw();
  }

  draw() {
    const { segments } = this.shown;
    const sure = segments.map((one) => one.confidence).filter(isNumber);
    const mean = sure.reduce((sum, one) => sum + one, 0) / sure.length;
    this.count.textContent = `${segments.length} ${sure.length ? `· mean confidence ${percent(mean)}` : ""}`;
    this.order.hidden = !sure.length;
    this.order.setAttribute("aria-pressed", String(this.doubted));
    const rival = segments.some((one) => one.rival);
    const names = ["#", "From", "To", "Length", "Label", ...(sure.length ? ["Confidence"] : []), ...(rival ? ["Or else"] : [])];
    this.head.replaceChildren(...names.map((textContent) => make("th", { scope: "col", textContent, className: WIDE.includes(textContent) ? "wide" : "" })));
    const numbered = segments.map((one, number) => ({ one, number }));
    if (this.doubted) numbered.sort((left, right) => (left.one.confidence ?? 1) - (right.one.confidence ?? 1));
    const seen = this.whole ? numbered : numbered.slice(0, FIRST_ROWS);
    this.lines = new Map(seen.map(({ one, number }) => [one, this.line(one, number, sure.length > 0, rival)]));
    this.rows.replaceChildren(...this.lines.values());
    this.more.hidden = seen.length === numbered.length;
    this.more.textContent = `Show all ${numbered.length}`;
    this.at(this.shown.current);
  }

  line(one, number, sure, rival) {
    const jump = button(clock(one.start_s), () => this.seek(one.start_s), { className: "moment", "aria-label": `Play from ${clock(one.start_s)}, ${one.label}` });
    const confidence = isNumber(one.confidence)
      ? [bar(one.confidence, this.shown.colours.get(one.label)), make("span", { className: "figure", textContent: percent(one.confidence) })] : "–";
    const or = one.rival ? `${one.rival} ${isNumber(one.rival_confidence) ? percent(one.rival_confidence) : ""}` : "";
    const made = make("tr", {},
      make("td", { className: "number quiet wide", textContent: number + 1 }),
      make("td", { className: "number" }, jump),
      make("td", { className: "number wide", textContent: clock(one.end_s) }),
      make("td", { className: "number", textContent: span(one.end_s - one.start_s) }),
      make("td", {}, make("span", { className: "label" }, chip(this.shown.colours.get(one.label)), one.label)),
      sure && make("td", { className: "sure" }, make("span", { className: "sure" }, confidence)),
      rival && make("td", { className: "quiet wide", textContent: or }));
    made.addEventListener("click", (event) => { if (!event.target.closest("button")) this.seek(one.start_s); });
    return made;
  }

  /** Marks the segment under the playhead. */
  at(current) {
    for (const line of this.rows.querySelectorAll("[aria-current]")) line.removeAttribute("aria-current");
    this.lines.get(current)?.setAttribute("aria-current", "true");
  }
}

/** Buttons for files: the answer, what the answer brought, and what is made of its segments. */
export function filesCard(answer, name) {
  const stem = name.replace(/\.[^.]*$/, "");
  const fps = rateOf(answer.fps);
  const about = { fps, version: [answer.model?.recipe ?? "rushes", answer.model?.train].filter(Boolean).join(" ") };
  const made = FORMATS.filter(({ counts }) => !counts || fps || answer.spectrogram).map(({ title, suffix, type, write }) => button(
    title, () => download(write(answer.segments, name, about), stem + suffix, type), { className: "file" }));
  return make("section", { className: "card files" },
    make("h2", { textContent: "Take it with you" }),
    make("p", { className: "row" },
      button("JSON", () => download(JSON.stringify(answer, null, 1), `${stem}.json`, "application/json"), { className: "file" }),
      made,
      answer.file && button(answer.file.name, () => download(answer.file.text, answer.file.name, "text/plain"), { className: "file" })));
}

/** Frames a second, of 25, "25" or "30000/1001". */
function rateOf(said) {
  const [over, under = "1"] = String(said ?? "").split("/");
  const rate = Number(over) / Number(under);
  return rate > 0 && Number.isFinite(rate) ? rate : null;
}
