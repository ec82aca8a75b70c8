// Over time: hypervolume and best value, what runs now, what is left, and the controller's own numbers.

import { address, column, get } from "./api.js";
import { keepingFocus, segmented } from "./controls.js";
import { dataTable } from "./data-table.js";
import { el, mark, put } from "./dom.js";
import { exportMenu } from "./export-menu.js";
import { count, duration, number, percent, quantity, title, whole } from "./format.js";
import { LineChart } from "./line-chart.js";
import { chartPart, savePicture } from "./picture.js";
import { plotly } from "./plot.js";
import { costChoice, spanned, valueChoice } from "./quantity-choices.js";
import { filterOf, trialHref } from "./state.js";
import { last, references, sentence } from "./time-words.js";

/**
 * @param {HTMLElement} host
 * @param {import("./main.js").App} app
 */
export function create(host, app) {
  const head = el("div", { class: "head" });
  const boxes = { hypervolume: el("div", { class: "chartbox" }), best: el("div", { class: "chartbox" }) };
  const legend = el("ul", { class: "legend" });
  const text = el("p", { class: "chartsummary", "aria-live": "polite" });
  const bound = el("p", { class: "muted key" });
  const running = el("div", { class: "tablebox" });
  const table = el("div", { class: "tablebox" });
  const curves = el("div", { class: "multiples" });
  const curvesTable = el("div", { class: "below" });
  const curvesCard = el(
    "section",
    { class: "card", hidden: true },
    el("h2", {}, "The controller's own numbers"),
    curves,
    curvesTable,
  );
  put(
    host,
    head,
    el(
      "div",
      { class: "pair" },
      el("section", { class: "card" }, el("h2", {}, "Hypervolume"), boxes.hypervolume, bound),
      el("section", { class: "card" }, el("h2", {}, "Best value"), boxes.best),
    ),
    legend,
    text,
    running,
    table,
    curvesCard,
  );
  const charts = {
    hypervolume: new LineChart(
      boxes.hypervolume,
      "Hypervolume of the front over the search; the table below has the last values.",
    ),
    best: new LineChart(boxes.best, "Best value over the search; the table below has the last values."),
  };
  const small = new Map();
  let request = null;
  let data = null;

  const lines = (what, by) => () =>
    data.studies.map((study) => {
      const { colour, dash } = app.styleOf(study.name);
      return { name: study.name, x: study.columns[by], y: study.columns[what], colour, dash, steps: true };
    });

  function controllerCurves() {
    const names = new Map();
    for (const study of data.studies)
      for (const name of Object.keys(study.curves ?? {})) names.set(name, [...(names.get(name) ?? []), study]);
    curvesCard.hidden = !names.size;
    for (const [name, chart] of small) if (!names.has(name)) (chart.close(), chart.figure.remove(), small.delete(name));
    const rows = [...names].flatMap(([name, studies]) =>
      studies.map((study) => ({ name, study: study.name, ...study.curves[name] })),
    );
    put(
      curvesTable,
      rows.length
        ? dataTable(
            "Last values",
            [
              { name: "quantity", text: (row) => title(row.name) },
              { name: "study", text: (row) => row.study, left: true },
              { name: "step", text: (row) => whole(last(row.step)) },
              { name: "value", text: (row) => number(last(row.value)) },
            ],
            rows,
          )
        : null,
    );
    for (const [name, studies] of names) {
      if (!small.has(name)) {
        const box = el("div", { class: "chartbox small" });
        const figure = el("figure", {}, el("figcaption", {}, title(name)), box);
        curves.append(figure);
        small.set(name, Object.assign(new LineChart(box, `${title(name)} of the controller, by step`), { figure }));
      }
      small.get(name).draw(
        () =>
          studies.map((study) => ({
            name: study.name,
            x: study.curves[name].step,
            y: study.curves[name].value,
            ...app.styleOf(study.name),
          })),
        { x: { title: "step", tickformat: "~s" }, y: { title: "", tickformat: ".3~g", percent: false } },
      );
    }
  }

  function tables() {
    const now = data.studies.flatMap((study) =>
      (study.running ?? []).map((trial) => ({ ...trial, study: study.name })),
    );
    keepingFocus(running, () =>
      put(
        running,
        now.length
          ? dataTable(
              `Running now: ${whole(now.length)}`,
              [
                { name: "trial", text: (row) => el("a", { href: trialHref(row.study, row.number) }, `#${row.number}`) },
                { name: "study", text: (row) => row.study, left: true },
                { name: "epoch", text: (row) => progress(row) },
                { name: "accuracy so far", text: (row) => percent(row.val_accuracy) },
                { name: "for", text: (row) => duration(row.seconds) },
                { name: "worker", text: (row) => row.worker ?? "–", left: true },
              ],
              now,
              { id: "running-table" },
            )
          : el("p", { class: "muted quietline" }, "No trial is running."),
      ),
    );
    put(
      table,
      dataTable(
        "Where each study stands",
        [
          {
            name: "study",
            text: (row) => [mark(app.styleOf(row.name).symbol.path, app.styleOf(row.name).colour), " ", row.name],
            left: true,
          },
          { name: "trials", text: (row) => whole(last(row.columns.trial)) },
          { name: "budget left", text: (row) => budget(row) },
          ...(data.studies.some((row) => row.scheduler !== "none")
            ? [
                { name: "scheduler", text: (row) => row.scheduler, left: true },
                { name: "pruned", text: (row) => whole(row.pruned) },
                { name: "epochs trained", text: (row) => epochs(row) },
              ]
            : []),
          { name: "after", text: (row) => duration(3600 * last(row.columns.hours)) },
          { name: "hypervolume", text: (row) => count(last(row.columns.hypervolume)) },
          { name: "best", text: (row) => quantity(row.objective, last(row.columns.best)) },
        ],
        data.studies,
        { id: "progress-table" },
      ),
    );
  }

  function budget(row) {
    if (row.budget_left === null || row.budget_left === undefined) return "–";
    const total = app.studies.find(({ name }) => name === row.name)?.budget;
    const bar = total
      ? el("meter", { min: 0, max: total, value: row.budget_left, "aria-label": `${row.budget_left} of ${total} left` })
      : null;
    return [bar, " ", `${whole(row.budget_left)}${total ? ` of ${whole(total)}` : ""}`];
  }

  return {
    async update(state) {
      const by = state.query.get("by") === "hours" ? "hours" : "trial";
      const { query } = state;
      const twin = address("/api/progress", filterOf(query), { x: query.get("x"), y: query.get("y") });
      keepingFocus(head, () =>
        put(
          head,
          el("h1", {}, "Over time"),
          el(
            "div",
            { class: "toolbar" },
            costChoice(app),
            valueChoice(app),
            segmented("Against", "by", [
              ["trial", "Trials"],
              ["hours", "Hours"],
            ]),
            exportMenu({
              picture: async (format) => {
                const y = title(spanned().y);
                const parts = [
                  await chartPart(charts.hypervolume.graph, `Hypervolume of ${y} and ${title(spanned().x)}`),
                  await chartPart(charts.best.graph, `Best ${y}`),
                ];
                for (const [name, chart] of small)
                  parts.push(await chartPart(chart.graph, `The controller's ${title(name)}`));
                const names = data.studies.map(({ name }) => ({ name, colour: app.styleOf(name).colour }));
                await savePicture(parts, format, "time", names);
              },
              twin,
            }),
          ),
        ),
      );
      request?.abort();
      request = new AbortController();
      const coming = get(twin, request.signal);
      plotly().catch(() => {}); // after the request, which the server answers while the browser reads it
      const answer = await coming;
      data = { studies: answer.studies.map(unpack) };
      const x = { title: by === "hours" ? "hours" : "trials", tickformat: by === "hours" ? ".3~g" : "~s" };
      const large = data.studies.some((study) => last(study.columns.hypervolume) >= 1000);
      await charts.hypervolume.draw(lines("hypervolume", by), {
        x,
        y: { title: "", tickformat: large ? ".3~s" : ".3~g" },
      });
      const objectives = data.studies.map((study) => study.objective ?? "accuracy");
      await charts.best.draw(lines("best", by), {
        x,
        y: { title: "", percent: objectives.every((name) => /accuracy/.test(name)) },
      });
      put(
        legend,
        data.studies.slice(0, 12).map(({ name }) => el("li", {}, line(app.styleOf(name)), name)),
        data.studies.length > 12 ? el("li", { class: "muted" }, `and ${data.studies.length - 12} more`) : null,
      );
      put(bound, references(data.studies, spanned()));
      put(text, sentence(data.studies, answer.maximise?.y !== false));
      tables();
      controllerCurves();
      app.ready("time");
    },
    close() {
      request?.abort();
      for (const chart of [...Object.values(charts), ...small.values()]) chart.close();
    },
  };
}

function unpack(study) {
  const columns = Object.fromEntries(
    ["trial", "hours", "hypervolume", "best"].map((name) => [name, column(study.columns[name])]),
  );
  const curves = Object.fromEntries(
    Object.entries(study.curves ?? {}).map(([name, { step, value }]) => [
      name,
      { step: column(step), value: column(value) },
    ]),
  );
  return { ...study, columns, curves };
}

// What a scheduler saves: "120 of 300 (60 % saved)".
function epochs({ epochs: found }) {
  if (!found) return "–";
  const { trained, without_scheduler: all } = found;
  const saved = all > trained ? ` of ${whole(all)} (${Math.round(100 * (1 - trained / all))} % saved)` : "";
  return `${whole(trained)}${saved}`;
}

function progress({ epoch, epochs }) {
  return [
    epochs ? el("progress", { max: epochs, value: epoch, "aria-label": `epoch ${epoch} of ${epochs}` }) : null,
    " ",
    epochs ? `${epoch} of ${epochs}` : String(epoch),
  ];
}

function line({ colour, dash }) {
  return el("span", { class: `line ${dash}`, style: { "--line-colour": colour }, "aria-hidden": "true" });
}
