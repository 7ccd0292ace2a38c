/** Where a file is dropped or chosen. */

import { el, svg } from "../../dom.js";
import { examplesFor } from "../../examples.js";
import { csvField } from "../download.js";
import { SUFFIXES } from "../source.js";

/**
 * @param {any} model of `GET /info`
 * @param {(file: File) => void} open
 * @returns {HTMLElement}
 */
export function chooser(model, open) {
  const input = el("input", {
    type: "file", id: "file-input", class: "hidden-text", accept: SUFFIXES.join(","),
    onchange: () => input.files.length && open(input.files[0]),
  });
  const zone = el(
    "div",
    { class: "card file-drop", ondragover: over, ondragleave: leave, ondrop: drop },
    icon(),
    el("p", { class: "file-drop-title" }, "Drop a file here"),
    el("div", { class: "row" }, input, el("label", { for: "file-input", class: "button primary" }, "Choose a file"), el("button", { onclick: () => open(sample(model)) }, "Use example rows")),
    el("p", { class: "soft small" }, "CSV, TSV, JSON lines, Parquet, or plain text with one text a line. Up to 500,000 rows; for more, there is bulk scoring on the command line."),
  );

  function over(event) {
    event.preventDefault();
    zone.classList.add("over");
  }
  function leave(event) {
    if (!zone.contains(event.relatedTarget)) {
      zone.classList.remove("over");
    }
  }
  function drop(event) {
    leave(event);
    event.preventDefault();
    zone.classList.remove("over");
    const file = event.dataTransfer.files[0];
    if (file) {
      open(file);
    }
  }
  return zone;
}

function icon() {
  const line = { fill: "none", stroke: "currentColor", "stroke-width": "1.5", "stroke-linecap": "round", "stroke-linejoin": "round" };
  return svg(
    "svg",
    { class: "file-icon", viewBox: "0 0 24 24", "aria-hidden": "true" },
    svg("path", { ...line, d: "M14 3H7a2 2 0 0 0-2 2v14a2 2 0 0 0 2 2h10a2 2 0 0 0 2-2V8z M14 3v5h5 M12 17v-6 M9.5 13.5 12 11l2.5 2.5" }),
  );
}

function sample(model) {
  const rows = examplesFor(model).map(({ draft }) => (model.pairs ? [draft.text, draft.pair] : [draft.text]));
  const header = model.pairs ? ["text", "text_pair"] : ["text"];
  return new File([[header, ...rows].map((row) => `${row.map(csvField).join(",")}\n`).join("")], "examples.csv");
}
