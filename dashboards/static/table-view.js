// All trials as a table: filtered, sorted and cut into pages by the server.

import { address, get } from "./api.js";
import { keepingFocus } from "./controls.js";
import { el, put } from "./dom.js";
import { exportMenu } from "./export-menu.js";
import { bytes, count, percent, whole } from "./format.js";
import { change, current, filterOf, trialHref } from "./state.js";
import { accuracyOf, stateBadge } from "./trial-parts.js";

const SIZES = [25, 50, 100, 200];
// name on screen, name to sort by (null: not sortable), text, left?
const COLUMNS = [
  ["trial", "number", (row) => el("a", { href: trialHref(row.study, row.number) }, row.name ?? `#${row.number}`), true],
  ["accuracy", "accuracy", (row) => percent(accuracyOf(row))],
  ["FLOPs", "flops", (row) => exact(row, "flops", count)],
  ["parameters", "params", (row) => exact(row, "params", count)],
  ["state", "state", (row) => stateBadge(row.state), true],
  ["study", "study", (row) => el("span", { class: "study", title: row.study }, row.study), true],
  [
    "network",
    null,
    (row) =>
      el(
        "span",
        { class: "summary", title: row.summary ?? "" },
        row.reason && row.state !== "complete" ? row.reason : row.summary,
      ),
    true,
  ],
  ["activations", "activations", (row) => exact(row, "activations", count)],
  ["memory", "memory", (row) => exact(row, "memory", bytes)],
  ["epochs", "epochs", (row) => row.epochs ?? "–"],
];

/**
 * @param {HTMLElement} host
 * @param {import("./main.js").App} app
 */
export function create(host, app) {
  const head = el("div", { class: "head" });
  const text = el("p", { class: "chartsummary", "aria-live": "polite" });
  const body = el("div", { class: "tablebox" });
  put(host, head, text, body);
  let request = null;

  return {
    async update({ query }) {
      const size = SIZES.includes(Number(query.get("limit"))) ? Number(query.get("limit")) : 50;
      const offset = Math.max(0, Number(query.get("offset")) || 0);
      const sort = query.get("sort") ?? "accuracy";
      const descending = query.has("descending") ? query.get("descending") !== "false" : sort === "accuracy";
      const twin = address("/api/trials", filterOf(query), {
        sort,
        descending: String(descending),
        limit: size,
        offset,
      });
      keepingFocus(head, () =>
        put(
          head,
          el("h1", {}, "Trials"),
          el(
            "div",
            { class: "toolbar" },
            el(
              "label",
              { class: "choice" },
              el("span", {}, "Rows"),
              el(
                "select",
                {
                  id: "rows",
                  onchange: (event) =>
                    change({ limit: event.target.value === "50" ? null : event.target.value, offset: null }),
                },
                SIZES.map((n) => el("option", { value: n, selected: n === size }, n)),
              ),
            ),
            exportMenu({ twin }),
          ),
        ),
      );
      request?.abort();
      request = new AbortController();
      const { total, rows } = await get(twin, request.signal);
      const sortBy = (name) =>
        change({
          sort: name,
          descending: String(name === sort ? !descending : ["accuracy"].includes(name)),
          offset: null,
        });
      const opened = query.get("open");
      const basket = query.getAll("trial");
      keepingFocus(body, () =>
        put(
          body,
          el(
            "div",
            { class: "wide", tabindex: 0, role: "region", "aria-label": "Trials" },
            el(
              "table",
              { id: "trials", class: "trials" },
              el("caption", { class: "unseen" }, "Trials that pass the filter"),
              el(
                "thead",
                {},
                el(
                  "tr",
                  {},
                  el("th", { scope: "col" }, el("span", { class: "unseen" }, "compare")),
                  COLUMNS.map(([name, key, , left]) =>
                    el(
                      "th",
                      {
                        scope: "col",
                        class: left ? "left" : null,
                        "aria-sort": key === sort ? (descending ? "descending" : "ascending") : null,
                      },
                      key
                        ? el(
                            "button",
                            { type: "button", id: `sort-${key}`, class: "link", onclick: () => sortBy(key) },
                            name,
                            el(
                              "span",
                              { class: "arrow", "aria-hidden": "true" },
                              key === sort ? (descending ? "↓" : "↑") : "",
                            ),
                          )
                        : name,
                    ),
                  ),
                ),
              ),
              el(
                "tbody",
                {},
                rows.map((row) => line(row, opened, basket)),
              ),
            ),
          ),
          rows.length ? null : el("p", { class: "notice" }, "No trial passes the filter."),
          pages(total, offset, size),
        ),
      );
      put(
        text,
        total
          ? `${whole(offset + 1)} to ${whole(offset + rows.length)} of ${whole(total)} trials, by ${sort}, ` +
              `${descending ? "largest" : "smallest"} first.`
          : "No trial passes the filter.",
      );
      app.ready("table");
    },
    close: () => request?.abort(),
  };
}

function line(row, opened, basket) {
  const key = `${row.study}:${row.number}`;
  const inside = basket.includes(key);
  const aside = () => {
    const there = current().query.getAll("trial");
    change(
      { trial: there.includes(key) ? there.filter((other) => other !== key) : [...there, key] },
      { replace: true },
    );
  };
  const open = (event) => {
    if (event.target.closest("a, button, input") || String(getSelection())) return;
    change({ open: key });
  };
  return el(
    "tr",
    { class: key === opened ? "current" : null, onclick: open },
    el(
      "td",
      {},
      el("input", {
        type: "checkbox",
        id: `aside-${key}`,
        checked: inside,
        disabled: !inside && basket.length >= 6,
        "aria-label": `Compare trial ${row.number} of ${row.study}`,
        onchange: aside,
      }),
    ),
    COLUMNS.map(([, , show, left], i) =>
      el(i ? "td" : "th", { scope: i ? null : "row", class: left ? "left" : null }, show(row)),
    ),
  );
}

function pages(total, offset, size) {
  if (total <= size) return null;
  const to = (at) => change({ offset: at || null });
  const last = Math.floor((total - 1) / size) * size;
  const button = (id, text, at, off) =>
    el("button", { type: "button", id, disabled: off, onclick: () => to(at) }, text);
  return el(
    "nav",
    { class: "pages", "aria-label": "Pages of the table" },
    button("page-first", "First", 0, offset === 0),
    button("page-back", "Previous", Math.max(0, offset - size), offset === 0),
    el("span", {}, `page ${whole(Math.floor(offset / size) + 1)} of ${whole(Math.ceil(total / size))}`),
    button("page-next", "Next", offset + size, offset + size >= total),
    button("page-last", "Last", last, offset >= last),
  );
}

function exact(row, name, show) {
  const value = row[name] ?? row.cost?.[name];
  return el("span", { title: whole(value) }, show(value));
}
