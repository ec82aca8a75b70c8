// What the details panel and the trial's page both show of a trial.

import { copyButton } from "./controls.js";
import { el } from "./dom.js";
import { bytes, count, duration, quantity, title, when, whole } from "./format.js";
import { change, current, trialHref } from "./state.js";

/** The state as a word with a sign, because colour alone says nothing to some. */
export function stateBadge(state) {
  const signs = { complete: "●", running: "◐", waiting: "○", pruned: "◍", failed: "✕", infeasible: "⊘" };
  return el("span", { class: `badge ${state}` }, el("span", { "aria-hidden": "true" }, signs[state] ?? ""), state);
}

/** Puts a trial aside for Compare, or takes it back. */
export function basketButton(study, number) {
  const key = `${study}:${number}`;
  const there = current().query.getAll("trial");
  const inside = there.includes(key);
  const full = !inside && there.length >= 6;
  return el(
    "button",
    {
      type: "button",
      id: "basket",
      disabled: full,
      "aria-pressed": inside ? "true" : "false",
      title: full ? "Six trials at most" : null,
      onclick: () =>
        change({ trial: inside ? there.filter((other) => other !== key) : [...there, key] }, { replace: true }),
    },
    inside ? "✓ In Compare" : "+ Compare",
  );
}

/** Name and value pairs. */
export function pairs(rows) {
  return el(
    "dl",
    { class: "pairs" },
    rows
      .filter(([, value]) => value !== null && value !== undefined && value !== "")
      .map(([name, value]) => [el("dt", {}, name), el("dd", {}, value)]),
  );
}

/** The four exact quantities; multiply-adds and elements in full on hover. */
export function cost(trial) {
  const exact = (value, text) =>
    value === null || value === undefined ? null : el("span", { title: whole(value) }, text);
  return [
    ["FLOPs", exact(trial.flops, count(trial.flops))],
    ["parameters", exact(trial.params, count(trial.params))],
    ["activations", exact(trial.activations, count(trial.activations))],
    ["memory", exact(trial.memory, bytes(trial.memory))],
  ];
}

/** The drawing as a picture: an SVG in `img` runs nothing, whatever it holds. */
export function drawing(url, text) {
  const image = el("img", { src: url, alt: text, loading: "lazy", decoding: "async", class: "drawing" });
  const frame = el(
    "a",
    { class: "paper", href: url, target: "_blank", rel: "noopener", title: "Open the drawing alone" },
    image,
  );
  image.addEventListener("error", () =>
    frame.replaceWith(el("p", { class: "muted" }, "This architecture cannot be drawn here.")),
  );
  return frame;
}

/** The choices of the axes; those that do not apply are said to. */
export function axesList(axes) {
  if (!axes?.length) return null;
  return el(
    "dl",
    { class: "pairs axes" },
    axes.map(({ name, label, active }) => [
      el("dt", {}, name),
      el("dd", { class: active === false ? "muted" : null }, active === false ? "does not apply" : String(label)),
    ]),
  );
}

/** A small table that scrolls by itself where it is too wide; the first cell of each row heads it. */
export function plainTable(heads, rows) {
  const head = heads.map((text) => el("th", { scope: "col" }, text));
  const body = rows.map(([first, ...rest]) =>
    el(
      "tr",
      {},
      el("th", { scope: "row" }, first),
      rest.map((cell) => el("td", {}, cell)),
    ),
  );
  const table = el("table", { class: "plain" }, el("thead", {}, el("tr", {}, head)), el("tbody", {}, body));
  return el("div", { class: "wide" }, table);
}

/** The nearest hand-designed network and each difference. */
export function nearest(found) {
  if (!found) return null;
  const differences = found.differences ?? [];
  return [
    el(
      "p",
      {},
      el("strong", {}, found.name),
      differences.length
        ? ` differs in ${differences.length === 1 ? "one axis" : `${differences.length} axes`}.`
        : " is the same network in every axis.",
    ),
    differences.length
      ? plainTable(
          ["axis", "this trial", found.name],
          differences.map((d) => [d.axis, said(d.trial), said(d.network)]),
        )
      : null,
  ];
}

/** Which baselines it dominates. */
export function dominated(names, kind) {
  if (names === null || names === undefined) return null;
  if (!names.length)
    return el(
      "p",
      { class: "muted" },
      kind === "baseline" ? "It dominates no other baseline." : "It dominates no baseline of its study.",
    );
  return el(
    "ul",
    { class: "plainlist" },
    names.map((name) => el("li", {}, name)),
  );
}

/** Commands to copy. */
export function commands(given) {
  const entries = Object.entries(given ?? {}).filter(([, text]) => text);
  return entries.map(([name, text]) =>
    el(
      "div",
      { class: "command" },
      el("span", {}, name),
      el("code", { tabindex: 0 }, text),
      copyButton(text, `Copy the command that does: ${name}`),
    ),
  );
}

/** Measured values by name. */
export function measured(trial) {
  const values = { ...(trial.metrics ?? {}), ...(trial.values ?? {}) };
  delete values.epoch;
  delete values.val_accuracy;
  for (const name of ["accuracy", "flops", "params", "activations", "memory"]) delete values[name];
  return Object.entries(values).map(([name, value]) => [title(name), quantity(name, value)]);
}

/** The accuracy of a trial, null before it has one. */
export function accuracyOf(trial) {
  return trial.accuracy ?? null;
}

/** What the accuracy of a trial is, for one that was stopped early or still runs. */
export function accuracyNote({ state, epochs, accuracy }) {
  if (accuracy === null || accuracy === undefined || !epochs) return "accuracy";
  if (state === "pruned") return `accuracy when it was stopped, after epoch ${epochs}`;
  return state === "running" ? `accuracy so far, after epoch ${epochs}` : "accuracy";
}

/** Times, worker, seed. */
export function history(trial) {
  const { created, started, finished, seconds } = trial.times;
  const from = trial.reused_from;
  return [
    ["asked for", when(created)],
    ["started", started ? when(started) : null],
    ["finished", finished ? when(finished) : null],
    ["took", seconds === null ? null : duration(seconds)],
    ["worker", trial.worker],
    ["seed", String(trial.seed)],
    ["epochs", trial.epochs],
    [
      "answered by",
      from ? el("a", { href: trialHref(from.study, from.number) }, `${from.study} #${from.number}`) : null,
    ],
  ];
}

/** The heading of a trial. */
export function trialTitle(trial) {
  return trial.name ?? `#${trial.number}`;
}

function said(value) {
  return value === null || value === undefined ? "does not apply" : String(value);
}
