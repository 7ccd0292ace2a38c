/** One row whole: its texts, and the answer as a picture or the reason why there is none. */

import { answerElement } from "../../answer.js";
import { el } from "../../dom.js";
import { addedValues } from "../download.js";

/**
 * Show a row in a dialog.
 *
 * @param {import("../batch.js").Batch} batch
 * @param {number} row
 */
export async function showRow(batch, row) {
  const { table, texts, source } = batch;
  const text = await texts.get(row);
  const reason = table.reason(row);
  const number = table.columns.number.values[row].toLocaleString("en");
  const notes = [
    ["ID", text.id],
    ["In the file", text.gold],
    ["Tokens", reason ? "" : `${table.columns.tokens.values[row]}${table.columns.truncated.values[row] ? ", longer than the model reads" : ""}`],
  ].filter(([, value]) => value);
  const dialog = el(
    "dialog",
    { class: "file-dialog", "aria-labelledby": "file-row-title", onclose: () => dialog.remove() },
    el(
      "form",
      { method: "dialog" },
      el("div", { class: "row spread" }, el("h2", { id: "file-row-title" }, `${source.unit === "line" ? "Line" : "Row"} ${number}`), el("button", { value: "close" }, "Close")),
      el("p", { class: "file-whole", tabindex: "0" }, text.text || "(no text)"),
      text.pair && el("p", { class: "file-whole", tabindex: "0" }, text.pair),
      reason && el("div", { class: "state bad" }, el("strong", {}, reason.kind.replaceAll("_", " ")), el("p", {}, reason.message)),
      table.status(row) === 1 && answerElement(modelOf(table.head), addedAnswer(table, row)),
      notes.length > 0 && el("dl", { class: "facts" }, notes.flatMap(([name, value]) => [el("dt", {}, name), el("dd", {}, value)])),
    ),
  );
  document.body.append(dialog);
  dialog.showModal();
}

function modelOf(head) {
  return { ...head, thresholds: head.thresholds ?? [] };
}

function addedAnswer(table, row) {
  const { label, labels, probabilities, value } = addedValues(table, row);
  return { label, labels, probabilities, value };
}
