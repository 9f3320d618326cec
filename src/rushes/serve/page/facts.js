// Any answer as people read it: names and values, tables, and figures with a bar where they are probabilities.

import { bar, button, chip, download, make } from "./dom.js";
import { isNumber, percent, plain, title } from "./words.js";

export const BESIDE = ["request_id", "model", "timings_ms"];
const SHARES = /(^|_)(confidence|probability|score|scores|probabilities)$/;
const LONGEST_READ = 200_000;
const MOST_ROWS = 60;
const MOST_SHARES = 4;

const PICTURE = "spectrogram";

/** The address of a picture that an answer carries. */
export const pictureOf = (base64) => `data:image/png;base64,${base64}`;

const isObject = (value) => typeof value === "object" && value !== null && !Array.isArray(value);
const isShare = (name, value) => SHARES.test(name) && isNumber(value) && value >= 0 && value <= 1;

/** Names and values of an answer; things with the same fields stand in one table. */
export function facts(answer, colours = new Map(), leave = BESIDE) {
  const rows = Object.entries(answer).filter(([name, value]) => !leave.includes(name) && value !== null);
  const objects = rows.filter(([name, value]) => isObject(value) && !SHARES.test(name));
  const alike = objects.map(([, value]) => objects.filter(([, other]) => keys(other) === keys(value)));
  const tabled = alike.sort((one, other) => other.length - one.length).find(({ length }) => length > 1) ?? [];
  const listed = rows.filter((row) => !tabled.includes(row)).flatMap(([name, value]) => [
    make("dt", { textContent: title(name) }),
    make("dd", {}, shown(name, value, colours)),
  ]);
  const list = make("dl", { className: "facts" }, listed);
  return tabled.length ? make("div", {}, table(tabled.map(([name, value]) => ({ "": title(name), ...value })), colours), list) : list;
}

const keys = (value) => Object.keys(value).join();

function shown(name, value, colours) {
  if (name === PICTURE) return make("img", { className: "heard", alt: "Spectrogram", src: pictureOf(value) });
  if (isShare(name, value)) return [bar(value), make("span", { className: "figure", textContent: percent(value) })];
  if (isObject(value)) return object(name, value, colours);
  if (Array.isArray(value)) return list(name, value, colours);
  return colours.has(value) ? make("span", { className: "label" }, chip(colours.get(value)), value) : plain(value);
}

function object(name, value, colours) {
  const inner = Object.entries(value);
  if (inner.length && inner.every(([, one]) => isNumber(one) && one >= 0 && one <= 1) && SHARES.test(name)) {
    return shares(inner, colours, MOST_SHARES);
  }
  if (inner.length && inner.every(([, one]) => isObject(one))) {
    return table(inner.map(([key, one]) => ({ "": title(key), ...one })), colours);
  }
  if (!inner.some(([, one]) => typeof one === "object" && one !== null)) {
    return inner.map(([key, one]) => `${title(key)} ${plain(one)}`).join(" · ");
  }
  return facts(value, colours, []);
}

/** Label -> probability, the highest first. */
export function shares(entries, colours, most = 12) {
  const sorted = [...entries].sort(([, one], [, other]) => other - one).slice(0, most);
  return make("ul", { className: "shares" }, sorted.map(([label, share]) => make("li", {},
    make("span", { className: "label" }, chip(colours.get(label)), label),
    bar(share, colours.get(label)),
    make("span", { className: "figure", textContent: percent(share) }))));
}

function list(name, value, colours) {
  if (!value.length) return "none";
  if (value.every(isObject)) return table(value, colours);
  const said = value.slice(0, MOST_ROWS).map(plain).join(", ");
  return value.length > MOST_ROWS ? `${said} … (${value.length})` : said;
}

function table(rows, colours) {
  const columns = [...new Set(rows.flatMap((row) => Object.keys(row)))];
  const head = columns.map((column) => make("th", { scope: "col", textContent: title(column) }));
  const body = rows.slice(0, MOST_ROWS).map((row) => make("tr", {}, columns.map((column, place) => make(
    column === "" ? "th" : "td",
    { className: isNumber(row[column]) ? "number" : "", ...(column === "" ? { scope: "row" } : {}) },
    place || column !== "" ? cellOf(column, row[column], colours) : row[column]))));
  return make("div", { className: "scroll" }, make("table", {},
    make("thead", {}, make("tr", {}, head)), make("tbody", {}, body)));
}

const cellOf = (column, value, colours) => {
  if (isShare(column, value)) return percent(value);
  if (colours.has(value)) return make("span", { className: "label" }, chip(colours.get(value)), value);
  return plain(value);
};

/** Which model answered, how long it took, and the answer itself. */
export function source(answer, name) {
  const { request_id: id, model, timings_ms: timings } = answer;
  const text = JSON.stringify(answer, null, 1);
  const told = JSON.stringify(answer, (field, value) => (field === PICTURE ? `PNG, ${value?.length} characters` : value), 1);
  const cut = told.length > LONGEST_READ ? `${told.slice(0, LONGEST_READ)}\n… ${told.length} characters in all` : told;
  const taken = isNumber(timings?.total) ? ` · ${(timings.total / 1000).toFixed(1)} s` : "";
  const read = make("details", {}, make("summary", { textContent: "Read the answer" }));
  read.addEventListener("toggle", () => {
    if (read.open && !read.querySelector("pre")) {
      read.append(make("pre", { tabIndex: 0, textContent: cut }));
    }
  });
  return make("div", { className: "source" },
    make("p", { className: "quiet" },
      isObject(model) && model.recipe ? `${model.recipe} · weights ${String(model.weights ?? "").slice(0, 12)}` : "",
      taken, id ? " · request " : "", id && make("code", { textContent: id })),
    read,
    name && button("JSON", () => download(text, `${name}.json`, "application/json"), { className: "file" }));
}
