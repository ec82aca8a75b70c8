// Where names stand beside their points: the first free side, or nowhere (hover still names the point).

import { plain } from "./plot.js";

const SIDES = [
  [1, 0],
  [0, -1],
  [-1, 0],
  [0, 1],
  [1, -1],
  [1, 1],
  [-1, -1],
  [-1, 1],
];
// Above a front of steps it is free to the left and above.
const ABOVE = [
  [-1, -1],
  [0, -1],
  [-1, 0],
  [1, 1],
  [0, 1],
  [1, 0],
];
const LETTER = 6.4; // mean width of a letter at 11 pixels
const LINE = 13;
const GAP = 8;

/**
 * @param {import("./point-paint.js").Points} points
 * @param {{x: [number, number], y: [number, number]}} ranges
 * @param {number} width of the chart, pixels
 * @param {number} height
 * @returns {{x: number, y: number, text: string, dx: number, dy: number, xanchor: string}[]} x and y as the axis counts
 *   (log10 on a log axis), dx and dy from there in pixels
 */
export function placeLabels(points, ranges, width, height) {
  const [w, h] = [width - 76, height - 56];
  const log = (axis, value) => (axis.log ? Math.log10(value) : value);
  const at = ({ x, y }) => [
    ((log(points.xAxis, x) - ranges.x[0]) / (ranges.x[1] - ranges.x[0])) * w,
    (1 - (log(points.yAxis, y) - ranges.y[0]) / (ranges.y[1] - ranges.y[0])) * h,
  ];
  const inside = points.labels
    .map((label) => [label, ...at(label)])
    .filter(([, x, y]) => x >= 0 && x <= w && y >= 0 && y <= h);
  // Markers are in the way too, the label's own excepted.
  const taken = inside.map(([, x, y]) => [x - 5, y - 5, x + 5, y + 5]);
  const placed = [];
  inside.forEach(([label, x, y], own) => {
    const wide = label.text.length * LETTER;
    for (const [sx, sy] of label.front ? ABOVE : SIDES) {
      const [cx, cy] = [x + sx * (GAP + wide / 2), y + sy * (sx ? LINE * 0.75 : GAP + LINE / 2)];
      const box = [cx - wide / 2, cy - LINE / 2, cx + wide / 2, cy + LINE / 2];
      const outside = box[0] < -4 || box[2] > w + 12 || box[1] < -6 || box[3] > h;
      const hit = taken.some(
        (other, i) => i !== own && box[0] < other[2] && box[2] > other[0] && box[1] < other[3] && box[3] > other[1],
      );
      if (outside || hit) continue;
      taken.push(box);
      placed.push({
        x: log(points.xAxis, label.x),
        y: log(points.yAxis, label.y),
        text: plain(label.text),
        dx: sx * GAP,
        dy: cy - y,
        xanchor: ["right", "center", "left"][sx + 1],
      });
      break;
    }
  });
  return placed;
}
