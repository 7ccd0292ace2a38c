/** Small charts in SVG. Each has a title that says in words what the picture shows. */

import { el, svg } from "./dom.js";

const WIDTH = 320;
const HEIGHT = 96;

/**
 * A line for each series over the same moments; the newest value is at the right.
 * @param {{series: (number | null)[][], slots: number, format: (value: number) => string, label: string, floor?: number}} chart
 *   `floor` is the least top of the scale, so that noise does not look like load
 * @returns {Element}
 */
export function lineChart({ series, slots, format, label, floor = 1 }) {
  const top = niceTop(Math.max(floor, ...series.flat().map((value) => value ?? 0)));
  const x = (index, length) => WIDTH - ((length - 1 - index) / (slots - 1)) * WIDTH;
  const y = (value) => HEIGHT - (value / top) * HEIGHT;
  return el(
    "figure",
    { class: "chart" },
    svg(
      "svg",
      { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, preserveAspectRatio: "none", role: "img", "aria-label": label },
      [0, 0.5, 1].map((share) => svg("line", { class: "grid", x1: 0, x2: WIDTH, y1: HEIGHT * share, y2: HEIGHT * share })),
      series.map((values, index) =>
        runs(values.map((value, at) => value !== null && [x(at, values.length), y(value)])).map((run) => {
          const points = run.map((point) => point.map((each) => each.toFixed(1)).join(",")).join(" ");
          const area = index === 0 && svg("polygon", { class: "area", points: `${run[0][0]},${HEIGHT} ${points} ${run.at(-1)[0]},${HEIGHT}` });
          return [area, svg("polyline", { class: `line series-${index + 1}`, points: run.length > 1 ? points : `${points} ${points}` })];
        }),
      ),
    ),
    el("span", { class: "top", "aria-hidden": "true" }, format(top)),
  );
}

/** Split at the moments that have no value. */
function runs(points) {
  const found = [[]];
  for (const point of points) {
    if (point) found.at(-1).push(point);
    else found.push([]);
  }
  return found.filter((run) => run.length > 0);
}

/** The next of 1, 2, 5, 10, 20, 50, … */
function niceTop(value) {
  const power = 10 ** Math.floor(Math.log10(value));
  return [1, 2, 5, 10].find((step) => step * power >= value) * power;
}

/**
 * Upright bars with a name below each.
 * @param {{bars: {name: string, value: number, shown: string}[], label: string}} chart
 * @returns {Element}
 */
export function barChart({ bars, label }) {
  const most = Math.max(1e-9, ...bars.map((bar) => bar.value));
  return el(
    "div",
    { class: "columns-chart", role: "img", "aria-label": `${label}: ${bars.map((bar) => `${bar.name}: ${bar.shown}`).join(", ")}` },
    bars.map(({ name, value, shown }) =>
      el("div", { class: "column", title: `${name}: ${shown}` }, el("span", { class: "rise", style: { "--share": value / most } }), el("span", { class: "under" }, name)),
    ),
  );
}

/**
 * Accuracy against confidence: a perfectly calibrated model lies on the diagonal.
 * @param {[number, number, number][]} bins mean confidence, accuracy, texts
 * @returns {Element}
 */
export function reliabilityDiagram(bins) {
  const size = 320;
  const low = bins.every(([confidence]) => confidence >= 0.5) ? 0.5 : 0;
  const scale = (value) => ((Math.max(value, low) - low) / (1 - low)) * size;
  const most = Math.max(...bins.map(([, , n]) => n));
  const ticks = [low, (low + 1) / 2, 1];
  const words = bins.map(([confidence, accuracy]) => `${Math.round(confidence * 100)} % sure, ${Math.round(accuracy * 100)} % right`).join("; ");
  return svg(
    "svg",
    { class: "reliability", viewBox: "-60 -14 396 384", role: "img", "aria-label": `Reliability diagram: ${words}` },
    ticks.map((tick) => [
      svg("line", { class: "grid", x1: scale(tick), x2: scale(tick), y1: 0, y2: size }),
      svg("line", { class: "grid", x1: 0, x2: size, y1: size - scale(tick), y2: size - scale(tick) }),
      svg("text", { x: scale(tick), y: size + 18, "text-anchor": "middle" }, `${tick * 100} %`),
      svg("text", { x: -8, y: size - scale(tick) + 4, "text-anchor": "end" }, `${tick * 100} %`),
    ]),
    svg("line", { class: "diagonal", x1: 0, y1: size, x2: size, y2: 0 }),
    bins.map(([confidence, accuracy]) => svg("line", { class: "gap", x1: scale(confidence), x2: scale(confidence), y1: size - scale(confidence), y2: size - scale(accuracy) })),
    bins.map(([confidence, accuracy, n]) =>
      svg("circle", { class: "bin", cx: scale(confidence), cy: size - scale(accuracy), r: 3.5 + 9 * Math.sqrt(n / most) }, svg("title", {}, `${n} texts: ${(confidence * 100).toFixed(1)} % sure, ${(accuracy * 100).toFixed(1)} % right`)),
    ),
    svg("text", { class: "axis", x: size / 2, y: size + 38, "text-anchor": "middle" }, "how sure the model is"),
    svg("text", { class: "axis", x: -size / 2, y: -48, "text-anchor": "middle", transform: "rotate(-90)" }, "how often it is right"),
  );
}
