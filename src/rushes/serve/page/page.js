// The page of a service: it asks what the task has, and shows a way to ask for each.

import { forgetKey, getJson } from "./api.js";
import "./docs.js";
import { button, find, make } from "./dom.js";
import { problemCard } from "./problem.js";
import { recordingView } from "./recording.js";
import { rigView } from "./rig.js";
import { searchView } from "./search.js";

/** Ways to ask, by what the verbs of a task take: name and view of each. */
function waysOf({ verbs }) {
  const many = (verb) => Object.keys(verb.files).length > 1;
  const one = (verb) => verb && !many(verb) ? verb : null;
  const ways = [];
  if (one(verbs.analyze) || one(verbs.predict)) ways.push(["Recording", recordingView]);
  if (verbs.predict && many(verbs.predict)) ways.push(["Cameras", rigView]);
  if (verbs.search) ways.push(["Search", searchView]);
  return ways;
}

async function open() {
  const main = find("#main");
  let about;
  try {
    about = await getJson("/about.json");
  } catch (error) {
    main.replaceChildren(problemCard(error, open));
    return;
  }
  const ways = waysOf(about);
  const { analyze, predict, search } = about.verbs;
  document.title = `${about.name} · rushes`;
  find("#name").textContent = about.name;
  find("#task").textContent = (analyze ?? predict ?? search)?.summary ?? "";
  find("#foot").replaceChildren(make("p", { textContent: `rushes ${about.version ?? ""}` }));
  if (!ways.length) main.replaceChildren(make("p", { className: "quiet", textContent: "This service has no way to ask that a page can show; see its API." }));
  else show(ways, about);
}

function show(ways, about) {
  const [tabs, main] = [find("#tabs"), find("#main")];
  const views = ways.map(([, view]) => view(about));
  const pick = (chosen) => {
    main.replaceChildren(views[chosen]);
    [...tabs.children].forEach((tab, place) => {
      tab.setAttribute("aria-selected", String(place === chosen));
      tab.tabIndex = place === chosen ? 0 : -1;
    });
  };
  tabs.hidden = ways.length < 2;
  tabs.replaceChildren(...ways.map(([name], place) => button(name, () => pick(place), { role: "tab", "aria-controls": "main" })));
  tabs.onkeydown = (event) => {
    const by = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    if (!by) return;
    const place = ([...tabs.children].indexOf(document.activeElement) + by + ways.length) % ways.length;
    pick(place);
    tabs.children[place].focus();
  };
  pick(0);
}

find("#forget").addEventListener("click", () => forgetKey());
for (const name of ["dragover", "drop"]) window.addEventListener(name, (event) => event.preventDefault());
window.addEventListener("unhandledrejection", (event) => {
  if (event.reason?.name === "AbortError") return;
  find("#main").prepend(problemCard(event.reason));
});
open();
