// Numbers as a person reads them. Accuracies are fractions until here.

const NONE = "–";
const SI = [
  [1e12, "T"],
  [1e9, "G"],
  [1e6, "M"],
  [1e3, "k"],
];

/** @param {number | null | undefined} value a fraction */
export function percent(value, digits = 2) {
  return known(value) ? `${(100 * value).toFixed(digits)} %` : NONE;
}

/** Three significant digits with k, M, G, T. */
export function count(value) {
  if (!known(value)) return NONE;
  for (const [unit, letter] of SI) {
    if (Math.abs(value) >= unit * 0.9995) {
      const scaled = value / unit;
      return `${scaled.toFixed(scaled >= 99.95 ? 0 : scaled >= 9.995 ? 1 : 2)} ${letter}`;
    }
  }
  return Number.isInteger(value) ? String(value) : number(value);
}

/** Every digit, in groups of three. */
export function whole(value) {
  return known(value) ? Math.round(value).toLocaleString("en-US") : NONE;
}

/** Four significant digits. */
export function number(value) {
  if (!known(value)) return NONE;
  if (Number.isInteger(value)) return whole(value);
  const size = Math.abs(value);
  return size >= 1e5 || size < 1e-3 ? value.toExponential(2) : String(Number(value.toPrecision(4)));
}

/** Bytes in binary units. */
export function bytes(value) {
  if (!known(value)) return NONE;
  const units = ["B", "KiB", "MiB", "GiB", "TiB"];
  let step = 0;
  while (value >= 1024 && step < 4) ((value /= 1024), step++);
  return `${step && value < 100 ? value.toFixed(1) : Math.round(value)} ${units[step]}`;
}

/** Seconds in the two largest units. */
export function duration(seconds) {
  if (!known(seconds)) return NONE;
  if (seconds < 10) return `${seconds.toFixed(1)} s`;
  if (seconds < 60) return `${Math.round(seconds)} s`;
  const s = Math.round(seconds);
  if (s < 3600) return `${Math.floor(s / 60)} min ${s % 60} s`;
  if (s < 86400) return `${Math.floor(s / 3600)} h ${Math.floor((s % 3600) / 60)} min`;
  return `${Math.floor(s / 86400)} d ${Math.floor((s % 86400) / 3600)} h`;
}

/** A time of the store (ISO, UTC) in the reader's own zone. */
export function when(text) {
  if (!text) return NONE;
  const date = new Date(/[zZ]|[+-]\d\d:?\d\d$/.test(text) ? text : `${text}Z`);
  return date.toLocaleString(undefined, { dateStyle: "medium", timeStyle: "medium" });
}

const TITLES = {
  accuracy: "accuracy",
  val_accuracy: "accuracy",
  flops: "FLOPs",
  params: "parameters",
  activations: "activations",
  memory: "memory",
  epochs: "epochs",
  number: "trial",
  latency: "latency",
};

/** The name of a quantity on screen. */
export function title(name) {
  return TITLES[name] ?? name.replaceAll("_", " ");
}

/** The name of a quantity with its unit, as the title of an axis. */
export function axisTitle(name) {
  if (name === "flops") return "FLOPs (multiply-adds)";
  if (name === "memory") return "memory (bytes)";
  return isAccuracy(name) ? `${title(name)} (%)` : title(name);
}

/** Whether a quantity is a fraction that is shown in percent. */
export function isAccuracy(name) {
  return /accuracy|top1|top5/.test(name);
}

/** Any quantity by its name. */
export function quantity(name, value) {
  if (isAccuracy(name)) return percent(value);
  if (name === "memory") return bytes(value);
  if (["flops", "params", "activations"].includes(name)) return count(value);
  if (/seconds/.test(name)) return duration(value);
  return number(value);
}

/** "1 trial", "2 trials", "2 studies". */
export function plural(value, noun) {
  if (value === 1) return `1 ${noun}`;
  return `${whole(value)} ${noun.endsWith("y") ? `${noun.slice(0, -1)}ie` : noun}s`;
}

function known(value) {
  return typeof value === "number" && Number.isFinite(value);
}
