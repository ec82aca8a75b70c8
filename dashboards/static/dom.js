// Elements without markup strings: whatever comes from the store is only ever a text node or an attribute.

const SVG = "http://www.w3.org/2000/svg";

/**
 * Make an HTML element.
 * @param {string} tag
 * @param {Record<string, any>} [attributes] `on…` are listeners, `data` the dataset; false, null and undefined are
 *   left out
 * @param {...any} children nodes, strings, numbers, arrays of them; null and false are left out
 * @returns {HTMLElement}
 */
export function el(tag, attributes = {}, ...children) {
  return fill(document.createElement(tag), attributes, children);
}

/**
 * Make an SVG element; otherwise as `el`.
 * @param {string} tag
 * @param {Record<string, any>} [attributes]
 * @param {...any} children
 * @returns {SVGElement}
 */
export function svg(tag, attributes = {}, ...children) {
  return fill(document.createElementNS(SVG, tag), attributes, children);
}

/**
 * Replace the content of an element.
 * @param {Element} node
 * @param {...any} children
 */
export function put(node, ...children) {
  node.replaceChildren(...flat(children));
  return node;
}

/**
 * A drawing symbol of `palette.js` as a small inline picture.
 * @param {string} path SVG path about the origin, radius 1
 * @param {string} colour
 * @param {number} [size] pixels
 * @param {boolean} [hollow]
 */
export function mark(path, colour, size = 11, hollow = false) {
  return svg(
    "svg",
    { class: "mark", width: size, height: size, viewBox: "-1.25 -1.25 2.5 2.5", "aria-hidden": "true" },
    svg("path", { d: path, fill: hollow ? "none" : colour, stroke: colour, "stroke-width": hollow ? 0.4 : 0.15 }),
  );
}

function fill(node, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else if (name === "data") Object.assign(node.dataset, value);
    else if (name === "style") for (const [key, v] of Object.entries(value)) node.style.setProperty(key, v);
    else if (name === "value") node.value = value;
    else node.setAttribute(name, value === true ? "" : String(value));
  }
  node.append(...flat(children));
  return node;
}

function flat(children) {
  return children.flat(Infinity).filter((child) => child !== null && child !== undefined && child !== false);
}
