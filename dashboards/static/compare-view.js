// Two to six trials side by side: only what differs.

import { address, get, trialAddress } from "./api.js";
import { dataTable } from "./data-table.js";
import { el, mark, put } from "./dom.js";
import { isAccuracy, percent, quantity, title } from "./format.js";
import { LineChart } from "./line-chart.js";
import { style } from "./palette.js";
import { change, current, href, trialHref } from "./state.js";
import { curveColumns, epochAxis } from "./trial-view.js";
import { drawing } from "./trial-parts.js";

/**
 * @param {HTMLElement} host
 * @param {import("./main.js").App} app
 */
export function create(host, app) {
  let chart = null;
  const close = () => ((chart = chart?.close() ?? null), undefined);
  return {
    async update({ query }) {
      const keys = query.getAll("trial");
      const head = el(
        "div",
        { class: "head" },
        el("h1", {}, "Compare"),
        el(
          "div",
          { class: "toolbar" },
          keys.length ? el("button", { type: "button", onclick: () => change({ trial: null }) }, "Clear") : null,
        ),
      );
      if (keys.length < 2) {
        close();
        put(
          host,
          head,
          keys.map((key) => chip(key)),
          el(
            "p",
            { class: "notice" },
            `Choose two to six trials: tick them in the `,
            el("a", { href: href("table") }, "table"),
            `, or press “+ Compare” in the details of a point on the `,
            el("a", { href: href("front") }, "front"),
            keys.length ? ". One is chosen." : ".",
          ),
          adder(),
        );
        return app.ready("compare");
      }
      const twin = address("/api/compare", { trial: keys });
      let data;
      try {
        data = await get(twin);
      } catch (error) {
        if (!error.status) throw error;
        close();
        const refused = el("p", { class: "notice error", role: "alert" }, error.message);
        put(
          host,
          head,
          refused,
          keys.map((key) => chip(key)),
        );
        return app.ready("compare");
      }
      close();
      const trials = data.trials.map((trial, i) => ({
        ...trial,
        look: style(i),
        key: `${trial.study}:${trial.number}`,
      }));
      const box = el("div", { class: "chartbox" });
      const curves = (data.curves ?? []).map(curveColumns);
      const metric = ["val_accuracy", "accuracy"].find((name) =>
        curves.some(({ epochs, metrics }) => epochs.length > 1 && metrics[name]),
      );
      put(
        host,
        head,
        el(
          "p",
          { class: "chartsummary", "aria-live": "polite" },
          `${trials.length} trials differ in ${data.rows.length} rows; what is the same is left out.`,
        ),
        el(
          "div",
          { class: "card wide", tabindex: 0, role: "region", "aria-label": "Differences" },
          el(
            "table",
            { class: "compare", id: "differences" },
            el("caption", { class: "unseen" }, "Differences between the trials"),
            el(
              "thead",
              {},
              el(
                "tr",
                {},
                el("th", { scope: "col", class: "left" }, "difference"),
                trials.map((trial) => el("th", { scope: "col", class: "left" }, chip(trial.key, trial))),
              ),
            ),
            groups(data.rows).map(([group, rows]) =>
              el(
                "tbody",
                {},
                el(
                  "tr",
                  { class: "group" },
                  el("th", { scope: "colgroup", colspan: trials.length + 1, class: "left" }, group),
                ),
                rows.map((row) => line(row)),
              ),
            ),
          ),
        ),
        metric
          ? el("section", { class: "card" }, el("h2", {}, "Learning curves"), box, curveTable(trials, curves, metric))
          : null,
        el(
          "section",
          { class: "card" },
          el("h2", {}, "Architectures"),
          el(
            "div",
            { class: "drawings" },
            trials.map((trial) =>
              el(
                "figure",
                {},
                el("figcaption", {}, mark(trial.look.symbol.path, trial.look.colour), " ", trial.key),
                drawing(trialAddress(trial.study, trial.number, "/drawing.svg"), `The architecture of ${trial.key}`),
              ),
            ),
          ),
        ),
        trials.length < 6 ? adder() : null,
      );
      if (metric) {
        chart = new LineChart(box, "Learning curves of the compared trials");
        await chart.draw(
          () =>
            trials.map((trial, i) => ({
              name: trial.key,
              x: curves[i].epochs,
              y: curves[i].metrics[metric] ?? [],
              ...style(i),
            })),
          {
            x: epochAxis(Math.max(...curves.map(({ epochs }) => epochs.length))),
            y: { title: "", percent: isAccuracy(metric) },
          },
        );
      }
      app.ready("compare");
    },
    close,
  };
}

function chip(key, trial) {
  const [study, number] = [key.slice(0, key.lastIndexOf(":")), key.slice(key.lastIndexOf(":") + 1)];
  const rest = () =>
    current()
      .query.getAll("trial")
      .filter((other) => other !== key);
  return el(
    "span",
    { class: "trialchip" },
    trial ? mark(trial.look.symbol.path, trial.look.colour) : null,
    el("a", { href: trialHref(study, number) }, trial?.name ?? `#${number}`),
    el("small", {}, study),
    el(
      "button",
      { type: "button", class: "quiet", "aria-label": `Take ${key} out`, onclick: () => change({ trial: rest() }) },
      "×",
    ),
  );
}

function adder() {
  const add = (event) => {
    event.preventDefault();
    const key = String(new FormData(event.target).get("key")).trim();
    if (/.:\d+$/.test(key)) change({ trial: [...new Set([...current().query.getAll("trial"), key])] });
  };
  return el(
    "form",
    { class: "adder", onsubmit: add },
    el(
      "label",
      { class: "choice" },
      el("span", {}, "Add a trial"),
      el("input", { name: "key", placeholder: "STUDY:NUMBER", required: true, pattern: ".+:[0-9]+" }),
    ),
    el("button", { type: "submit" }, "Add"),
  );
}

function groups(rows) {
  const found = new Map();
  for (const row of rows) found.set(row.group, [...(found.get(row.group) ?? []), row]);
  const place = ({ name }) => (name === "stem" ? 0 : Number(/^stage(\d+)$/.exec(name)?.[1] ?? Infinity));
  found.get("layers")?.sort((a, b) => (place(a) === place(b) ? 0 : place(a) - place(b)));
  return [...found];
}

function line(row) {
  return el(
    "tr",
    {},
    el("th", { scope: "row", class: "left" }, title(row.name)),
    row.values.map((value) => el("td", { class: "left" }, show(row, value))),
  );
}

function show(row, value) {
  if (value === null || value === undefined)
    return el("span", { class: "muted" }, row.group === "axes" ? "does not apply" : "none");
  if (typeof value === "number") return quantity(row.name, value);
  return typeof value === "object" ? JSON.stringify(value) : String(value);
}

function curveTable(trials, curves, metric) {
  const rows = trials.map((trial, i) => ({
    ...trial,
    values: (curves[i].metrics[metric] ?? []).filter((value) => typeof value === "number"),
  }));
  return dataTable(
    `${title(metric)} by epoch`,
    [
      { name: "trial", text: (row) => [mark(row.look.symbol.path, row.look.colour), " ", row.key] },
      { name: "first", text: (row) => percent(row.values[0]) },
      { name: "best", text: (row) => percent(row.values.length ? Math.max(...row.values) : NaN) },
      { name: "last", text: (row) => percent(row.values[row.values.length - 1]) },
      { name: "epochs", text: (row) => row.values.length },
    ],
    rows,
  );
}
