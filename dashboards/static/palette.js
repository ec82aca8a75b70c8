// Okabe and Ito's colours, which people of every colour vision can tell apart, each with a symbol as well.

const LIGHT = ["#0072b2", "#d55e00", "#009e73", "#cc79a7", "#b8860b", "#4a9fd0", "#7a5195", "#5f6b7a"];
const DARK = ["#56b4e9", "#e69f00", "#2bc49b", "#e39cc3", "#f0e442", "#ff8a4c", "#b79be0", "#a9b4c0"];

/** Path about the origin, radius 1; Plotly's name of it; the number that the WebGL layer knows it by. */
export const SYMBOLS = [
  { name: "circle", path: "M1,0A1,1 0 1,1 -1,0A1,1 0 1,1 1,0Z", shape: 0 },
  { name: "square", path: "M-.85,-.85H.85V.85H-.85Z", shape: 1 },
  { name: "triangle-up", path: "M0,-1.05L1.05,.8H-1.05Z", shape: 2 },
  { name: "diamond", path: "M0,-1.15L1.15,0L0,1.15L-1.15,0Z", shape: 3 },
  { name: "cross", path: "M-.35,-1H.35V-.35H1V.35H.35V1H-.35V.35H-1V-.35H-.35Z", shape: 4 },
];

/** The symbol of every baseline, whatever its study: hollow, in the colour of the text. */
export const BASELINE = { name: "diamond", path: SYMBOLS[3].path, shape: 3 };

/** The symbol of what was published and not measured here. */
export const PUBLISHED = { name: "x-thin", path: "M-.8,-.8L.8,.8M.8,-.8L-.8,.8" };

export const DASHES = ["solid", "dash", "dot", "dashdot", "longdash"];

/** Whether the page is dark now, by the person's choice or the system's. */
export function isDark() {
  const chosen = document.documentElement.dataset.theme;
  return chosen ? chosen === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
}

/**
 * Colour, symbol and dash of the index-th study that is shown: the symbol changes with the colour, so that
 * neighbours differ in both, and forty studies are all different.
 * @param {number} index
 */
export function style(index) {
  const colours = isDark() ? DARK : LIGHT;
  const symbol = (index + Math.floor(index / colours.length)) % SYMBOLS.length;
  return {
    colour: colours[index % colours.length],
    symbol: SYMBOLS[symbol],
    dash: DASHES[(index + Math.floor(index / colours.length)) % DASHES.length],
  };
}

/** A token of tokens.css as it is now. */
export function token(name) {
  return getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();
}

/** "#rrggbb" as three numbers of 0 to 255. */
export function rgb(hex) {
  const n = parseInt(hex.slice(1), 16);
  return [n >> 16, (n >> 8) & 255, n & 255];
}

// Cividis (Nuñez, Anderton, Renslow 2018), which reads alike with every colour vision, at nine places; its dark end is
// raised on dark pages and its light end lowered on light ones, where it would vanish.
const SCALE = ["#00224e", "#1c3a70", "#434e6c", "#5f636e", "#7d7c78", "#9e9678", "#c0b16b", "#e0cd53", "#fee838"];

/** A colour of the sequential scale for a share of 0 (worst) to 1 (best). */
export function shade(share) {
  const [from, to] = isDark() ? [0.25, 1] : [0, 0.86];
  const place = (from + (to - from) * Math.min(1, Math.max(0, isDark() ? share : 1 - share))) * (SCALE.length - 1);
  const low = Math.min(SCALE.length - 2, Math.floor(place));
  const [a, b] = [rgb(SCALE[low]), rgb(SCALE[low + 1])];
  const mixed = a.map((v, i) => Math.round(v + (b[i] - v) * (place - low)));
  return `rgb(${mixed.join(",")})`;
}
