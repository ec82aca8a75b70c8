// How much each axis matters, as bars that choose the axis of the slices.

import { keepingFocus } from "./controls.js";
import { el, put } from "./dom.js";
import { change } from "./state.js";

/**
 * @param {HTMLElement} bars
 * @param {{axes: object[], byImportance: object[], importance_method: string}} data
 * @param {string} selected the axis whose slices are shown
 */
export function importanceBars(bars, data, selected) {
  const most = Math.max(...data.axes.map((axis) => axis.importance ?? 0), 1e-9);
  keepingFocus(bars, () =>
    put(
      bars,
      el(
        "ol",
        {},
        data.byImportance.map((axis, i) =>
          el(
            "li",
            {},
            el(
              "button",
              {
                type: "button",
                id: `importance-${i}`,
                "aria-pressed": axis.name === selected ? "true" : "false",
                onclick: () => change({ slice: axis.name }, { replace: true }),
              },
              el("span", { class: "name" }, axis.name),
              el(
                "span",
                { class: "bar", "aria-hidden": "true" },
                el("i", { style: { width: `${(100 * (axis.importance ?? 0)) / most}%` } }),
              ),
              el("span", { class: "value" }, axis.importance === null ? "–" : axis.importance.toFixed(3)),
            ),
          ),
        ),
      ),
      data.importance_method ? el("p", { class: "muted hint" }, data.importance_method) : null,
    ),
  );
}
