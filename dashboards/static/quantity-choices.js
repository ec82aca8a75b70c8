// Which quantities span a chart: a cost across, and upwards accuracy or another metric.

import { choice } from "./controls.js";
import { title } from "./format.js";
import { current } from "./state.js";

const COSTS = ["flops", "params", "activations", "memory"];

/** What is across and what is up, as the address says. */
export function spanned() {
  const { query } = current();
  return { x: query.get("x") ?? "flops", y: query.get("y") ?? "accuracy" };
}

/**
 * The choice of the cost; what is upwards is not offered.
 * @param {import("./main.js").App} app
 * @param {Record<string, null>} [also] what a change takes away
 */
export function costChoice(app, also = {}) {
  const { x, y } = spanned();
  const metrics = metricsOf(app).filter((name) => !/accuracy|loss/.test(name));
  return offered("Cost", "x", [...COSTS, ...metrics], x, y, also);
}

/**
 * The choice of the value, accuracy or another metric; what is across is not offered.
 * @param {import("./main.js").App} app
 * @param {Record<string, null>} [also]
 */
export function valueChoice(app, also = {}) {
  const { x, y } = spanned();
  return offered("Value", "y", ["accuracy", ...metricsOf(app)], y, x, also);
}

function metricsOf(app) {
  return [...new Set(app.shown().flatMap((study) => study.metrics ?? []))].filter((name) => !/^epochs?$/.test(name));
}

function offered(label, parameter, names, now, other, also) {
  const kept = [...new Set([...names, now])].filter((name) => name !== other);
  return choice(
    label,
    parameter,
    kept.map((name) => [name, title(name)]),
    also,
    names[0],
  );
}
