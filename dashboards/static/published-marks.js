// Published ImageNet networks beside a study of ImageNet: marked, in no front, and beside no other data.

import { address, get } from "./api.js";

/** The kind of a row that was published and not measured here. */
export const PUBLISHED_KIND = 2;
const NAME = "published";
const COSTS = ["flops", "params"];

/**
 * Whether published figures can stand beside these studies: all of them are of ImageNet.
 * @param {object[]} studies
 * @param {{x: string, y: string}} spanned
 */
export function comparable(studies, { x, y }) {
  return studies.length > 0 && studies.every((study) => study.imagenet) && y === "accuracy" && COSTS.includes(x);
}

/** The published models, each with its best weights. */
export async function publishedModels(x, signal) {
  return (await get(address("/api/published", { x, weights: "best" }), signal)).models;
}

/**
 * The points with the models as rows of their own kind, of a study that does not exist; fronts and totals stay.
 * @param {ReturnType<typeof import("./points-data.js").unpack>} data
 * @param {object[]} models
 */
export function withPublished(data, models) {
  const n = data.columns.x.length;
  const rows = {
    study: models.map(() => data.studies.length),
    number: models.map((_, i) => i),
    x: models.map((model) => model[data.x]),
    y: models.map((model) => model.top1),
    params: models.map((model) => model.params),
    kind: models.map(() => PUBLISHED_KIND),
    front: models.map(() => 0),
    count: models.map(() => 1),
  };
  const columns = {};
  for (const [name, old] of Object.entries(data.columns)) {
    const wide = name === "study" || name === "number" ? Int32Array : old.constructor;
    columns[name] = new wide(n + models.length);
    columns[name].set(old);
    columns[name].set(rows[name], n);
  }
  const names = { ...data.names };
  models.forEach((model, i) => (names[n + i] = model.name));
  return { ...data, studies: [...data.studies, NAME], columns, names };
}
