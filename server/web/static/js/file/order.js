/** Which rows of a table are shown, and in which order. */

import { ANSWERED, FAILED } from "./scores.js";

/** @typedef {import("./scores.js").ScoreTable} ScoreTable */

/**
 * @typedef {object} Filter
 * @property {"all" | "answered" | "failed" | "wrong" | "truncated"} show
 * @property {number} label only answers with this label; -1 for all
 * @property {Uint8Array | null} found rows whose text was searched and found
 */

/** @typedef {{by: "number" | "score" | "label" | "tokens" | "gold", descending: boolean}} Sort */

/** @type {Record<string, (table: ScoreTable, row: number) => boolean>} */
const SHOWN = {
  all: () => true,
  answered: (table, row) => table.status(row) === ANSWERED,
  failed: (table, row) => table.status(row) === FAILED,
  wrong: (table, row) => table.isRight(row) === false,
  truncated: (table, row) => table.columns.truncated.values[row] === 1,
};

/** @type {Record<string, (table: ScoreTable, row: number) => number>} */
const KEYS = {
  number: (table, row) => table.columns.number.values[row],
  score: (table, row) => table.top(row),
  label: (table, row) => table.columns.best.values[row],
  tokens: (table, row) => table.columns.tokens.values[row],
  gold: (table, row) => table.columns.gold.values[row],
};

/**
 * Return the rows that a filter leaves, sorted. Rows without an answer stand last, equal rows in the order of the file.
 *
 * @param {ScoreTable} table
 * @param {Filter} filter
 * @param {Sort} sort
 * @returns {Uint32Array}
 */
export function arrange(table, filter, sort) {
  const rows = new Uint32Array(table.length);
  let count = 0;
  for (let row = 0; row < table.length; row += 1) {
    const hasLabel = filter.label < 0 || (table.status(row) === ANSWERED && table.chosen(row).includes(filter.label));
    if (hasLabel && SHOWN[filter.show](table, row) && (!filter.found || filter.found[row])) {
      rows[count] = row;
      count += 1;
    }
  }
  const kept = rows.slice(0, count);
  if (sort.by === "number") {
    return sort.descending ? kept.reverse() : kept;
  }
  const keys = new Float64Array(table.length);
  for (const row of kept) {
    const key = table.status(row) === ANSWERED || sort.by === "gold" ? KEYS[sort.by](table, row) : NaN;
    keys[row] = Number.isNaN(key) ? Infinity : sort.descending ? -key : key;
  }
  return kept.sort((one, other) => (keys[one] === keys[other] ? one - other : keys[one] < keys[other] ? -1 : 1));
}
