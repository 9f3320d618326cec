// A search by words, by a picture, or by both; what is found is shown with pictures.

import { getBlob, pictureUrl, post } from "./api.js";
import { button, chooser, droppable, make, say } from "./dom.js";
import { source } from "./facts.js";
import { problemCard } from "./problem.js";
import { count, isNumber, plain, title } from "./words.js";

const FIRST_FIELDS = 3;
const WORDS = ["words", "text", "query", "q"];
const COUNTS = ["k", "top", "limit"];

export const searchView = (about) => new SearchView(about).element;

class SearchView {
  constructor(about) {
    this.verb = about.verbs.search;
    const known = Object.keys(this.verb.asked?.properties ?? {});
    this.names = { words: known.find((name) => WORDS.includes(name)) ?? "words", count: known.find((name) => COUNTS.includes(name)) };
    this.takes = (name) => known.includes(name);
    this.image = Object.keys(this.verb.files)[0];
    this.where = new Map();
    this.fields = new Map(Object.entries(about.fields ?? {}).map(([name, values]) => [name, new Set(values)]));
    this.build();
  }

  build() {
    this.words = make("input", { type: "search", id: "words", placeholder: "grey oak sideboard", autocomplete: "off", maxLength: 2000, "aria-label": "Words to search for" });
    this.count = make("select", { "aria-label": "How many" }, [12, 24, 48, 96].map((value) => make("option", { value, textContent: `${value} results`, selected: value === 24 })));
    this.weight = make("input", { type: "range", min: 0, max: 1, step: 0.05, value: 0.5, "aria-label": "How much the words count against the picture" });
    this.mix = make("label", { className: "mix", hidden: true }, "picture", this.weight, "words");
    this.thumb = make("span", { className: "thumb", hidden: true });
    this.filters = make("span", { className: "filters" });
    this.status = make("div", { className: "status" });
    this.found = make("ol", { className: "found" });
    this.below = make("div");
    const form = make("form", { className: "card ask", role: "search" },
      make("div", { className: "row asking" }, this.thumb, this.words,
        this.image && chooser("Picture", "image/*", ([file]) => this.takePicture(file), { "aria-label": "A picture to search with" }),
        make("button", { type: "submit", className: "main", textContent: "Search" })),
      make("div", { className: "row" }, this.filters, this.takes("where") && this.adder(), this.mix, this.names.count && this.count));
    form.addEventListener("submit", (event) => { event.preventDefault(); this.search(); });
    this.element = make("div", { className: "search" }, form, this.status, this.found, this.below);
    droppable(this.element, ([file]) => this.takePicture(file));
    this.element.addEventListener("paste", (event) => {
      const [file] = event.clipboardData.files;
      if (file) this.takePicture(file);
    });
  }

  // --- what is asked ----------------------------------------------------------------------------------------

  takePicture(file) {
    if (this.url) URL.revokeObjectURL(this.url);
    this.picture = file;
    this.thumb.hidden = !file;
    this.mix.hidden = !file || !this.takes("weight");
    if (!file) return;
    this.url = URL.createObjectURL(file);
    this.thumb.replaceChildren(make("img", { src: this.url, alt: `Searched with ${file.name}` }),
      button("×", () => this.takePicture(null), { "aria-label": "Search without the picture" }));
    this.search();
  }

  /** Two inputs for a filter; fields and values that are known are proposed. */
  adder() {
    const value = make("input", { type: "text", placeholder: "value", "aria-label": "Value that the field must have", size: 12 });
    const field = make("select", { "aria-label": "Field to filter by" });
    this.values = make("datalist", { id: "values" });
    value.setAttribute("list", "values");
    this.field = field;
    field.addEventListener("change", () => this.propose());
    const add = () => {
      if (!value.value.trim() || !field.value) return;
      this.filter(field.value, value.value.trim());
      value.value = "";
    };
    value.addEventListener("keydown", (event) => { if (event.key === "Enter") { event.preventDefault(); add(); } });
    this.adding = make("span", { className: "adder" }, field, value, this.values, button("Add filter", add));
    this.refresh();
    return this.adding;
  }

  propose() {
    this.values.replaceChildren(...[...this.fields.get(this.field.value) ?? []].slice(0, 200).map((value) => make("option", { value })));
  }

  refresh() {
    if (!this.adding) return;
    const chosen = this.field.value;
    this.adding.hidden = !this.fields.size;
    this.field.replaceChildren(...[...this.fields.keys()].map((name) => make("option", { value: name, textContent: title(name), selected: name === chosen })));
    this.propose();
  }

