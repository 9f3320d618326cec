// A recording: played here, answered by the service, shown as a timeline under the player.

import { post } from "./api.js";
import { askedFields } from "./asked.js";
import { clipOf } from "./clip.js";
import { palette } from "./colours.js";
import { button, chip, chooser, droppable, find, make, say } from "./dom.js";
import { BESIDE, facts, pictureOf, source } from "./facts.js";
import { filesCard, nextCard, Now, Segments, timesCard } from "./panels.js";
import { problemCard } from "./problem.js";
import { Progress } from "./progress.js";
import { Timeline } from "./timeline.js";
import { clock, count, isNumber, size, span } from "./words.js";

const ACCEPTS = { video: "video/*,.mkv,.avi,.mov,.mp4,.webm", audio: "audio/*,.wav,.flac,.mp3,.ogg,.opus,.m4a" };
const NAMED = ["clip_id", "video_id", "name"];  // fields that the name of the file is said in
const WANTED = ["scores", "spectrogram"];  // fields that ask for more to be shown
const OPTIONS = { analyze: "Options of the timeline", predict: "Options of a clip" };
const MB = 1e6;
const MOST_LABELS = 24;

/** What can be said, with the colours that it will have. */
const legend = (labels) => labels.length > 0 && make("ul", { className: "legend", "aria-label": "Labels that are told apart" },
  [...palette(labels)].slice(0, MOST_LABELS).map(([label, colour]) => make("li", { className: "label" }, chip(colour), label)),
  labels.length > MOST_LABELS && make("li", { textContent: `and ${labels.length - MOST_LABELS} more` }));

export const recordingView = (about) => new RecordingView(about).element;

/** Add a tick to segments: it lengthens the last one where that has the same label, and ends it in any case. */
function join(segments, { start_s: start, label, confidence }) {
  const last = segments.at(-1);
  const length = last ? start - last.at : 0;
  if (last?.open) last.end_s = start;
  if (last?.open && last.label === label) {
    last.ticks += 1;
    if (last.confidence !== null) last.confidence += (confidence - last.confidence) / last.ticks;
    last.end_s = start + length;
    last.at = start;
    return;
  }
  if (last) Object.assign(last, { open: false, at: start });
  if (label !== null) segments.push({ start_s: start, end_s: start + (length || 1e-3), label, confidence, ticks: 1, at: start, open: true });
}

class RecordingView {
  constructor(about) {
    this.about = about;
    this.kind = about.player === "audio" ? "audio" : "video";
    this.noun = this.kind === "audio" ? "sound" : "video";
    this.file = null;
    this.cuts = about.verbs.predict?.asked?.properties?.start_s !== undefined;  // whether a clip may begin anywhere
    this.stop = null;
    this.fields = Object.fromEntries(["analyze", "predict"].filter((verb) => about.verbs[verb])
      .map((verb) => [verb, askedFields(about.verbs[verb].asked, [...NAMED, ...WANTED], OPTIONS[verb])]));
    this.timeline = new Timeline((time) => this.seek(time));
    this.now = new Now();
    this.segments = new Segments((time) => this.seek(time));
    this.element = make("div", { className: "recording" });
    this.element.append(this.invitation());
    droppable(this.element, (files) => this.take(files));
    document.addEventListener("keydown", (event) => this.press(event));
  }

  // --- a file -----------------------------------------------------------------------------------------------

  invitation() {
    const { max_mb: most, max_s: longest } = this.about.limits ?? {};
    const bounds = [most && `up to ${size(most * MB)}`, longest && `${span(longest)} at most`].filter(Boolean).join(", ");
    return make("section", { className: "card drop" },
      make("p", { className: "big", textContent: `Drop a ${this.noun} here` }),
      make("p", { className: "quiet", textContent: "It plays here, in your browser; the service labels it." }),
      make("p", { className: "row" }, chooser(`Choose a ${this.noun}`, ACCEPTS[this.kind], (files) => this.take(files))),
      bounds && make("p", { className: "quiet", textContent: bounds }),
      legend(this.about.labels ?? []),
      this.options());
  }

  options() {
    const elements = Object.values(this.fields).map(({ element }) => element).filter(Boolean);
    return elements.length ? make("div", { className: "row choices" }, elements) : null;
  }

