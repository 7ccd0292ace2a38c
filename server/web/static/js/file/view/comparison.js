/** The answers beside the gold labels of the file: accuracy, confusion matrix, figures of each label, or errors. */

import { el, replace } from "../../dom.js";
import { count, decimal, percent, plural } from "../../format.js";
import { agreement, confusion, deviation } from "../measures.js";

/** @typedef {import("../batch.js").Batch} Batch */

const LARGEST_MATRIX = 20;

/**
 * @param {Batch} batch
 * @returns {{element: HTMLElement, update: () => void}}
 */
export function comparison(batch) {
  const { table, source, choice } = batch;
  const figures = el("dl", { class: "times file-figures" });
  const detail = el("div", { class: "stack" });
  const note = el("p", { class: "soft small" });
  const column = source.columns[choice.gold];
  const element = el(
    "section",
    { class: "card stack", "aria-labelledby": "file-gold" },
    el("div", { class: "title" }, el("h2", { id: "file-gold" }, "Compared with the file"), el("span", { class: "soft small" }, `column “${column}”`)),
    el("div", { class: "file-compared" }, figures, detail),
    note,
  );
  const draw = { single_label: drawMatrix, multi_label: drawLabels, regression: drawErrors }[table.head.problem];
  element.hidden = true;

  return {
    element,
    update() {
      element.hidden = choice.gold < 0;
      if (!element.hidden) {
        const [rows, content] = draw(table);
        replace(figures, rows.map(([name, value]) => el("div", {}, el("dt", {}, name), el("dd", {}, value))));
        replace(detail, content);
        note.textContent = strangers(batch);
      }
    },
  };
}

function share(value) {
  return Number.isNaN(value) ? "–" : percent(value);
}

function drawMatrix(table) {
  const { matrix, rows, right, accuracy, macroF1 } = confusion(table);
  const { labels } = table.head;
  const figures = [["Accuracy", share(accuracy)], ["Right", `${count(right)} of ${count(rows)}`], ["Macro F1", share(macroF1)]];
  if (rows === 0) {
    return [figures, el("p", { class: "soft" }, "No row has a gold label that the model knows.")];
  }
  return [figures, labels.length <= LARGEST_MATRIX ? matrixTable(labels, matrix) : worstPairs(labels, matrix)];
}

function matrixTable(labels, matrix) {
  const cell = (number, gold, given) => {
    const all = matrix[gold].reduce((sum, each) => sum + each, 0);
    const part = all ? number / all : 0;
    return el(
      "td",
      { class: gold === given ? "number right" : "number wrong", style: { "--share": part }, title: `${percent(part)} of ${labels[gold]}` },
      count(number),
    );
  };
  return el(
    "div",
    { class: "wide", tabindex: "0", role: "region", "aria-label": "Confusion matrix" },
    el(
      "table",
      { class: "file-matrix" },
      el("caption", { class: "soft small" }, "Rows: the file's label. Columns: the model's."),
      el("thead", {}, el("tr", {}, el("td"), labels.map((label) => el("th", { scope: "col", class: "number" }, label)))),
      el("tbody", {}, matrix.map((counts, gold) => el("tr", {}, el("th", { scope: "row" }, labels[gold]), counts.map((number, given) => cell(number, gold, given))))),
    ),
  );
}

function worstPairs(labels, matrix) {
  const pairs = matrix.flatMap((counts, gold) => counts.map((number, given) => ({ number, gold, given })));
  const worst = pairs.filter(({ number, gold, given }) => number && gold !== given).sort((one, other) => other.number - one.number);
  return el(
    "table",
    {},
    el("caption", { class: "soft small" }, "The labels that are mixed up most often"),
    el("thead", {}, el("tr", {}, el("th", { scope: "col" }, "In the file"), el("th", { scope: "col" }, "Model"), el("th", { scope: "col", class: "number" }, "Rows"))),
    el("tbody", {}, worst.slice(0, LARGEST_MATRIX).map(({ number, gold, given }) => el("tr", {}, el("td", {}, labels[gold]), el("td", {}, labels[given]), el("td", { class: "number" }, count(number))))),
  );
}

function drawLabels(table) {
  const found = agreement(table);
  const figures = [["All labels right", share(found.accuracy)], ["Rows", `${count(found.right)} of ${count(found.rows)}`], ["Macro F1", share(found.macroF1)]];
  const row = ({ precision, recall, f1, gold }, place) =>
    el("tr", {}, el("th", { scope: "row" }, table.head.labels[place]), [precision, recall, f1].map((value) => el("td", { class: "number" }, share(value))), el("td", { class: "number" }, count(gold)));
  const headings = ["Precision", "Recall", "F1", "In the file"].map((name) => el("th", { scope: "col", class: "number" }, name));
  return [
    figures,
    el(
      "div",
      { class: "wide", tabindex: "0", role: "region", "aria-label": "Figures of each label" },
      el("table", {}, el("thead", {}, el("tr", {}, el("th", { scope: "col" }, "Label"), headings)), el("tbody", {}, found.labels.map(row))),
    ),
  ];
}

function drawErrors(table) {
  const { rows, meanError, rootError, correlation } = deviation(table);
  const shown = (value) => (Number.isNaN(value) ? "–" : decimal(value));
  return [[["Mean absolute error", shown(meanError)], ["Root mean square error", shown(rootError)], ["Correlation", shown(correlation)], ["Rows", count(rows)]], null];
}

function strangers({ strangers: found, table }) {
  if (!found.size) {
    return "";
  }
  const rows = [...found.values()].reduce((sum, each) => sum + each, 0);
  const names = [...found.keys()].slice(0, 8).map((name) => `“${name.slice(0, 40)}”`).join(", ");
  const be = found.size > 1 ? "are" : "is";
  const known = table.head.problem === "regression" ? `${be} not a number` : `${be} not among ${table.head.labels.slice(0, 8).join(", ")}`;
  return `${plural(rows, "row")} left out: ${names}${found.size > 8 ? ", …" : ""} ${known}.`;
}
