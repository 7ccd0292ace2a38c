/**
 * A file's rows with the added columns, as CSV or JSON lines. The file is read again, so no column of it is kept meanwhile.
 *
 * The columns are those that bulk scoring adds. Where the file has one of these names, all of them begin with `scored_`.
 * JSON objects are written as they stand in the file, with the new keys behind their own.
 */

import { ANSWERED, WAITING } from "./scores.js";

/** @typedef {import("./scores.js").ScoreTable} ScoreTable */
/** @typedef {import("./source.js").Source} Source */

const OF_HEADS = {
  single_label: ["label", "score", "probabilities"],
  multi_label: ["labels", "probabilities"],
  regression: ["value"],
};
const OF_ALL = ["tokens", "truncated", "unknown", "error"];
const COMPUTES = /^[=+\-@\t\r]/;
const NUMBER = /^[-+]?[0-9]*[.,]?[0-9]+([eE][-+]?[0-9]+)?%?$/;

/**
 * Return a cell that no spreadsheet computes: an apostrophe stands before = + - @ tab and CR; numbers are left alone.
 *
 * @param {string} cell
 * @returns {string}
 */
export function safeCell(cell) {
  return COMPUTES.test(cell) && !NUMBER.test(cell) ? `'${cell}` : cell;
}

/**
 * Return a value as a field of CSV.
 *
 * @param {unknown} value lists, objects and truth values are written as JSON, null as an empty field
 * @returns {string}
 */
export function csvField(value) {
  if (value === null || value === undefined) {
    return "";
  }
  const cell = typeof value === "string" ? safeCell(value) : typeof value === "number" ? String(value) : JSON.stringify(value);
  return /[",\r\n]/.test(cell) ? `"${cell.replaceAll('"', '""')}"` : cell;
}

/**
 * Return the names of the added columns by the names that they have without a prefix.
 *
 * @param {Iterable<string>} taken columns of the file
 * @param {string} problem of the model's head
 * @returns {Map<string, string>}
 */
export function addedColumns(taken, problem) {
  const names = [...OF_HEADS[problem], ...OF_ALL];
  const own = new Set(taken);
  const prefix = names.some((name) => own.has(name)) ? "scored_" : "";
  return new Map(names.map((name) => [name, prefix + name]));
}

/**
 * Return the values of the added columns of a row; null where a row that failed has none.
 *
 * @param {ScoreTable} table
 * @param {number} row
 * @returns {Record<string, unknown>}
 */
export function addedValues(table, row) {
  const { head, columns } = table;
  const reason = table.reason(row);
  const isAnswered = table.status(row) === ANSWERED;
  const probabilities = () => head.labels.map((_, label) => table.score(row, label));
  const values = {
    label: () => head.labels[table.chosen(row)[0]],
    score: () => table.top(row),
    labels: () => table.chosen(row).map((label) => head.labels[label]),
    probabilities,
    value: () => table.score(row),
    tokens: () => columns.tokens.values[row],
    truncated: () => columns.truncated.values[row] === 1,
    unknown: () => columns.unknown.values[row],
  };
  const names = [...OF_HEADS[head.problem], "tokens", "truncated", "unknown"];
  const added = Object.fromEntries(names.map((name) => [name, isAnswered ? values[name]() : null]));
  return { ...added, error: reason && `${reason.kind}: ${reason.message}` };
}

/**
 * Yield the lines of a CSV with all rows that have an answer or a reason.
 *
 * @param {Source} source
 * @param {ScoreTable} table
 * @returns {AsyncGenerator<string>}
 */
export async function* csvLines(source, table) {
  const added = addedColumns(source.names, table.head.problem);
  yield `\ufeff${[...source.columns, ...added.values()].map(csvField).join(",")}\r\n`;
  for await (const { row, values } of finished(source, table)) {
    const more = addedValues(table, row);
    const own = source.columns.map((_, place) => values[place]);
    yield `${[...own, ...[...added.keys()].map((name) => more[name])].map(csvField).join(",")}\r\n`;
  }
}

/**
 * Yield JSON lines with all rows that have an answer or a reason.
 *
 * @param {Source} source
 * @param {ScoreTable} table
 * @returns {AsyncGenerator<string>}
 */
export async function* jsonLines(source, table) {
  const added = addedColumns(source.names, table.head.problem);
  for await (const { row, values, raw } of finished(source, table)) {
    const more = addedValues(table, row);
    const ending = JSON.stringify(Object.fromEntries([...added].map(([name, written]) => [written, more[name]])));
    const own = raw.startsWith("{") && raw.endsWith("}") ? raw : JSON.stringify(ownValues(source, values, raw));
    const start = own.slice(0, -1).trimEnd();
    yield `${start}${start === "{" ? "" : ", "}${ending.slice(1)}\n`;
  }
}

function ownValues(source, values, raw) {
  if (raw) {
    return { unreadable: raw };
  }
  return Object.fromEntries(source.columns.map((name, place) => [name, values[place] ?? null]));
}

async function* finished(source, table) {
  let row = 0;
  for await (const { rows } of source.batches()) {
    for (const { values, raw } of rows.slice(0, table.length - row)) {
      if (table.status(row) !== WAITING) {
        yield { row, values, raw };
      }
      row += 1;
    }
    if (row >= table.length) {
      return; // what follows was not read, or can not be
    }
  }
}

/**
 * Return lines as one Blob, which the browser keeps outside the heap of the page.
 *
 * @param {AsyncIterable<string>} lines
 * @param {string} type
 * @returns {Promise<Blob>}
 */
export async function collect(lines, type) {
  const parts = [];
  let open = [];
  for await (const line of lines) {
    open.push(line);
    if (open.length === 2000) {
      parts.push(new Blob([open.join("")]));
      open = [];
    }
  }
  return new Blob([...parts, open.join("")], { type });
}
