// Many points in WebGL, under Plotly's SVG. Plotly's own WebGL traces compile code from strings, which the page's
// Content-Security-Policy forbids, and would lie over the front; this layer needs neither.

const VERTEX = `
precision highp float;
attribute vec2 place; attribute vec4 colour; attribute vec2 look;
uniform vec2 low, high; uniform float ratio;
varying vec4 fill; varying float shape; varying float size;
void main() {
  vec2 at = (place - low) / (high - low) * 2.0 - 1.0;
  gl_Position = vec4(at, 0.0, 1.0);
  size = look.x * ratio + 2.0;
  gl_PointSize = size; fill = colour; shape = look.y;
}`;

// One signed distance (in radii) for each symbol of palette.js; an edge one pixel wide is smoothed.
const FRAGMENT = `
precision mediump float;
varying vec4 fill; varying float shape; varying float size;
uniform float edge;
float far(vec2 p) {
  if (shape < 0.5) return length(p) - 0.95;
  if (shape < 1.5) return max(abs(p.x), abs(p.y)) - 0.82;
  if (shape < 2.5) return max(abs(p.x) * 0.9 + (p.y) * 0.5 - 0.42, -p.y - 0.8);
  if (shape < 3.5) return (abs(p.x) + abs(p.y) - 1.05) * 0.75;
  vec2 q = abs(p); return max(min(q.x, q.y) - 0.33, max(q.x, q.y) - 0.95);
}
void main() {
  vec2 p = (gl_PointCoord * 2.0 - 1.0) * vec2(1.0, -1.0) * size / max(size - 2.0, 1.0);
  float d = far(p) * max(size - 2.0, 1.0) * 0.5;
  float inside = clamp(0.5 - d, 0.0, 1.0);
  float rim = edge * clamp(d + 2.0, 0.0, 1.0) * (1.0 - fill.a) * 0.75;
  float alpha = inside * min(1.0, fill.a + rim);
  if (alpha < 0.004) discard;
  gl_FragColor = vec4(fill.rgb * alpha, alpha);
}`;

/** Whether the browser draws WebGL; `?webgl=0` says no for it. */
export function hasWebgl() {
  if (new URLSearchParams(location.search).get("webgl") === "0") return false;
  return context(document.createElement("canvas")) !== null;
}

/** Points on a canvas. Throws Error where WebGL cannot be had. */
export class PointLayer {
  /** @param {HTMLCanvasElement} canvas */
  constructor(canvas) {
    this.canvas = canvas;
    this.gl = context(canvas);
    if (!this.gl) throw new Error("no WebGL");
    this.count = 0;
    this.lost = false;
    canvas.addEventListener("webglcontextlost", (event) => (event.preventDefault(), (this.lost = true)));
    canvas.addEventListener("webglcontextrestored", () => {
      this.lost = false;
      this.#prepare();
      if (this.kept) this.set(...this.kept);
    });
    this.#prepare();
  }

  /**
   * Take the points, in the order in which they are painted.
   * @param {Float32Array} places x, y of each, on a log axis their log10
   * @param {Uint8Array} colours r, g, b, a of each
   * @param {Float32Array} looks diameter in CSS pixels and shape of each
   * @param {boolean} edges whether faded points keep a stronger rim
   */
  set(places, colours, looks, edges = false) {
    this.kept = [places, colours, looks, edges];
    this.count = places.length / 2;
    this.edges = edges;
    const { gl } = this;
    for (const [name, data] of [
      ["place", places],
      ["colour", colours],
      ["look", looks],
    ]) {
      gl.bindBuffer(gl.ARRAY_BUFFER, this.buffers[name]);
      gl.bufferData(gl.ARRAY_BUFFER, data, gl.STATIC_DRAW);
    }
  }

  /**
   * Paint.
   * @param {{left: number, top: number, width: number, height: number}} box of the plot, CSS pixels
   * @param {[number, number]} xs what the box shows, in the units of `places`
   * @param {[number, number]} ys
   */
  draw(box, xs, ys) {
    if (this.lost) return;
    const { gl, canvas } = this;
    const ratio = Math.min(devicePixelRatio || 1, 2);
    const [width, height] = [Math.round(box.width * ratio), Math.round(box.height * ratio)];
    if (canvas.width !== width || canvas.height !== height) Object.assign(canvas, { width, height });
    for (const side of ["left", "top", "width", "height"]) canvas.style[side] = `${box[side]}px`;
    gl.viewport(0, 0, width, height);
    gl.clearColor(0, 0, 0, 0);
    gl.clear(gl.COLOR_BUFFER_BIT);
    if (!this.count) return;
    gl.useProgram(this.program);
    gl.enable(gl.BLEND);
    gl.blendFunc(gl.ONE, gl.ONE_MINUS_SRC_ALPHA);
    const uniform = (name) => gl.getUniformLocation(this.program, name);
    gl.uniform2f(uniform("low"), xs[0], ys[0]);
    gl.uniform2f(uniform("high"), xs[1], ys[1]);
    gl.uniform1f(uniform("ratio"), ratio);
    gl.uniform1f(uniform("edge"), this.edges ? 1 : 0);
    this.#attribute("place", 2, gl.FLOAT, false);
    this.#attribute("colour", 4, gl.UNSIGNED_BYTE, true);
    this.#attribute("look", 2, gl.FLOAT, false);
    gl.drawArrays(gl.POINTS, 0, this.count);
  }

  /** Give the graphics memory back at once: browsers allow only a few contexts. */
  close() {
    this.gl.getExtension("WEBGL_lose_context")?.loseContext();
  }

  #prepare() {
    const { gl } = this;
    const compile = (type, source) => {
      const shader = gl.createShader(type);
      gl.shaderSource(shader, source);
      gl.compileShader(shader);
      return shader;
    };
    this.program = gl.createProgram();
    gl.attachShader(this.program, compile(gl.VERTEX_SHADER, VERTEX));
    gl.attachShader(this.program, compile(gl.FRAGMENT_SHADER, FRAGMENT));
    gl.linkProgram(this.program);
    if (!gl.getProgramParameter(this.program, gl.LINK_STATUS) && !gl.isContextLost()) {
      throw new Error(`WebGL: ${gl.getProgramInfoLog(this.program)}`);
    }
    this.buffers = { place: gl.createBuffer(), colour: gl.createBuffer(), look: gl.createBuffer() };
  }

  #attribute(name, size, type, normalised) {
    const { gl } = this;
    const at = gl.getAttribLocation(this.program, name);
    gl.bindBuffer(gl.ARRAY_BUFFER, this.buffers[name]);
    gl.enableVertexAttribArray(at);
    gl.vertexAttribPointer(at, size, type, normalised, 0, 0);
  }
}

function context(canvas) {
  // The drawing is kept, so that an export can read it at any time.
  const wish = { alpha: true, antialias: false, premultipliedAlpha: true, preserveDrawingBuffer: true };
  return canvas.getContext("webgl2", wish) ?? canvas.getContext("webgl", wish);
}
