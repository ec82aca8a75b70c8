// What changed since the last answer of /api/points, worked into it: at 100,000 points a whole answer would take long.

const KEY = 2 ** 32;

/**
 * The points with the changes of a later answer.
 * @param {ReturnType<typeof import("./points-data.js").unpack>} data as it was; it is not used any more
 * @param {ReturnType<typeof import("./points-data.js").unpack>} changes an unpacked answer with `delta`
 */
export function merge(data, changes) {
  const without = changes.gone.length ? leave(data, changes.gone) : data;
  const index = without.index ?? indexOf(without.columns);
  const { study, number } = changes.columns;
  const from = without.columns.x.length;
  const places = new Int32Array(study.length);
  let n = from;
  for (let i = 0; i < study.length; i++) {
    const key = study[i] * KEY + number[i];
    if (!index.has(key)) index.set(key, n++);
    places[i] = index.get(key);
  }
  const names = { ...without.names };
  const columns = {};
  for (const [name, old] of Object.entries(without.columns)) {
    const wide = wider(old, changes.columns[name]);
    const grown = n > from || wide !== old.constructor ? new wide(n) : old;
    if (grown !== old) grown.set(old);
    places.forEach((place, i) => (grown[place] = changes.columns[name][i]));
    columns[name] = grown;
  }
  for (const [i, name] of Object.entries(changes.names)) names[places[i]] = name;
  columns.front.fill(0);
  const studies = new Map(changes.studies.map((name, i) => [name, i]));
  for (const { rows } of changes.fronts)
    for (const row of rows) {
      const place = index.get(studies.get(row.study) * KEY + row.number);
      if (place !== undefined) columns.front[place] = 1;
    }
  const reduced = n < changes.total;
  return { ...changes, columns, names, index, shown: n, reduced };
}

// Columns of whole numbers come as narrow as their values allow, so that a later one may be wider.
function wider(one, other) {
  return other.BYTES_PER_ELEMENT > one.BYTES_PER_ELEMENT ? other.constructor : one.constructor;
}

function leave(data, gone) {
  const left = new Set(gone.map(([study, number]) => study * KEY + number));
  const { study, number } = data.columns;
  const kept = [];
  for (let i = 0; i < study.length; i++) if (!left.has(study[i] * KEY + number[i])) kept.push(i);
  const pick = (column) => column.constructor.from(kept, (i) => column[i]);
  const names = {};
  kept.forEach((old, i) => data.names[old] !== undefined && (names[i] = data.names[old]));
  const columns = Object.fromEntries(Object.entries(data.columns).map(([name, column]) => [name, pick(column)]));
  return { ...data, columns, names, index: null };
}

function indexOf({ study, number }) {
  const index = new Map();
  for (let i = 0; i < study.length; i++) index.set(study[i] * KEY + number[i], i);
  return index;
}
