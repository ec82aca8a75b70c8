// Server-sent events: what changed, while it changes.

import { put } from "./dom.js";

/**
 * Listen, and say beside the tabs whether the page is live. The browser reconnects by itself.
 * @param {HTMLElement} sign
 * @param {(studies: Record<string, {version: any, counts: object, finished: boolean}>, first: boolean) => void} changed
 *   first: these are all studies as they were when the connection was made
 */
export function watch(sign, changed) {
  const versions = new Map();
  let source = null;
  const show = (state, text) => {
    sign.dataset.state = state;
    sign.title = text;
    put(sign, text);
  };
  const tell = (event) => {
    const { studies = {} } = JSON.parse(event.data);
    const first = !versions.size;
    const news = {};
    for (const [name, study] of Object.entries(studies)) {
      const version = JSON.stringify(study);
      if (versions.get(name) !== version) news[name] = study;
      versions.set(name, version);
    }
    if (Object.keys(news).length) changed(news, first);
  };
  const connect = () => {
    source = new EventSource("/api/events");
    source.addEventListener("open", () => show("on", "live"));
    source.addEventListener("error", () => show("off", "reconnecting"));
    source.addEventListener("message", tell);
  };
  connect();
  // A page that the browser keeps for Back must not hold a connection: only six are allowed to a server.
  addEventListener("pagehide", () => source.close());
  addEventListener("pageshow", (event) => event.persisted && connect());
}
