// Draws the lanes of a timeline: a ruler, the segments, the picture of a sound, and the scores of each label.

import { inkOn } from "./colours.js";
import { clock, percent } from "./words.js";

const RULER = 24, SEGMENTS = 44, RAW = 9, PICTURE = 112, GAP = 6;
const STEPS = [0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200];
const FONT = 'system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", Arial, sans-serif';

/** Lanes from top to bottom: {kind, top, height, label}. */
export function lanesOf(shown) {
  const lanes = [];
  let top = 0;
  const add = (kind, height, label = null) => { lanes.push({ kind, top, height, label }); top += height + GAP; };
  add("ruler", RULER - GAP);
  add("segments", SEGMENTS);
  if (shown.scores.length) add("raw", RAW);
  if (shown.picture) add("picture", PICTURE);
  const height = shown.labels.length > 12 ? 16 : 26;
  if (shown.scores.length) shown.labels.forEach((label) => add("scores", height, label));
  return { lanes, height: top };
}

/** Width of the names on the left; on a narrow screen they stand inside the lanes. */
export function gutterOf(context, width, labels) {
  if (width < 620) return 0;
  context.font = `12.5px ${FONT}`;
  const widest = Math.max(64, ...labels.map((label) => context.measureText(label).width));
  return Math.min(Math.ceil(widest) + 34, 170);
}

/** A step of the ruler that leaves room for its figures. */
export function stepOf(length, width) {
  return STEPS.find((step) => (step / length) * width >= 68) ?? STEPS.at(-1) * Math.ceil((length * 68) / width / STEPS.at(-1));
}

/**
 * Draw all lanes.
 *
 * @param view {from, to, gutter, width, height}; from and to in seconds.
 * @param ink colours of the theme: ink, muted, line, nothing, card.
 */
export function drawLanes(context, shown, view, ink) {
  const { lanes } = lanesOf(shown);
  const x = (time) => view.gutter + ((time - view.from) / (view.to - view.from)) * (view.width - view.gutter);
  context.clearRect(0, 0, view.width, view.height);
  context.textBaseline = "middle";
  drawRuler(context, shown, view, ink, x);
  drawBoundaries(context, shown, view, ink, x);
  for (const lane of lanes) {
    if (lane.kind === "ruler") continue;
    context.save();
    drawName(context, shown, lane, view, ink);
    context.beginPath();
    context.rect(view.gutter, lane.top, view.width - view.gutter, lane.height);
    context.clip();
    context.fillStyle = ink.nothing;
    context.fillRect(view.gutter, lane.top, view.width - view.gutter, lane.height);
    DRAWN[lane.kind](context, shown, lane, view, ink, x);
    context.restore();
    if (lane.kind === "scores" && !view.gutter) drawNameInside(context, lane, ink);
  }
  drawUnknown(context, shown, view, ink, x);
}

const DRAWN = { segments: drawSegments, raw: drawRaw, picture: drawPicture, scores: drawScores };
const NAMES = { segments: "Segments", raw: "Unsmoothed", picture: "Sound" };

function drawRuler(context, shown, view, ink, x) {
  const step = stepOf(view.to - view.from, view.width - view.gutter);
  context.font = `11.5px ${FONT}`;
  context.textAlign = "center";
  context.fillStyle = ink.muted;
  context.strokeStyle = ink.line;
  context.lineWidth = 1;
  context.beginPath();
  for (let n = Math.ceil(view.from / step); n * step <= view.to + 1e-9; n += 1) {
    const at = Math.round(x(n * step)) + 0.5;
    context.moveTo(at, RULER - GAP - 4);
    context.lineTo(at, view.height);
    const half = context.measureText(clock(n * step)).width / 2;
    context.fillText(clock(n * step), Math.min(Math.max(at, half), view.width - half), 7);
  }
  context.stroke();
}

/** Small marks over the segments. */
function drawBoundaries(context, shown, view, ink, x) {
  context.fillStyle = ink.muted;
  for (const time of shown.boundaries) {
    if (time < view.from || time > view.to) continue;
    const at = x(time);
    context.beginPath();
    context.moveTo(at - 3.5, RULER - 6);
    context.lineTo(at + 3.5, RULER - 6);
    context.lineTo(at, RULER - 1);
    context.fill();
  }
}

function drawName(context, shown, lane, view, ink) {
  if (!view.gutter) return;
  context.font = `12.5px ${FONT}`;
  context.textAlign = "left";
  const middle = lane.top + lane.height / 2 + 0.5;
  if (lane.kind === "scores") {
    context.fillStyle = shown.colours.get(lane.label) ?? ink.muted;
    context.fillRect(0, middle - 6, 11, 11);
  }
  context.fillStyle = lane.kind === "scores" || lane.kind === "segments" ? ink.ink : ink.muted;
  const left = lane.kind === "scores" ? 18 : 0;
  if (lane.kind === "raw") context.font = `11px ${FONT}`;
  context.fillText(cut(context, lane.label ?? NAMES[lane.kind], view.gutter - left - 12), left, middle);
}

function drawNameInside(context, lane, ink) {
  context.font = `11px ${FONT}`;
  context.textAlign = "left";
  context.lineWidth = 3;
  context.strokeStyle = ink.card;
  context.fillStyle = ink.ink;
  context.lineJoin = "round";
  context.strokeText(lane.label, 5, lane.top + lane.height / 2);
  context.fillText(lane.label, 5, lane.top + lane.height / 2);
}

