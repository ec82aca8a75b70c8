// The front: all trials, what no other dominates as steps, baselines by name.

import { address, get } from "./api.js";
import { facts, keepingFocus, segmented } from "./controls.js";
import { dataTable } from "./data-table.js";
import { el, mark, put } from "./dom.js";
import { exportMenu } from "./export-menu.js";
import { count, quantity, title, whole } from "./format.js";
import { BASELINE, isDark, PUBLISHED } from "./palette.js";
import { plotly } from "./plot.js";
import { PointChart } from "./point-chart.js";
import { pointsOf, summary, unpack } from "./points-data.js";
import { merge } from "./points-merge.js";
import { comparable, PUBLISHED_KIND, publishedModels, withPublished } from "./published-marks.js";
import { costChoice, spanned, valueChoice } from "./quantity-choices.js";
import { openDetails } from "./details.js";
import { change, current, filterOf } from "./state.js";

const ZOOM = { xr: null, yr: null, open: null };
const SPARE = 1.1; // how far points may grow by changes before all are asked for, and thinned, again

/**
 * @param {HTMLElement} host
 * @param {import("./main.js").App} app
 */
export function create(host, app) {
  let gl = new URLSearchParams(location.search).get("webgl") !== "0"; // hoped for: finding out takes time
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
  const open = (study, number, how) => openDetails(`${study}:${number}`, how);
  let drawn = null; // the data, and on ImageNet the published marks beside it
  let chart = null;
  const make = () => new PointChart(frame, {
    label: "Value against cost. Arrow keys move along the front, Enter opens a trial and goes to its details, Escape " +
      "comes back, plus and minus zoom.",
    open: (i, how) =>
      drawn.columns.kind[i] === PUBLISHED_KIND
        ? openDetails(`network:${drawn.names[i]}`, how)
        : open(drawn.studies[drawn.columns.study[i]], drawn.columns.number[i], how),
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
  const marked = () => comparable(app.shown(), spanned()) && current().query.get("published") !== "0";
  const twin = () => {
    const { query } = current();
    const limit = how().bubbles ? 700 : gl ? null : 4000;
    return address("/api/points", filterOf(query), { ...spanned(), limit });
  };

  function toolbar() {
    const { x, y } = spanned();
    const zoomed = current().query.has("xr");
    keepingFocus(head, () =>
      put(
        head,
        el("h1", {}, `${title(y)[0].toUpperCase()}${title(y).slice(1)} against ${title(x)}`),
        el(
          "div",
          { class: "toolbar" },
          costChoice(app, ZOOM),
          valueChoice(app, ZOOM),
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
          comparable(app.shown(), spanned())
            ? segmented(
                "Published networks",
                "published",
                [
                  ["1", "With published"],
                  ["0", "Without"],
                ],
                { xr: null, yr: null, open: null },
              )
            : null,
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
                  ? `down to ${one.reference.map((v, i) => quantity(i ? data.x : data.y, v)).join(" at ")}, the reference`
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
      drawn !== data
        ? el("li", {}, mark(PUBLISHED.path, "var(--muted)", 11, true), "published, other recipes; not in the front")
        : null,
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
              open: (row, how) => open(row.study, row.number, how),
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
      let url = twin();
      const names = app.shown().map(({ name }) => name);
      const wanted = JSON.stringify([url, how(), state.query.get("xr"), state.query.get("yr"), isDark(), names, marked()]);
      if (wanted === key && !live) return beside();
      if (live || !data || data.url !== url) {
        request?.abort();
        request = new AbortController();
        frame.setAttribute("aria-busy", "true");
        const after = live && data?.url === url && data.columns.x.length < SPARE * data.start ? data.cursor : null;
        let coming = get(after ? `${url}&after=${after}` : url, request.signal);
        plotly().catch(() => {}); // after the request, which the server answers while the browser reads it
        chart ??= make();
        if (gl && !chart.layer) {
          gl = false;
          coming.catch(() => {});
          request.abort();
          request = new AbortController();
          coming = get((url = twin()), request.signal);
        }
        const answer = unpack(await coming);
        data = answer.delta ? { ...merge(data, answer), url, start: data.start } : asked(answer, url);
      }
      drawn = marked() ? withPublished(data, await publishedModels(spanned().x, request?.signal)) : data;
      key = wanted;
      beside(); // the figures need not wait for Plotly
      await chart.draw(pointsOf(drawn, { ...how(), styleOf: app.styleOf }), ranges(state.query));
      frame.removeAttribute("aria-busy");
      app.ready("front");
    },
    close() {
      request?.abort();
      chart?.close();
    },
  };
}

function asked(answer, url) {
  return { ...answer, url, start: Math.max(1000, answer.columns.x.length) };
}

function ranges(query) {
  const read = (name) => (query.get(name) ?? "").split(",").map(Number);
  const [x, y] = [read("xr"), read("yr")];
  const good = (range) => range.length === 2 && range.every(Number.isFinite) && range[0] !== range[1];
  return query.has("xr") && good(x) && good(y) ? { x, y } : null;
}
