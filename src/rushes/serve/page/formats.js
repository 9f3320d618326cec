// An answer as the files that tools of the field read: every value is escaped as its format wants it.

const ENTITIES = { "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "\n": "&#10;", "\r": "&#13;", "\t": "&#9;" };

/** Text in XML; what XML cannot hold is replaced. */
const xml = (text) => String(text)
  .replace(/[^\t\n\r\u{20}-\u{d7ff}\u{e000}-\u{fffd}\u{10000}-\u{10ffff}]/gu, "\ufffd")
  .replace(/[&<>"\n\r\t]/g, (sign) => ENTITIES[sign]);

/** A cell: quoted where it must be; figures with four places at most. */
const cell = (value) => {
  const short = typeof value === "number" ? Number(value.toFixed(4)) : value;
  const text = String(short ?? "");
  return /[",\n\r]|^\s|\s$/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
};

/** A label in a caption: no markup, no arrow, no blank line. */
const caption = (text) => String(text).replace(/\s*[\r\n]+\s*/g, " ").trim()
  .replace(/[&<>]/g, (sign) => ENTITIES[sign]) || "(no name)";

function stamp(seconds) {
  const ms = Math.round(seconds * 1000);
  const part = (value, digits = 2) => String(value).padStart(digits, "0");
  return `${part(Math.floor(ms / 3_600_000))}:${part(Math.floor(ms / 60_000) % 60)}:${part(Math.floor(ms / 1000) % 60)}.${part(ms % 1000, 3)}`;
}

function webvtt(segments) {
  const cues = segments.map((one, number) => `${number + 1}\n${stamp(one.start_s)} --> ${stamp(one.end_s)}\n${caption(one.label)}\n`);
  return `WEBVTT\n\n${cues.join("\n")}`;
}

function csv(segments, name) {
  const columns = ["start_s", "end_s", "label", "confidence", "rival", "rival_confidence"]
    .filter((column) => column !== "rival" && column !== "rival_confidence" || segments.some((one) => one[column] !== undefined));
  const rows = segments.map((one) => [name, ...columns.map((column) => one[column])]);
  const head = ["file", ...columns.map((column) => (column === "confidence" ? "score" : column))];
  return [head, ...rows].map((row) => `${row.map(cell).join(",")}\r\n`).join("");
}

function elan(segments, name) {
  const slots = [], annotations = [];
  segments.forEach((one, number) => {
    const start = Math.round(one.start_s * 1000), end = Math.max(start + 1, Math.round(one.end_s * 1000));
    const [first, second] = [`ts${2 * number + 1}`, `ts${2 * number + 2}`];
    slots.push([start, first], [end, second]);
    annotations.push(`    <ANNOTATION><ALIGNABLE_ANNOTATION ANNOTATION_ID="a${number + 1}" TIME_SLOT_REF1="${first}" `
      + `TIME_SLOT_REF2="${second}"><ANNOTATION_VALUE>${xml(one.label)}</ANNOTATION_VALUE></ALIGNABLE_ANNOTATION></ANNOTATION>`);
  });
  slots.sort(([one], [other]) => one - other);
  return `<?xml version="1.0" encoding="UTF-8"?>
<ANNOTATION_DOCUMENT AUTHOR="" DATE="1970-01-01T00:00:00+00:00" FORMAT="3.0" VERSION="3.0" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xsi:noNamespaceSchemaLocation="http://www.mpi.nl/tools/elan/EAFv3.0.xsd">
  <HEADER MEDIA_FILE="" TIME_UNITS="milliseconds">
    <MEDIA_DESCRIPTOR MEDIA_URL="${xml(name)}" MIME_TYPE="unknown" RELATIVE_MEDIA_URL="${xml(name)}"/>
  </HEADER>
  <TIME_ORDER>
${slots.map(([time, id]) => `    <TIME_SLOT TIME_SLOT_ID="${id}" TIME_VALUE="${time}"/>`).join("\n")}
  </TIME_ORDER>
  <TIER LINGUISTIC_TYPE_REF="labels" TIER_ID="labels">
${annotations.join("\n")}
  </TIER>
  <LINGUISTIC_TYPE LINGUISTIC_TYPE_ID="labels" TIME_ALIGNABLE="true" GRAPHIC_REFERENCES="false"/>
</ANNOTATION_DOCUMENT>
`;
}

/** Regions on sound in seconds; on video ranges of frames, counted from 1, the last one inside. */
function labelStudio(segments, name, { fps, version }) {
  const object = fps ? "video" : "audio";
  const valueOf = ({ start_s: from, end_s: to, label }) => {
    if (!fps) return { start: from, end: to, labels: [label] };
    const start = Math.round(from * fps) + 1;
    return { ranges: [{ start, end: Math.max(Math.round(to * fps), start) }], timelinelabels: [label] };
  };
  const result = segments.map((one, number) => ({
    id: `r${number + 1}`, from_name: "label", to_name: object, type: fps ? "timelinelabels" : "labels", value: valueOf(one),
    ...(Number.isFinite(one.confidence) ? { score: one.confidence } : {}),
  }));
  return `${JSON.stringify([{ data: { [object]: name }, predictions: [{ model_version: version, result }] }], null, 1)}\n`;
}

/** Files that are made here: title, suffix, type, write(segments, name of the recording, {fps, version}) -> text. */
export const FORMATS = [
  { title: "WebVTT", suffix: ".vtt", type: "text/vtt", write: webvtt },
  { title: "CSV", suffix: ".csv", type: "text/csv", write: csv },
  { title: "ELAN", suffix: ".eaf", type: "application/xml", write: elan },
  { title: "Label Studio", suffix: ".labelstudio.json", type: "application/json", write: labelStudio, counts: true },
];
