// The table that stands beside a chart: the same rows, for the eye and for screen readers.

import { el } from "./dom.js";

/**
 * @typedef {{name: string, text: (row: any) => any, left?: boolean}} Column
 */

/**
 * @param {string} caption
 * @param {Column[]} columns
 * @param {any[]} rows
 * @param {{open?: (row: any, how: {follow: boolean}) => void, most?: number, id?: string, current?: (row: any) => boolean}} [how]
 */
export function dataTable(caption, columns, rows, { open, most = 200, id, current } = {}) {
  const seen = rows.slice(0, most);
  const cell = (column, row, first) => {
    const content = column.text(row);
    if (first && open)
      return el(
        "th",
        { scope: "row", class: "left" },
        el("button", { type: "button", class: "link", onclick: (event) => open(row, { follow: !event.detail }) }, content),
      );
    return el(
      first ? "th" : "td",
      { ...(first ? { scope: "row" } : {}), class: column.left || first ? "left" : null },
      content,
    );
  };
  return el(
    "div",
    { class: "wide", tabindex: 0, role: "region", "aria-label": caption },
    el(
      "table",
      { id },
      el(
        "caption",
        {},
        caption,
        rows.length > most ? el("span", { class: "muted" }, ` (the first ${most} of ${rows.length})`) : null,
      ),
      el(
        "thead",
        {},
        el(
          "tr",
          {},
          columns.map(({ name, left }, i) => el("th", { scope: "col", class: left || i === 0 ? "left" : null }, name)),
        ),
      ),
      el(
        "tbody",
        {},
        seen.map((row) =>
          el(
            "tr",
            { class: current?.(row) ? "current" : null },
            columns.map((column, i) => cell(column, row, i === 0)),
          ),
        ),
      ),
    ),
  );
}
