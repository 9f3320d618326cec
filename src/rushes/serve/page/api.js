// Asking the service: with its key, with the progress of an upload, and once more when it is busy.

import { find } from "./dom.js";
import { EventReader } from "./events.js";

const KEPT = "rushes-key";
const LONGEST_WAIT_S = 300;
let key = sessionStorage.getItem(KEPT) || "";
let wanted = key !== "";

/** What the service says instead of an answer; status 0 where nothing came back. */
export class Refused extends Error {
  constructor(status, problem, retryS = null) {
    super(problem.detail);
    Object.assign(this, { status, problem, retryS });
  }
}

const unreachable = () => new Refused(0, {
  error: "unreachable",
  detail: "The connection was cut, or the service does not answer.",
  cure: "See whether it is still running, then try again.",
});

/** Whether the service asked for a key, so that a plain link of it leads nowhere. */
export const wantsKey = () => wanted;
export const hasKey = () => key !== "";
const headers = () => (key ? { "X-API-Key": key } : {});

export function forgetKey() {
  key = "";
  sessionStorage.removeItem(KEPT);
  find("#forget").hidden = true;
}

/** JSON of an address. */
export const getJson = (path) => keyed(async () => (await get(path)).json());

/** A picture of the service as an address for an image; with a key it is fetched, since an image sends none. */
export async function pictureUrl(path) {
  return hasKey() ? URL.createObjectURL(await getBlob(path)) : path;
}

export const getText = (path) => keyed(async () => (await get(path)).text());

export const getBlob = (path) => keyed(async () => (await get(path)).blob());

async function get(path) {
  const answer = await fetch(path, { headers: headers(), cache: "no-store" }).catch(() => { throw unreachable(); });
  if (answer.ok) return answer;
  throw refused(answer.status, await answer.text(), (name) => answer.headers.get(name));
}

/**
 * Send a form and wait for the answer.
 *
 * @param hooks signal; onUpload(share), onSent(), onEvent(name, data), onWait(seconds) while a busy service is left alone.
 */
export async function post(path, form, hooks = {}) {
  try {
    return await keyed(() => send(path, form, hooks));
  } catch (error) {
    if (error.status !== 429) throw error;
    await countDown(Math.min(error.retryS ?? 5, LONGEST_WAIT_S), hooks);
    return keyed(() => send(path, form, hooks));
  }
}

async function keyed(attempt) {
  for (;;) {
    try {
      return await attempt();
    } catch (error) {
      if (error.status !== 401 || !(await askForKey(error.problem))) throw error;
    }
  }
}

/** Whether somebody gave a key. */
async function askForKey(problem) {
  const [dialog, text] = [find("#key"), find("#key-text")];
  wanted = true;
  find("#key-said").textContent = hasKey() ? problem.detail : "Ask whoever runs it for one.";
  forgetKey();
  text.value = "";
  if (!dialog.open) dialog.showModal();
  dialog.returnValue = "";
  await new Promise((closed) => dialog.addEventListener("close", closed, { once: true }));
  if (dialog.returnValue !== "take" || !text.value) return false;
  key = text.value.trim();
  sessionStorage.setItem(KEPT, key);
  find("#forget").hidden = false;
  return true;
}

async function countDown(seconds, { signal, onWait }) {
  for (let left = Math.ceil(seconds); left > 0; left -= 1) {
    onWait?.(left);
    await new Promise((done, stop) => {
      const timer = setTimeout(done, 1000);
      signal?.addEventListener("abort", () => { clearTimeout(timer); stop(cancelled()); }, { once: true });
    });
  }
}

const cancelled = () => new DOMException("cancelled", "AbortError");

/** XMLHttpRequest, since fetch tells nothing of how far an upload is. */
function send(path, form, { signal, onUpload, onSent, onEvent }) {
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest();
    let read = 0;
    const events = new EventReader((name, data) => {
      if (name === "result") resolve(JSON.parse(data));
      else if (name === "error") reject(new Refused(request.status, JSON.parse(data)));
      else onEvent?.(name, JSON.parse(data));
    });
    const take = () => {
      if (!request.getResponseHeader("Content-Type")?.startsWith("text/event-stream")) return false;
      const text = request.responseText;
      events.feed(text.slice(read));
      read = text.length;
      return true;
    };
    request.open("POST", path);
    for (const [name, value] of Object.entries(headers())) request.setRequestHeader(name, value);
    request.setRequestHeader("Accept", onEvent ? "text/event-stream, application/json;q=0.9" : "application/json");
    request.upload.addEventListener("progress", (event) => onUpload?.(event.total ? event.loaded / event.total : 0));
    request.upload.addEventListener("load", () => onSent?.());
    request.addEventListener("progress", () => request.status === 200 && take());
    request.addEventListener("error", () => reject(unreachable()));
    request.addEventListener("abort", () => reject(cancelled()));
    request.addEventListener("load", () => {
      if (request.status !== 200) {
        reject(refused(request.status, request.responseText, (name) => request.getResponseHeader(name)));
      } else if (take()) {
        reject(unreachable());  // without effect when the result has come
      } else {
        resolve(JSON.parse(request.responseText));
      }
    });
    signal?.addEventListener("abort", () => request.abort(), { once: true });
    request.send(form);
  });
}

function refused(status, text, header) {
  let problem;
  try {
    problem = JSON.parse(text);
  } catch {
    problem = null;
  }
  const wait = Number.parseInt(header("Retry-After") ?? "", 10);
  const detail = typeof problem?.detail === "string" ? problem.detail : `The service answered with status ${status}.`;
  const id = problem?.request_id ?? header("X-Request-Id");
  return new Refused(status, { ...problem, detail, request_id: id }, Number.isNaN(wait) ? null : wait);
}

find("#key-cancel").addEventListener("click", () => find("#key").close(""));
if (key) find("#forget").hidden = false;
