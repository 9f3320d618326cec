"use strict";
// The server knows where the rater stands; this page shows it, and sends each press until the server has it.

const SETTLE_MS = 300;  // a press before it was meant for the pair before
const RETRY_MS = 800;
const CHOICES = { A: "top", B: "bottom", N: "tie", X: "bad", S: "skip" };
const SAID = { top: "upper row", bottom: "lower row", tie: "equal", bad: "both bad", skip: "skipped" };
const here = location.pathname;
const find = (selector) => document.querySelector(selector);
const [pair, keys, end, zoom, help, said] = ["#pair", "#keys", "#end", "#zoom", "#help", "#said"].map(find);

let state = null;      // as the server told last
let openSince = null;  // when the pair on the page could be answered; null while it cannot
let sending = false;
let paused = false;
let zoomed = null;     // place of the enlarged picture, 0 is the query
const ready = new Map();  // position -> the elements of a pair, loading or decoded

// --- the server -------------------------------------------------------------------------------------------

async function ask(path, body) {
  const options = body && { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(body) };
  for (;;) {
    try {
      const answer = await fetch(`${here}/${path}`, { cache: "no-store", ...options });
      if (answer.ok) return await answer.json();
      const why = (await answer.json().catch(() => ({}))).detail;
      tell(`Not saved yet: ${typeof why === "string" ? why : answer.statusText}. Trying again.`, true);
    } catch {
      tell("The server does not answer. Your choice is kept and sent again.", true);
    }
    await new Promise((done) => setTimeout(done, RETRY_MS));
  }
}

async function send(path, body) {
  if (sending) return;
  sending = true;
  lock();
  const told = await ask(path, { id: crypto.randomUUID ? crypto.randomUUID() : hex(), position: state.position, ...body });
  sending = false;
  return show(told);
}

function hex() {  // over plain http at another host there is no randomUUID
  return Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, "0")).join("");
}

// --- a pair -----------------------------------------------------------------------------------------------

function element(name, properties, ...children) {
  const made = Object.assign(document.createElement(name), properties);
  made.append(...children);
  return made;
}

function tile(position, place, label) {
  const image = element("img", { alt: "", draggable: false, src: `${here}/${position}/${place}.jpg` });
  const button = element("button", { type: "button", className: "tile", onclick: () => enlarge(place) }, image);
  button.setAttribute("aria-label", `${label}; enlarge`);
  return button;
}

function prepared(question) {
  if (ready.has(question.position)) return ready.get(question.position);
  const { position } = question;
  const query = question.picture
    ? tile(position, 0, "Picture that was asked")
    : element("p", { className: "words", textContent: question.text });
  const rows = ["A", "B"].map((name, row) => element("div", { className: "tiles" },
    ...[1, 2, 3, 4].map((rank) => tile(position, 4 * row + rank, `List ${name}, ${rank} of 4`))));
  const images = [query, ...rows].flatMap((one) => [...one.querySelectorAll("img")]);
  const decoded = Promise.all(images.map(decode));
  const made = { query, rows, decoded };
  ready.set(position, made);
  return made;
}

async function decode(image) {
  for (;;) {
    try {
      return await image.decode();
    } catch {
      await new Promise((done) => setTimeout(done, RETRY_MS));
      image.src = image.src;  // loads it again
    }
  }
}

async function show(told) {
  const before = state && state.position;
  state = told;
  if (said.classList.contains("bad")) tell("");
  progress();
  const voting = state.phase === "voting" && !paused;
  pair.hidden = keys.hidden = !voting;
  end.hidden = voting;
  if (!voting) return closing();
  const { position } = state;
  const shown = prepared(state.now);
  for (const one of ready.keys()) if (Math.abs(one - position) > 1) ready.delete(one);
  if (before !== position || openSince === null) {
    lock();
    unzoom();
    pair.classList.add("waiting");
    pair.classList.toggle("worded", !state.now.picture);
    find(".query").replaceChildren(shown.query);
    document.querySelectorAll(".list").forEach((list, row) => {
      list.classList.remove("chosen");
      list.replaceChildren(choose(list.dataset.list), shown.rows[row]);
    });
    lock();
    await shown.decoded;
    if (state.position !== position || sending) return;
    pair.classList.remove("waiting");
    performance.mark(`shown ${position}`);
    if (state.next) prepared(state.next);
    await new Promise((done) => setTimeout(done, SETTLE_MS));
    if (state.position !== position || sending || state.phase !== "voting") return;
    openSince = performance.now();
    unlock();
    find("#aloud").textContent = `Pair ${position + 1} of ${state.total}. ${state.now.text}`;
  }
}

function choose(name) {
  const button = element("button", { type: "button", className: "choose" }, element("kbd", { textContent: name }));
  button.dataset.key = name;
  button.setAttribute("aria-label", `List ${name}, the ${name === "A" ? "upper" : "lower"} row, is better`);
  return button;
}

