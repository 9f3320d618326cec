// Server-sent events, from text that comes in pieces of any length.

export class EventReader {
  /** @param take (name, data as text) of each event. */
  constructor(take) {
    this.take = take;
    this.rest = "";
    this.begin();
  }

  begin() {
    this.name = "message";
    this.data = [];
  }

  feed(text) {
    this.rest += text;
    let from = 0;
    for (;;) {
      const end = this.rest.slice(from).search(/\r\n|\n|\r(?!$)/);  // a CR at the end may be half of CRLF
      if (end < 0) break;
      this.line(this.rest.slice(from, from + end));
      from += end + (this.rest.startsWith("\r\n", from + end) ? 2 : 1);
    }
    this.rest = this.rest.slice(from);
  }

  line(text) {
    if (!text) {
      if (this.data.length) this.take(this.name, this.data.join("\n"));
      this.begin();
      return;
    }
    const [, field, value] = /^([^:]*)(?:: ?(.*))?$/s.exec(text);
    if (field === "event") this.name = value ?? "";
    else if (field === "data") this.data.push(value ?? "");
  }
}
