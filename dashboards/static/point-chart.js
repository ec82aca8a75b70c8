// A scatter chart of many points: axes, front and names are Plotly's SVG, the many are WebGL below it (or SVG too),
// and pointer and keyboard are ours, so that hover and click are the same in both and cost no markup.

import { el, put, svg } from "./dom.js";
import { placeLabels } from "./label-places.js";
import { CONFIG, layout, logTicks, plotly, quantityAxis, save } from "./plot.js";
import { hasWebgl, PointLayer } from "./point-layer.js";
import { layerArrays, svgTraces } from "./point-paint.js";
import { onKeys, onPointer } from "./point-input.js";
import { token } from "./palette.js";

export class PointChart {
  /**
   * @param {HTMLElement} host
   * @param {{open: (index: number) => void, ranged: (ranges: object | null) => void, say: (text: string) => void,
   *   label: string}} app
   */
  constructor(host, app) {
    this.app = app;
    this.canvas = el("canvas", { class: "points", "aria-hidden": "true" });
    this.grid = svg("svg", { class: "grid", "aria-hidden": "true" });
    this.graph = el("div", { class: "graph", "aria-hidden": "true" });
    this.ring = el("div", { class: "ring", hidden: true });
    this.tip = el("div", { class: "tip", role: "presentation", hidden: true });
    this.host = el(
      "div",
      {
        class: "pointchart",
        tabindex: 0,
        role: "application",
        "aria-roledescription": "chart",
        "aria-label": app.label,
      },
      this.grid,
      this.canvas,
      this.graph,
      this.ring,
      this.tip,
    );
    put(host, this.host);
    this.layer = hasWebgl() ? new PointLayer(this.canvas) : null;
    this.canvas.hidden = this.layer === null;
    this.host.dataset.drawing = this.layer ? "webgl" : "svg";
    this.ranges = null;
    this.at = -1;
    // Not at once: the details panel, which made the chart narrower, is to show its content first.
    const fit = () =>
      this.points && this.host.isConnected && this.#width() !== this.graph._fullLayout?.width && this.redraw();
    this.watcher = new ResizeObserver(() => (clearTimeout(this.later), (this.later = setTimeout(fit, 150))));
    this.watcher.observe(this.host);
    onPointer(this);
    onKeys(this);
  }

  /**
   * Show points; `ranges` null shows all of them.
   * @param {import("./point-paint.js").Points} points
   * @param {{x: [number, number], y: [number, number]} | null} ranges
   */
  async draw(points, ranges) {
    const kept = this.at >= 0 ? this.points.key(this.at) : -1;
    this.points = points;
    this.ranges = ranges ?? points.home;
    this.hover(-1);
    const n = points.x.length;
    // Positions on the axes: what the layer and the hit test both need.
    this.sx = scaled(points.x, points.xAxis.log);
    this.sy = scaled(points.y, points.yAxis.log);
    if (this.layer) this.#fillLayer();
    this.host.dataset.points = String(n);
    await this.redraw();
    // A live update must not take the point from under the keyboard.
    if (kept >= 0) for (let i = 0; i < n; i++) if (points.key(i) === kept) return this.hover(i);
  }

