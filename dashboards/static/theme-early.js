// A classic script, so that it runs before the first paint: no flash of the wrong theme.
(() => {
  try {
    const chosen = localStorage.getItem("nas-theme");
    if (chosen === "light" || chosen === "dark") document.documentElement.dataset.theme = chosen;
  } catch {
    // storage may be blocked: then the system's preference counts
  }
})();
