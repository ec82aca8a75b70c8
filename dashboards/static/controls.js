// Small controls that write to the address.

import { el } from "./dom.js";
import { change, current } from "./state.js";

/**
 * A row of buttons of which one is pressed.
 * @param {string} label
 * @param {string} name of the parameter
 * @param {[string, string][]} options value and text; the first is the default and is not written
 * @param {Record<string, null>} [also] what a change takes away
 */
export function segmented(label, name, options, also = {}) {
  const value = current().query.get(name) ?? options[0][0];
  return el(
    "div",
    { class: "segmented", role: "group", "aria-label": label },
    options.map(([option, text]) =>
      el(
        "button",
        {
          type: "button",
          id: `${name}-${option}`,
          "aria-pressed": option === value ? "true" : "false",
          onclick: () => change({ ...also, [name]: option === options[0][0] ? null : option }),
        },
        text,
      ),
    ),
  );
}

/**
 * A labelled choice.
 * @param {string} label
 * @param {string} name
 * @param {[string, string][]} options
 * @param {Record<string, null>} [also]
 * @param {string} [usual] the option that is not written
 */
export function choice(label, name, options, also = {}, usual = options[0]?.[0]) {
  const value = current().query.get(name) ?? usual;
  return el(
    "label",
    { class: "choice" },
    el("span", {}, label),
    el(
      "select",
      {
        id: `choose-${name}`,
        onchange: (event) =>
          change({ ...also, [name]: event.target.value === usual ? null : event.target.value }),
      },
      options.map(([option, text]) => el("option", { value: option, selected: option === value }, text)),
    ),
  );
}

/** A button that copies text, and says so. */
export function copyButton(text, label) {
  const button = el(
    "button",
    {
      type: "button",
      class: "quiet copy",
      "aria-label": label,
      onclick: async () => {
        try {
          await navigator.clipboard.writeText(text);
          button.textContent = "Copied";
        } catch {
          button.textContent = "Select it";
        }
        setTimeout(() => (button.textContent = "Copy"), 1500);
      },
    },
    "Copy",
  );
  return button;
}

/** Keep the focus where it was while a part of the page is drawn anew; only elements with an id can be found again. */
export function keepingFocus(host, draw) {
  const id = host.contains(document.activeElement) ? document.activeElement.id : "";
  draw();
  if (id) document.getElementById(id)?.focus({ preventScroll: true });
}

/** A row of figures: [value, name, note?] each. */
export function facts(items) {
  return el(
    "dl",
    { class: "tiles" },
    items.map(([value, name, note]) =>
      el("div", {}, el("dt", {}, name), el("dd", {}, value, note ? el("small", {}, note) : null)),
    ),
  );
}
