// What the choices do: parallel coordinates, importance, slices, and error distributions between studies and spaces.

import { address, column, get } from "./api.js";
import { choice, keepingFocus, segmented } from "./controls.js";
import { dataTable } from "./data-table.js";
import { el, put } from "./dom.js";
import { distributionStyle, drawDistributions } from "./distributions.js";
import { exportMenu } from "./export-menu.js";
import { isAccuracy, quantity, title, whole } from "./format.js";
import { importanceBars } from "./importance-bars.js";
import { LineChart } from "./line-chart.js";
import { style, token } from "./palette.js";
import { colourKey, parallel } from "./parallel.js";
import { chartPart, savePicture } from "./picture.js";
import { plain, plotly } from "./plot.js";
import { valueChoice } from "./quantity-choices.js";
import { change, current, filterOf } from "./state.js";

const FEW = 10; // axes that a screen shows without scrolling

/**
 * @param {HTMLElement} host
 * @param {import("./main.js").App} app
 */
export function create(host, app) {
  const head = el("div", { class: "head" });
  const text = el("p", { class: "chartsummary", "aria-live": "polite" });
  const lines = el("div", { class: "parallelbox" });
  const key = el("p", { class: "muted key" });
  const choices = el("details", { class: "below" });
  const bars = el("div", { class: "bars" });
  const sliceBox = el("div", { class: "chartbox" });
  const sliceTable = el("div", { class: "tablebox" });
  const sliceHead = el("div", { class: "head small" });
  const edfBox = el("div", { class: "chartbox" });
  const edfLegend = el("ul", { class: "legend" });
  const edfTable = el("div", {});
  put(
    host,
    head,
    text,
    el("section", { class: "card" }, el("h2", {}, "Every trial through its choices"), lines, key, choices),
    el(
      "div",
      { class: "pair" },
      el("section", { class: "card" }, el("h2", {}, "Importance of the axes"), bars),
      el("section", { class: "card" }, sliceHead, sliceBox, sliceTable),
    ),
    el("section", { class: "card" }, el("h2", {}, "Error distribution (EDF)"), edfLegend, edfBox, edfTable),
  );
  const slices = new LineChart(sliceBox, "Accuracy against the choices of one axis; the table below has the figures.");
  const edf = new LineChart(edfBox, "Share of trials whose error is at most that; the table below has the quartiles.");
  let request = null;
  let data = null;
  let url = "";
  const resized = new ResizeObserver(() => data && lines.clientWidth !== drawnWidth && drawLines());
  let drawnWidth = 0;
  let linesPart = null;
  resized.observe(lines);

  function drawLines() {
    drawnWidth = lines.clientWidth;
    const { query } = current();
    const chosen = query.getAll("axis");
    const choose = (name) =>
      change({ axis: chosen.includes(name) ? chosen.filter((other) => other !== name) : [...chosen, name] });
    keepingFocus(lines, () => {
      const { drawn, picture } = parallel(lines, { axes: data.ordered, y: data.y, yName: data.yName, more: data.maximise, chosen, choose });
      linesPart = picture;
      put(
        key,
        colourKey(data.y, data.yName, data.maximise),
        drawn < data.total
          ? `. ${whole(drawn)} of ${whole(data.total)} trials drawn, the best among them`
          : `. ${whole(drawn)} trials`,
        data.ordered.length < data.axes.length
          ? `; the ${data.ordered.length} most important of ${data.axes.length} axes`
          : null,
        ". Click a choice to filter.",
      );
    });
  }

  function everyChoice() {
    const rows = data.axes.flatMap((axis) => (axis.slices ?? []).map((slice) => ({ axis: axis.name, ...slice })));
    put(
      choices,
      el("summary", {}, "As a table"),
      dataTable(
        "Every choice",
        [
          { name: "axis", text: (row) => row.axis },
          { name: "choice", text: (row) => row.label ?? "does not apply", left: true },
          { name: "trials", text: (row) => whole(row.n) },
          { name: `median ${title(data.yName)}`, text: (row) => quantity(data.yName, row.median) },
        ],
        rows,
        { most: 500, id: "choices-table" },
      ),
    );
  }

  async function slice(selected) {
    const axis = data.axes.find(({ name }) => name === selected);
    put(
      sliceHead,
      el("h2", {}, `${title(data.yName)} against one axis`),
      choice("Axis", "slice", [
        [data.byImportance[0].name, data.byImportance[0].name],
        ...data.byImportance.slice(1).map(({ name }) => [name, name]),
      ]),
    );
    const rows = (axis.slices ?? [])
      .filter((row) => row.n > 0)
      .map((row) => ({ ...row, label: row.label ?? "does not apply" }));
    await slices.draw(
      () => [
        {
          name: axis.name,
          x: rows,
          trace: {
            type: "box",
            x: rows.map((row) => plain(row.label)),
            q1: rows.map((row) => row.q25),
            median: rows.map((row) => row.median),
            q3: rows.map((row) => row.q75),
            lowerfence: rows.map((row) => row.q10),
            upperfence: rows.map((row) => row.q90),
            mean: rows.map((row) => row.mean),
            boxpoints: false,
            hoverinfo: "y",
            line: { width: 1.5, color: style(0).colour },
            fillcolor: token("tint"),
            whiskerwidth: 0.4,
            width: 0.5,
          },
        },
      ],
      { x: { title: axis.name, type: "category", quantity: false }, y: { title: "", percent: isAccuracy(data.yName) } },
    );
    const show = (value) => quantity(data.yName, value);
    put(
      sliceTable,
      dataTable(
        `${title(data.yName)} by ${axis.name}`,
        [
          { name: axis.name, text: (row) => row.label },
          { name: "trials", text: (row) => whole(row.n) },
          { name: "median", text: (row) => show(row.median) },
          { name: "10 %", text: (row) => show(row.q10) },
          { name: "90 %", text: (row) => show(row.q90) },
          { name: "mean", text: (row) => show(row.mean) },
        ],
        rows,
        { id: "slice-table" },
      ),
    );
  }

  return {
    async update({ query }, { live }) {
      const y = query.get("y") ?? "accuracy";
      const next = address("/api/axes", filterOf(query), { y });
      const heading = () =>
        keepingFocus(head, () =>
          put(
            head,
            el("h1", {}, "Axes"),
            el(
              "div",
              { class: "toolbar" },
              valueChoice(app),
              segmented("Order of the axes", "order", [
                ["space", "As in the space"],
                ["importance", "By importance"],
              ]),
              data && data.axes.length > FEW
                ? segmented("Which axes", "axes", [
                    ["some", `Top ${FEW}`],
                    ["all", "All axes"],
                  ])
                : null,
              segmented("Distributions of", "edf", [
                ["study", "Studies"],
                ["space", "Spaces"],
              ]),
              exportMenu({
                picture: async (format) => {
                  const lines = data?.total && linesPart ? linesPart() : null;
                  const axis = current().query.get("slice") ?? data?.byImportance?.[0]?.name;
                  const parts = [
                    lines,
                    await chartPart(slices.graph, `${title(y)} against ${axis}`),
                    await chartPart(edf.graph, "Error distribution (EDF)"),
                  ];
                  const names = (data?.edf ?? []).map(({ name }, i) => ({ name, colour: distributionStyle(name, i, app).colour }));
                  await savePicture(parts, format, "axes", names);
                },
                twin: next,
              }),
            ),
          ),
        );
      heading();
      if (next !== url || live) {
        request?.abort();
        request = new AbortController();
        const coming = get(next, request.signal);
        plotly().catch(() => {}); // after the request, which the server answers while the browser reads it
        data = unpack(await coming, y);
        url = next;
        heading();
      }
      const by = query.get("edf") === "space" ? "space" : "study";
      data.edf = data.everyEdf.filter((line) => line.by === by);
      if (!data.edf.length) data.edf = data.everyEdf;
      if (!data.axes.length || !data.total) {
        put(text, "No complete trial with axes passes the filter yet.");
        for (const box of [lines, key, choices, bars, sliceHead, sliceTable, edfLegend, edfTable]) put(box);
        await Promise.all([slices, edf].map((chart) => chart.draw([], { x: {}, y: {} })));
        return app.ready("axes");
      }
      data.byImportance = [...data.axes].sort((a, b) => (b.importance ?? -1) - (a.importance ?? -1));
      const kept = new Set(query.get("axes") === "all" ? data.axes : data.byImportance.slice(0, FEW));
      data.ordered = (query.get("order") === "importance" ? data.byImportance : data.axes).filter((axis) =>
        kept.has(axis),
      );
      const selected = data.axes.some(({ name }) => name === query.get("slice"))
        ? query.get("slice")
        : data.byImportance[0].name;
      drawLines();
      everyChoice();
      importanceBars(bars, data, selected);
      await slice(selected);
      await drawDistributions(edf, edfLegend, edfTable, data.edf, app, data.yName);
      const top = data.byImportance.slice(0, 3).map(({ name }) => name);
      put(
        text,
        `${whole(data.total)} trials over ${data.axes.length} axes. `,
        mixedData(app),
        top.length > 1 ? `Those that matter most: ${top.join(", ")}.` : null,
      );
      app.ready("axes");
    },
    close() {
      request?.abort();
      resized.disconnect();
      slices.close();
      edf.close();
    },
  };
}

function mixedData(app) {
  const names = new Set(app.shown().map((study) => study.dataset));
  return names.size > 1 ? `They are of ${names.size} data sets, whose values do not compare: choose one. ` : null;
}

function unpack(answer, yName) {
  return {
    total: column(answer.y).length,
    ...answer,
    yName,
    y: column(answer.y),
    axes: answer.axes.map((axis) => ({ ...axis, values: column(axis.values) })),
    everyEdf: (answer.edf ?? []).map((line) => ({
      name: line.study ?? line.space,
      by: line.study === undefined ? "space" : "study",
      error: column(line.error),
      share: column(line.share),
    })),
  };
}
