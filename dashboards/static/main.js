// The page: it reads the address, keeps the list of studies, and hands both to one view at a time.

import { ApiError, get } from "./api.js";
import { keepingFocus } from "./controls.js";
import { closeDetails, refreshDetails, showDetails } from "./details.js";
import { el, put } from "./dom.js";
import { renderFilters } from "./filters.js";
import { watch } from "./live.js";
import { isDark, style } from "./palette.js";
import { renderSidebar } from "./sidebar.js";
import { current, go, href, onChange, VIEWS } from "./state.js";
import { onTheme, start as startTheme } from "./theme.js";

/**
 * What a view is given.
 * @typedef {object} App
 * @property {object[]} studies all of them, as /api/studies has them
 * @property {string} database its label
 * @property {() => object[]} shown the studies that the filter leaves
 * @property {(name: string) => {colour: string, symbol: object, dash: string}} styleOf
 * @property {(text: string) => void} say to screen readers
 * @property {(view: string) => void} ready the view's first data is on the screen
 */

const LOADERS = {
  front: () => import("./front-view.js"),
  published: () => import("./published-view.js"),
  time: () => import("./time-view.js"),
  axes: () => import("./axes-view.js"),
  table: () => import("./table-view.js"),
  compare: () => import("./compare-view.js"),
  trial: () => import("./trial-view.js"),
};
const TITLES = {
  front: "Front",
  time: "Time",
  axes: "Axes",
  table: "Table",
  compare: "Compare",
  trial: "Trial",
  published: "Published",
};
const FILTERED = ["front", "time", "axes", "table"];

const find = (id) => document.getElementById(id);
const root = document.documentElement;

const app = {
  studies: [],
  database: "",
  shown() {
    const { query } = current();
    const [names, datasets] = [query.getAll("study"), query.getAll("dataset")];
    return app.studies.filter((study) =>
      names.length ? names.includes(study.name) : !datasets.length || datasets.includes(study.dataset),
    );
  },
  styleOf(name) {
    return style(
      Math.max(
        0,
        app.shown().findIndex((study) => study.name === name),
      ),
    );
  },
  say(text) {
    find("announcer").textContent = text;
  },
  ready(view) {
    if (root.dataset.ready === view) return;
    root.dataset.ready = view;
    performance.mark("nas:ready");
  },
};

let view = null; // {name, update, close}
let turn = 0;

async function render({ live = false } = {}) {
  const state = current();
  const name = viewOf(state);
  const mine = ++turn;
  delete root.dataset.shown;
  // Before all else: a person waits for it.
  if (!live && name !== "trial") showDetails(find("details"), state.query.get("open"), app);
  chrome(state, name);
  try {
    if (view?.name !== name || (name === "trial" && view.key !== location.pathname)) {
      view?.close?.();
      view = null;
      delete root.dataset.ready;
      const host = put(find("view"), el("p", { class: "loading" }, "Loading…"));
      const { create } = await LOADERS[name]();
      if (mine !== turn) return;
      put(host);
      app.say(TITLES[name]);
      view = { name, key: location.pathname, ...create(host, app) };
    }
    await view.update(state, { live });
    find("view").querySelector(":scope > .error")?.remove();
    if (mine === turn) root.dataset.shown = ""; // what the address says is on the screen
  } catch (error) {
    if (error.name !== "AbortError" && mine === turn) fail(error, live);
  }
}

function viewOf(state) {
  if (state.view !== "front") return state.view;
  return !app.studies.length || state.query.get("show") === "published" ? "published" : "front";
}

let drawn = null;

function chrome(state, name) {
  const rest = new URLSearchParams(state.query);
  rest.delete("open");
  const now = [location.pathname, rest.toString(), isDark(), app.studies];
  if (drawn?.every((value, i) => value === now[i])) return; // only the details panel changed
  drawn = now;
  document.title = `${name === "trial" ? `${state.study} #${state.number}` : TITLES[name]} · nas`;
  const basket = state.query.getAll("trial").length;
  keepingFocus(find("tabs"), () =>
    put(
      find("tabs"),
      VIEWS.map((tab) =>
        el(
          "a",
          {
            href: href(tab),
            id: `tab-${tab}`,
            "aria-current": tab === name || (tab === "front" && name === "published") ? "page" : null,
          },
          TITLES[tab],
          tab === "compare" && basket ? el("span", { class: "count" }, basket) : null,
        ),
      ),
    ),
  );
  document.querySelector("a.brand").href = href("front");
  const bare = name === "trial" || name === "compare";
  find("page").classList.toggle("bare", bare);
  find("side").hidden = bare;
  if (!bare) renderSidebar(find("side"), app, name);
  renderFilters(find("filters"), app, FILTERED.includes(name));
  if (name === "trial") closeDetails(find("details"));
}

function fail(error, live) {
  const known = error instanceof ApiError;
  if (!known) console.error(error);
  app.say(error.message);
  const old = find("view").querySelector(":scope > .error");
  const refused = error.status === 400;
  const box = el(
    "p",
    { class: "notice error", role: "alert" },
    known ? error.message : `The page could not be drawn: ${error.message}`,
    " ",
    refused
      ? el("button", { type: "button", onclick: () => go(location.pathname) }, "Without the filter")
      : el("button", { type: "button", onclick: () => (box.remove(), render()) }, "Try again"),
  );
  if (old) old.replaceWith(box);
  else find("view").prepend(box);
  if (!live && !known) view = null;
}

async function load() {
  const { studies, database } = await get("/api/studies");
  Object.assign(app, { studies, database });
}

// Accuracies of different data sets do not compare: a bare address chooses the one of the latest study.
function chooseDataset() {
  const { view: name, query } = current();
  const datasets = new Set(app.studies.map((study) => study.dataset));
  if (name === "trial" || name === "compare" || datasets.size < 2 || query.has("study") || query.has("dataset")) return;
  const latest = app.studies.reduce((a, b) => (a.created > b.created ? a : b));
  go(href(null, { dataset: latest.dataset }), { replace: true, quiet: true });
}

let asking = null;
let again = false;

// One refresh at a time: changes that come meanwhile are shown by one more, after a rest that grows with the work.
async function refresh() {
  if (asking) return void (again = true);
  const began = performance.now();
  asking = (async () => {
    await load();
    await Promise.all([render({ live: true }), refreshDetails(find("details"))]);
  })().catch((error) => console.warn(error));
  await asking;
  setTimeout(
    () => {
      asking = null;
      if (again) ((again = false), refresh());
    },
    Math.max(250, 3 * (performance.now() - began)),
  );
}

function follow(changed, first) {
  const same = (study) => JSON.stringify(study.counts) === JSON.stringify(changed[study.name]?.counts);
  if (first && app.studies.length === Object.keys(changed).length && app.studies.every(same)) return; // as just loaded
  const shown = new Set(app.shown().map((study) => study.name));
  const known = new Set(app.studies.map((study) => study.name));
  if (Object.keys(changed).some((name) => shown.has(name) || !known.has(name) || current().view === "trial")) refresh();
}

startTheme(find("theme"));
onTheme(() => render());
onChange(() => (chooseDataset(), render()));
addEventListener("keydown", (event) => {
  if (event.key === "Escape" && !find("details").hidden && !event.defaultPrevented) go(href(null, { open: null }));
});

try {
  await load();
  chooseDataset();
} catch (error) {
  fail(error, true);
}
await render();
watch(find("live"), follow);
