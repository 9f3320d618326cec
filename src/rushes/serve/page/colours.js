// The colours of labels: those of all pages of the house, by the order of the labels.

const TABLEAU = ["#4e79a7", "#f28e2b", "#59a14f", "#e15759", "#76b7b2", "#edc948", "#b07aa1", "#ff9da7", "#9c755f", "#6b7a8f"];
const [LIGHTNESS, SATURATION] = [0.6, 0.45];
const HIGH = LIGHTNESS + SATURATION - LIGHTNESS * SATURATION;
const LOW = 2 * LIGHTNESS - HIGH;

function channel(hue) {
  const turn = ((hue % 1) + 1) % 1;
  if (turn < 1 / 6) return LOW + (HIGH - LOW) * turn * 6;
  if (turn < 1 / 2) return HIGH;
  return turn < 2 / 3 ? LOW + (HIGH - LOW) * (2 / 3 - turn) * 6 : LOW;
}

function further(number) {
  const hue = 0.13 + ((number * 0.618) % 1);
  const parts = [hue + 1 / 3, hue, hue - 1 / 3].map((turn) => Math.round(255 * channel(turn)));
  return `#${parts.map((part) => part.toString(16).padStart(2, "0")).join("")}`;
}

/** Label -> colour: ten that are easily told apart, further ones around the circle of hues. */
export function palette(labels) {
  return new Map(labels.map((label, place) => [label, TABLEAU[place] ?? further(place - TABLEAU.length)]));
}

const [DARK, LIGHT] = ["#16202a", "#ffffff"];

/** Luminance of #rrggbb as WCAG has it, 0 to 1. */
function luminance(colour) {
  const [red, green, blue] = [1, 3, 5].map((place) => {
    const part = parseInt(colour.slice(place, place + 2), 16) / 255;
    return part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4;
  });
  return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
}

const contrast = (one, other) => (Math.max(one, other) + 0.05) / (Math.min(one, other) + 0.05);

/** Dark or white, whichever is read better on a colour. */
export function inkOn(colour) {
  const ground = luminance(colour);
  return contrast(ground, luminance(DARK)) > contrast(ground, luminance(LIGHT)) ? DARK : LIGHT;
}