function lock() {
  openSince = null;
  document.querySelectorAll("#pair .choose, #keys button").forEach((one) => { one.disabled = one.dataset.key !== "Q"; });
}

function unlock() {
  document.querySelectorAll("#pair .choose, #keys button").forEach((one) => { one.disabled = false; });
  find("#keys [data-key=U]").disabled = state.position === 0;
}

function progress() {
  const { position, total, left_s: left } = state;
  find("#count").textContent = `${Math.min(position + 1, total)} / ${total}`;
  find("#left").textContent = left === null || position >= total ? ""
    : left < 90 ? "about a minute left" : `about ${Math.round(left / 60)} minutes left`;
  const track = find(".track");
  track.firstElementChild.style.width = `${100 * position / total}%`;
  track.setAttribute("aria-valuemax", total);
  track.setAttribute("aria-valuenow", position);
}

function closing() {
  openSince = null;
  const [title, text] = {
    voting: ["Everything is saved", `${state.position} of ${state.total} judged. Go on now, or later by the same link.`],
    "all judged": ["That was the last pair", "Take back what you want to judge again, or finish; after that nothing changes."],
    finished: ["Thank you", "You are done. You can close this page."],
    closed: ["The study has ended", "It takes no more votes. Thank you."],
  }[state.phase];
  end.querySelector("h1").textContent = title;
  end.querySelector("p").textContent = text;
  const [undo, finish] = end.querySelectorAll("button");
  undo.hidden = state.phase !== "all judged";
  finish.hidden = !["voting", "all judged"].includes(state.phase);
  finish.replaceChildren(state.phase === "voting" ? "Go on " : "Finish ", element("kbd", { textContent: "Q" }));
}

function tell(text, bad = false) {
  said.textContent = text;
  said.classList.toggle("bad", bad);
}

// --- what a rater does ------------------------------------------------------------------------------------

function enlarge(place) {
  const images = document.querySelectorAll("#pair img");
  const first = state.now.picture ? 0 : 1;
  if (place < first || place > 8) return;
  zoomed = place;
  zoom.firstElementChild.src = images[place - first].src;
  zoom.firstElementChild.alt = images[place - first].parentElement.getAttribute("aria-label").split(";")[0];
  if (!zoom.open) zoom.showModal();
}

function unzoom() {
  zoomed = null;
  if (zoom.open) zoom.close();
}

function cast(key) {
  if (openSince === null || sending) return;
  const ms = Math.round(performance.now() - openSince);
  document.querySelectorAll(".list").forEach((list) => list.classList.toggle("chosen", list.dataset.list === key));
  tell(`last: ${SAID[CHOICES[key]]}`);
  send("vote", { choice: CHOICES[key], ms });
}

function press(key) {
  if (key === "?") return help.open ? help.close() : help.showModal();
  if (help.open) return undefined;
  if (key === "Q") {
    if (state.phase === "all judged") return send("finish", {});
    if (state.phase !== "voting" || sending) return undefined;
    paused = !paused;
    unzoom();
    return show(state);
  }
  if (key === "U") {
    const may = state.phase === "all judged" || openSince !== null;
    return may && !paused && state.position > 0 ? (tell("taken back"), send("undo", {})) : undefined;
  }
  return !paused && CHOICES[key] ? cast(key) : undefined;
}

document.addEventListener("click", (event) => {
  const button = event.target.closest("[data-key]");
  if (button && !button.disabled && state) press(button.dataset.key);
});
zoom.addEventListener("click", unzoom);
zoom.addEventListener("close", () => { zoomed = null; });
document.addEventListener("keydown", (event) => {
  if (!state || event.repeat || event.ctrlKey || event.metaKey || event.altKey) return;
  const key = event.key === "Backspace" ? "U" : event.key.length === 1 ? event.key.toUpperCase() : event.key;
  const looking = state.phase === "voting" && !paused && !help.open;
  if (looking && /^[1-8]$/.test(key)) return zoomed === Number(key) ? unzoom() : enlarge(Number(key));
  if (looking && key === " " && !(event.target.closest && event.target.closest("button"))) {
    event.preventDefault();
    return zoomed !== null ? unzoom() : enlarge(state.now.picture ? 0 : 1);
  }
  if (zoomed !== null && (key === "ArrowLeft" || key === "ArrowRight")) return enlarge(zoomed + (key === "ArrowLeft" ? -1 : 1));
  if ("?ABNSXUQ".includes(key)) {
    event.preventDefault();
    press(key);
  }
});
document.addEventListener("visibilitychange", async () => {
  if (!document.hidden && !sending && state) show(await ask("state"));
});
ask("state").then(show);
