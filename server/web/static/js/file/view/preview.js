/** The first rows of a file, and which column is what, before anything is sent. */

import { el, replace } from "../../dom.js";
import { guessColumns } from "../columns.js";
import { ENCODINGS } from "../decoding.js";
import { SEPARATORS } from "../separated.js";
import { firstRows } from "../source.js";

/** @typedef {import("../source.js").Source} Source */

const SAMPLE_ROWS = 50;
const SHOWN_ROWS = 6;
const SEPARATOR_NAMES = { ",": "comma", ";": "semicolon", "\t": "tab", "|": "bar" };
const KINDS = { separated: "Table", json: "JSON lines", plain: "Plain text", parquet: "Parquet" };

/**
 * @param {{file: File, source: Source, model: any, options: import("../source.js").ReadOptions,
 *   reopen: (options: object) => void, start: (file: File, source: Source, choice: object) => void,
 *   cancel: () => void}} properties
 * @returns {Promise<HTMLElement>}
 */
export async function preview({ file, source, model, options, reopen, start, cancel }) {
  const rows = await firstRows(source, SAMPLE_ROWS);
  const choice = guessColumns(source.columns, rows.map(({ values }) => values), model.pairs);
  const table = el("div", { class: "wide file-preview", tabindex: "0", role: "region", "aria-label": "First rows of the file" });
  const hint = el("p", { class: "small soft", role: "status" });
  const button = el("button", { class: "primary", onclick: () => start(file, source, { ...choice }) }, "Score all rows");

  function pick(key, label, optional) {
    const select = el(
      "select",
      { id: `file-${key}`, onchange: () => { choice[key] = Number(select.value); show(); } },
      (optional || choice[key] < 0) && el("option", { value: -1 }, optional ? "none" : "choose a column"),
      source.columns.map((name, place) => el("option", { value: place }, name || `column ${place + 1}`)),
    );
    select.value = String(choice[key]);
    return el("div", { class: "field" }, el("label", { for: select.id }, label), select);
  }

  function show() {
    const roles = { [choice.gold]: "gold label", [choice.id]: "ID", [choice.textPair]: "second text", [choice.text]: "text" };
    replace(table, previewTable(source, rows.slice(0, SHOWN_ROWS), roles));
    const missing = choice.text < 0 ? "text" : model.pairs && choice.textPair < 0 ? "second text" : "";
    button.disabled = missing !== "";
    hint.textContent = missing
      ? `No column of the file is known to hold the ${missing}: the columns are ${source.columns.slice(0, 12).join(", ")}. Choose one.`
      : "";
  }
  show();

  return el(
    "section",
    { class: "card stack", "aria-labelledby": "file-name" },
    el("div", { class: "title" }, el("h2", { id: "file-name", class: "file-name" }, file.name), el("span", { class: "soft small" }, facts(file, source))),
    el(
      "div",
      { class: "file-columns" },
      pick("text", model.pairs ? "First text" : "Text", false),
      model.pairs && pick("textPair", "Second text", false),
      pick("gold", model.problem === "regression" ? "Gold value, to compare with" : "Gold label, to compare with", true),
      pick("id", "ID", true),
    ),
    table,
    source.kind !== "parquet" && readingOptions(file, source, options, reopen),
    el("div", { class: "row" }, button, el("button", { onclick: () => cancel() }, "Choose another file"), hint),
  );
}

function facts(file, source) {
  const size = file.size < 1e6 ? `${Math.max(1, Math.round(file.size / 1e3))} KB` : `${(file.size / 1e6).toFixed(1)} MB`;
  const separator = source.kind === "separated" ? `, fields by ${SEPARATOR_NAMES[source.separator] ?? source.separator}` : "";
  const rows = source.total >= 0 ? `, ${source.total.toLocaleString("en")} rows` : "";
  return `${KINDS[source.kind]}${separator}${rows}, ${size}`;
}

function previewTable(source, rows, roles) {
  const heading = (name, place) => el("th", { scope: "col", class: place in roles ? `chosen ${/text/.test(roles[place]) ? "words" : ""}` : null }, name || `column ${place + 1}`, roles[place] && el("span", { class: "file-role" }, roles[place]));
  const cell = (value, place) => el("td", { class: place in roles ? "chosen" : null }, el("div", { class: "file-cell" }, shown(value)));
  return el(
    "table",
    {},
    el("thead", {}, el("tr", {}, source.columns.map(heading))),
    el("tbody", {}, rows.map(({ values, problem }) => el("tr", {}, problem ? el("td", { colspan: source.columns.length, class: "bad" }, problem) : source.columns.map((_, place) => cell(values[place], place))))),
  );
}

function shown(value) {
  const text = typeof value === "string" ? value : value === null || value === undefined ? "" : JSON.stringify(value);
  return text.length > 240 ? `${text.slice(0, 240)} …` : text;
}

/**
 * How a text file is written, where the page guessed wrong.
 *
 * @param {File} file
 * @param {Source | null} source null where the file could not be read
 * @param {import("../source.js").ReadOptions} options
 * @param {(options: object) => void} reopen
 * @returns {HTMLElement}
 */
export function readingOptions(file, source, options, reopen) {
  const isSeparated = /\.(csv|tsv)$/i.test(file.name);
  const select = (id, label, values, value, change) => {
    const box = el("select", { id, onchange: () => reopen({ ...options, ...change(box.value) }) }, values.map(([key, name]) => el("option", { value: key }, name)));
    box.value = value;
    return el("div", { class: "field" }, el("label", { for: id }, label), box);
  };
  const separators = [["", "automatic"], ...SEPARATORS.map((separator) => [separator, SEPARATOR_NAMES[separator]])];
  const quotes = [["yes", "enclose fields"], ["no", "mean nothing"]];
  return el(
    "details",
    { class: "file-options", open: source === null || Object.keys(options).length > 0 },
    el("summary", {}, `How ${file.name} is written`),
    el(
      "div",
      { class: "file-columns" },
      select("file-encoding", "Encoding", [["", "automatic"], ...ENCODINGS.map((name) => [name, name])], options.encoding ?? "", (encoding) => ({ encoding })),
      isSeparated && select("file-separator", "Separator", separators, options.separator ?? "", (separator) => ({ separator })),
      isSeparated && select("file-quotes", "Quotes", quotes, options.quotes === false ? "no" : "yes", (value) => ({ quotes: value === "yes" })),
    ),
  );
}
