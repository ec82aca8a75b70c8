// /api/points as what PointChart draws.

import { column } from "./api.js";
import { BASELINE, PUBLISHED, rgb, token } from "./palette.js";
import { PUBLISHED_KIND } from "./published-marks.js";
import { axisTitle, count, isAccuracy, quantity, title } from "./format.js";

/**
 * The answer of /api/points with its columns unpacked.
 * @param {object} answer
 */
export function unpack(answer) {
  const columns = Object.fromEntries(Object.entries(answer.columns).map(([name, packed]) => [name, column(packed)]));
  return { ...answer, columns, names: answer.names ?? {} };
}

/** Whether a row is a baseline. */
export const BASELINE_KIND = 1;

/**
 * What the chart draws.
 * @param {ReturnType<typeof unpack>} data
 * @param {{log: boolean, bubbles: boolean, focus: boolean, styleOf: (name: string) => object}} how
 * @returns {import("./point-paint.js").Points}
 */
export function pointsOf(data, { log, bubbles, focus, styleOf }) {
  const { study, number, x, y, params, kind, front } = data.columns;
  const n = x.length;
  const styles = data.studies.map(styleOf).map((style) => ({ ...style, rgb: rgb(style.colour) }));
  const bold = new Uint8Array(n);
  const size = new Float32Array(n);
  const order = [];
  const largest = params.reduce((a, b) => (b > a ? b : a), 1);
  const rest = n - data.fronts.reduce((sum, { rows }) => sum + rows.length, 0);
  const small = rest < 400 ? 7 : rest < 3000 ? 6 : rest < 20000 ? 4.5 : 3.5;
  for (let i = 0; i < n; i++) {
    bold[i] = front[i] || kind[i] >= BASELINE_KIND ? 1 : 0;
    size[i] = bubbles ? Math.max(5, 58 * Math.sqrt(params[i] / largest)) : bold[i] ? 10 : small;
    if (!bold[i] && x[i] > (log ? 0 : -Infinity) && y[i] === y[i]) order.push(i);
  }
  if (bubbles) order.sort((a, b) => size[b] - size[a]); // small circles must not vanish under large ones
  const stops = [];
  for (let i = 0; i < n; i++) if (bold[i]) stops.push(i);
  stops.sort((a, b) => x[a] - x[b]);
  const labels = named(
    stops.filter((i) => kind[i] === BASELINE_KIND),
    y,
    data.names,
  )
    .concat(stops.filter((i) => kind[i] === PUBLISHED_KIND).sort((a, b) => y[b] - y[a])) // where there is room
    .map((i) => ({ x: x[i], y: y[i], text: data.names[i] ?? "", front: front[i] === 1 }));
  const xAxis = { title: axisTitle(data.x), log, percent: isAccuracy(data.x) };
  const yAxis = { title: axisTitle(data.y), log: false, percent: isAccuracy(data.y) };
  return {
    x,
    y,
    size,
    bold,
    order,
    bubbles,
    stops,
    labels,
    xAxis,
    yAxis,
    alpha: bubbles ? 0.14 : rest > 30000 ? 0.22 : rest > 3000 ? 0.34 : 0.5,
    group: study,
    looks: styles.map(({ rgb: colour, symbol }) => ({ rgb: colour, shape: symbol.shape, symbol: symbol.name })),
    traces: [...steps(data.fronts, log), ...boldTraces(data, stops, styles, size, bubbles)],
    key: (i) => study[i] * 2 ** 32 + number[i],
    describe: (i) =>
      [
        kind[i] === PUBLISHED_KIND
          ? `${data.names[i]} · published, other recipe`
          : `${data.names[i] ?? `#${number[i]}`} · ${data.studies[study[i]]}`,
        `${title(data.y)} ${quantity(data.y, y[i])}`,
        `${title(data.x)} ${quantity(data.x, x[i])}`,
        ...(data.x === "params" ? [] : [`parameters ${count(params[i])}`]),
        [kind[i] === BASELINE_KIND ? "baseline" : "", front[i] ? "on the front" : ""].filter(Boolean).join(", "),
      ].filter(Boolean),
    home: home(x, y, log, focus ? better(y, data.maximise?.y !== false) : null),
  };
}

/** The fronts as steps: what is reached at each price. */
function steps(fronts, log) {
  return fronts
    .filter(({ rows }) => rows.length)
    .map(({ rows }, index) => {
      const last = rows[rows.length - 1];
      const far = log ? last.x * 1e3 : last.x * 1e2; // the best accuracy holds at any higher price
      return {
        type: "scatter",
        mode: "lines",
        hoverinfo: "skip",
        cliponaxis: true,
        x: [...rows.map((row) => row.x), far],
        y: [...rows.map((row) => row.y), last.y],
        line: { shape: "hv", width: 1.75, color: token("ink"), dash: ["solid", "dash", "dot", "dashdot"][index % 4] },
      };
    });
}

