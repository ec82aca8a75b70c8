// One trial, with everything that the store knows of it.

import { get, trialAddress } from "./api.js";
import { keepingFocus } from "./controls.js";
import { dataTable } from "./data-table.js";
import { el, put } from "./dom.js";
import { bytes, count, isAccuracy, number, percent, title, whole } from "./format.js";
import { LineChart } from "./line-chart.js";
import { style } from "./palette.js";
import { href } from "./state.js";
import {
  accuracyNote,
  accuracyOf,
  axesList,
  basketButton,
  commands,
  cost,
  dominated,
  drawing,
  history,
  measured,
  nearest,
  pairs,
  stateBadge,
  trialTitle,
} from "./trial-parts.js";

/**
 * @param {HTMLElement} host
 * @param {import("./main.js").App} app
 */
export function create(host, app) {
  const charts = [];
  const close = () => charts.splice(0).forEach((chart) => chart.close());
  let last = "";
  return {
    async update(state) {
      const trial = await get(trialAddress(state.study, state.number));
      const text = JSON.stringify(trial) + state.query;
      if (text === last) return;
      last = text;
      close();
      const title_ = trialTitle(trial);
      const chart = curves(trial, charts);
      keepingFocus(host, () =>
        put(
          host,
          el(
            "nav",
            { class: "crumbs", "aria-label": "Where this is" },
            el(
              "a",
              {
                href: href("front", {
                  study: state.study,
                  open: `${state.study}:${state.number}`,
                  trial: state.query.getAll("trial"),
                }),
              },
              state.study,
            ),
            el("span", { "aria-hidden": "true" }, " / "),
            `trial ${state.number}`,
          ),
          el(
            "div",
            { class: "head" },
            el("h1", {}, title_, " ", el("span", { class: "muted" }, trial.kind === "baseline" ? "baseline" : "")),
            el(
              "div",
              { class: "toolbar" },
              stateBadge(trial.state),
              basketButton(state.study, state.number),
              el(
                "a",
                { class: "button", href: trialAddress(state.study, state.number), target: "_blank", rel: "noopener" },
                "JSON",
              ),
            ),
          ),
          trial.summary ? el("p", { class: "lead summary" }, trial.summary) : null,
          trial.reason ? el("p", { class: "reason" }, trial.reason) : null,
          el(
            "div",
            { class: "trialgrid" },
            el(
              "div",
              { class: "column" },
              card(
                "Result",
                el("p", { class: "big" }, percent(accuracyOf(trial)), el("small", {}, accuracyNote(trial))),
                pairs([...cost(trial), ...measured(trial)]),
              ),
              card("Axes", axesList(trial.axes)),
              card("Nearest hand-designed network", nearest(trial.nearest)),
              card("Baselines that it dominates", dominated(trial.dominates, trial.kind)),
              card("How it ran", pairs(history(trial))),
              recipe(trial.recipe),
              card("Commands", commands(trial.commands)),
            ),
            el(
              "div",
              { class: "column" },
              card(
                "Architecture",
                drawing(
                  trialAddress(state.study, state.number, "/drawing.svg"),
                  `The architecture of ${title_}: ${trial.summary ?? ""}`,
                ),
              ),
              chart,
              layers(trial.layers),
            ),
          ),
        ),
      );
      app.ready("trial");
    },
    close,
  };
}

function card(heading, ...content) {
  const parts = content.flat(Infinity).filter(Boolean);
  return parts.length ? el("section", { class: "card" }, el("h2", {}, heading), parts) : null;
}

function recipe(fields) {
  if (!fields || !Object.keys(fields).length) return null;
  return card(
    "Recipe",
    pairs(
      Object.entries(fields).map(([name, value]) => [
        name.replaceAll("_", " "),
        value === null
          ? "none"
          : typeof value === "object"
            ? JSON.stringify(value)
            : typeof value === "number"
              ? number(value)
              : String(value),
      ]),
    ),
  );
}

function layers(rows) {
  if (!rows?.length) return null;
  const names = Object.keys(rows[0]);
  const numeric = (name) => rows.some((row) => typeof row[name] === "number");
  const show = (name, value) => {
    if (value === null || value === undefined) return "";
    if (Array.isArray(value)) return value.join(" × ");
    if (typeof value === "number")
      return name === "memory"
        ? bytes(value)
        : ["flops", "params", "activations"].includes(name)
          ? el("span", { title: whole(value) }, count(value))
          : number(value);
    return typeof value === "object" ? JSON.stringify(value) : String(value);
  };
  return card(
    "Layers",
    el(
      "div",
      { class: "long" },
      dataTable(
        `${rows.length} layers`,
        names.map((name) => ({ name: title(name), left: !numeric(name), text: (row) => show(name, row[name]) })),
        rows,
        { most: 400, id: "layers" },
      ),
    ),
  );
}

/** An axis of epochs: whole numbers only. */
export function epochAxis(epochs) {
  return { title: "epoch", tickformat: "d", tick0: 0, dtick: Math.max(1, Math.round(epochs / 8)), quantity: false };
}

/** The learning curve of the API with its metrics by name. */
export function curveColumns(curve) {
  return { epochs: curve?.epoch ?? [], metrics: curve?.metrics ?? {} };
}

function curves(trial, charts) {
  const { epochs, metrics } = curveColumns(trial.curve);
  if (epochs.length < 2) return null; // one epoch is no curve; its figures are under Result
  const names = Object.keys(metrics).filter((name) => metrics[name].some((value) => typeof value === "number"));
  const groups = [
    ["Accuracy by epoch", names.filter(isAccuracy), true],
    ["Loss by epoch", names.filter((name) => /loss/.test(name)), false],
  ].filter(([, group]) => group.length);
  const boxes = groups.map(([heading, group, share]) => {
    const box = el("div", { class: "chartbox small" });
    const chart = new LineChart(box, heading);
    charts.push(chart);
    const draw = () =>
      chart.draw(() => group.map((name, i) => ({ name: title(name), x: epochs, y: metrics[name], ...style(i) })), {
        x: epochAxis(epochs.length),
        y: { title: "", percent: share, ...(share ? {} : { tickformat: ".3~g" }) },
      });
    requestAnimationFrame(draw);
    return el(
      "figure",
      {},
      el(
        "figcaption",
        {},
        heading,
        " ",
        group.length > 1
          ? el(
              "span",
              { class: "legendline" },
              group.map((name, i) =>
                el(
                  "span",
                  {},
                  el("span", {
                    class: `line ${style(i).dash}`,
                    style: { "--line-colour": style(i).colour },
                    "aria-hidden": "true",
                  }),
                  title(name),
                ),
              ),
            )
          : null,
      ),
      box,
    );
  });
  const rows = epochs.map((epoch, i) => ({ epoch, i }));
  const shown = (name, value) => (isAccuracy(name) ? percent(value) : number(value));
  return card(
    "Learning curve",
    boxes,
    el(
      "details",
      { class: "below" },
      el("summary", {}, "As a table"),
      dataTable(
        "Every epoch",
        [
          { name: "epoch", text: (row) => row.epoch },
          ...names.map((name) => ({ name: title(name), text: (row) => shown(name, metrics[name][row.i]) })),
        ],
        rows,
        { most: 500 },
      ),
    ),
  );
}
