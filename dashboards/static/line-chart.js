// A chart of lines: a few thousand steps at most, so Plotly's SVG.

import { put, el } from "./dom.js";
import { axis, CONFIG, layout, plain, plotly, quantityAxis, save } from "./plot.js";
import { onTheme } from "./theme.js";

/**
 * @typedef {object} Line
 * @property {string} name
 * @property {ArrayLike<number>} [x]
 * @property {ArrayLike<number>} [y]
 * @property {string} [colour]
 * @property {string} [dash]
 * @property {boolean} [steps]
 * @property {object} [trace] Plotly's own, in place of the rest
 */

export class LineChart {
  /**
   * @param {HTMLElement} host
   * @param {string} label what the chart shows, for screen readers; the table beside it has the figures
   */
  constructor(host, label) {
    this.graph = el("div", { class: "graph" });
    this.box = put(host, el("div", { class: "linechart", role: "img", "aria-label": label }, this.graph)).firstChild;
    this.watcher = new ResizeObserver(
      () => this.given && this.box.clientWidth !== this.graph._fullLayout?.width && this.#render(),
    );
    this.watcher.observe(this.box);
    this.forget = onTheme(() => this.given && this.#render());
  }

  /**
   * @param {Line[] | (() => Line[])} lines a function is called again for other colours
   * @param {{x: object, y: object}} axes each {title, percent?, log?, quantity?} or more of Plotly's
   */
  async draw(lines, axes) {
    this.given = [lines, axes];
    await this.#render();
  }

  save(format, name) {
    return save(this.graph, format, name);
  }

  close() {
    this.watcher.disconnect();
    this.forget();
    globalThis.Plotly?.purge(this.graph);
  }

  async #render() {
    const Plotly = await plotly();
    const [given, { x, y }] = this.given;
    const lines = typeof given === "function" ? given() : given;
    const traces = lines.map(
      (line) =>
        line.trace ?? {
          type: "scatter",
          mode: line.x.length < 2 ? "markers" : "lines",
          name: plain(line.name),
          x: line.x,
          y: line.y,
          line: { color: line.colour, dash: line.dash, width: 1.75, shape: line.steps ? "hv" : "linear" },
          marker: { color: line.colour, size: 6 },
          hovertemplate: `${plain(line.name)}<br>%{x:.4~g}, %{y${y.percent ? ":.2%" : ":.4~g"}}<extra></extra>`,
        },
    );
    const make = ({ quantity = true, ...rest }) => (quantity ? quantityAxis(rest) : axis(rest));
    const narrow = this.box.clientWidth < 420;
    await Plotly.react(
      this.graph,
      traces,
      layout({
        width: Math.max(220, this.box.clientWidth),
        height: Math.max(200, this.box.clientHeight),
        margin: { l: narrow ? 48 : 56, r: 12, t: 8, b: 42 },
        dragmode: matchMedia("(pointer: coarse)").matches ? false : "zoom",
        xaxis: make(x),
        yaxis: make(y),
      }),
      CONFIG,
    );
    if (!this.wired)
      this.graph.on("plotly_doubleclick", () =>
        Plotly.relayout(this.graph, { "xaxis.autorange": true, "yaxis.autorange": true }),
      );
    this.wired = true;
  }
}
