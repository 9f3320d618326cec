// What went wrong, in words.

import { button, make, say } from "./dom.js";
import { span } from "./words.js";

const TITLES = new Map([
  [0, "No answer"], [200, "It could not be finished"], [400, "The upload did not arrive whole"], [401, "A key is needed"], [404, "Not here"],
  [408, "The upload took too long"], [413, "Too large"], [415, "Not a form this service takes"],
  [422, "This cannot be answered"], [429, "The service is busy"], [502, "The model does not answer"],
  [503, "Not ready"], [504, "It took too long"], [507, "No room for it now"],
]);

/** The same will be refused again. */
const FINAL = [413, 415, 422];

/** A card that says what was refused, why, and what to do; `again` is called by its button. */
export function problemCard(error, again) {
  const { detail, cure, request_id: id } = error.problem ?? { detail: String(error.message || error) };
  const name = TITLES.get(error.status) ?? (error.problem ? "The service failed" : "This page failed");
  say(`${name}. ${detail} ${cure ?? ""}`);
  return make("section", { className: "card problem", role: "alert" },
    make("h2", { textContent: name }),
    make("p", { textContent: sentence(detail) }),
    cure && make("p", { className: "cure" }, make("b", { textContent: "What to do: " }), sentence(cure)),
    error.retryS !== null && error.retryS !== undefined
      && make("p", { className: "retry", textContent: `Worth trying again in ${span(error.retryS)}.` }),
    make("p", { className: "row" },
      again && !FINAL.includes(error.status) && button("Try again", again, { className: "main" }),
      id && make("span", { className: "quiet" }, "Request ", make("code", { textContent: id }))));
}

const sentence = (text) => text.charAt(0).toUpperCase() + text.slice(1);
