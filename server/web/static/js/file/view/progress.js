/** How far a run is: a bar, figures, what it waits for, and the buttons that pause, stop and continue it. */

import { el, replace } from "../../dom.js";
import { count, percent, plural } from "../../format.js";
import { MAX_ROWS } from "../batch.js";

/** @typedef {import("../batch.js").Batch} Batch */

const WORDS = {
  ready: "Ready", running: "Scoring", pausing: "Pausing", paused: "Paused", stopped: "Stopped", done: "Done", broken: "Interrupted",
};

/**
 * @param {import("../../main.js").App} app
 * @param {File} file
 * @param {Batch} batch
 * @param {() => void} another lets the visitor choose another file
 * @returns {{element: HTMLElement, update: () => void}}
 */
export function progress(app, file, batch, another) {
  const { run } = batch;
  const state = el("span", { class: "file-state" });
  const fill = el("span", { class: "fill" });
  const bar = el("div", { class: "file-progress", role: "progressbar", "aria-label": `Rows of ${file.name}`, "aria-valuemin": "0", "aria-valuemax": "100" }, fill);
  const figures = el("dl", { class: "times file-figures" });
  const note = el("div", { role: "status" });
  const pause = el("button", { onclick: () => (run.isActive ? run.pause() : batch.start().catch(() => {})) });
  const stop = el("button", { onclick: () => run.stop() }, "Stop");
  const other = el("button", { onclick: another }, "Score another file");
  let spoken = "";
  let shownNote = "";

  function update() {
    const { expected, done } = batch;
    const share = run.state === "done" ? 1 : expected ? Math.min(0.999, done / expected) : 0;
    state.textContent = WORDS[run.state];
    state.dataset.state = run.state;
    fill.style.setProperty("--share", String(share));
    bar.setAttribute("aria-valuenow", String(Math.floor(share * 100)));
    bar.dataset.state = run.state;
    pause.textContent = run.isActive ? "Pause" : "Continue";
    pause.disabled = run.state === "pausing";
    pause.hidden = run.isOver;
    pause.classList.toggle("primary", !run.isActive);
    stop.hidden = !run.isActive && run.state !== "paused";
    other.hidden = run.isActive;
    replace(figures, figureList(batch));
    showNote();
    if (spoken !== run.state) {
      spoken = run.state;
      app.announce(`${WORDS[run.state]}: ${plural(done, "row")} of ${count(expected)}`);
    }
  }

  function showNote() {
    const [kind, text] = noteOf(batch);
    if (text !== shownNote) {
      shownNote = text;
      replace(note, text && el("div", { class: `state ${kind}` }, el("p", {}, text)));
    }
  }
  update();

  const element = el(
    "section",
    { class: "card stack", "aria-labelledby": "file-run" },
    el("div", { class: "row spread" }, el("div", { class: "row" }, el("h2", { id: "file-run", class: "file-name" }, file.name), state), el("div", { class: "row" }, pause, stop, other)),
    bar,
    figures,
    note,
  );
  return { element, update };
}

function figureList(batch) {
  const { run, table, done, expected, pace } = batch;
  const isExact = run.state === "done" || batch.source.total >= 0;
  const rate = run.isActive ? pace.rate : 0;
  const left = rate > 0 ? (expected - done) / rate : 0;
  const figures = [
    ["Rows", run.state === "done" ? count(done) : `${count(done)} of ${isExact ? "" : "about "}${count(expected)}`],
    ["Failed", count(table.counts.failed)],
    ["Cut to fit", done ? `${count(table.counts.truncated)}` : "0"],
  ];
  if (run.isActive) {
    figures.push(["Speed", rate ? `${count(Math.round(rate))} rows/s` : "…"], ["Time left", left ? duration(left) : "…"]);
  } else if (table.counts.failed && done) {
    figures.push(["Share failed", percent(table.counts.failed / done)]);
  }
  return figures.map(([name, value]) => el("div", {}, el("dt", {}, name), el("dd", {}, value)));
}

function noteOf({ run, isCut }) {
  if (run.isOver && run.isLost) {
    return ["bad", `${run.message}. The rows before it are kept.`];
  }
  if (run.state === "broken") {
    return ["bad", `${run.message}. Answers so far are kept; continue when you like.`.replace("..", ".")];
  }
  if (run.pauseMs > 0) {
    return ["warn", "The server is busy, so the page sends less and tries again in a moment. No row is lost."];
  }
  if (run.state === "stopped" || run.state === "paused") {
    return ["", "The answers so far are below. Continue goes on with the rows that have none."];
  }
  if (isCut && run.state === "done") {
    return ["warn", `The file has more than ${count(MAX_ROWS)} rows, and the page reads no more. Score it whole with python -m bulk.`];
  }
  return ["", ""];
}

/** @param {number} seconds @returns {string} such as "2 min 5 s" */
function duration(seconds) {
  if (seconds < 60) {
    return `${Math.max(1, Math.round(seconds))} s`;
  }
  const minutes = Math.floor(seconds / 60);
  return minutes < 60 ? `${minutes} min ${Math.round(seconds % 60)} s` : `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
}