  take([file]) {
    this.stop?.abort();
    this.file = file;
    this.answer = null;
    this.refused = false;
    this.timeline.shown = null;
    this.timeline.at(0);
    this.build();
    const { max_mb: most } = this.about.limits ?? {};
    if (most && file.size > most * MB) {
      this.fail({ status: 413, problem: { detail: `The file has ${size(file.size)}, the service takes ${size(most * MB)}.`, cure: "Send a shorter part of it, or a smaller picture." } });
    } else if (this.about.verbs.analyze) this.analyze();
    else this.predict();
  }

  build() {
    if (this.url) URL.revokeObjectURL(this.url);
    this.url = URL.createObjectURL(this.file);
    this.player = make(this.kind, { src: this.url, controls: true, preload: "auto", playsInline: true, "aria-label": this.file.name });
    this.unplayed = make("p", { className: "note", hidden: true, textContent: `This browser cannot play the file. The service may still be able to read it.` });
    this.player.addEventListener("error", () => { this.unplayed.hidden = this.refused; this.player.hidden = true; });
    this.player.addEventListener("play", () => this.run());
    for (const name of ["timeupdate", "seeked"]) this.player.addEventListener(name, () => this.at(this.player.currentTime));
    this.status = make("div", { className: "status" });
    this.cards = make("div", { className: "cards" });
    this.aside = make("aside", { className: "aside", "aria-label": "At this moment" }, this.status, this.cards);
    this.below = make("div", { className: "below" });
    this.clip = make("div", { className: "clip" });
    this.length = make("span", { className: "quiet", textContent: size(this.file.size) });
    this.player.addEventListener("loadedmetadata", () => {
      if (Number.isFinite(this.player.duration)) this.length.textContent = `${clock(this.player.duration)} · ${size(this.file.size)}`;
    });
    this.ways = make("span", { className: "ways" },
      this.about.verbs.analyze && button("Analyze again", () => this.analyze()),
      this.about.verbs.predict && button(this.cuts ? "Ask about the clip from here" : "Ask about it as one clip", () => this.predict()),
      chooser(`Another ${this.noun}`, ACCEPTS[this.kind], (files) => this.take(files)));
    this.timeline.element.hidden = true;
    this.element.replaceChildren(
      make("div", { className: "row filebar" }, make("b", { className: "filename", textContent: this.file.name }), this.length, this.ways),
      this.options() ?? "",
      make("div", { className: `stage ${this.kind}` }, make("div", { className: "player" }, this.player, this.unplayed), this.aside),
      this.timeline.element, this.clip, this.below);
  }

  // --- asking -----------------------------------------------------------------------------------------------

  form(verb) {
    const { files, asked } = this.about.verbs[verb], form = new FormData();
    this.fields[verb].fill(form);
    const takes = (field) => asked?.properties?.[field] !== undefined;
    if (verb === "predict" && this.cuts && this.player.currentTime && !form.has("start_s")) form.set("start_s", this.player.currentTime.toFixed(3));
    for (const field of NAMED.filter(takes)) form.set(field, this.file.name.slice(0, 200));
    for (const field of WANTED.filter(takes)) form.set(field, "true");
    form.set(Object.keys(files)[0], this.file, this.file.name);
    return form;
  }

  async ask(verb, show, onEvent) {
    this.stop?.abort();
    const stop = this.stop = new AbortController();
    const progress = new Progress(this.noun, () => stop.abort());
    this.status.replaceChildren(progress.element);
    this.busy(true);
    try {
      const answer = await post(`/${verb}`, this.form(verb), { signal: stop.signal, ...progress.hooks(onEvent) });
      if (this.stop !== stop) return;
      this.status.replaceChildren();
      show(answer);
    } catch (error) {
      if (this.stop !== stop) return;
      if (error.name === "AbortError") this.status.replaceChildren(make("p", { className: "note", textContent: "Cancelled. Nothing is being worked on." }));
      else this.fail(error, () => this.ask(verb, show, onEvent));
    } finally {
      if (this.stop === stop) this.busy(false);
    }
  }

  busy(on) {
    for (const one of this.ways.querySelectorAll("button")) one.disabled = on;
  }

  fail(error, again) {
    this.refused = error.status === 422;  // then nobody reads it, and how this browser does says no more
    if (this.refused) this.unplayed.hidden = true;
    this.status.replaceChildren(problemCard(error, again));
  }

  analyze() {
    const partial = [];
    this.player.addEventListener("loadedmetadata", () => { if (partial.length && !this.answer) this.showPartial(partial); }, { once: true });
    this.answer = null;
    for (const old of [this.below, this.cards]) old.replaceChildren();
    this.timeline.shown = null;
    this.timeline.element.hidden = true;
    return this.ask("analyze", (answer) => this.showAnswer(answer), (name, data) => {
      if (name !== "partial") return;
      for (const tick of data.ticks ?? []) join(partial, tick);
      if (partial.length) this.showPartial(partial);
    });
  }

