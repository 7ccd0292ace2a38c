/** The review: the least certain rows one after the other, decided by one key, and taken along as training data. */

import { el, replace } from "../../dom.js";
import { count, percent, plural } from "../../format.js";
import { collect } from "../download.js";
import { ReviewQueue, leastCertain, trainingLine } from "../review.js";
import { save } from "./downloads.js";

/** @typedef {import("../batch.js").Batch} Batch */

const QUEUE_ROWS = 500;
const KEYS = 9;

/**
 * @param {import("../../main.js").App} app
 * @param {File} file
 * @param {Batch} batch
 * @returns {{element: HTMLElement, update: (isFinal: boolean) => void}}
 */
export function reviewPanel(app, file, batch) {
  const { table, texts } = batch;
  const { head } = table;
  const isMany = head.problem === "multi_label";
  /** @type {ReviewQueue | null} */
  let queue = null;
  /** @type {number[]} labels behind the keys 1 to 9 */
  let keyed = [];
  let marked = new Set(); // of a multi-label row, before Enter
  const place = el("div", { class: "stack" });
  const figures = el("span", { class: "soft small" });
  const begin = el("button", { class: "primary", onclick: start }, "Start the review");
  const take = el("button", { onclick: download, hidden: true }, "Download training data");
  const about = el(
    "p",
    { class: "soft small" },
    head.problem === "regression"
      ? "A model that answers with a number has no labels to correct."
      : `The ${count(QUEUE_ROWS)} rows on which the model is least certain. What you confirm or correct is training data: JSON lines with text and label.`,
  );

  function start() {
    queue = new ReviewQueue(leastCertain(table, QUEUE_ROWS));
    begin.textContent = "Start again";
    begin.classList.remove("primary");
    show();
  }

  async function show() {
    const row = queue.current;
    const decided = queue.decided.length;
    figures.textContent = `${count(queue.place)} of ${plural(queue.rows.length, "row")}`;
    take.hidden = decided === 0;
    take.textContent = `Download ${plural(decided, "row")} of training data`;
    if (row === null) {
      replace(place, el("div", { class: "state", tabindex: "-1" }, el("strong", {}, "The queue is done"), el("p", {}, `${plural(decided, "row")} confirmed or corrected, ${count(queue.place - decided)} skipped.`), undoButton()));
      place.firstElementChild.focus({ preventScroll: true });
      return;
    }
    const text = await texts.get(row);
    const sorted = head.labels.map((_, label) => label);
    if (sorted.length > KEYS) {
      sorted.sort((one, other) => table.score(row, other) - table.score(row, one));
    }
    keyed = sorted.slice(0, KEYS);
    marked = new Set(isMany ? table.chosen(row) : []);
    replace(place, card(row, text, sorted.slice(KEYS)));
    place.firstElementChild.focus({ preventScroll: true });
  }

  function card(row, text, others) {
    const given = new Set(table.chosen(row));
    const choose = (label, key) =>
      el(
        "button",
        { class: given.has(label) ? "file-choice given" : "file-choice", "aria-pressed": isMany ? String(marked.has(label)) : null, data: { label }, onclick: () => decideOn(label) },
        el("kbd", {}, key),
        el("span", {}, head.labels[label]),
        el("span", { class: "soft figure" }, percent(table.score(row, label))),
      );
    const more = el("select", { "aria-label": "Another label", onchange: () => decideOn(Number(more.value)) }, el("option", { value: "" }, "Another label …"), others.map((label) => el("option", { value: label }, head.labels[label])));
    return el(
      "div",
      { class: "file-review", tabindex: "-1", role: "group", "aria-label": `Row ${queue.place + 1} of the review`, onkeydown: press },
      el("blockquote", { class: "file-whole" }, text.text),
      text.pair && el("blockquote", { class: "file-whole" }, text.pair),
      text.gold && el("p", { class: "soft small" }, `In the file: ${text.gold}`),
      el("div", { class: "file-choices" }, keyed.map((label, index) => choose(label, String(index + 1))), others.length > 0 && more),
      el(
        "div",
        { class: "row" },
        isMany && el("button", { class: "primary", onclick: () => decide([...marked].sort((one, other) => one - other)) }, "Confirm ", el("kbd", {}, "Enter")),
        el("button", { onclick: () => decide(null) }, "Skip ", el("kbd", {}, "S")),
        undoButton(),
      ),
    );
  }

  function undoButton() {
    return el("button", { disabled: queue.place === 0, onclick: undo }, "Undo ", el("kbd", {}, "U"));
  }

  function decideOn(label) {
    if (!isMany) {
      decide([label]);
      return;
    }
    if (!marked.delete(label)) {
      marked.add(label);
    }
    place.querySelector(`[data-label="${label}"]`)?.setAttribute("aria-pressed", String(marked.has(label)));
  }

  function decide(labels) {
    app.announce(labels === null ? "Skipped" : labels.map((label) => head.labels[label]).join(", ") || "no label");
    queue.decide(labels);
    show();
  }

  function undo() {
    queue.undo();
    show();
  }

  function press(event) {
    if (event.ctrlKey || event.metaKey || event.altKey || event.target.tagName === "SELECT") {
      return;
    }
    const key = event.key.toLowerCase();
    const label = /^[1-9]$/.test(key) ? keyed[Number(key) - 1] : undefined;
    const isOnButton = event.target.tagName === "BUTTON";
    if (label !== undefined) {
      decideOn(label);
    } else if (key === "s" || key === "arrowright") {
      decide(null);
    } else if (key === "u" || key === "backspace" || key === "arrowleft") {
      undo();
    } else if (key === "enter" && isMany && !isOnButton) {
      decide([...marked].sort((one, other) => one - other));
    } else {
      return;
    }
    event.preventDefault();
  }

  async function* lines() {
    for (const { row, labels } of queue.decided) {
      yield trainingLine(await texts.get(row), labels, head, batch.choice.textPair >= 0);
    }
  }

  async function download() {
    save(await collect(lines(), "application/x-ndjson"), `${file.name.replace(/\.[^.]*$/, "")}.reviewed.jsonl`);
    app.announce("The training data is ready");
  }

  const element = el(
    "section",
    { class: "card stack", "aria-labelledby": "file-review" },
    el("div", { class: "row spread" }, el("div", { class: "row" }, el("h2", { id: "file-review" }, "Review the least certain"), figures), head.problem !== "regression" && el("div", { class: "row" }, take, begin)),
    about,
    place,
  );
  element.addEventListener("keydown", (event) => {
    if (queue?.current === null && event.key.toLowerCase() === "u" && queue.place > 0) {
      undo();
    }
  });
  return {
    element,
    update(isFinal) {
      begin.disabled = !isFinal || table.counts.answered === 0;
    },
  };
}
