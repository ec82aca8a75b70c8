// The points that are not drawn bold, as arrays for the WebGL layer or as Plotly's SVG.

/**
 * @typedef {object} Points
 * @property {Float32Array | Float64Array} x
 * @property {Float32Array | Float64Array} y
 * @property {Float32Array} size diameter of each, CSS pixels
 * @property {Uint8Array} bold 1: drawn by Plotly (front, baseline); 0: in the layer below
 * @property {ArrayLike<number>} group of each: index into `looks`
 * @property {{rgb: number[], shape: number, symbol: string}[]} looks
 * @property {number} alpha of the points that are not bold, 0 to 1
 * @property {number[]} order of painting those that are not bold
 * @property {boolean} bubbles
 * @property {object[]} traces Plotly's, over the points
 * @property {{x: number, y: number, text: string, front: boolean}[]} labels
 * @property {number[]} stops the points that the arrow keys visit, ascending in x
 * @property {(index: number) => number} key tells the point apart, also after an update
 * @property {(index: number) => string[]} describe what hover says: a title and lines
 * @property {{title: string, log: boolean, percent: boolean}} xAxis
 * @property {{title: string, log: boolean, percent: boolean}} yAxis
 * @property {{x: [number, number], y: [number, number]}} home ranges that show all, log10 on a log axis
 */

/**
 * What PointLayer.set takes: places, colours, looks.
 * @param {Points} points
 * @param {Float32Array} sx positions on the axes, log10 on a log axis
 * @param {Float32Array} sy
 * @returns {[Float32Array, Uint8Array, Float32Array]}
 */
export function layerArrays({ order, looks: kinds, group, alpha, size, bubbles }, sx, sy) {
  const places = new Float32Array(2 * order.length);
  const colours = new Uint8Array(4 * order.length);
  const looks = new Float32Array(2 * order.length);
  const opacity = Math.round(255 * alpha);
  for (let k = 0; k < order.length; k++) {
    const i = order[k];
    const { rgb, shape } = kinds[group[i]];
    places[2 * k] = sx[i];
    places[2 * k + 1] = sy[i];
    colours[4 * k] = rgb[0];
    colours[4 * k + 1] = rgb[1];
    colours[4 * k + 2] = rgb[2];
    colours[4 * k + 3] = opacity;
    looks[2 * k] = size[i];
    looks[2 * k + 1] = bubbles ? 0 : shape;
  }
  return [places, colours, looks];
}

/**
 * Plotly's traces of the same points, one for each look.
 * @param {Points} points
 */
export function svgTraces({ order, x, y, looks, group, alpha, size, bubbles }) {
  return looks.map(({ rgb, symbol }, index) => {
    const rows = order.filter((i) => group[i] === index);
    return {
      type: "scatter",
      mode: "markers",
      hoverinfo: "skip",
      x: rows.map((i) => x[i]),
      y: rows.map((i) => y[i]),
      marker: {
        color: `rgb(${rgb})`,
        opacity: alpha,
        symbol: bubbles ? "circle" : symbol,
        size: bubbles ? rows.map((i) => size[i]) : size[rows[0]],
        line: { width: bubbles ? 1 : 0, color: `rgb(${rgb})` },
      },
    };
  });
}
