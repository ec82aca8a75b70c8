// The state of the page is its address: path = view, query = everything else. Nothing is kept elsewhere.

/** @typedef {{view: string, study: string, number: number, query: URLSearchParams}} State */

export const VIEWS = ["front", "time", "axes", "table", "compare"];
const QUANTITIES = ["accuracy", "flops", "params", "activations", "memory", "epochs", "number"];

/** What `filterOf` keeps: the names that every endpoint which shows trials takes. */
export const FILTERS = [
  "study",
  "dataset",
  "state",
  "kind",
  "axis",
  ...QUANTITIES.flatMap((q) => [`${q}_min`, `${q}_max`]),
];

/** What a link to another view keeps besides the filter. `trial` is what was put aside for Compare. */
const KEPT = [...FILTERS, "x", "y", "trial", "webgl"];

const listeners = new Set();

/** @returns {State} */
export function current() {
  const parts = location.pathname.split("/").filter(Boolean).map(decoded);
  const query = new URLSearchParams(location.search);
  if (parts[0] === "trial") return { view: "trial", study: (parts[1] ?? "").replace(/^~(~*\.\.?)$/, "$1"), number: Number(parts[2]), query };
  return { view: VIEWS.includes(parts[0]) ? parts[0] : "front", study: "", number: NaN, query };
}

/**
 * The address of a view with some parameters changed; null and "" remove, an array repeats.
 * @param {string | null} view null: this one
 * @param {Record<string, string | number | string[] | null>} [changes]
 */
export function href(view, changes = {}) {
  const query = new URLSearchParams();
  for (const [name, value] of new URLSearchParams(location.search)) {
    if (name in changes || (view !== null && !KEPT.includes(name))) continue;
    query.append(name, value);
  }
  for (const [name, value] of Object.entries(changes)) {
    for (const one of Array.isArray(value) ? value : [value]) {
      if (one !== null && one !== "" && one !== undefined) query.append(name, String(one));
    }
  }
  const path = view === null ? location.pathname : view === "front" ? "/" : `/${view}`;
  const text = query.toString().replaceAll("%3A", ":").replaceAll("%2C", ",");
  return text ? `${path}?${text}` : path;
}

/** The address of a trial's page. */
export function trialHref(study, number) {
  return href(`trial/${segment(study)}/${number}`);
}

/** A study's name as one part of a path; a browser would resolve "." and "..", however they are encoded. */
export function segment(study) {
  return encodeURIComponent(/^~*\.\.?$/.test(study) ? `~${study}` : study);
}

/**
 * Go to an address of this page and tell the listeners.
 * @param {string} address
 * @param {{replace?: boolean, quiet?: boolean}} [how] replace: no new entry for Back; quiet: tell nobody
 */
export function go(address, { replace = false, quiet = false } = {}) {
  if (address !== location.pathname + location.search)
    history[replace ? "replaceState" : "pushState"](null, "", address);
  if (!quiet) tell();
}

/** Change parameters of the view that is shown. */
export function change(changes, how) {
  go(href(null, changes), how);
}

/** @param {(state: State) => void} listener called after every change, also by Back */
export function onChange(listener) {
  listeners.add(listener);
}

/** The filter alone, as the API takes it; page-only parameters are left out. */
export function filterOf(query) {
  const kept = new URLSearchParams();
  for (const [name, value] of query) if (FILTERS.includes(name)) kept.append(name, value);
  return kept;
}

export { QUANTITIES };

// What is not percent-encoded rightly is taken as it stands; the server says that there is no such trial.
function decoded(part) {
  try {
    return decodeURIComponent(part);
  } catch {
    return part;
  }
}

function tell() {
  const state = current();
  for (const listener of listeners) listener(state);
}

addEventListener("popstate", tell);

// Plain clicks on our own links change the state; with a modifier the browser opens a tab, as always.
document.addEventListener("click", (event) => {
  const link = event.target instanceof Element ? event.target.closest("a[href]") : null;
  if (!link || event.defaultPrevented || event.button || event.metaKey || event.ctrlKey || event.shiftKey) return;
  const url = new URL(link.href, location.href);
  const ours =
    url.origin === location.origin && !url.pathname.startsWith("/api/") && !url.pathname.startsWith("/static/");
  if (!ours || link.target || link.hasAttribute("download") || url.hash) return;
  event.preventDefault();
  go(url.pathname + url.search);
});
