// The list of studies: which of them are shown, and what each found.

import { el, mark, put } from "./dom.js";
import { percent, whole } from "./format.js";
import { change, current, href } from "./state.js";

let sought = "";

/**
 * @param {HTMLElement} host
 * @param {import("./main.js").App} app
 * @param {string} view the view that is shown
 */
export function renderSidebar(host, app, view) {
  const kept = host.querySelector(".scroll")?.scrollTop ?? 0;
  const focus = host.contains(document.activeElement) ? document.activeElement.id : "";
  const open = host.querySelector("details")?.open ?? !matchMedia("(max-width: 820px)").matches;
  const { query } = current();
  const datasets = [...new Set(app.studies.map((study) => study.dataset))].sort();
  const chosen = query.getAll("dataset");
  const shown = new Set(app.shown().map((study) => study.name));
  const listed = app.studies.filter(
    (study) => !chosen.length || chosen.includes(study.dataset) || shown.has(study.name),
  );
  const list = el("ul", { class: "studies" });
  const draw = () =>
    put(
      list,
      listed
        .filter(({ name }) => name.toLowerCase().includes(sought))
        .map((study) => row(study, app, shown, query, listed)),
    );
  draw();

  put(
    host,
    el(
      "details",
      { open },
      el(
        "summary",
        {},
        "Studies ",
        el("span", { class: "muted" }, app.studies.length ? `${shown.size} of ${app.studies.length}` : "none yet"),
      ),
      datasets.length > 1 ? datasetChoice(datasets, chosen) : null,
      listed.length > 8
        ? el("input", {
            type: "search",
            id: "seek",
            class: "seek",
            placeholder: "Find a study",
            "aria-label": "Find a study",
            value: sought,
            oninput: (event) => ((sought = event.target.value.toLowerCase()), draw()),
          })
        : null,
      el("div", { class: "scroll" }, list),
      query.has("study")
        ? el(
            "button",
            { type: "button", class: "quiet", onclick: () => change({ study: null, open: null, show: null }) },
            "Show all",
          )
        : null,
      el(
        "p",
        { class: "other" },
        el(
          "a",
          { href: href("front", { show: "published" }), "aria-current": view === "published" ? "page" : null },
          "Published ImageNet networks",
        ),
      ),
      app.database ? el("p", { class: "database muted", title: app.database }, app.database) : null,
    ),
  );
  const scroll = host.querySelector(".scroll");
  if (scroll) scroll.scrollTop = kept;
  if (focus) document.getElementById(focus)?.focus();
}

// What stops children early, where something does.
function by({ scheduler }, between) {
  return scheduler && scheduler !== "none" ? `${between}${scheduler}` : "";
}

function datasetChoice(datasets, chosen) {
  const all = chosen.length === datasets.length;
  const value = all ? "*" : chosen.length === 1 ? chosen[0] : "";
  const pick = (event) =>
    change({
      dataset: event.target.value === "*" ? datasets : event.target.value,
      study: null,
      open: null,
      xr: null,
      yr: null,
      show: null,
    });
  return el(
    "label",
    { class: "field" },
    el("span", {}, "Data set"),
    el(
      "select",
      { id: "dataset", onchange: pick },
      datasets.map((name) => el("option", { value: name, selected: name === value }, name)),
      el("option", { value: "*", selected: all }, "All data sets"),
      value === ""
        ? el(
            "option",
            { value: "", selected: true, disabled: true },
            chosen.length ? chosen.join(", ") : "as chosen below",
          )
        : null,
    ),
  );
}

function row(study, app, shown, query, listed) {
  const on = shown.has(study.name);
  const names = query.getAll("study");
  const toggle = () => {
    const base = names.length ? names : [...shown];
    const next = on ? base.filter((name) => name !== study.name) : [...base, study.name];
    const every = listed.every(({ name }) => next.includes(name));
    change({ study: every || !next.length ? null : next, open: null, show: null });
  };
  const look = app.styleOf(study.name);
  const busy = study.counts.running ?? 0;
  const id = `study-${app.studies.indexOf(study)}`;
  return el(
    "li",
    { class: on ? "on" : null },
    el(
      "label",
      { title: `${study.name}: ${study.space}, ${study.controller}, ${study.dataset}${by(study, ", ")}` },
      el("input", { type: "checkbox", checked: on, id, onchange: toggle }),
      mark(look.symbol.path, on ? look.colour : "var(--line)"),
      el("span", { class: "name" }, study.name),
      el("span", { class: "best" }, percent(study.best_accuracy, 1)),
      el(
        "span",
        { class: "facts" },
        el("span", { class: "what" }, `${whole(study.trials)} · ${study.space} · ${study.controller}${by(study, " · ")}`),
        busy
          ? el("span", { class: "busy" }, `${whole(busy)} running`)
          : study.state === "open"
            ? el("span", { class: "open" }, "open")
            : null,
      ),
    ),
    el(
      "button",
      {
        type: "button",
        class: "only quiet",
        id: `${id}-only`,
        "aria-label": `Show only ${study.name}`,
        onclick: () => change({ study: study.name, open: null, xr: null, yr: null, show: null }),
      },
      "only",
    ),
  );
}
