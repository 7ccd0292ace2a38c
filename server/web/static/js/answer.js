/**
 * The answer of any model as a picture: one of several labels, any number of labels, or a value.
 *
 * @typedef {{label: string, score: number, chosen: boolean, threshold: number | null}} Score
 */

import { el } from "./dom.js";
import { decimal, percent } from "./format.js";

const IN_LABEL_ORDER = 6;
const SHOWN = 10;
const LONG_WORDS = 24;

/**
 * @param {any} model of `GET /info`
 * @param {any} answer of `POST /predict`
 * @returns {Score[]} in label order; empty for a regression
 */
export function scores(model, answer) {
  if (model.problem === "regression") return [];
  const chosen = new Set(model.problem === "multi_label" ? answer.labels : [answer.label]);
  return model.labels.map((label, index) => ({
    label,
    score: answer.probabilities[index],
    chosen: chosen.has(label),
    threshold: model.problem === "multi_label" ? (model.thresholds[index] ?? 0.5) : null,
  }));
}

/**
 * The decision in a few words.
 * @param {any} model
 * @param {any} answer
 * @returns {{words: string, note: string}} such as "positive" and "98.9 %"
 */
export function decision(model, answer) {
  if (model.problem === "regression") return { words: decimal(answer.value), note: model.labels[0] ?? "value" };
  const chosen = scores(model, answer).filter((each) => each.chosen);
  if (model.problem === "single_label") return { words: answer.label, note: percent(Math.max(...answer.probabilities)) };
  if (chosen.length === 0) return { words: "No label", note: "none reaches its threshold" };
  return { words: chosen.map((each) => each.label).join(", "), note: `${chosen.length} of ${model.labels.length} labels` };
}

/**
 * The answer in one sentence, for screen readers.
 * @param {any} model
 * @param {any} answer
 */
export function spoken(model, answer) {
  const { words, note } = decision(model, answer);
  return `${words}, ${note}`;
}

/**
 * Show an answer: the decision, and every label as a bar.
 * @param {any} model
 * @param {any} answer
 * @param {{all?: boolean}} [options] whether all labels are shown where there are many
 * @returns {HTMLElement}
 */
export function answerElement(model, answer, { all = false } = {}) {
  const { words, note } = decision(model, answer);
  return el(
    "div",
    { class: "answer" },
    el("p", { class: "decision" }, el("span", { class: words.length > LONG_WORDS ? "words long" : "words" }, words), " ", el("span", { class: "note" }, note)),
    model.problem === "regression" ? valueBar(model, answer.value) : bars(scores(model, answer), all),
  );
}

function valueBar(model, value) {
  if (model.activation !== "sigmoid") return el("p", { class: "soft small" }, "The model answers with a number. Its scale is that of its training data.");
  return el("ul", { class: "bars" }, bar({ label: "0 to 1", score: value, chosen: true, threshold: null }, decimal(value)));
}

function bars(rows, all) {
  const many = rows.length > IN_LABEL_ORDER;
  const sorted = many ? [...rows].sort((one, other) => other.score - one.score) : rows;
  const shown = all ? sorted : sorted.slice(0, SHOWN);
  const list = el("ul", { class: many ? "bars many" : "bars" }, shown.map((row) => bar(row)));
  const rest = sorted.slice(shown.length);
  if (rest.length === 0) return list;
  const more = el("button", { class: "plain", onclick: showAll }, `Show all ${rows.length} labels`);
  function showAll() {
    list.append(...rest.map((row) => bar(row)));
    more.remove();
    list.closest("[data-all]")?.setAttribute("data-all", "true");
  }
  return el("div", { class: "stack" }, list, el("div", {}, more));
}

/** @param {Score} row @param {string} [value] */
function bar({ label, score, chosen, threshold }, value = percent(score)) {
  return el(
    "li",
    { class: chosen ? "bar chosen" : "bar" },
    el("span", { class: "name" }, label, chosen && el("span", { class: "hidden-text" }, " (chosen)")),
    el("span", { class: "value" }, value),
    el(
      "span",
      { class: "track", "aria-hidden": "true", title: threshold === null ? null : `threshold ${percent(threshold)}` },
      el("span", { class: "fill", style: { "--share": Math.max(0, Math.min(1, score)) } }),
      threshold !== null && el("span", { class: "threshold", style: { "--at": threshold } }),
    ),
  );
}