function boldTraces(data, stops, styles, size, bubbles) {
  const { study, kind, x, y, front } = data.columns;
  const trace = (rows, marker) => ({
    type: "scatter",
    mode: "markers",
    hoverinfo: "skip",
    cliponaxis: false,
    x: rows.map((i) => x[i]),
    y: rows.map((i) => y[i]),
    marker,
  });
  const found = [];
  const ordered = bubbles ? [...stops].sort((a, b) => size[b] - size[a]) : stops;
  for (const [index, style] of styles.entries()) {
    const rows = ordered.filter((i) => study[i] === index && kind[i] < BASELINE_KIND);
    if (!rows.length) continue;
    found.push(
      trace(rows, {
        symbol: bubbles ? "circle" : style.symbol.name,
        size: bubbles ? rows.map((i) => size[i]) : 9,
        sizemode: "diameter",
        color: bubbles ? `rgba(${style.rgb},0.55)` : style.colour,
        line: { width: bubbles ? 1.5 : 1.2, color: bubbles ? style.colour : token("surface") },
      }),
    );
  }
  const baselines = ordered.filter((i) => kind[i] === BASELINE_KIND);
  if (baselines.length) {
    found.push(
      trace(baselines, {
        symbol: bubbles ? "circle" : BASELINE.name,
        size: bubbles ? baselines.map((i) => size[i]) : 10,
        color: bubbles ? "rgba(128,128,128,0.25)" : token("surface"),
        line: { width: bubbles ? 1.5 : baselines.map((i) => (front[i] ? 2.4 : 1.5)), color: token("ink") },
      }),
    );
  }
  const published = ordered.filter((i) => kind[i] === PUBLISHED_KIND);
  if (published.length) {
    found.push(
      trace(published, {
        symbol: bubbles ? "circle" : PUBLISHED.name,
        size: bubbles ? published.map((i) => size[i]) : 8,
        color: "rgba(0,0,0,0)",
        line: { width: 1.4, color: token("muted") },
      }),
    );
  }
  return found;
}

// Which baselines get their name: all, or of many the best of each name (hover names the others).
function named(rows, y, names) {
  if (rows.length <= 24) return rows;
  const best = new Map();
  for (const i of rows) if (!best.has(names[i]) || y[i] > y[best.get(names[i])]) best.set(names[i], i);
  return [...best.values()];
}

// The better half, where the front is decided: bad trials are many decades of cost away, or far below.
function better(y, more) {
  const sorted = Float64Array.from(y)
    .filter((value) => value === value)
    .sort();
  const middle = sorted[sorted.length >> 1];
  return [...y.keys()].filter((i) => (more ? y[i] >= middle : y[i] <= middle));
}

/** Ranges that show the rows (null: all), with a margin. */
export function home(x, y, log, rows) {
  const range = (values, log10) => {
    let [low, high] = [Infinity, -Infinity];
    const see = (value) => {
      const v = log10 ? Math.log10(value) : value;
      if (Number.isFinite(v)) ((low = Math.min(low, v)), (high = Math.max(high, v)));
    };
    if (rows?.length) for (const i of rows) see(values[i]);
    else for (let i = 0; i < values.length; i++) see(values[i]);
    if (low > high) return log10 ? [6, 9] : [0, 1];
    const pad = 0.06 * (high - low) || (log10 ? 0.3 : Math.abs(low) * 0.1 || 0.5);
    return [low - pad, high + pad];
  };
  return { x: range(x, log), y: range(y, false) };
}

/** One sentence that says what the chart shows. */
export function summary(data) {
  const parts = data.fronts
    .filter(({ rows }) => rows.length)
    .map(({ dataset, rows, recipes }) => {
      const best = rows[rows.length - 1];
      const first = rows[0];
      const at = (row) => `${quantity(data.y, row.y)} at ${quantity(data.x, row.x)}`;
      const reached = rows.length > 1 ? `from ${at(first)} to ${at(best)}` : at(best);
      const mixed = recipes > 1 ? `, of studies with ${recipes} different recipes` : "";
      return `${dataset}: a front of ${rows.length}, ${reached} ${title(data.x)}${mixed}`;
    });
  return parts.length ? `${parts.join("; ")}.` : "No complete trial passes the filter yet.";
}
