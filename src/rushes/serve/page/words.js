// Figures and times as people read them.

/** A time: 1:02.5, 1:01:01. */
export function clock(seconds) {
  const tenths = Math.round(seconds * 10);
  const whole = Math.floor(tenths / 10);
  const [hours, minutes] = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60];
  const rest = String(whole % 60).padStart(2, "0") + (tenths % 10 ? `.${tenths % 10}` : "");
  return hours ? `${hours}:${String(minutes).padStart(2, "0")}:${rest}` : `${minutes}:${rest}`;
}

/** A time to the tenth, also where that is a whole second: 0:22.0. */
export const moment = (seconds) => clock(seconds).replace(/:\d\d$/, "$&.0");

/** 1 segment, 2 segments. */
export const count = (number, noun) => `${number} ${noun}${number === 1 ? "" : "s"}`;

/** A length of time in words: 45 s, 12 min, 4 h. */
export function span(seconds) {
  if (seconds < 120) return `${trim(seconds)} s`;
  return seconds < 7200 ? `${trim(seconds / 60)} min` : `${trim(seconds / 3600)} h`;
}

const trim = (value) => String(Math.round(value * 10) / 10);

/** Bytes in words. */
export function size(bytes) {
  if (bytes < 1e6) return `${Math.max(Math.round(bytes / 1e3), 1)} kB`;
  return bytes < 1e9 ? `${trim(bytes / 1e6)} MB` : `${trim(bytes / 1e9)} GB`;
}

export function percent(share) {
  if (share > 0 && share < 0.005) return "< 1 %";
  return share < 1 && share >= 0.995 ? "> 99 %" : `${Math.round(100 * share)} %`;
}

export const isNumber = (value) => typeof value === "number" && Number.isFinite(value);

const UNITS = { mps: "m/s", deg: "degrees" };

/** A name of a field: segment_s -> segment (s). */
export function title(name) {
  const text = name.replace(/_(s|ms|m|mps|deg)$/, (_, unit) => ` (${UNITS[unit] ?? unit})`).replaceAll("_", " ");
  return text.charAt(0).toUpperCase() + text.slice(1);
}

/** A value of any field, short. */
export function plain(value) {
  if (value === null || value === undefined) return "–";
  if (isNumber(value)) return String(Number.isInteger(value) ? value : Number(value.toPrecision(4)));
  return typeof value === "object" ? JSON.stringify(value) : String(value);
}
