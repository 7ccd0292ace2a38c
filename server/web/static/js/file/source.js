/**
 * A chosen file -> its columns and its rows, whatever its format. Owns which formats there are.
 *
 * A row that cannot be used comes with a problem, and the rows behind it go on. A file that cannot be split into rows
 * ends with a FileError.
 */

import { hasTexts } from "./columns.js";
import { FileError, decodedChunks } from "./decoding.js";
import { JsonSplitter, LineSplitter } from "./json_lines.js";
import { openParquet } from "./parquet.js";
import { SeparatedError, SeparatedParser, sniffSeparator } from "./separated.js";

/**
 * @typedef {object} SourceRow
 * @property {number} number the line on which it begins, or its row in Parquet, from 1
 * @property {unknown[]} values in the order of the columns
 * @property {string} raw the JSON object as it was written; empty for other formats
 * @property {string} problem why the row cannot be used; empty where it can
 */

/**
 * @typedef {object} Source
 * @property {"separated" | "json" | "plain" | "parquet"} kind
 * @property {string[]} columns names of the columns
 * @property {Set<string>} names the columns, and all other keys that the rows of a JSON file had so far
 * @property {string} unit what the rows' numbers count
 * @property {string} separator of the fields; empty for other formats
 * @property {number} total rows, where the file says it; else -1
 * @property {(places?: number[]) => AsyncGenerator<{rows: SourceRow[], share: number}>} batches all rows from the start, with
 *   the share of the file that is read; Parquet reads only the columns at these places, and leaves the others undefined
 */

/** @typedef {{encoding?: string, separator?: string, quotes?: boolean}} ReadOptions how a text file is written */

/** The endings that are read. */
export const SUFFIXES = [".csv", ".tsv", ".jsonl", ".ndjson", ".json", ".txt", ".parquet"];

const SAMPLE_ROWS = 100;

/**
 * Open a file and find its columns.
 *
 * @param {File} file
 * @param {ReadOptions} [options]
 * @returns {Promise<Source>}
 * @throws {FileError} if it is empty, or not what its name says
 */
export async function openSource(file, options = {}) {
  const suffix = /\.[^.]*$/.exec(file.name.toLowerCase())?.[0] ?? "";
  if (!SUFFIXES.includes(suffix)) {
    throw new FileError(`${file.name} is none of ${SUFFIXES.join(", ")}; convert it to one of these`);
  }
  if (file.size === 0) {
    throw new FileError(`${file.name} is empty: it has 0 bytes; choose a file with at least one row`);
  }
  if (suffix === ".parquet") {
    return parquetSource(file);
  }
  if (suffix === ".txt") {
    return plainSource(file, options);
  }
  return suffix === ".csv" || suffix === ".tsv" ? separatedSource(file, suffix, options) : jsonSource(file, options);
}

/**
 * Return the first rows of a source.
 *
 * @param {Source} source
 * @param {number} count
 * @returns {Promise<SourceRow[]>}
 */
export async function firstRows(source, count) {
  const found = [];
  for await (const { rows } of source.batches()) {
    found.push(...rows.slice(0, count - found.length));
    if (found.length >= count) {
      break;
    }
  }
  return found;
}

/** Yield what a splitter finds in each chunk of a file, and the share of the file that is read. */
async function* split(file, encoding, splitter) {
  for await (const { text, share } of decodedChunks(file, encoding)) {
    yield { found: splitter.feed(text), share };
  }
  yield { found: splitter.end(), share: 1 };
}

