// The filter bar: what is filtered now as chips, and the fields that change it.

import { el, put } from "./dom.js";
import { count, title, whole } from "./format.js";
import { change, current, QUANTITIES } from "./state.js";

const STATES = ["complete", "running", "waiting", "pruned", "failed", "infeasible"];
const CLEARED = Object.fromEntries(
  ["state", "kind", "axis", ...QUANTITIES.flatMap((q) => [`${q}_min`, `${q}_max`])].map((name) => [name, null]),
);

/**
 * @param {HTMLElement} host
 * @param {import("./main.js").App} app
 * @param {boolean} wanted whether this view follows the filter
 */
export function renderFilters(host, app, wanted) {
  if (!wanted) return void put(host);
  const { query } = current();
  const open = host.querySelector("details")?.open ?? false;
  const focus = host.contains(document.activeElement) ? document.activeElement.id : "";
  const chips = chipsOf(query);
  put(
    host,
    el(
      "div",
      { class: "filterbar" },
      el("details", { class: "popover", open }, el("summary", { id: "filter-open" }, "Filter"), form(query, app)),
      el(
        "ul",
        { class: "chips", "aria-label": "Filters that hold now" },
        chips.map(({ text, changes }) =>
          el(
            "li",
            {},
            el(
              "button",
              {
                type: "button",
                class: "chip",
                "aria-label": `Remove the filter ${text}`,
                onclick: () => change({ ...changes, offset: null }),
              },
              text,
              el("span", { "aria-hidden": "true" }, "×"),
            ),
          ),
        ),
      ),
      chips.length > 1
        ? el(
            "button",
            { type: "button", class: "quiet", onclick: () => change({ ...CLEARED, offset: null }) },
            "Clear all",
          )
        : null,
    ),
  );
  if (focus) document.getElementById(focus)?.focus();
}

function chipsOf(query) {
  const chips = [];
  const states = query.getAll("state");
  if (states.length) chips.push({ text: states.join(" or "), changes: { state: null } });
  if (query.get("kind"))
    chips.push({ text: query.get("kind") === "child" ? "children only" : "baselines only", changes: { kind: null } });
  for (const name of QUANTITIES) {
    const percent = name === "accuracy";
    const show = (value) =>
      percent
        ? `${Number((100 * value).toPrecision(6))} %`
        : ["epochs", "number"].includes(name)
          ? whole(Number(value))
          : count(Number(value));
    const [low, high] = [query.get(`${name}_min`), query.get(`${name}_max`)];
    if (low !== null) chips.push({ text: `${title(name)} ≥ ${show(low)}`, changes: { [`${name}_min`]: null } });
    if (high !== null) chips.push({ text: `${title(name)} ≤ ${show(high)}`, changes: { [`${name}_max`]: null } });
  }
  const axes = query.getAll("axis");
  for (const axis of axes)
    chips.push({ text: axis.replace(":", " = "), changes: { axis: axes.filter((other) => other !== axis) } });
  return chips;
}

function form(query, app) {
  const names = [...new Set(app.shown().flatMap((study) => study.axes ?? []))];
  const submit = (event) => {
    event.preventDefault();
    const given = new FormData(event.target);
    const changes = { offset: null, state: given.getAll("state"), kind: given.get("kind") };
    for (const name of QUANTITIES) {
      for (const end of ["min", "max"]) {
        const text = String(given.get(`${name}_${end}`) ?? "").trim();
        changes[`${name}_${end}`] = text === "" ? null : name === "accuracy" ? Number(text) / 100 : parse(text);
      }
    }
    const axis = given.get("axis_name");
    const label = String(given.get("axis_label") ?? "").trim();
    if (axis && label) changes.axis = [...new Set([...query.getAll("axis"), `${axis}:${label}`])];
    event.target.closest("details").open = false;
    document.getElementById("filter-open").focus(); // the form is made anew
    change(changes);
  };
  const chosen = query.getAll("state");
  return el(
    "form",
    { class: "filterform panel", onsubmit: submit },
    el(
      "fieldset",
      {},
      el("legend", {}, "State"),
      el(
        "div",
        { class: "checks" },
        STATES.map((state) =>
          el(
            "label",
            {},
            el("input", { type: "checkbox", name: "state", value: state, checked: chosen.includes(state) }),
            state,
          ),
        ),
      ),
      el("p", { class: "hint" }, "None chosen: charts show complete trials, the table all."),
    ),
    el(
      "label",
      { class: "field" },
      el("span", {}, "Kind"),
      el(
        "select",
        { name: "kind" },
        [
          ["", "children and baselines"],
          ["child", "children"],
          ["baseline", "baselines"],
        ].map(([value, text]) => el("option", { value, selected: (query.get("kind") ?? "") === value }, text)),
      ),
    ),
    el(
      "fieldset",
      {},
      el("legend", {}, "Ranges"),
      QUANTITIES.map((name) =>
        el(
          "div",
          { class: "range" },
          el("span", {}, name === "accuracy" ? "accuracy (%)" : title(name)),
          ["min", "max"].map((end) => {
            const value = query.get(`${name}_${end}`);
            return el("input", {
              name: `${name}_${end}`,
              inputmode: "decimal",
              pattern: "\\s*[0-9.]+([eE][+\\-]?[0-9]+)?\\s*[kKMGT]?\\s*",
              placeholder: end,
              "aria-label": `${title(name)}, ${end === "min" ? "least" : "most"}`,
              title: "a number; k, M, G or T may follow",
              value: value === null ? "" : name === "accuracy" ? String(Number((100 * value).toPrecision(8))) : value,
            });
          }),
        ),
      ),
    ),
    names.length
      ? el(
          "fieldset",
          {},
          el("legend", {}, "Axis"),
          el(
            "div",
            { class: "range" },
            el(
              "select",
              { name: "axis_name", "aria-label": "Axis" },
              el("option", { value: "" }, "any"),
              names.map((name) => el("option", { value: name }, name)),
            ),
            el("input", { name: "axis_label", placeholder: "label", "aria-label": "Label of the axis" }),
          ),
        )
      : null,
    el(
      "div",
      { class: "actions" },
      el("button", { type: "submit", class: "primary" }, "Apply"),
      el(
        "button",
        { type: "button", class: "quiet", onclick: () => change({ ...CLEARED, offset: null }) },
        "Clear all",
      ),
    ),
  );
}

const UNITS = { k: 1e3, K: 1e3, M: 1e6, G: 1e9, T: 1e12 };

// "250k", "1.5 M": FLOPs are seldom typed digit by digit.
function parse(text) {
  const unit = UNITS[text.at(-1)];
  return unit ? Math.round(Number(text.slice(0, -1)) * unit * 1e6) / 1e6 : Number(text);
}

// A click elsewhere closes an open popover, and so does Escape.
document.addEventListener("click", (event) => {
  for (const open of document.querySelectorAll("details.popover[open]"))
    if (!open.contains(event.target)) open.open = false;
});
document.addEventListener("keydown", (event) => {
  const open = document.querySelector("details.popover[open]");
  if (event.key !== "Escape" || !open) return;
  event.preventDefault();
  open.open = false;
  open.querySelector("summary").focus();
});
