/** What the answers look like as a whole: how many have each label, and how the scores are spread. */

import { el, replace, svg } from "../../dom.js";
import { count, decimal, percent, plural } from "../../format.js";
import { histogram, labelMix } from "../measures.js";

/** @typedef {import("../batch.js").Batch} Batch */

const BINS = 20;
const [WIDTH, HEIGHT] = [400, 140];
const SHOWN_LABELS = 12;

/**
 * @param {Batch} batch
 * @returns {{element: HTMLElement, update: () => void}}
 */
export function charts(batch) {
  const { head } = batch.table;
  const mix = el("div");
  const spread = el("div");
  const about = el("p", { class: "soft small" });
  const select = el(
    "select",
    { id: "file-histogram", onchange: update },
    el("option", { value: -1 }, head.problem === "multi_label" ? "the most probable label" : "the chosen label"),
    head.labels.map((label, place) => el("option", { value: place }, label)),
  );
  const isRegression = head.problem === "regression";

  function update() {
    if (!isRegression) {
      replace(mix, mixBars(head, labelMix(batch.table), batch.table.counts.answered));
    }
    const label = Number(select.value);
    const found = histogram(batch.table, BINS, label);
    replace(spread, histogramPicture(found, isRegression));
    about.textContent = isRegression ? "" : `A model that is sure has its rows at the right${label < 0 ? "" : " or the left"}.`;
  }

  const element = el(
    "div",
    { class: "columns" },
    !isRegression && el("section", { class: "card", "aria-labelledby": "file-mix" }, el("div", { class: "title" }, el("h2", { id: "file-mix" }, "Labels"), head.problem === "multi_label" && el("span", { class: "soft small" }, "a row may have several")), mix),
    el(
      "section",
      { class: "card", "aria-labelledby": "file-spread" },
      el("div", { class: "title" }, el("h2", { id: "file-spread" }, isRegression ? "Values" : "Probabilities"), !isRegression && el("div", { class: "row file-of" }, el("label", { for: "file-histogram" }, "of"), select)),
      spread,
      about,
    ),
  );
  return { element, update };
}

function mixBars(head, counts, rows) {
  const sorted = counts.map((number, label) => ({ number, name: head.labels[label] }));
  if (sorted.length > 6) {
    sorted.sort((one, other) => other.number - one.number);
  }
  const rest = sorted.slice(SHOWN_LABELS);
  const bars = sorted.slice(0, SHOWN_LABELS).map(({ number, name }) =>
    el(
      "li",
      { class: "bar chosen" },
      el("span", { class: "name" }, name),
      el("span", { class: "value" }, `${count(number)} · ${percent(number / Math.max(1, rows))}`),
      el("span", { class: "track", "aria-hidden": "true" }, el("span", { class: "fill", style: { "--share": number / Math.max(1, rows) } })),
    ),
  );
  const others = rest.reduce((sum, { number }) => sum + number, 0);
  return [el("ul", { class: "bars" }, bars), rest.length > 0 && el("p", { class: "soft small" }, `${plural(rest.length, "other label")}: ${plural(others, "answer")}`)];
}

function histogramPicture({ low, high, counts }, isRegression) {
  const most = Math.max(1, ...counts);
  const step = WIDTH / counts.length;
  const bars = counts.map((number, bin) => {
    const height = number ? Math.max(2, (number / most) * (HEIGHT - 8)) : 0;
    const from = low + ((high - low) * bin) / counts.length;
    const to = low + ((high - low) * (bin + 1)) / counts.length;
    return svg(
      "rect",
      { x: bin * step + 1.5, y: HEIGHT - height, width: step - 3, height, rx: 2 },
      svg("title", {}, `${decimal(from)} to ${decimal(to)}: ${plural(number, "row")}`),
    );
  });
  const marks = isRegression ? [low, (low + high) / 2, high].map(decimal) : ["0 %", "50 %", "100 %"];
  const peak = counts.indexOf(most);
  const summary = `Histogram of ${plural(counts.reduce((sum, each) => sum + each, 0), "row")}; the highest bar, ${plural(most, "row")}, is near ${decimal(low + ((high - low) * (peak + 0.5)) / counts.length)}`;
  return el(
    "figure",
    { class: "file-histogram" },
    svg("svg", { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, preserveAspectRatio: "none", role: "img", "aria-label": summary }, svg("line", { x1: 0, x2: WIDTH, y1: HEIGHT - 0.5, y2: HEIGHT - 0.5 }), bars),
    el("div", { class: "file-axis", "aria-hidden": "true" }, marks.map((mark) => el("span", {}, mark))),
  );
}
