// Pictures to keep: several charts of a page as one SVG or PNG, with their titles and the page's legend.

import { svg } from "./dom.js";
import { token } from "./palette.js";
import { plotly } from "./plot.js";

const TITLE = 26; // pixels of height
const GAP = 18;

/** @typedef {{title: string, svg: SVGElement, width: number, height: number}} Part */

/**
 * A Plotly chart as a part; null while it shows nothing.
 * @param {HTMLElement} graph
 * @param {string} title
 * @returns {Promise<Part | null>}
 */
export async function chartPart(graph, title) {
  if (!graph._fullLayout) return null;
  const Plotly = await plotly();
  const { width, height } = graph._fullLayout;
  const url = await Plotly.toImage({ data: graph.data, layout: graph.layout }, { format: "svg", width, height });
  const text = decodeURIComponent(url.slice(url.indexOf(",") + 1));
  const parsed = new DOMParser().parseFromString(text, "image/svg+xml").documentElement;
  return { title, svg: document.importNode(parsed, true), width, height };
}

/**
 * Save parts, one below the other.
 * @param {(Part | null)[]} given
 * @param {"png" | "svg"} format
 * @param {string} name of the file, without ending
 * @param {{name: string, colour: string}[]} [legend]
 */
export async function savePicture(given, format, name, legend = []) {
  const parts = given.filter(Boolean);
  const lines = rowsOf(legend, Math.max(240, ...parts.map((part) => part.width)));
  const width = Math.max(240, ...parts.map((part) => part.width)) + 2 * GAP;
  const root = svg("svg", { xmlns: "http://www.w3.org/2000/svg", "font-family": token("font"), "font-size": 12 });
  root.append(svg("rect", { width: "100%", height: "100%", fill: token("surface") }));
  let top = GAP / 2;
  for (const row of lines) {
    for (const { left, colour, text } of row) {
      root.append(
        svg("rect", { x: GAP + left, y: top + 4, width: 14, height: 4, fill: colour }),
        svg("text", { x: GAP + left + 20, y: top + 11, fill: token("ink") }, text),
      );
    }
    top += 18;
  }
  for (const part of parts) {
    root.append(svg("text", { x: GAP, y: top + 17, fill: token("ink"), "font-weight": 600 }, part.title));
    top += TITLE;
    for (const [key, value] of Object.entries({ x: GAP, y: top, width: part.width, height: part.height }))
      part.svg.setAttribute(key, value);
    root.append(part.svg);
    top += part.height + GAP;
  }
  for (const [key, value] of Object.entries({ width, height: top, viewBox: `0 0 ${width} ${top}` }))
    root.setAttribute(key, value);
  const text = new XMLSerializer().serializeToString(root);
  const file = new Blob([text], { type: "image/svg+xml" });
  download(format === "svg" ? file : await raster(file, width, top), `${name}.${format}`);
}

// Names side by side, as many as a line holds.
function rowsOf(legend, width) {
  const rows = [[]];
  let left = 0;
  for (const { name, colour } of legend) {
    const wide = 40 + 7 * name.length;
    if (left && left + wide > width) (rows.push([]), (left = 0));
    rows[rows.length - 1].push({ left, colour, text: name });
    left += wide;
  }
  return legend.length ? rows : [];
}

async function raster(file, width, height) {
  const url = URL.createObjectURL(file);
  try {
    const image = new Image();
    image.src = url;
    await image.decode();
    const canvas = document.createElement("canvas");
    Object.assign(canvas, { width: 2 * width, height: 2 * height });
    canvas.getContext("2d").drawImage(image, 0, 0, 2 * width, 2 * height);
    return await new Promise((resolve) => canvas.toBlob(resolve, "image/png"));
  } finally {
    URL.revokeObjectURL(url);
  }
}

function download(file, name) {
  const url = URL.createObjectURL(file);
  const link = document.createElement("a");
  Object.assign(link, { href: url, download: name });
  link.click();
  setTimeout(() => URL.revokeObjectURL(url), 10_000);
}
