// The server's JSON. Columns come as base64 of little-endian numbers.

import { segment } from "./state.js";

const TYPES = {
  f4: Float32Array,
  f8: Float64Array,
  i1: Int8Array,
  i2: Int16Array,
  i4: Int32Array,
  u1: Uint8Array,
  u2: Uint16Array,
  u4: Uint32Array,
};

/** What the server refused, in its own words. */
export class ApiError extends Error {
  /** @param {string} message @param {number} status 0: no answer at all */
  constructor(message, status) {
    super(message);
    this.status = status;
  }
}

/** An API address with parameters; null and "" are left out, arrays repeat. */
export function address(path, ...parameters) {
  const query = new URLSearchParams();
  for (const given of parameters) {
    const pairs = given instanceof URLSearchParams ? [...given] : Object.entries(given ?? {});
    for (const [name, value] of pairs) {
      for (const one of Array.isArray(value) ? value : [value]) {
        if (one !== null && one !== undefined && one !== "") query.append(name, String(one));
      }
    }
  }
  const text = query.toString();
  return text ? `${path}?${text}` : path;
}

/**
 * Fetch JSON. Throws ApiError with the server's one line; an aborted request throws the browser's AbortError.
 * @param {string} url
 * @param {AbortSignal} [signal]
 * @returns {Promise<any>}
 */
export async function get(url, signal) {
  let answer;
  try {
    answer = await fetch(url, { signal, headers: { accept: "application/json" } });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new ApiError("The server does not answer. Is `nas dashboard` still running?", 0);
  }
  const body = await answer.json().catch(() => null);
  if (!answer.ok) throw new ApiError(body?.error ?? `the server answered ${answer.status}`, answer.status);
  return body;
}

/**
 * A typed column as a typed array. Plain arrays pass, with null as NaN.
 * @param {{dtype: string, bdata: string} | number[]} packed
 */
export function column(packed) {
  if (!packed) return new Float64Array(0);
  if (Array.isArray(packed)) return Float64Array.from(packed, (value) => value ?? NaN);
  return new TYPES[packed.dtype.replace(/^[<|]/, "")](bytesOf(packed.bdata).buffer);
}

function bytesOf(text) {
  if (Uint8Array.fromBase64) return Uint8Array.fromBase64(text);
  const plain = atob(text);
  const bytes = new Uint8Array(plain.length);
  for (let i = 0; i < plain.length; i++) bytes[i] = plain.charCodeAt(i);
  return bytes;
}

/** The address of one trial in the API, with what follows it. */
export function trialAddress(study, number, rest = "") {
  return `/api/trials/${segment(study)}/${number}${rest}`;
}
