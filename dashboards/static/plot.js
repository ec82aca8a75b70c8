// Plotly: loaded when first needed, dressed in the page's tokens, and given no text as markup.

import { token } from "./palette.js";

let loading = null;

/** Load Plotly once; resolves to it. */
export function plotly() {
  loading ??= new Promise((resolve, reject) => {
    const script = document.createElement("script");
    script.src = "/plotly.js";
    script.addEventListener("load", () => resolve(globalThis.Plotly));
    script.addEventListener("error", () => ((loading = null), reject(new Error("/plotly.js could not be loaded"))));
    document.head.append(script);
  });
  return loading;
}

export const CONFIG = {
  displayModeBar: false,
  responsive: false,
  doubleClick: false,
  displaylogo: false,
  showTips: false,
};

/** Text for Plotly, which reads its text as a kind of HTML. */
export function plain(text) {
  return String(text).replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");
}

/** An axis in the page's look. */
export function axis(given = {}) {
  const { title, ...rest } = given;
  return {
    title: title ? { text: plain(title), font: { size: 12, color: token("muted") }, standoff: 8 } : undefined,
    gridcolor: token("grid"),
    linecolor: token("line"),
    tickcolor: token("line"),
    zeroline: false,
    tickfont: { size: 11, color: token("muted") },
    ticks: "outside",
    ticklen: 4,
    automargin: true,
    fixedrange: false,
    minor: { ticks: "", showgrid: false },
    ...rest,
  };
}

/** Which ticks a log axis over this range (log10) has room for: decades, 1-2-5, every digit, or as Plotly chooses. */
export function logTicks([low, high], narrow) {
  const decades = Math.abs(high - low);
  if (decades > (narrow ? 2 : 6)) return 1;
  return decades > (narrow ? 1.2 : 0.9) ? "D2" : decades > 0.35 ? "D1" : null;
}

/** An axis of trials' quantities: log or linear, with k, M, G or percent. */
export function quantityAxis({ log = false, percent = false, ...rest }) {
  const format = percent ? { tickformat: ",.3~%" } : { tickformat: ".3~s" };
  return axis({ type: log ? "log" : "linear", ...format, ...rest });
}

/** A layout in the page's look. */
export function layout(given = {}) {
  return {
    autosize: false,
    paper_bgcolor: "rgba(0,0,0,0)",
    plot_bgcolor: "rgba(0,0,0,0)",
    font: { family: token("font"), size: 12, color: token("ink") },
    margin: { l: 56, r: 16, t: 10, b: 44 },
    showlegend: false,
    hovermode: "closest",
    hoverlabel: { bgcolor: token("surface"), bordercolor: token("line"), font: { color: token("ink"), size: 12 } },
    ...given,
  };
}

/**
 * Save a chart as PNG (twice the size) or SVG, on the page's own background.
 * @param {HTMLElement} graph Plotly's element
 * @param {"png" | "svg"} format
 * @param {string} name of the file, without ending
 * @param {object} [more] layout changes for the file alone
 */
export async function save(graph, format, name, more = {}) {
  const Plotly = await plotly();
  const { width, height } = graph._fullLayout;
  const figure = { data: graph.data, layout: { ...graph.layout, paper_bgcolor: token("surface"), ...more } };
  await Plotly.downloadImage(figure, { format, filename: name, width, height, scale: format === "png" ? 2 : 1 });
}
