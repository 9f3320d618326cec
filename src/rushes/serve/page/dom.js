// Elements. Whatever comes from an answer is text here, never markup.

export const find = (selector) => document.querySelector(selector);

const named = (key) => key.includes("-") || key === "role" || key === "for";

/** An element; keys with a hyphen, role and for are attributes, all others properties; null is left out. */
export function make(name, properties = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(properties)) {
    if (value === null || value === undefined) continue;
    if (named(key)) made.setAttribute(key, value);
    else made[key] = value;
  }
  made.append(...children.flat().filter((child) => child !== null && child !== undefined && child !== false));
  return made;
}

export function button(text, onclick, properties = {}) {
  return make("button", { type: "button", textContent: text, onclick, ...properties });
}

/** A square of a colour before a label. */
export function chip(colour) {
  const made = make("i", { className: "chip", "aria-hidden": "true" });
  made.style.background = colour || "var(--faint)";
  return made;
}

/** A bar that is filled to a share; its figure stands beside it, so it is not read aloud. */
export function bar(share, colour) {
  const filled = make("i");
  filled.style.width = `${100 * Math.min(Math.max(share, 0), 1)}%`;
  if (colour) filled.style.background = colour;
  return make("span", { className: "bar", "aria-hidden": "true" }, filled);
}

/** Said by screen readers. */
export function say(text) {
  find("#aloud").textContent = text;
}

/** Save text as a file. */
export function download(text, name, type) {
  const url = URL.createObjectURL(new Blob([text], { type }));
  make("a", { href: url, download: name }).click();
  setTimeout(() => URL.revokeObjectURL(url), 10_000);
}

/** Call back with the files that are dropped onto an element. */
export function droppable(element, take) {
  const over = (on) => element.classList.toggle("over", on);
  element.addEventListener("dragover", (event) => { event.preventDefault(); over(true); });
  element.addEventListener("dragleave", (event) => { if (!element.contains(event.relatedTarget)) over(false); });
  element.addEventListener("drop", (event) => {
    event.preventDefault();
    event.stopPropagation();
    over(false);
    if (event.dataTransfer.files.length) take([...event.dataTransfer.files]);
  });
}

/** A chooser of files that looks like a button and can be reached by keyboard. */
export function chooser(text, accept, take, properties = {}) {
  const input = make("input", { type: "file", accept, className: "aloud", ...properties });
  input.addEventListener("change", () => {
    const files = [...input.files];
    input.value = "";  // the same file can be chosen again
    if (files.length) take(files);
  });
  return make("label", { className: "choose" }, input, make("span", { textContent: text }));
}