async function separatedSource(file, suffix, options) {
  const usual = suffix === ".tsv" ? "\t" : ",";
  const first = await firstLine(file, options.encoding);
  const separator = options.separator || sniffSeparator(first, usual, hasTexts);
  const isDeclared = /^sep=.[\r\n]*$/.test(first);
  async function* batches() {
    const parser = new SeparatedParser(separator, options.quotes ?? true);
    let header = isDeclared ? -1 : 0; // names of the columns, once they are read
    try {
      for await (const { found, share } of split(file, options.encoding, parser)) {
        const rows = [];
        for (const { line, fields } of found) {
          if (header < 1) {
            columns ??= header === 0 ? fields.map((name) => name.trim()) : null;
            header += 1;
          } else {
            rows.push({ number: line, values: fields, raw: "", problem: misfit(fields, columns) });
          }
        }
        yield { rows, share };
      }
    } catch (error) {
      throw error instanceof SeparatedError ? new FileError(`${file.name} line ${error.line}: ${error.message}`) : error;
    }
  }
  /** @type {string[] | null} */
  let columns = null;
  let isEmpty = true;
  for await (const { rows } of batches()) {
    if (rows.length) {
      isEmpty = false;
      break;
    }
  }
  if (!columns || isEmpty) {
    throw new FileError(`${file.name} holds no row: its first line must name the columns, and rows must follow it`);
  }
  return { kind: "separated", columns, names: new Set(columns), unit: "line", separator, total: -1, batches };
}

function misfit(fields, columns) {
  if (fields.length === columns.length) {
    return "";
  }
  const detail = fields.length < columns.length
    ? `no value for ${columns.slice(fields.length).map((name) => JSON.stringify(name)).join(", ")}`
    : `${JSON.stringify(fields[columns.length]).slice(0, 40)} is too many`;
  return `the row has ${fields.length} fields, the header ${columns.length}: ${detail}; put a field with the separator in quotes`;
}

async function firstLine(file, encoding) {
  let start = "";
  for await (const { text } of decodedChunks(file, encoding)) {
    start = (start + text).replace(/^[ \t\r\n]+/, "");
    if (start.includes("\n") || start.length > 2 ** 20) {
      break;
    }
  }
  return start.split("\n", 1)[0];
}

async function jsonSource(file, options) {
  /** @type {string[]} */
  let columns = [];
  /** @type {Set<string>} */
  const names = new Set();
  async function* batches() {
    for await (const { found, share } of split(file, options.encoding, new JsonSplitter())) {
      found.forEach(({ value }) => Object.keys(value ?? {}).forEach((name) => names.add(name)));
      const rows = found.map(({ line, raw, value, problem }) => ({
        number: line, values: columns.map((name) => (value && Object.hasOwn(value, name) ? value[name] : null)), raw, problem,
      }));
      yield { rows, share };
    }
  }
  const sample = await firstRows({ batches }, SAMPLE_ROWS);
  const objects = sample.filter(({ problem }) => !problem).map(({ raw }) => JSON.parse(raw));
  if (!objects.length) {
    const reason = sample.length ? `line ${sample[0].number} is ${sample[0].problem}` : "it holds no row";
    throw new FileError(`${file.name} has no JSON object: ${reason}; write one JSON object a line`);
  }
  columns = [...new Set(objects.flatMap((value) => Object.keys(value)))];
  return { kind: "json", columns, names, unit: "line", separator: "", total: -1, batches };
}

async function plainSource(file, options) {
  async function* batches() {
    for await (const { found, share } of split(file, options.encoding, new LineSplitter())) {
      const filled = found.filter(({ text }) => text.trim());
      yield { rows: filled.map(({ line, text }) => ({ number: line, values: [text], raw: "", problem: "" })), share };
    }
  }
  const [first] = await firstRows({ batches }, 1);
  if (!first) {
    throw new FileError(`${file.name} holds no row: all its lines are blank; write one text a line`);
  }
  if (String(first.values[0]).includes("\r")) {
    throw new FileError(`${file.name}: the lines end in a carriage return alone; end them with LF`);
  }
  return { kind: "plain", columns: ["text"], names: new Set(["text"]), unit: "line", separator: "", total: -1, batches };
}

async function parquetSource(file) {
  const { columns, rows: total, records } = await openParquet(file);
  if (!total) {
    throw new FileError(`${file.name} holds no row; choose a file with at least one`);
  }
  async function* batches(places = columns.map((_, place) => place)) {
    let number = 0;
    for await (const found of records(places.map((place) => columns[place]))) {
      const rows = found.map((each) => {
        const values = new Array(columns.length);
        places.forEach((place, index) => { values[place] = each[index]; });
        return { number: (number += 1), values, raw: "", problem: "" };
      });
      yield { rows, share: number / total };
    }
  }
  return { kind: "parquet", columns, names: new Set(columns), unit: "row", separator: "", total, batches };
}
