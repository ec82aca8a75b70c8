// Empirical distribution functions of the error: which space or search gives good networks more often.

import { dataTable } from "./data-table.js";
import { el, put } from "./dom.js";
import { isAccuracy, quantity, title } from "./format.js";
import { style } from "./palette.js";

/** The look of the i-th line: that of the study, where it is one. */
export function distributionStyle(name, i, app) {
  return app.studies.some((study) => study.name === name) ? app.styleOf(name) : style(i);
}

/**
 * @param {import("./line-chart.js").LineChart} edf
 * @param {HTMLElement} edfLegend
 * @param {HTMLElement} edfTable
 * @param {{name: string, error: Float32Array, share: Float32Array}[]} lines
 * @param {import("./main.js").App} app
 * @param {string} yName of an accuracy the error is shown, of another quantity the quantity itself
 */
export async function drawDistributions(edf, edfLegend, edfTable, lines, app, yName) {
  const look = (name, i) => distributionStyle(name, i, app);
  const share = isAccuracy(yName);
  await edf.draw(
    () =>
      lines.map((line, i) => ({
        name: line.name,
        x: line.error,
        y: line.share,
        ...look(line.name, i),
        steps: true,
      })),
    { x: { title: share ? "error (%)" : title(yName), percent: share }, y: { title: "share of trials", percent: true } },
  );
  put(
    edfLegend,
    lines.slice(0, 12).map(({ name }, i) =>
      el(
        "li",
        {},
        el("span", {
          class: `line ${look(name, i).dash}`,
          style: { "--line-colour": look(name, i).colour },
          "aria-hidden": "true",
        }),
        name,
      ),
    ),
  );
  const at = (line, part) => line.error[line.share.findIndex((value) => value >= part - 1e-6)];
  put(
    edfTable,
    dataTable(
      `${share ? "Error" : title(yName)} that a share of the trials stays under`,
      [
        { name: "of", text: (line) => line.name },
        ...[0.05, 0.25, 0.5, 0.75].map((part) => ({
          name: `${100 * part} % of them`,
          text: (line) => quantity(yName, at(line, part)),
        })),
      ],
      lines,
      { id: "edf-table" },
    ),
  );
}
