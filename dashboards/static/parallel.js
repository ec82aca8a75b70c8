// Parallel coordinates of choices. An axis that does not apply to a trial has a place of its own at the foot, so that
// no line is dropped; within a choice the better trials run higher, so that lines do not lie on one another.

import { el, put, svg } from "./dom.js";
import { quantity, title, whole } from "./format.js";
import { shade, token } from "./palette.js";

const MOST = 4000; // lines that are drawn; the best are always among them
const WIDTH = 94; // least distance of two axes, CSS pixels
const HEAD = 34;
const FOOT = 14;
const HEIGHT = 380;

/**
 * @typedef {{name: string, labels: string[], counts: number[], values: ArrayLike<number>}} Axis
 *   values: index of the label, -1: does not apply
 */

/**
 * @param {HTMLElement} host
 * @param {{axes: Axis[], y: ArrayLike<number>, yName: string, more: boolean, chosen: string[], choose: (key: string) => void}} given
 * @returns {{drawn: number, picture: () => import("./picture.js").Part}} picture: the same lines as an SVG
 */
export function parallel(host, { axes, y, yName, more, chosen, choose }) {
  const rows = pick(y, more);
  const [low, high] = bounds(y, rows);
  const share = (row) => (high !== low ? Math.max(0, (y[row] - low) / (high - low)) : 0.5);
  // Colour goes by rank: a few bad trials would else take the whole scale.
  const ranks = new Map(rows.map((row, i) => [row, rows.length > 1 ? i / (rows.length - 1) : 0.5]));
  const width = Math.max(host.clientWidth || 600, (axes.length + 1) * WIDTH);
  const step = (width - WIDTH - 16) / Math.max(1, axes.length); // the last axis has figures beside it
  const left = (index) => WIDTH / 2 + index * step;
  const slots = axes.map((axis) => axis.labels.length + (hasNone(axis) ? 1 : 0));
  const canvas = el("canvas", { "aria-hidden": "true" });
  const board = el("div", { class: "parallel", style: { width: `${width}px`, height: `${HEIGHT}px` } }, canvas);
  let lit = null; // [axis, value] under the pointer or focus

  axes.forEach((axis, a) => {
    board.append(
      el("div", { class: "axisname", style: { left: `${left(a)}px` }, title: axis.name }, axis.name),
      rule(left(a)),
    );
    for (let slot = 0; slot < slots[a]; slot++) {
      const none = slot === axis.labels.length;
      const key = `${axis.name}:${axis.labels[slot]}`;
      const value = none ? -1 : slot;
      const light = (on) => () => ((lit = on ? [a, value] : null), draw());
      const top = middle(slot, slots[a]);
      const handlers = {
        onpointerenter: light(true),
        onpointerleave: light(false),
        onfocus: light(true),
        onblur: light(false),
      };
      board.append(
        none
          ? el(
              "span",
              {
                class: "choice none",
                tabindex: 0,
                style: { left: `${left(a)}px`, top: `${top}px` },
                title: `${whole(countNone(axis))} trials have no ${axis.name}`,
                ...handlers,
              },
              "does not apply",
            )
          : el(
              "button",
              {
                type: "button",
                class: "choice",
                id: `choice-${a}-${slot}`,
                "aria-pressed": chosen.includes(key) ? "true" : "false",
                style: { left: `${left(a)}px`, top: `${top}px` },
                title: `${key.replace(":", " = ")}: ${whole(axis.counts[slot])} trials. Click to filter.`,
                onclick: () => choose(key),
                ...handlers,
              },
              axis.labels[slot],
            ),
      );
    }
  });
  const end = left(axes.length);
  board.append(el("div", { class: "axisname", style: { left: `${end}px` } }, title(yName)), rule(end));
  for (const part of [0, 0.5, 1]) {
    const top = HEAD + (1 - part) * (HEIGHT - HEAD - FOOT);
    board.append(
      el(
        "span",
        { class: "tick", style: { left: `${end}px`, top: `${top}px` } },
        `${part || !rows.length || y[rows[0]] === low ? "" : more ? "≤ " : "≥ "}${quantity(yName, low + part * (high - low))}`,
      ),
    );
  }
  put(
    host,
    el(
      "div",
      {
        class: "wide",
        tabindex: 0,
        role: "group",
        "aria-label": "Parallel coordinates: the choices of each axis as buttons that filter",
      },
      board,
    ),
  );

  function middle(slot, of) {
    return HEAD + ((slot + 0.5) / of) * (HEIGHT - HEAD - FOOT);
  }

  function draw() {
    const ratio = Math.min(devicePixelRatio || 1, 2);
    Object.assign(canvas, { width: width * ratio, height: HEIGHT * ratio });
    const pen = canvas.getContext("2d");
    pen.scale(ratio, ratio);
    pen.lineWidth = rows.length > 800 ? 0.8 : 1.2;
    const opacity = Math.max(0.06, Math.min(0.8, 90 / rows.length + 0.06));
    for (const row of rows) {
      const faded = lit !== null && axes[lit[0]].values[row] !== lit[1];
      pen.globalAlpha = faded ? opacity * 0.12 : lit ? Math.min(1, opacity * 2.5) : opacity;
      pen.strokeStyle = shade(ranks.get(row));
      pen.beginPath();
      follow(row, pen);
      pen.stroke();
    }
    pen.globalAlpha = 1;
  }

  function follow(row, pen) {
    let [px, py] = [0, 0];
    for (let a = 0; a <= axes.length; a++) {
      const x = left(a);
      const top = a === axes.length ? HEAD + (1 - share(row)) * (HEIGHT - HEAD - FOOT) : place(a, row);
      if (!a) pen.moveTo(x, top);
      else pen.bezierCurveTo((px + x) / 2, py, (px + x) / 2, top, x, top);
      [px, py] = [x, top];
    }
  }

  function picture() {
    const path = [];
    const pen = {
      moveTo: (x, top) => path.push(`M${x.toFixed(1)},${top.toFixed(1)}`),
      bezierCurveTo: (...at) => path.push(`C${at.map((v) => v.toFixed(1)).join(",")}`),
    };
    const root = svg("svg", { viewBox: `0 0 ${width} ${HEIGHT}` });
    const opacity = Math.max(0.06, Math.min(0.8, 90 / rows.length + 0.06));
    const lines = svg("g", { fill: "none", "stroke-width": rows.length > 800 ? 0.8 : 1.2, "stroke-opacity": opacity });
    for (const row of rows) {
      path.length = 0;
      follow(row, pen);
      lines.append(svg("path", { d: path.join(""), stroke: shade(ranks.get(row)) }));
    }
    root.append(lines);
    const write = (x, top, text, more) =>
      root.append(svg("text", { x, y: top, fill: token("ink"), "font-size": 11, ...more }, text));
    const halo = { stroke: token("surface"), "stroke-width": 3, "paint-order": "stroke", "text-anchor": "middle" };
    for (let a = 0; a <= axes.length; a++) {
      const [x, of] = [left(a), a < axes.length ? slots[a] : 0];
      root.append(svg("line", { x1: x, x2: x, y1: HEAD, y2: HEIGHT - FOOT, stroke: token("line") }));
      write(x, 14, a < axes.length ? axes[a].name : title(yName), { "text-anchor": "middle", "font-weight": 600 });
      for (let slot = 0; slot < of; slot++)
        write(x, middle(slot, of) + 4, axes[a].labels[slot] ?? "does not apply", halo);
    }
    for (const part of [0, 0.5, 1]) {
      const top = HEAD + (1 - part) * (HEIGHT - HEAD - FOOT);
      write(left(axes.length) + 5, top + 4, quantity(yName, low + part * (high - low)));
    }
    return { title: "Every trial through its choices", svg: root, width, height: HEIGHT };
  }

  function place(a, row) {
    const value = axes[a].values[row];
    const slot = value < 0 ? axes[a].labels.length : value;
    const tall = (HEIGHT - HEAD - FOOT) / slots[a];
    return middle(slot, slots[a]) + (0.5 - ranks.get(row)) * tall * 0.62;
  }

  draw();
  return { drawn: rows.length, picture };
}

