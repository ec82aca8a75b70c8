// The front of a written report: the same data as the page's, drawn once, without a server.
/* global Plotly */
(() => {
  const data = JSON.parse(document.getElementById("data").textContent);
  const box = document.getElementById("chart");
  const token = (name) => getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();
  const scaled = (name, values) => (name === "accuracy" ? values.map((value) => value * 100) : values);

  function points(rows, extra) {
    return {
      type: "scatter", mode: "markers", x: scaled(data.x, rows.map((row) => row.x)), y: scaled(data.y, rows.map((row) => row.y)),
      text: rows.map((row) => row.name ?? `#${row.number}`), hovertemplate: "%{text}<br>%{x:.4s}, %{y:.4~g}<extra></extra>", ...extra,
    };
  }

  function draw() {
    const [ink, muted, line, surface, accent] = ["ink", "muted", "line", "surface", "accent"].map(token);
    const far = data.log ? 1e3 : 1e2;
    const last = data.front[data.front.length - 1];
    const steps = last ? [...data.front, { ...last, x: last.x * far }] : [];
    const axis = { gridcolor: line, linecolor: line, zeroline: false, color: muted };
    const range = (values, log) => {
      const shown = values.map((value) => (log ? Math.log10(value) : value)).filter(Number.isFinite);
      if (!shown.length) return undefined;
      const [low, high] = [Math.min(...shown), Math.max(...shown)];
      const pad = 0.06 * (high - low) || 0.3;
      return [low - pad, high + pad];
    };
    const all = [...data.rest, ...data.front, ...data.baselines];
    Plotly.react(box, [
      points(data.rest, { name: "dominated", marker: { size: 6, color: accent, opacity: 0.35 } }),
      points(steps, { name: "front", mode: "lines", hoverinfo: "skip", hovertemplate: null, showlegend: false, line: { shape: "hv", width: 1.75, color: ink } }),
      points(data.front.filter((row) => row.kind === "child"), { name: "on the front", marker: { size: 10, color: accent, line: { width: 1, color: surface } } }),
      points(data.baselines, { name: "baselines", mode: "markers+text", textposition: data.baselines.map((_, i) => (i % 2 ? "bottom center" : "top center")), textfont: { size: 11, color: muted }, marker: { symbol: "diamond-open", size: 10, color: ink, line: { width: 1.5 } } }),
    ], {
      paper_bgcolor: surface, plot_bgcolor: surface, font: { color: ink, family: "system-ui, sans-serif" }, margin: { l: 60, r: 16, t: 8, b: 48 }, hovermode: "closest",
      legend: { orientation: "h", y: 1.08, x: 0 },
      xaxis: { ...axis, title: { text: data.x_title }, type: data.log ? "log" : "linear", exponentformat: "SI", range: range(scaled(data.x, all.map((row) => row.x)), data.log) },
      yaxis: { ...axis, title: { text: data.y_title }, range: range(scaled(data.y, all.map((row) => row.y)), false) },
    }, { responsive: true, displaylogo: false });
  }

  draw();
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", draw);
})();
