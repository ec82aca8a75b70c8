// What the time page says in words.

import { quantity, title, whole } from "./format.js";

/** From where the hypervolumes are counted: they compare only with those of the same reference. */
export function references(studies, { x, y }) {
  const found = new Map(studies.filter((study) => study.columns.best.length).map((study) => [study.dataset, study]));
  if (!found.size) return null;
  const said = [...found.values()].map(({ dataset, reference: [worst, dearest] }) => {
    const point = `${title(y)} ${quantity(y, worst)}, ${title(x)} ${quantity(x, dearest)}`;
    return found.size > 1 ? `${dataset}: ${point}` : point;
  });
  return `Counted from the worst of these trials: ${said.join("; ")}.`;
}

/** One sentence on where the searches stand. */
export function sentence(studies, more) {
  const found = studies.filter((study) => study.columns.best.length);
  if (!found.length) return "No complete trial yet.";
  const best = found.reduce((a, b) => (last(a.columns.best) >= last(b.columns.best) === more ? a : b));
  const now = studies.reduce((sum, study) => sum + (study.running?.length ?? 0), 0);
  const data = new Set(found.map((study) => study.dataset)).size;
  if (data > 1) return `${found.length} studies on ${data} data sets, which do not compare. ${running(now)}`;
  const who = found.length === 1 ? best.name : `${found.length} studies; the best is ${best.name}`;
  const value = quantity(best.objective, last(best.columns.best));
  const trials = whole(last(best.columns.trial));
  return `${who}: ${value} after ${trials} trials. ${running(now)}`;
}

function running(now) {
  return now ? `${whole(now)} running now.` : "Nothing is running.";
}

/** The last of some values, NaN of none. */
export function last(values) {
  return values.length ? values[values.length - 1] : NaN;
}
