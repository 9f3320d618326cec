// How far a request is: the upload, the wait, the work.

import { button, make, say } from "./dom.js";
import { percent } from "./words.js";

export class Progress {
  constructor(noun, stop) {
    this.noun = noun;
    this.text = make("span", { className: "what", textContent: "Beginning" });
    this.meter = make("progress", { max: 1, "aria-label": `Progress of the ${noun}` });
    this.element = make("section", { className: "card progress" },
      make("div", { className: "row" }, this.text, button("Cancel", stop)), this.meter);
  }

  /** What `post` calls; events other than progress go to `onEvent`. */
  hooks(onEvent) {
    return {
      onUpload: (share) => this.tell(`Uploading · ${percent(share)}`, share),
      onSent: () => this.tell(onEvent ? "Sent; waiting for a place" : "Sent; being answered", null),
      onWait: (left) => this.tell(`The service is busy. Trying again in ${left} s`, null),
      onEvent: onEvent && ((name, data) => (name === "progress" ? this.work(data) : onEvent(name, data))),
    };
  }

  work({ done, total }) {
    if (!total) this.tell(done ? `Analyzing · ${done} windows` : "Analyzing", null);
    else this.tell(`Analyzing · ${percent(done / total)} · ${done} of ${total} windows`, done / total);
  }

  tell(text, share) {
    const [what] = text.split(" · ");
    if (!this.text.textContent.startsWith(what)) say(what);
    this.text.textContent = text;
    if (share === null) this.meter.removeAttribute("value");
    else this.meter.value = share;
  }
}
