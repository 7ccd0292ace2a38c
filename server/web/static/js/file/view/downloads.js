/** The rows with the added columns, to take along. */

import { el, replace } from "../../dom.js";
import { plural } from "../../format.js";
import { addedColumns, collect, csvLines, jsonLines } from "../download.js";

/** @typedef {import("../batch.js").Batch} Batch */

/**
 * Let the browser save a file.
 *
 * @param {Blob} blob
 * @param {string} name
 */
export function save(blob, name) {
  const address = URL.createObjectURL(blob);
  el("a", { href: address, download: name }).click();
  setTimeout(() => URL.revokeObjectURL(address), 60_000); // the browser has begun to read it by then
}

/**
 * @param {import("../../main.js").App} app
 * @param {File} file
 * @param {Batch} batch
 * @returns {{element: HTMLElement, update: () => void}}
 */
export function downloads(app, file, batch) {
  const stem = file.name.replace(/\.[^.]*$/, "");
  const rows = el("span", { class: "soft small" });
  const note = el("div", { role: "alert" });
  const csv = el("button", { onclick: () => take(csv, csvLines, "text/csv", ".csv") }, "Download CSV");
  const jsonl = el("button", { onclick: () => take(jsonl, jsonLines, "application/x-ndjson", ".jsonl") }, "Download JSON lines");

  async function take(button, lines, type, suffix) {
    button.disabled = true;
    replace(note);
    try {
      save(await collect(lines(batch.source, batch.table), type), `${stem}.scored${suffix}`);
      app.announce("The download is ready");
    } catch (error) {
      replace(note, el("div", { class: "state bad" }, error.message));
    }
    button.disabled = false;
  }

  const added = [...addedColumns(batch.source.names, batch.table.head.problem).values()];
  const element = el(
    "section",
    { class: "card stack", "aria-labelledby": "file-take" },
    el("div", { class: "row spread" }, el("div", { class: "row" }, el("h2", { id: "file-take" }, "Download"), rows), el("div", { class: "row" }, csv, jsonl)),
    el(
      "p",
      { class: "soft small" },
      `The columns of your file, then ${added.join(", ")}. JSON lines repeat your rows exactly. In the CSV, an apostrophe stands before each text that begins with = + - @, a tab or a carriage return, so that no spreadsheet runs it as a formula; numbers stay as they are.`,
    ),
    note,
  );
  return {
    element,
    update() {
      element.hidden = batch.done === 0;
      rows.textContent = plural(batch.done, "row");
    },
  };
}
