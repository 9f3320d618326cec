// A rig: one file for each camera, one answer.

import { post } from "./api.js";
import { askedFields } from "./asked.js";
import { palette } from "./colours.js";
import { button, chooser, droppable, make, say } from "./dom.js";
import { facts, source } from "./facts.js";
import { problemCard } from "./problem.js";
import { Progress } from "./progress.js";
import { size, title } from "./words.js";

export const rigView = (about) => new RigView(about).element;

class RigView {
  constructor(about) {
    this.about = about;
    this.verb = about.verbs.predict;
    this.fields = askedFields(this.verb.asked, ["clip_id"]);
    this.slots = Object.entries(this.verb.files).map(([name, needed]) => new Slot(name, needed, () => this.check()));
    this.status = make("div", { className: "status" });
    this.answer = make("div");
    this.go = button("Ask", () => this.ask(), { className: "main", disabled: true });
    this.missing = make("span", { className: "quiet" });
    const [needed, more] = [true, false].map((is) => this.slots.filter((slot) => slot.needed === is).map((slot) => slot.element));
    this.element = make("div", { className: "rig" },
      make("p", { className: "quiet", textContent: "Choose a file for each camera, or drop all of them here: they find their places by their names." }),
      make("div", { className: "slots" }, needed),
      more.length > 0 && make("details", { className: "options more" },
        make("summary", { textContent: more.length > 1 ? `${more.length} further files, if you have them` : "A further file, if you have it" }), make("div", { className: "slots" }, more)),
      this.fields.element, make("p", { className: "row" }, this.go, this.missing), this.status, this.answer);
    droppable(this.element, (files) => this.deal(files));
    this.check();
  }

  /** Give each file to the slot whose name stands in its name, the longest name first; what is left in order. */
  deal(files) {
    const slots = [...this.slots].sort((one, other) => other.name.length - one.name.length);
    const left = [];
    for (const file of files) {
      const plain = simple(file.name), place = slots.findIndex((slot) => plain.includes(simple(slot.name)));
      if (place < 0) left.push(file);
      else slots.splice(place, 1)[0].take(file);
    }
    const free = this.slots.filter((slot) => slot.needed && !slot.file);
    left.forEach((file, place) => free[place]?.take(file));
  }

  check() {
    const missing = this.slots.filter((slot) => slot.needed && !slot.file).length;
    this.go.disabled = missing > 0;
    this.missing.textContent = missing ? `${missing} of ${this.slots.filter((slot) => slot.needed).length} cameras have no file yet` : "";
  }

  async ask() {
    this.stop?.abort();
    const stop = this.stop = new AbortController(), form = new FormData();
    this.fields.fill(form);
    for (const { name, file } of this.slots) if (file) form.set(name, file, file.name);
    const progress = new Progress("cameras", () => stop.abort());
    this.status.replaceChildren(progress.element);
    this.go.disabled = true;
    try {
      const answer = await post("/predict", form, { signal: stop.signal, ...progress.hooks() });
      this.status.replaceChildren();
      say("Answered.");
      this.answer.replaceChildren(make("section", { className: "card" },
        make("h2", { textContent: "Answer" }), facts(answer, palette(this.about.labels ?? [])), source(answer, "answer")));
    } catch (error) {
      if (error.name === "AbortError") this.status.replaceChildren(make("p", { className: "note", textContent: "Cancelled." }));
      else this.status.replaceChildren(problemCard(error, () => this.ask()));
    } finally {
      this.check();
    }
  }
}

const simple = (name) => name.toLowerCase().replace(/[^a-z0-9]/g, "");

class Slot {
  constructor(name, needed, changed) {
    Object.assign(this, { name, needed, changed, file: null });
    this.said = make("span", { className: "quiet", textContent: needed ? "no file yet" : "not needed" });
    this.view = make("div", { className: "view" });
    this.element = make("section", { className: "card slot" },
      make("h3", { textContent: title(name) }), this.view, this.said,
      chooser("Choose", needed ? "video/*,.mkv,.avi,.mov" : "", ([file]) => this.take(file), { "aria-label": `File of ${title(name)}` }));
    droppable(this.element, ([file]) => this.take(file));
  }

  take(file) {
    this.file = file;
    this.said.textContent = `${file.name} · ${size(file.size)}`;
    this.element.classList.add("full");
    if (this.url) URL.revokeObjectURL(this.url);
    if (this.needed) {
      this.url = URL.createObjectURL(file);
      const player = make("video", { src: this.url, muted: true, playsInline: true, controls: true, preload: "metadata", "aria-label": file.name });
      player.addEventListener("error", () => player.remove());
      this.view.replaceChildren(player);
    }
    this.changed();
  }
}
