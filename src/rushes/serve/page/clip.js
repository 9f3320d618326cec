// The answer about one clip as whoever watches the file reads it: times are those of the file.

import { isNumber, moment } from "./words.js";

/** Fields that say what stands elsewhere on the page: in the heading, and beside the name of the file. */
const ELSEWHERE = ["start_s", "duration_s", "fps"];

/** Name of a field -> name and value that are shown instead of it, given where the clip begins in the file. */
const TOLD = {
  temporal_segment: ({ start_frame: first, end_frame: last }) => ["frames of the clip", `${first} to ${last}`],
  segment_s: ({ start_s: from, end_s: to }, start) => ["when", `${moment(start + from)} to ${moment(start + to)} of the recording`],
  asked_s: (at, start) => ["asked about the moment", moment(start + at)],
  parse_stage: (stage) => (stage === "scored" ? null : ["parse stage", stage]),
};

/** An answer of ``/predict`` with the clocks of its clip turned to that of the file. */
export function clipOf(answer) {
  const start = isNumber(answer.start_s) ? answer.start_s : 0;
  const rows = Object.entries(answer).filter(([name, value]) => !ELSEWHERE.includes(name) && value !== null);
  return Object.fromEntries(rows.map(([name, value]) => (TOLD[name] ? TOLD[name](value, start) : [name, value])).filter(Boolean));
}
