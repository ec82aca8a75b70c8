// Pointer and keyboard on a PointChart: the nearest point, click to open, arrows to walk.

const REACH = 14; // pixels from the pointer within which a point counts as meant

/**
 * Hover and click.
 * @param {import("./point-chart.js").PointChart} chart
 */
export function onPointer(chart) {
  const { host } = chart;
  const place = (event) => {
    const box = host.getBoundingClientRect();
    return [event.clientX - box.left, event.clientY - box.top];
  };
  let waiting = null;
  host.addEventListener("pointermove", (event) => {
    if (event.buttons || event.pointerType === "touch") return;
    if (waiting === null) requestAnimationFrame(() => (chart.hover(nearest(chart, ...waiting)), (waiting = null)));
    waiting = place(event);
  });
  host.addEventListener("pointerleave", () => chart.hover(-1));
  let down = null;
  host.addEventListener(
    "pointerdown",
    (event) => (down = event.button === 0 ? [event.clientX, event.clientY] : null),
    true,
  );
  // On the window, because Plotly covers the page while a button is down.
  const up = (event) => {
    if (!host.isConnected) return window.removeEventListener("pointerup", up, true);
    if (!down) return;
    const still = Math.hypot(event.clientX - down[0], event.clientY - down[1]) < 5;
    down = null;
    if (!still) return;
    const index = nearest(chart, ...place(event));
    if (index >= 0) {
      chart.hover(index);
      chart.app.open(index);
    }
  };
  window.addEventListener("pointerup", up, true);
}

/**
 * Left and right walk along the front and the baselines; with Shift, and up and down, to the nearest of all points.
 * Enter opens, Escape lets go, plus, minus and 0 zoom.
 * @param {import("./point-chart.js").PointChart} chart
 */
export function onKeys(chart) {
  chart.host.addEventListener("keydown", (event) => {
    if (!chart.points || event.metaKey || event.ctrlKey || event.altKey) return;
    const { key, shiftKey } = event;
    const { stops } = chart.points;
    const side = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[key];
    let target = null;
    if (side) {
      const along = side[0] && !shiftKey;
      if (chart.at < 0) target = stops[side[0] < 0 ? stops.length - 1 : 0] ?? 0;
      else target = along ? nextStop(chart, side[0]) : towards(chart, side);
    } else if (key === "Home") target = stops[0];
    else if (key === "End") target = stops[stops.length - 1];
    else if (key === "Enter" && chart.at >= 0) chart.app.open(chart.at, { follow: true });
    else if (key === "Escape" && chart.at >= 0) chart.hover(-1);
    else if (key === "+" || key === "=") zoomBy(chart, 0.6);
    else if (key === "-") zoomBy(chart, 1 / 0.6);
    else if (key === "0") chart.zoom(null);
    else return;
    event.preventDefault();
    if (key === "Escape") event.stopPropagation();
    if (target === null || target === undefined || target < 0 || target >= chart.sx.length) return;
    chart.hover(target);
    chart.app.say(chart.points.describe(target).join(", "));
  });
}

/**
 * The point nearest to a place, or -1: points of the front and baselines are preferred, being drawn above.
 * @param {import("./point-chart.js").PointChart} chart
 */
export function nearest(chart, left, top) {
  if (!chart.points || !chart.graph._fullLayout) return -1;
  const { box, xs, ys } = chart.frame();
  if (
    left < box.left - REACH ||
    left > box.left + box.width + REACH ||
    top < box.top - REACH ||
    top > box.top + box.height + REACH
  )
    return -1;
  const [kx, ky] = [box.width / (xs[1] - xs[0]), box.height / (ys[1] - ys[0])];
  const [px, py] = [(left - box.left) / kx + xs[0], ys[1] - (top - box.top) / ky];
  const { sx, sy } = chart;
  const { size, bold } = chart.points;
  let found = -1;
  let least = REACH;
  for (let i = 0; i < sx.length; i++) {
    const dx = Math.abs(sx[i] - px) * kx;
    if (!(dx < least + 40)) continue; // NaN too
    const dy = Math.abs(sy[i] - py) * ky;
    const apart = Math.max(0, Math.hypot(dx, dy) - size[i] / 2) - (bold[i] ? 5 : 0) + size[i] * 0.01;
    if (apart < least) ((least = apart), (found = i));
  }
  return found;
}

function nextStop(chart, step) {
  const { stops } = chart.points;
  const at = stops.indexOf(chart.at);
  if (at >= 0) return stops[at + step] ?? chart.at;
  const x = chart.sx[chart.at];
  return step > 0 ? (stops.find((i) => chart.sx[i] > x) ?? -1) : (stops.findLast((i) => chart.sx[i] < x) ?? -1);
}

// The nearest point within a quarter turn of the direction, in pixels.
function towards(chart, [dx, dy]) {
  const { box, xs, ys } = chart.frame();
  const [kx, ky] = [box.width / (xs[1] - xs[0]), box.height / (ys[1] - ys[0])];
  let found = -1;
  let least = Infinity;
  for (let i = 0; i < chart.sx.length; i++) {
    const ax = (chart.sx[i] - chart.sx[chart.at]) * kx;
    const ay = -(chart.sy[i] - chart.sy[chart.at]) * ky;
    const along = ax * dx + ay * dy;
    const across = Math.abs(ax * dy) + Math.abs(ay * dx);
    if (along <= 0.01 || across > along) continue;
    if (along + 2 * across < least) ((least = along + 2 * across), (found = i));
  }
  return found;
}

function zoomBy(chart, factor) {
  const { xs, ys } = chart.frame();
  const about = chart.at >= 0 ? [chart.sx[chart.at], chart.sy[chart.at]] : [(xs[0] + xs[1]) / 2, (ys[0] + ys[1]) / 2];
  const scaled = (range, centre) => range.map((v) => centre + (v - centre) * factor);
  chart.zoom({ x: scaled(xs, about[0]), y: scaled(ys, about[1]) });
}