  filter(name, value) {
    if (value === null) this.where.delete(name);
    else this.where.set(name, value);
    this.filters.replaceChildren(...[...this.where].map(([field, must]) => button(
      `${title(field)}: ${must} ×`, () => this.filter(field, null), { className: "pill", "aria-label": `Remove the filter ${field} ${must}` })));
    if (this.words.value.trim() || this.picture) this.search();
  }

  form() {
    const form = new FormData(), words = this.words.value.trim();
    if (words) form.set(this.names.words, words);
    if (this.picture) form.set(this.image, this.picture, this.picture.name ?? "picture");
    if (this.names.count) form.set(this.names.count, this.count.value);
    if (this.where.size) form.set("where", JSON.stringify(Object.fromEntries(this.where)));
    if (words && this.picture && this.takes("weight")) form.set("weight", this.weight.value);
    return form;
  }

  async search() {
    this.stop?.abort();
    const stop = this.stop = new AbortController();
    if (!this.words.value.trim() && !this.picture) {
      this.status.replaceChildren(make("p", { className: "note", textContent: "Type what you look for, or choose a picture." }));
      return;
    }
    const tell = (textContent) => this.status.replaceChildren(make("p", { className: "quiet", textContent }));
    tell("Searching …");
    this.found.setAttribute("aria-busy", "true");
    try {
      const answer = await post("/search", this.form(), { signal: stop.signal, onWait: (left) => tell(`The service is busy. Trying again in ${left} s`) });
      if (this.stop === stop) this.show(answer);
    } catch (error) {
      if (this.stop === stop && error.name !== "AbortError") {
        this.found.replaceChildren();
        this.below.replaceChildren();
        this.status.replaceChildren(problemCard(error, () => this.search()));
      }
    } finally {
      if (this.stop === stop) this.found.removeAttribute("aria-busy");
    }
  }

  // --- what is found ----------------------------------------------------------------------------------------

  show(answer) {
    const hits = answer.hits ?? [];
    for (const { fields } of hits) this.learn(fields);
    this.refresh();
    const told = hits.length ? `${hits.length} found, the nearest first` : "Nothing is found. Ask with fewer filters.";
    const said = answer.said || answer.remark;
    this.status.replaceChildren(make("p", { className: "quiet", textContent: said ? `${told} · ${said}` : told }));
    say(told);
    this.found.replaceChildren(...hits.map((hit) => this.card(hit)));
    this.below.replaceChildren(source(answer, "found"));
  }

  learn(fields) {
    for (const [name, value] of Object.entries(fields ?? {})) {
      if (typeof value !== "string" || value.length > 60) continue;
      if (!this.fields.has(name)) this.fields.set(name, new Set());
      this.fields.get(name).add(value);
    }
  }

  card({ key, rank, score, fields = {}, picture }) {
    const path = picture ?? `/items/${encodeURIComponent(key)}.jpg`;
    const entries = Object.entries(fields).filter(([, value]) => value !== null && value !== "");
    const named = entries.find(([name]) => /^(title|name)$/.test(name)) ?? entries[0];
    const beside = entries.filter((entry) => entry !== named);
    const image = make("img", { alt: named ? plain(named[1]) : key, loading: "lazy", decoding: "async" });
    image.addEventListener("error", () => image.classList.add("broken"));
    pictureUrl(path).then((url) => { image.src = url; }, () => image.classList.add("broken"));
    const first = beside.filter(([, value]) => typeof value === "string" && value.length < 30).slice(0, FIRST_FIELDS);
    return make("li", { className: "card hit" },
      make("div", { className: "row" }, make("b", { textContent: rank }), isNumber(score) && make("span", { className: "figure", title: "cosine", textContent: score.toFixed(3) })),
      image,
      make("p", { className: "name", textContent: named ? plain(named[1]) : key }),
      make("p", { className: "row tags" }, first.map(([name, value]) => (this.takes("where")
        ? button(value, () => this.filter(name, value), { className: "pill", title: `${title(name)}: only ${value}` })
        : make("span", { className: "pill", textContent: value })))),
      make("details", {}, make("summary", { textContent: count(entries.length, "field") }),
        make("dl", { className: "facts" }, [["key", key], ...entries].flatMap(([name, value]) => [
          make("dt", { textContent: title(name) }), make("dd", { textContent: plain(value) })]))),
      this.image && button("More like this", () => this.like(path, key), { className: "plain" }));
  }

  async like(path, key) {
    const blob = await getBlob(path);
    this.words.value = "";
    this.takePicture(new File([blob], `${key}.jpg`, { type: blob.type }));
    this.words.scrollIntoView({ block: "center", behavior: "smooth" });
  }
}
