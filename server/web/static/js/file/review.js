/** The review queue: the least certain answers first, each confirmed or corrected, and exported as training data. */

import { ANSWERED } from "./scores.js";

/** @typedef {import("./scores.js").ScoreTable} ScoreTable */
/** @typedef {{row: number, labels: number[] | null}} Decision the labels that were set; null where the row was skipped */

/**
 * Return the rows that are nearest to another answer, the nearest first.
 *
 * @param {ScoreTable} table
 * @param {number} count at most
 * @returns {number[]}
 */
export function leastCertain(table, count) {
  const margins = new Float64Array(table.length);
  const rows = [];
  for (let row = 0; row < table.length; row += 1) {
    if (table.status(row) === ANSWERED) {
      margins[row] = table.margin(row);
      rows.push(row);
    }
  }
  return rows.sort((one, other) => margins[one] - margins[other] || one - other).slice(0, count);
}

/** Rows to decide, one after the other; a decision can be undone. */
export class ReviewQueue {
  /** @type {Decision[]} */
  #decisions = [];

  /** @param {number[]} rows in the order of the review */
  constructor(rows) {
    this.rows = rows;
  }

  /** The row to decide; null behind the last one. */
  get current() {
    return this.rows[this.#decisions.length] ?? null;
  }

  /** How many rows were decided or skipped. */
  get place() {
    return this.#decisions.length;
  }

  /** Decisions with labels, in their order. */
  get decided() {
    return this.#decisions.filter(({ labels }) => labels !== null);
  }

  /**
   * Set the labels of the current row and go on.
   *
   * @param {number[] | null} labels null skips the row
   */
  decide(labels) {
    if (this.current !== null) {
      this.#decisions.push({ row: this.current, labels });
    }
  }

  /** Take the last decision back; its row is the current one again. */
  undo() {
    return this.#decisions.pop() ?? null;
  }
}

/**
 * Return one line of training data: JSON with `text`, `text_pair` of a pair, and `label`.
 *
 * @param {{text: string, pair: string}} text
 * @param {number[]} labels
 * @param {import("./scores.js").Head} head
 * @param {boolean} isPair
 * @returns {string}
 */
export function trainingLine(text, labels, head, isPair) {
  const names = labels.map((label) => head.labels[label]);
  const label = head.problem === "multi_label" ? names : names[0];
  const record = isPair ? { text: text.text, text_pair: text.pair, label } : { text: text.text, label };
  return `${JSON.stringify(record)}\n`;
}
