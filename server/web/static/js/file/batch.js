/**
 * One file with one model: reads rows, sends them, and keeps scores, texts and reasons. Knows nothing of the page.
 */

import { matchLabel, matchLabels, nameOf, textOf } from "./columns.js";
import { Pace, estimateRows } from "./patience.js";
import { Run } from "./run.js";
import { ScoreTable } from "./scores.js";
import { TextStore } from "./texts.js";

/** @typedef {import("./columns.js").Choice} Choice */
/** @typedef {import("./scores.js").Head} Head */
/** @typedef {import("./source.js").Source} Source */

/** More rows are for `python -m bulk`: the table would be higher than browsers can scroll. */
export const MAX_ROWS = 500_000;

/** The scores of one file. */
export class Batch {
  pace = new Pace();
  /** Rows whose gold label the model does not know, by that label. */
  strangers = new Map();
  #share = 0;
  #batches;
  #now;

  /**
   * @param {Source} source
   * @param {Choice} choice
   * @param {Head} head
   * @param {import("./run.js").Work["send"]} send
   * @param {() => void} changed
   * @param {() => number} [now] milliseconds
   */
  constructor(source, choice, head, send, changed, now = () => performance.now()) {
    this.source = source;
    this.choice = choice;
    this.table = new ScoreTable(head);
    this.texts = new TextStore();
    this.#batches = source.batches([...new Set(Object.values(choice))].filter((place) => place >= 0));
    this.#now = now;
    this.run = new Run({
      read: () => this.#read(),
      send,
      answered: (row, answer) => this.table.answer(row, answer),
      failed: (row, kind, message) => this.table.fail(row, kind, message),
      changed: () => {
        this.pace.record(this.#now(), this.done);
        changed();
      },
    });
  }

  /** Rows with an answer or a reason. */
  get done() {
    return this.table.counts.answered + this.table.counts.failed;
  }

  /** Rows of the file: exact once it is read, else an estimate. */
  get expected() {
    return Math.min(MAX_ROWS, estimateRows(this.table.length, this.#share, this.source.total));
  }

  /** Whether the file has more rows than are read. */
  get isCut() {
    return this.table.length >= MAX_ROWS;
  }

  /** Begin or go on. */
  start() {
    this.pace.reset();
    this.pace.record(this.#now(), this.done);
    return this.run.start();
  }

  async #read() {
    for (;;) {
      const { value, done } = this.isCut ? { value: null, done: true } : await this.#batches.next();
      if (done) {
        this.#share = 1;
        return [];
      }
      const items = value.rows.slice(0, MAX_ROWS - this.table.length).flatMap((row) => this.#take(row));
      this.#share = value.share;
      if (items.length) {
        return items;
      }
    }
  }

  /** Store a row, and return what is sent of it: nothing if it has no text. */
  #take({ number, values, problem }) {
    const { text, textPair, id, gold } = this.choice;
    const names = this.source.columns;
    const found = problem ? { text: "", problem } : textOf(values[text], names[text]);
    const pair = textPair < 0 || found.problem ? { text: "", problem: "" } : textOf(values[textPair], names[textPair]);
    const label = gold < 0 || problem ? "" : nameOf(values[gold]);
    const row = this.table.add(number, gold < 0 || problem ? null : this.#gold(values[gold], label));
    this.texts.add({ text: found.text, pair: pair.text, id: id < 0 || problem ? "" : nameOf(values[id]), gold: label });
    const reason = found.problem || pair.problem;
    if (reason) {
      this.table.fail(row, "unreadable", reason);
      return [];
    }
    return [{ row, text: found.text, pair: textPair < 0 ? null : pair.text }];
  }

  #gold(value, name) {
    const { problem, labels } = this.table.head;
    if (problem === "multi_label") { // an empty field is a row without a label
      return value === null ? null : matchLabels(value, labels) ?? this.#stranger(name);
    }
    if (name === "") {
      return null;
    }
    if (problem === "regression") {
      const number = Number(name);
      return Number.isFinite(number) ? number : this.#stranger(name);
    }
    const index = matchLabel(name, labels);
    return index >= 0 ? index : this.#stranger(name);
  }

  #stranger(name) {
    if (this.strangers.size < 100 || this.strangers.has(name)) {
      this.strangers.set(name, (this.strangers.get(name) ?? 0) + 1);
    }
    return null;
  }
}