/** A legend of the colours: ranks, with the values at both ends. */
export function colourKey(y, yName, more) {
  const sorted = Float64Array.from(y)
    .filter((value) => value === value)
    .sort();
  if (!sorted.length) return null;
  if (!more) sorted.reverse();
  const shades = Array.from({ length: 12 }, (_, i) => el("i", { style: { background: shade(i / 11) } }));
  const middle = sorted[sorted.length >> 1];
  return el(
    "span",
    { class: "colourkey" },
    `${quantity(yName, sorted[0])} worst`,
    el("span", { class: "ramp", "aria-hidden": "true" }, shades),
    `best ${quantity(yName, sorted[sorted.length - 1])}, by rank; median ${quantity(yName, middle)}`,
  );
}

// What the last axis shows: from the twentieth part on, worse ones lie at its foot.
function bounds(y, rows) {
  if (!rows.length) return [0, 1];
  return [y[rows[Math.floor(rows.length / 20)]], y[rows[rows.length - 1]]];
}

// The rows to draw, worst first: all, or the best twentieth and an even share of the rest.
function pick(y, more) {
  const rows = [];
  for (let i = 0; i < y.length; i++) if (y[i] === y[i]) rows.push(i);
  rows.sort((a, b) => (more ? y[a] - y[b] : y[b] - y[a]));
  if (rows.length <= MOST) return rows;
  const best = rows.slice(-MOST / 20);
  const rest = rows.slice(0, -MOST / 20);
  const stride = rest.length / (MOST - best.length);
  return [...Array.from({ length: MOST - best.length }, (_, i) => rest[Math.floor(i * stride)]), ...best];
}

function hasNone(axis) {
  for (let i = 0; i < axis.values.length; i++) if (axis.values[i] < 0) return true;
  return false;
}

function countNone(axis) {
  let found = 0;
  for (let i = 0; i < axis.values.length; i++) if (axis.values[i] < 0) found++;
  return found;
}

function rule(left) {
  return el("span", { class: "axisrule", "aria-hidden": "true", style: { left: `${left}px` } });
}
