// The published ImageNet networks: what the page shows before there is a search, and never together with one.

import { address, get } from "./api.js";
import { choice, copyButton, facts, keepingFocus, segmented } from "./controls.js";
import { dataTable } from "./data-table.js";
import { el, mark, put } from "./dom.js";
import { exportMenu } from "./export-menu.js";
import { axisTitle, count, percent } from "./format.js";
import { rgb, style, SYMBOLS, token } from "./palette.js";
import { PointChart } from "./point-chart.js";
import { home } from "./points-data.js";
import { openDetails } from "./details.js";
import { current } from "./state.js";

const START = "nas search --space resnet --dataset digits --budget 20";

/**
 * @param {HTMLElement} host
 * @param {import("./main.js").App} app
 */
export function create(host, app) {
  const head = el("div", { class: "head" });
  const note = el("div", {});
  const tiles = el("div", { class: "tilebox" });
  const frame = el("div", { class: "chartbox tall" });
  const text = el("p", { class: "chartsummary", "aria-live": "polite" });
  const table = el("div", { class: "tablebox" });
  const legend = el("ul", { class: "legend" });
  put(host, head, note, tiles, el("section", { class: "card", "aria-label": "Chart" }, frame, legend, text), table);
  let data = null;
  let url = "";
  const open = (model, how) => openDetails(`network:${model.name}`, how);
  const chart = new PointChart(frame, {
    label: "Published ImageNet networks: top-1 accuracy against cost. Arrow keys move, Enter opens.",
    open: (i, how) => open(data.models[i], how),
    ranged: () => {},
    say: app.say,
  });
  const how = () => {
    const { query } = current();
    const x = query.get("x") === "params" ? "params" : "flops";
    return {
      x,
      weights: query.get("weights") ?? "v1",
      log: query.get("scale") !== "linear",
      bubbles: query.get("style") === "complexity",
    };
  };

  function points() {
    const { x: by, log, bubbles } = how();
    const { models } = data;
    const x = Float64Array.from(models, (model) => model[by]);
    const y = Float64Array.from(models, (model) => model.top1);
    const onFront = new Set(data.front);
    const largest = Math.max(...models.map((model) => model.params));
    const size = Float32Array.from(models, (model, i) =>
      bubbles ? 70 * Math.sqrt(model.params / largest) : onFront.has(i) ? 10 : 8,
    );
    const all = models.map((_, i) => i);
    const { colour } = style(0);
    const steps = [...onFront].sort((a, b) => x[a] - x[b]);
    const last = steps[steps.length - 1];
    const ordered = [...onFront].sort((a, b) => size[b] - size[a]);
    return {
      x,
      y,
      size,
      bubbles,
      bold: Uint8Array.from(all, (i) => (onFront.has(i) ? 1 : 0)),
      alpha: bubbles ? 0.18 : 0.45,
      order: all.filter((i) => !onFront.has(i)).sort((a, b) => size[b] - size[a]),
      group: new Uint8Array(models.length),
      looks: [{ rgb: rgb(colour), shape: 0, symbol: "circle" }],
      traces: [
        {
          type: "scatter",
          mode: "lines",
          hoverinfo: "skip",
          x: [...steps.map((i) => x[i]), x[last] * 100],
          y: [...steps.map((i) => y[i]), y[last]],
          line: { shape: "hv", width: 1.75, color: token("ink") },
        },
        {
          type: "scatter",
          mode: "markers",
          hoverinfo: "skip",
          cliponaxis: false,
          x: ordered.map((i) => x[i]),
          y: ordered.map((i) => y[i]),
          marker: {
            size: ordered.map((i) => size[i]),
            color: bubbles ? `rgba(${rgb(colour)},0.5)` : colour,
            line: { width: 1.2, color: bubbles ? colour : token("surface") },
          },
        },
      ],
      labels: [...steps, ...all.filter((i) => !onFront.has(i)).sort((a, b) => y[b] - y[a])].map((i) => ({
        x: x[i],
        y: y[i],
        text: models[i].name,
        front: onFront.has(i),
      })),
      stops: [...all].sort((a, b) => x[a] - x[b]),
      key: (i) => i,
      describe: (i) => [
        models[i].name,
        `published top-1 ${percent(models[i].top1)}`,
        `FLOPs ${count(models[i].flops)}, parameters ${count(models[i].params)}`,
        `weights ${models[i].weights}, image ${models[i].image}`,
        ...(onFront.has(i) ? ["on the front"] : []),
      ],
      xAxis: { title: axisTitle(by), log, percent: false },
      yAxis: { title: "published ImageNet top-1 accuracy (%)", log: false, percent: true },
      home: home(x, y, log, null),
    };
  }

  return {
    async update(_, { live }) {
      const { x: by, weights } = how();
      const next = address("/api/published", { x: by, weights });
      keepingFocus(head, () =>
        put(
          head,
          el(
            "div",
            {},
            el("h1", {}, "Published ImageNet networks"),
            el(
              "p",
              { class: "lead" },
              "As others trained and published them, each with its own recipe. ",
              "None of these figures was measured here.",
            ),
          ),
          el(
            "div",
            { class: "toolbar" },
            choice(
              "Cost",
              "x",
              [
                ["flops", "FLOPs"],
                ["params", "parameters"],
              ],
              { open: null },
            ),
            choice(
              "Weights",
              "weights",
              [
                ["v1", "first release"],
                ["v2", "second release"],
                ["best", "best of each"],
                ["all", "all"],
              ],
              { open: null },
            ),
            segmented("Scale of the cost", "scale", [
              ["log", "Log"],
              ["linear", "Linear"],
            ]),
            segmented("What the marks are", "style", [
              ["points", "Points"],
              ["complexity", "Complexity"],
            ]),
            exportMenu({ picture: (format) => chart.save(format, "published"), twin: next }),
          ),
        ),
      );
      put(note, app.studies.length ? null : welcome(app));
      if (live && data) return;
      if (next !== url) data = await get(next);
      url = next;
      await chart.draw(points(), null);
      const front = data.front.map((i) => data.models[i]);
      const best = front.reduce((a, b) => (a.top1 > b.top1 ? a : b));
      put(
        tiles,
        facts([
          [data.models.length, "published models"],
          [front.length, "on their front"],
          [percent(best.top1), "best top-1", best.name],
        ]),
      );
      put(
        legend,
        el("li", {}, mark(SYMBOLS[0].path, style(0).colour), "published, ImageNet"),
        el("li", {}, el("span", { class: "step", "aria-hidden": "true" }), "their front"),
        how().bubbles ? el("li", { class: "muted" }, "circle area = parameters") : null,
      );
      put(
        text,
        `Published, ImageNet: ${data.models.length} models, a front of ${front.length}; `,
        `the best is ${best.name} with ${percent(best.top1)}. Here are ${data.note}`,
      );
      const rows = [...front].sort((a, b) => b.top1 - a.top1);
      put(
        table,
        dataTable(
          "The published front, best first",
          [
            { name: "network", text: (row) => row.name },
            { name: "top-1", text: (row) => percent(row.top1) },
            { name: "FLOPs", text: (row) => count(row.flops) },
            { name: "parameters", text: (row) => count(row.params) },
            { name: "weights", text: (row) => row.weights, left: true },
            { name: "image", text: (row) => row.image },
          ],
          rows,
          { open, id: "front-table" },
        ),
      );
      app.ready("published");
    },
    close: () => chart.close(),
  };
}

function welcome(app) {
  return el(
    "section",
    { class: "card welcome" },
    el("h2", {}, "No study yet"),
    el(
      "p",
      {},
      "This database holds no search",
      app.database ? [" (", el("code", {}, app.database), ")"] : null,
      ". Start one, and it appears here while it runs:",
    ),
    el("div", { class: "command" }, el("code", { tabindex: 0 }, START), copyButton(START, "Copy the command")),
    el("p", { class: "muted" }, "Until then, what people designed:"),
  );
}
