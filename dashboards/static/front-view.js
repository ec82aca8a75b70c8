// The front: all trials, what no other dominates as steps, baselines by name.

import { address, get } from "./api.js";
import { choice, facts, keepingFocus, segmented } from "./controls.js";
import { dataTable } from "./data-table.js";
import { el, mark, put } from "./dom.js";
import { exportMenu } from "./export-menu.js";
import { count, quantity, title, whole } from "./format.js";
import { BASELINE, isDark } from "./palette.js";
import { PointChart } from "./point-chart.js";
import { hasWebgl } from "./point-layer.js";
import { pointsOf, summary, unpack } from "./points-data.js";
import { change, current, filterOf } from "./state.js";

const COSTS = ["flops", "params", "activations", "memory"];
const ZOOM = { xr: null, yr: null, open: null };

/**
 * @param {HTMLElement} host
 * @param {import("./main.js").App} app
 */
export function create(host, app) {
  const gl = hasWebgl();
  const head = el("div", { class: "head" });
  const tiles = el("div", { class: "tilebox" });
  const frame = el("div", { class: "chartbox tall" });
  const legend = el("ul", { class: "legend" });
  const text = el("p", { class: "chartsummary", "aria-live": "polite" });
  const table = el("div", { class: "tablebox" });
  put(host, head, tiles, el("section", { class: "card", "aria-label": "Chart" }, frame, legend, text), table);

  let data = null;
  let key = "";
  let request = null;
  const open = (study, number) => change({ open: `${study}:${number}` });
  const chart = new PointChart(frame, {
    label: "Accuracy against cost. Arrow keys move along the front, Enter opens a trial, plus and minus zoom.",
    open: (i) => open(data.studies[data.columns.study[i]], data.columns.number[i]),
    ranged: (ranges) => {
      const pack = (range) => (range ? range.map((v) => Number(v.toPrecision(6))).join(",") : null);
      change({ xr: pack(ranges?.x), yr: pack(ranges?.y) }, { replace: true, quiet: true });
      toolbar();
    },
    say: app.say,
  });

  const how = () => {
    const { query } = current();
    return {
      log: query.get("scale") !== "linear",
      bubbles: query.get("style") === "complexity",
      focus: query.get("range") === "best",
    };
  };
  const twin = () => {
    const { query } = current();
    const limit = how().bubbles ? 700 : gl ? null : 4000;
    return address("/api/points", filterOf(query), {
      x: query.get("x") ?? "flops",
      y: query.get("y") ?? "accuracy",
      limit,
    });
  };

  function toolbar() {
    const metrics = [...new Set(app.shown().flatMap((study) => study.metrics ?? []))].filter(
      (m) => !/accuracy|loss|epoch/.test(m),
    );
    const zoomed = current().query.has("xr");
    keepingFocus(head, () =>
      put(
        head,
        el("h1", {}, "Accuracy against cost"),
        el(
          "div",
          { class: "toolbar" },
          choice(
            "Cost",
            "x",
            [...COSTS, ...metrics].map((name) => [name, title(name)]),
            ZOOM,
          ),
          segmented(
            "Scale of the cost",
            "scale",
            [
              ["log", "Log"],
              ["linear", "Linear"],
            ],
            { xr: null, yr: null },
          ),
          segmented("What the marks are", "style", [
            ["points", "Points"],
            ["complexity", "Complexity"],
          ]),
          segmented(
            "What the chart shows",
            "range",
            [
              ["all", "Fit all"],
              ["best", "Fit best"],
            ],
            { xr: null, yr: null },
          ),
          zoomed ? el("button", { type: "button", id: "unzoom", onclick: () => chart.zoom(null) }, "Reset zoom") : null,
          exportMenu({ picture: (format) => chart.save(format, "front"), twin: twin() }),
        ),
      ),
    );
  }

  function beside() {
    const { query } = current();
    const front = data.fronts.filter(({ rows }) => rows.length);
    const one = front.length === 1 ? front[0] : null;
    const best = one?.rows[one.rows.length - 1];
    put(
      tiles,
      facts([
        [whole(data.total), data.total === 1 ? "trial" : "trials", data.reduced ? `${whole(data.shown)} drawn` : null],
        [
          whole(front.reduce((sum, { rows }) => sum + rows.length, 0)),
          front.length > 1 ? `on ${front.length} fronts` : "on the front",
        ],
        ...(best ? [[quantity(data.y, best.y), "best", `at ${quantity(data.x, best.x)} ${title(data.x)}`]] : []),
        ...(one?.hypervolume !== null && one?.hypervolume !== undefined
          ? [
              [
                count(one.hypervolume),
                "hypervolume",
                one.reference
                  ? `reference ${one.reference.map((v, i) => quantity(i ? data.x : data.y, v)).join(", ")}`
                  : null,
              ],
            ]
          : []),
      ]),
    );
    put(
      legend,
      data.studies.length > 1 || !how().bubbles
        ? data.studies.slice(0, 12).map((name) => {
            const look = app.styleOf(name);
            return el("li", {}, mark(look.symbol.path, look.colour), name);
          })
        : null,
      data.studies.length > 12
        ? el("li", { class: "muted" }, `and ${data.studies.length - 12} more, as listed under Studies`)
        : null,
      Object.keys(data.names).length ? el("li", {}, mark(BASELINE.path, "var(--ink)", 11, true), "baseline") : null,
      el("li", {}, el("span", { class: "step", "aria-hidden": "true" }), "front"),
      how().bubbles ? el("li", { class: "muted" }, "circle area = parameters") : null,
      data.reduced
        ? el(
            "li",
            { class: "muted" },
            `${whole(data.shown)} of ${whole(data.total)} drawn; every point of the front is`,
          )
        : null,
    );
    put(text, summary(data));
    const opened = query.get("open");
    const columns = [
      { name: "trial", text: (row) => row.name ?? `#${row.number}` },
      { name: title(data.y), text: (row) => quantity(data.y, row.y) },
      { name: title(data.x), text: (row) => quantity(data.x, row.x) },
      { name: "kind", text: (row) => row.kind, left: true },
      { name: "study", text: (row) => row.study, left: true },
      ...(front.length > 1 ? [{ name: "data set", text: (row) => row.dataset, left: true }] : []),
    ];
    const rows = front.flatMap(({ dataset, rows: all }) => all.map((row) => ({ ...row, dataset }))).reverse();
    keepingFocus(table, () =>
      put(
        table,
        rows.length
          ? dataTable("The front, best first", columns, rows, {
              open: (row) => open(row.study, row.number),
              id: "front-table",
              current: (row) => `${row.study}:${row.number}` === opened,
            })
          : null,
      ),
    );
  }

  return {
    async update(state, { live }) {
      toolbar();
      const url = twin();
      const names = app.shown().map(({ name }) => name);
      const wanted = JSON.stringify([url, how(), state.query.get("xr"), state.query.get("yr"), isDark(), names]);
      if (wanted === key && !live) return beside();
      if (live || !data || data.url !== url) {
        request?.abort();
        request = new AbortController();
        frame.setAttribute("aria-busy", "true");
        data = { ...unpack(await get(url, request.signal)), url };
      }
      key = wanted;
      beside(); // the figures need not wait for Plotly
      await chart.draw(pointsOf(data, { ...how(), styleOf: app.styleOf }), ranges(state.query));
      frame.removeAttribute("aria-busy");
      app.ready("front");
    },
    close() {
      request?.abort();
      chart.close();
    },
  };
}

function ranges(query) {
  const read = (name) => (query.get(name) ?? "").split(",").map(Number);
  const [x, y] = [read("xr"), read("yr")];
  const good = (range) => range.length === 2 && range.every(Number.isFinite) && range[0] !== range[1];
  return query.has("xr") && good(x) && good(y) ? { x, y } : null;
}