  predict() {
    return this.ask("predict", (answer) => {
      say("The clip was answered.");
      this.clip.replaceChildren(make("section", { className: "card" },
        make("h2", { textContent: isNumber(answer.start_s) ? `The clip from ${clock(answer.start_s)}` : "As one clip" }), facts(clipOf(answer), palette(this.about.labels ?? []), [...BESIDE, ...NAMED]), source(answer, this.file.name.replace(/\.[^.]*$/, ".clip"))));
    });
  }

  // --- the answer -------------------------------------------------------------------------------------------

  shownOf(answer) {
    const labels = [...new Set([...(answer.labels ?? this.about.labels ?? []), ...(answer.segments ?? []).map((one) => one.label)])];
    const played = this.player.duration;
    const ends = Math.max(0, ...(answer.segments ?? []).map((one) => one.end_s));
    const length = [answer.duration_s, played, ends].find((one) => isNumber(one) && one > 0) ?? 1;
    return {
      length, labels, segments: answer.segments ?? [], colours: palette(labels), boundaries: answer.boundaries ?? [], scores: [], tick: 1, offset: 0,
      picture: null, known: null,
    };
  }

  showPartial(segments) {
    const shown = this.shownOf({ segments, labels: this.about.labels });
    this.place({ ...shown, length: Math.max(shown.length, segments.at(-1).end_s), known: segments.at(-1).end_s });
  }

  async showAnswer(answer) {
    this.answer = answer;
    const scores = answer.tick_s && Array.isArray(answer.scores) ? answer.scores : [];
    const shown = { ...this.shownOf(answer), scores, tick: answer.tick_s ?? 1, offset: answer.ticks?.length > 1 ? answer.ticks[1].start_s - answer.tick_s : 0 };
    if (answer.spectrogram) {
      shown.picture = make("img", { src: pictureOf(answer.spectrogram), alt: "" });
      await shown.picture.decode().catch(() => { shown.picture = null; });
    }
    const heard = this.kind === "audio";  // its player is low, so there is room above the timeline
    this.place(shown);
    this.segments.show(this.timeline.shown);
    this.cards.replaceChildren(...[this.now.element, nextCard(answer, shown.colours), heard && timesCard(shown)].filter(Boolean));
    const remark = answer.remark || answer.said;
    this.below.replaceChildren(...[
      remark && make("p", { className: "note remark", textContent: remark }),
      filesCard(answer, this.file.name),
      heard ? this.segments.element : make("div", { className: "beside" }, this.segments.element, timesCard(shown)),
      source(answer),
    ].filter(Boolean));
    this.at(this.player.currentTime || 0);
    say(`The timeline is there: ${count(shown.segments.length, "segment")}.`);
  }

  place(shown) {
    this.timeline.element.hidden = false;
    this.timeline.show(shown);
  }

  // --- time -------------------------------------------------------------------------------------------------

  seek(time) {
    if (this.player.readyState) this.player.currentTime = time;
    this.at(time);
  }

  at(time) {
    const { shown } = this.timeline;
    if (!shown) return;
    const before = shown.current;
    this.timeline.at(time);
    if (!this.answer) return;
    this.now.at(time, shown);
    if (before !== shown.current) this.segments.at(shown.current);
  }

  run() {
    this.at(this.player.currentTime);
    if (!this.player.paused && this.player.isConnected) requestAnimationFrame(() => this.run());
  }

  press(event) {
    const { target, key } = event;
    if (!this.timeline.shown || !this.element.isConnected || find("dialog[open]") || event.ctrlKey || event.metaKey || event.altKey) return;
    if (target.closest?.("input, select, textarea, button, a, summary, pre, label")) return;
    const by = { ArrowRight: 1, ArrowLeft: -1 }[key];
    const keys = {
      " ": () => (this.player.paused ? this.player.play() : this.player.pause()),
      "+": () => this.timeline.zoom(0.5), "=": () => this.timeline.zoom(0.5), "-": () => this.timeline.zoom(2),
      0: () => this.timeline.fit(), Home: () => this.seek(0), End: () => this.seek(this.timeline.shown.length),
    };
    if (by && event.shiftKey) this.seek(Math.min(Math.max(this.timeline.time + by, 0), this.timeline.shown.length));
    else if (by) this.timeline.step(by);
    else if (keys[key]) keys[key]();
    else return;
    event.preventDefault();
  }
}
