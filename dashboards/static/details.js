// The panel beside a chart: one point, opened by click or Enter. `open` in the address names it.

import { address, get, trialAddress } from "./api.js";
import { keepingFocus } from "./controls.js";
import { el, put } from "./dom.js";
import { count, percent, whole } from "./format.js";
import { change, current, trialHref } from "./state.js";
import {
  accuracyNote,
  accuracyOf,
  axesList,
  basketButton,
  commands,
  cost,
  dominated,
  drawing,
  measured,
  nearest,
  pairs,
  plainTable,
  stateBadge,
  trialTitle,
} from "./trial-parts.js";

let shown = "";
let request = null;
let last = null; // the focus before the panel opened
let document_ = null;

let follow = false; // whether the focus goes to the panel that opens next

/**
 * Write to the address what is to be shown.
 * @param {string} key
 * @param {{follow?: boolean}} [how] follow: the focus goes there, for those who came by keyboard; Escape brings it back
 */
export function openDetails(key, how = {}) {
  follow = how.follow ?? false;
  const host = document.getElementById("details");
  if (follow && key === current().query.get("open")) ((follow = false), (last = document.activeElement), host.focus());
  else change({ open: key });
}

/**
 * Show what `key` names: "STUDY:NUMBER", or "network:NAME" for a hand-designed one; null closes.
 * @param {HTMLElement} host
 * @param {string | null} key
 * @param {import("./main.js").App} app
 */
export async function showDetails(host, key, app) {
  if (!key) return closeDetails(host);
  if (key === shown && document_) return fill(host, key); // the basket may have changed
  if (!shown || follow) last = document.activeElement;
  shown = key;
  document_ = null;
  request?.abort();
  request = new AbortController();
  host.hidden = false;
  document.getElementById("page").classList.add("withdetails");
  if (follow) host.focus({ preventScroll: true });
  follow = false;
  Object.assign(host.dataset, { trial: key, state: "loading" });
  const colon = key.lastIndexOf(":");
  const [study, number] = colon > 0 ? [key.slice(0, colon), key.slice(colon + 1)] : [key, "?"];
  if (!host.firstChild) put(host, bar("…"), el("p", { class: "loading" }, "Loading…"));
  try {
    const network = study === "network";
    document_ = network
      ? await published(number, request.signal)
      : await get(trialAddress(study, number), request.signal);
    if (shown !== key) return;
    fill(host, key);
    host.scrollTop = 0;
    host.dataset.state = "ready";
    performance.mark("nas:details");
    app.say(`Details of ${network ? number : `trial ${number} of ${study}`} are open.`);
  } catch (error) {
    if (error.name === "AbortError" || shown !== key) return;
    put(host, bar(key), el("p", { class: "notice error", role: "alert" }, error.message));
    host.dataset.state = "failed";
  }
}

// A network as published, with its architecture where nas has it: some published ones it cannot build.
async function published(name, signal) {
  const { models } = await get(address("/api/published", { weights: "all" }), signal);
  const rows = models.filter((model) => model.name === name);
  const known = !rows.length || rows.some((model) => model.network);
  const network = known ? await get(`/api/networks/${encodeURIComponent(name)}`, signal) : rows[0];
  return { ...network, name, known, published: rows };
}

/** Read again what is shown, if it has not ended: the search goes on. */
export async function refreshDetails(host) {
  const key = shown;
  if (!key || !["waiting", "running"].includes(document_?.state)) return;
  const found = await get(trialAddress(document_.study, document_.number)).catch(() => null);
  if (!found || shown !== key) return;
  document_ = found;
  fill(host, key);
}

/** Close the panel and give the focus back. */
export function closeDetails(host) {
  if (!shown) return;
  const inside = host.contains(document.activeElement);
  shown = "";
  document_ = null;
  request?.abort();
  host.hidden = true;
  put(host);
  delete host.dataset.trial;
  delete host.dataset.state;
  document.getElementById("page").classList.remove("withdetails");
  if (inside) (last?.isConnected ? last : document.querySelector(".pointchart"))?.focus?.();
}

function fill(host, key) {
  const network = key.startsWith("network:");
  keepingFocus(host, () => put(host, network ? networkDetails(document_) : trialDetails(key, document_)));
}

function bar(...heading) {
  return el(
    "div",
    { class: "bar" },
    el("h2", {}, heading),
    el(
      "button",
      {
        type: "button",
        class: "quiet close",
        "aria-label": "Close the details",
        onclick: () => change({ open: null }),
      },
      "×",
    ),
  );
}

function section(heading, ...content) {
  const parts = content.flat(Infinity).filter(Boolean);
  return parts.length ? el("section", {}, el("h3", {}, heading), parts) : null;
}

function trialDetails(key, trial) {
  const study = key.slice(0, key.lastIndexOf(":"));
  const accuracy = accuracyOf(trial);
  const baselines = dominated(trial.dominates, trial.kind);
  return [
    bar(
      trialTitle(trial),
      " ",
      el("span", { class: "muted" }, trial.kind === "baseline" ? `baseline of ${study}` : study),
    ),
    el(
      "p",
      { class: "row" },
      stateBadge(trial.state),
      el("span", { class: "grow" }),
      basketButton(study, trial.number),
      el("a", { class: "button", href: trialHref(study, trial.number) }, "Full page"),
    ),
    trial.reason ? el("p", { class: "reason" }, trial.reason) : null,
    el("p", { class: "big" }, accuracy === null ? "–" : percent(accuracy), el("small", {}, accuracyNote(trial))),
    pairs([...cost(trial), ...measured(trial).slice(0, 4)]),
    trial.summary ? el("p", { class: "summary" }, trial.summary) : null,
    section(
      "Drawing",
      drawing(trialSvg(study, trial.number), `The architecture of trial ${trial.number}: ${trial.summary ?? ""}`),
    ),
    section("Axes", axesList(trial.axes)),
    section("Nearest hand-designed network", nearest(trial.nearest)),
    section("Dominates", baselines),
    section("Commands", commands(trial.commands)),
  ];
}

function networkDetails(network) {
  const of = { ...(network.cost ?? {}), ...network };
  const { published: rows, known, name } = network;
  const best = rows.length ? rows.reduce((a, b) => (a.top1 > b.top1 ? a : b)) : null;
  const shape = [network.image].flat();
  return [
    bar(name, " ", el("span", { class: "muted" }, "hand-designed")),
    best
      ? el("p", { class: "big" }, percent(best.top1), el("small", {}, "published ImageNet top-1, not measured here"))
      : null,
    pairs([
      ["FLOPs", count(of.flops)],
      ["parameters", el("span", { title: whole(of.params) }, count(of.params))],
      ["image", shape.length > 1 ? shape.join(" × ") : `${shape[0]} × ${shape[0]}`],
    ]),
    network.summary ? el("p", { class: "summary" }, network.summary) : null,
    rows.length
      ? section(
          "Published weights",
          plainTable(
            ["weights", "top-1", "image"],
            rows.map((row) => [row.weights, percent(row.top1), row.image]),
          ),
        )
      : null,
    known
      ? section(
          "Drawing",
          drawing(`/api/networks/${encodeURIComponent(name)}/drawing.svg`, `The architecture of ${name}`),
        )
      : el("p", { class: "muted" }, "nas has no architecture of this name, so it cannot be drawn or built here."),
    known ? section("Commands", commands(network.commands ?? { describe: `nas describe ${name}` })) : null,
  ];
}

function trialSvg(study, number) {
  return trialAddress(study, number, "/drawing.svg");
}
