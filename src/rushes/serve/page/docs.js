// The description of the service where it takes a key: a link sends none, so it is fetched and shown on the page.

import { getText, wantsKey } from "./api.js";
import { download, find } from "./dom.js";
import { problemCard } from "./problem.js";

async function show() {
  const [dialog, read] = [find("#docs"), find("#docs-read")];
  try {
    const page = new DOMParser().parseFromString(await getText("/docs"), "text/html");
    read.replaceChildren(...page.querySelector("main").childNodes);
  } catch (error) {
    read.replaceChildren(problemCard(error, show));
  }
  const raw = read.querySelector("a[href='openapi.json']");
  raw?.addEventListener("click", async (event) => {
    event.preventDefault();
    download(await getText("/openapi.json"), "openapi.json", "application/json");
  });
  if (!dialog.open) dialog.showModal();
}

find("#api").addEventListener("click", (event) => {
  if (!wantsKey()) return;
  event.preventDefault();
  show();
});
