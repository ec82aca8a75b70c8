// Empirical distribution functions of the error: which space or search gives good networks more often.

import { dataTable } from "./data-table.js";
import { el, put } from "./dom.js";
import { quantity } from "./format.js";
import { style } from "./palette.js";

/**
 * @param {import("./line-chart.js").LineChart} edf
 * @param {HTMLElement} edfLegend
 * @param {HTMLElement} edfTable
 * @param {{name: string, error: Float32Array, share: Float32Array}[]} lines
 * @param {import("./main.js").App} app
 */
export async function drawDistributions(edf, edfLegend, edfTable, lines, app) {
  const look = (name, i) => (app.studies.some((study) => study.name === name) ? app.styleOf(name) : style(i));
  await edf.draw(
    () =>
      lines.map((line, i) => ({
        name: line.name,
        x: line.error,
        y: line.share,
        ...look(line.name, i),
        steps: true,
      })),
    { x: { title: "error (%)", percent: true }, y: { title: "share of trials", percent: true } },
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
  const at = (line, share) => line.error[line.share.findIndex((value) => value >= share - 1e-6)];
  put(
    edfTable,
    dataTable(
      "Error that the best share of trials stays under",
      [
        { name: "of", text: (line) => line.name },
        ...[0.05, 0.25, 0.5, 0.75].map((share) => ({
          name: `best ${100 * share} %`,
          text: (line) => quantity("accuracy", at(line, share)),
        })),
      ],
      lines,
      { id: "edf-table" },
    ),
  );
}
