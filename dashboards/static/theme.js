// Light or dark: the system's preference until a person chooses. It is the reader's, so it is not in the address.

import { isDark } from "./palette.js";

const listeners = new Set();

/**
 * Make the button switch the theme.
 * @param {HTMLElement} button
 */
export function start(button) {
  const label = () => {
    const next = isDark() ? "light" : "dark";
    button.textContent = isDark() ? "Light" : "Dark";
    button.setAttribute("aria-label", `Switch to the ${next} theme`);
    button.title = `Switch to the ${next} theme`;
  };
  const changed = () => {
    label();
    for (const listener of listeners) listener();
  };
  button.addEventListener("click", () => {
    const next = isDark() ? "light" : "dark";
    document.documentElement.dataset.theme = next;
    try {
      localStorage.setItem("nas-theme", next);
    } catch {
      // storage may be blocked: then the choice lasts as long as the page
    }
    changed();
  });
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", changed);
  label();
}

/** @param {() => void} listener called when the colours changed */
export function onTheme(listener) {
  listeners.add(listener);
  return () => listeners.delete(listener);
}
