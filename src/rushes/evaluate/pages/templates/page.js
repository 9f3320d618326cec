"use strict";

// Tables: a head is a button. First press: best first; second: the other way; third: the order as written.
for (const table of document.querySelectorAll("table.sortable")) {
  const body = table.tBodies[0], written = [...body.rows];
  if (written.length < 2) continue;
  const heads = [...table.tHead.rows[0].cells];
  heads.forEach((head, at) => {
    const button = document.createElement("button");
    button.type = "button";
    button.append(...head.childNodes);
    head.append(button);
    const ways = head.dataset.first === "up" ? ["ascending", "descending"] : ["descending", "ascending"];
    button.addEventListener("click", () => {
      const way = ways[ways.indexOf(head.getAttribute("aria-sort")) + 1];
      for (const other of heads) other.removeAttribute("aria-sort");
      if (way) head.setAttribute("aria-sort", way);
      const sign = way === "ascending" ? 1 : -1;
      const rows = written.map(row => [row, row.cells[at]?.dataset.value ?? ""]);
      const compare = (a, b) => isNaN(a) || isNaN(b) ? a.localeCompare(b, "en", {numeric: true}) : a - b;
      if (way) rows.sort(([, a], [, b]) => (a === "") - (b === "") || sign * compare(a, b));
      body.append(...rows.map(([row]) => row));
    });
  });
}

// Clips: shown or hidden by their verdict and their class; a heading goes with its last clip.
for (const filter of document.querySelectorAll(".filter")) {
  const gallery = document.getElementById(filter.dataset.of), clips = [...gallery.querySelectorAll(".clip")];
  const buttons = [...filter.querySelectorAll("button")], choice = filter.querySelector("select");
  const said = filter.querySelector("output");
  let verdict = "all";
  const apply = () => {
    let shown = 0;
    for (const clip of clips) {
      clip.hidden = !(verdict === "all" || clip.dataset.verdict === verdict)
        || !(!choice || choice.value === "" || clip.dataset.label === choice.value);
      shown += !clip.hidden;
    }
    for (const heading of gallery.querySelectorAll("h3")) {
      let next = heading.nextElementSibling, any = false;
      for (; next && next.tagName !== "H3"; next = next.nextElementSibling) any ||= !next.hidden;
      heading.hidden = !any;
    }
    for (const button of buttons) button.setAttribute("aria-pressed", button.value === verdict);
    said.textContent = `${shown} of ${clips.length} shown`;
  };
  for (const button of buttons) button.addEventListener("click", () => { verdict = button.value; apply(); });
  choice?.addEventListener("change", apply);
  filter.hidden = false;
  apply();
}

// Clips: enlarged in a dialog, which steps through those that are shown.
const dialog = document.querySelector("dialog"), place = dialog.querySelector("div");
let opened = null;
const step = by => {
  const shown = [...opened.parentNode.querySelectorAll(".clip:not([hidden])")];
  enlarge(shown[(shown.indexOf(opened) + by + shown.length) % shown.length]);
};
const enlarge = clip => {
  opened = clip;
  const copy = clip.cloneNode(true);
  copy.querySelector(".picture").removeAttribute("tabindex");
  place.replaceChildren(copy);
  if (!dialog.open) dialog.showModal();
};
for (const picture of document.querySelectorAll(".clip .picture")) {
  if (picture.querySelector("video, audio")) continue;
  picture.tabIndex = 0;
  picture.setAttribute("role", "button");
  picture.setAttribute("aria-label", "enlarge");
  const open = () => enlarge(picture.closest(".clip"));
  picture.addEventListener("click", open);
  picture.addEventListener("keydown", event => { if (event.key === "Enter") open(); });
}
dialog.querySelector("[value=back]").addEventListener("click", () => step(-1));
dialog.querySelector("[value=on]").addEventListener("click", () => step(1));
dialog.addEventListener("keydown", event => {
  if (event.key === "ArrowLeft") step(-1);
  if (event.key === "ArrowRight") step(1);
});
dialog.addEventListener("click", event => { if (event.target === dialog) dialog.close(); });

// Moments: a press plays the recording from there.
for (const moment of document.querySelectorAll("[data-at]")) {
  const player = document.getElementById(moment.dataset.player);
  if (!player) continue;
  const play = () => {
    player.currentTime = Number(moment.dataset.at);
    player.scrollIntoView({block: "nearest"});
    player.play().catch(() => {});  // of a kind that this browser cannot play
  };
  moment.addEventListener("click", play);
}