  /** Draw again what is there: after a change of size. */
  async redraw() {
    const Plotly = await plotly();
    const { points } = this;
    if (!points) return;
    const narrow = this.#width() < 520;
    const traces = [...(this.layer ? [] : svgTraces(this.points)), ...points.traces];
    const shape = layout({
      width: this.#width(),
      height: this.#height(),
      margin: { l: narrow ? 46 : 58, r: narrow ? 10 : 18, t: 10, b: 46 },
      dragmode: matchMedia("(pointer: coarse)").matches ? false : "zoom",
      hovermode: false,
      xaxis: quantityAxis({ ...points.xAxis, range: [...this.ranges.x], ...this.#ticks() }),
      yaxis: quantityAxis({ ...points.yAxis, ...(narrow ? { title: "" } : {}), range: [...this.ranges.y], nticks: 9 }),
      annotations: this.#names(),
    });
    await Plotly.react(this.graph, traces, shape, CONFIG);
    if (!this.wired) this.#wire(Plotly);
    this.#paint();
  }

  /** The plot's box and ranges, as Plotly has them now. */
  frame() {
    const { xaxis, yaxis } = this.graph._fullLayout;
    return {
      box: { left: xaxis._offset, top: yaxis._offset, width: xaxis._length, height: yaxis._length },
      xs: xaxis.range.map(Number),
      ys: yaxis.range.map(Number),
    };
  }

  /** Where a point is, in CSS pixels of the chart. */
  pixel(index) {
    const { box, xs, ys } = this.frame();
    return [
      box.left + ((this.sx[index] - xs[0]) / (xs[1] - xs[0])) * box.width,
      box.top + (1 - (this.sy[index] - ys[0]) / (ys[1] - ys[0])) * box.height,
    ];
  }

  /** Point at one point, or (-1) at none. */
  hover(index) {
    if (index === this.at) return;
    this.at = index;
    this.ring.hidden = this.tip.hidden = index < 0;
    this.host.dataset.at = String(index);
    if (index < 0) return;
    const [left, top] = this.pixel(index);
    const size = Math.max(14, this.points.size[index] + 8);
    Object.assign(this.ring.style, { left: `${left}px`, top: `${top}px`, width: `${size}px`, height: `${size}px` });
    const [title, ...lines] = this.points.describe(index);
    put(
      this.tip,
      el("strong", {}, title),
      lines.map((line) => el("span", {}, line)),
    );
    const wide = this.#width();
    const right = left > wide / 2;
    Object.assign(this.tip.style, {
      left: right ? "auto" : `${left + size / 2 + 6}px`,
      right: right ? `${wide - left + size / 2 + 6}px` : "auto",
      top: `${Math.max(4, Math.min(top - 20, this.#height() - this.tip.offsetHeight - 4))}px`,
    });
  }

  /** Show other ranges; null: all. */
  async zoom(ranges) {
    const Plotly = await plotly();
    this.ranges = ranges ?? this.points.home;
    await Plotly.relayout(this.graph, { "xaxis.range": [...this.ranges.x], "yaxis.range": [...this.ranges.y] });
  }

  /** Save as PNG or SVG; the points of the layer go along as one picture under the rest. */
  async save(format, name) {
    const more = {};
    if (this.layer) {
      this.#paint();
      const { box } = this.frame();
      if (box.width) {
        more.images = [
          {
            source: this.canvas.toDataURL("image/png"),
            xref: "paper",
            yref: "paper",
            x: 0,
            y: 1,
            sizex: 1,
            sizey: 1,
            xanchor: "left",
            yanchor: "top",
            sizing: "stretch",
            layer: "below",
          },
        ];
      }
    }
    await save(this.graph, format, name, more);
  }

  close() {
    clearTimeout(this.later);
    this.watcher.disconnect();
    this.layer?.close();
    globalThis.Plotly?.purge(this.graph);
  }

  #wire(Plotly) {
    this.wired = true;
    const follow = () => {
      this.hover(-1);
      this.#paint();
    };
    this.graph.on("plotly_relayouting", follow);
    this.graph.on("plotly_relayout", (changed) => {
      follow();
      if (!Object.keys(changed).some((key) => key.includes("range"))) return;
      const { xs, ys } = this.frame();
      const { home } = this.points;
      const all = [...xs, ...ys].every((value, i) => Math.abs(value - [...home.x, ...home.y][i]) < 1e-9);
      this.ranges = { x: xs, y: ys };
      const { dtick } = this.#ticks();
      Plotly.relayout(this.graph, {
        annotations: this.#names(),
        ...(dtick === undefined ? {} : { "xaxis.dtick": dtick }),
      });
      this.app.ranged(all ? null : this.ranges);
    });
    this.graph.on("plotly_doubleclick", () => this.zoom(null));
  }

  #paint() {
    if (!this.layer || !this.graph._fullLayout) return;
    const { box, xs, ys } = this.frame();
    // Plotly's grid would lie over the layer: a copy of it goes under, and its own is hidden by the style sheet.
    const { width, height } = this.graph._fullLayout;
    this.grid.setAttribute("viewBox", `0 0 ${width} ${height}`);
    put(
      this.grid,
      [...this.graph.querySelectorAll(".gridlayer")].map((node) => node.cloneNode(true)),
    );
    this.layer.draw(box, xs, ys);
  }

  #fillLayer() {
    this.layer.set(...layerArrays(this.points, this.sx, this.sy), this.points.bubbles);
  }

  #ticks() {
    return this.points.xAxis.log ? { dtick: logTicks(this.ranges.x, this.#width() < 520) } : {};
  }

  #names() {
    return placeLabels(this.points, this.ranges, this.#width(), this.#height()).map(
      ({ x, y, text, dx, dy, xanchor }) => ({
        x,
        y,
        text,
        showarrow: false,
        xshift: dx,
        yshift: -dy,
        xanchor,
        yanchor: "middle",
        borderpad: 0.5,
        font: { size: 11, color: token("ink") },
        bgcolor: this.points.bubbles ? "rgba(0,0,0,0)" : token("veil"),
        captureevents: false,
      }),
    );
  }

  #width() {
    return Math.max(240, Math.floor(this.host.clientWidth));
  }

  #height() {
    return Math.max(260, Math.floor(this.host.clientHeight));
  }
}

function scaled(values, log) {
  const found = Float32Array.from(values);
  if (log) for (let i = 0; i < found.length; i++) found[i] = Math.log10(values[i]);
  return found;
}
