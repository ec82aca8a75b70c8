// The menu that saves what is seen: the picture, and the rows behind it.

import { address } from "./api.js";
import { el } from "./dom.js";
import { current, filterOf } from "./state.js";

/**
 * @param {{picture?: (format: "png" | "svg") => Promise<void>, twin: string}} given the
 *   picture's saver, and the address of the same data as JSON
 */
export function exportMenu({ picture, twin }) {
  const filter = () => {
    const { view, query } = current();
    const seen = filterOf(query);
    if (view !== "table" && !seen.has("state")) seen.append("state", "complete"); // what charts show by default
    return seen;
  };
  const item = (text, attributes) =>
    el(attributes.href ? "a" : "button", { ...(attributes.href ? {} : { type: "button" }), ...attributes }, text);
  const closing = (act) => async (event) => {
    event.target.closest("details").open = false;
    await act();
  };
  return el(
    "details",
    { class: "popover menu" },
    el("summary", {}, "Export"),
    el(
      "div",
      { class: "panel" },
      picture ? item("Picture, PNG", { onclick: closing(() => picture("png")) }) : null,
      picture ? item("Picture, SVG", { onclick: closing(() => picture("svg")) }) : null,
      item("Trials, CSV", { href: address("/api/export.csv", filter()), download: "trials.csv" }),
      item("Trials, JSON", { href: address("/api/export.json", filter()), download: "trials.json" }),
      item("This page's data (API)", { href: twin, target: "_blank", rel: "noopener" }),
    ),
  );
}