function drawSegments(context, shown, lane, view, ink, x) {
  context.textAlign = "left";
  for (const one of shown.segments) {
    if (one.end_s <= view.from || one.start_s >= view.to) continue;
    const colour = shown.colours.get(one.label) ?? ink.muted;
    const left = x(one.start_s), width = Math.max(x(one.end_s) - left, 1);
    context.fillStyle = colour;
    context.beginPath();
    context.roundRect(left, lane.top, Math.max(width - 1, 0.8), lane.height, width > 8 ? 4 : 0);
    context.fill();
    if (one === shown.current && width > 4) {
      context.strokeStyle = ink.ink;
      context.lineWidth = 2;
      context.beginPath();
      context.roundRect(left + 1, lane.top + 1, width - 3, lane.height - 2, 3);
      context.stroke();
    }
    const seen = Math.max(left, view.gutter);
    const room = Math.min(left + width, view.width) - seen - 16;
    if (room > 18) drawSegmentText(context, one, colour, seen + 8, lane.top, room);
  }
}

function drawSegmentText(context, one, colour, left, top, room) {
  context.fillStyle = inkOn(colour.startsWith("#") ? colour : "#6b7a8f");
  context.font = `600 12.5px ${FONT}`;
  const text = cut(context, one.label, room);
  if (text.length > 1) context.fillText(text, left, top + 16);
  context.font = `11px ${FONT}`;
  const sure = percent(one.confidence ?? NaN);
  if (Number.isFinite(one.confidence) && context.measureText(sure).width <= room) context.fillText(sure, left, top + 31);
}

function cut(context, text, room) {
  if (context.measureText(text).width <= room) return text;
  let low = 0, high = text.length;
  while (low < high) {
    const middle = Math.ceil((low + high) / 2);
    if (context.measureText(`${text.slice(0, middle)}…`).width <= room) low = middle;
    else high = middle - 1;
  }
  return low ? `${text.slice(0, low)}…` : "";
}

/** Ticks that are seen, as [first, last). */
function seenTicks(shown, view) {
  const first = Math.floor((view.from - shown.offset) / shown.tick);
  const last = Math.ceil((view.to - shown.offset) / shown.tick);
  return [Math.max(first, 0), Math.min(last, shown.scores.length)];
}

/** Where a tick begins and ends: the first stands for what lies before it as well, the last for what is behind. */
function tickSpan(shown, tick) {
  const start = tick ? shown.offset + tick * shown.tick : 0;
  const last = tick === shown.scores.length - 1;
  return [start, last ? Math.max(shown.length, start) : shown.offset + (tick + 1) * shown.tick];
}

function drawRaw(context, shown, lane, view, ink, x) {
  const [first, last] = seenTicks(shown, view);
  let from = null, label = -1;
  const close = (until) => {
    if (from === null) return;
    context.fillStyle = shown.colours.get(shown.labels[label]) ?? ink.muted;
    context.fillRect(x(from), lane.top, Math.max(x(until) - x(from), 0.8), lane.height);
    from = null;
  };
  for (let tick = first; tick < last; tick += 1) {
    const best = shown.best[tick], [start, end] = tickSpan(shown, tick);
    if (best !== label || from === null) { close(start); label = best; from = best < 0 ? null : start; }
    if (tick === last - 1) close(end);
  }
}

function drawPicture(context, shown, lane, view, ink, x) {
  const { picture, length } = shown;
  const left = (view.from / length) * picture.naturalWidth;
  const wide = ((view.to - view.from) / length) * picture.naturalWidth;
  context.drawImage(picture, left, 0, Math.max(wide, 1), picture.naturalHeight,
    view.gutter, lane.top, view.width - view.gutter, lane.height);
}

/** Filled steps; where a pixel holds several ticks, their highest. */
function drawScores(context, shown, lane, view, ink, x) {
  const place = shown.labels.indexOf(lane.label);
  const [first, last] = seenTicks(shown, view);
  const base = lane.top + lane.height, rise = lane.height - 2;
  context.fillStyle = shown.colours.get(lane.label) ?? ink.muted;
  context.globalAlpha = 0.85;
  let pixel = null, highest = 0;
  const flush = () => { if (pixel !== null && highest > 0) context.fillRect(pixel, base - highest * rise, 1, highest * rise); };
  for (let tick = first; tick < last; tick += 1) {
    const score = shown.scores[tick]?.[place];
    if (!Number.isFinite(score)) continue;
    const [start, end] = tickSpan(shown, tick);
    const left = x(start), right = x(end);
    if (right - left >= 1) {
      context.fillRect(left, base - score * rise, right - left + 0.3, score * rise);
    } else if (Math.floor(left) === pixel) {
      highest = Math.max(highest, score);
    } else {
      flush();
      [pixel, highest] = [Math.floor(left), score];
    }
  }
  flush();
  context.globalAlpha = 1;
}

/** Hatches what was not answered yet. */
function drawUnknown(context, shown, view, ink, x) {
  if (shown.known === null || shown.known >= view.to) return;
  const left = Math.max(x(shown.known), view.gutter), top = RULER;
  context.save();
  context.beginPath();
  context.rect(left, top, view.width - left, SEGMENTS);
  context.clip();
  context.strokeStyle = ink.line;
  context.lineWidth = 5;
  context.beginPath();
  for (let at = left - SEGMENTS; at < view.width; at += 14) {
    context.moveTo(at, top + SEGMENTS);
    context.lineTo(at + SEGMENTS, top);
  }
  context.stroke();
  context.restore();
}

/** The whole recording as a thin strip. */
export function drawOverview(context, shown, view, ink) {
  context.clearRect(0, 0, view.width, view.height);
  context.fillStyle = ink.nothing;
  context.fillRect(0, 0, view.width, view.height);
  for (const one of shown.segments) {
    context.fillStyle = shown.colours.get(one.label) ?? ink.muted;
    const left = (one.start_s / shown.length) * view.width;
    context.fillRect(left, 0, Math.max(((one.end_s - one.start_s) / shown.length) * view.width, 0.7), view.height);
  }
}
