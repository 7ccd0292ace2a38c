/**
 * Sends the rows of a file to the server in parts, a few in flight, and slows down when the server sheds.
 *
 * A row that the server had no room for waits and is sent again; a row that the server refuses fails with its reason and
 * the others go on. A run can be paused (parts in flight are finished) or stopped (they are broken off), and both can be
 * continued: no row is answered twice.
 */

import { Patience } from "./patience.js";

/** @typedef {{row: number, text: string, pair: string | null}} Item a row that waits for its answer */
/** @typedef {"ready" | "running" | "pausing" | "paused" | "stopped" | "done" | "broken"} State */

/**
 * @typedef {object} Work
 * @property {() => Promise<Item[]>} read the next rows of the file; none at its end
 * @property {(lines: object[], options: {signal: AbortSignal, onAnswer: (answer: any) => void}) => Promise<unknown>} send
 * @property {(row: number, answer: any) => void} answered
 * @property {(row: number, kind: string, message: string) => void} failed
 * @property {() => void} changed the state or the pace is another one
 */

/** Kinds of errors that another attempt may not have. */
const PASSING = new Set(["overloaded", "draining", "not_ready", "timed_out"]);
const MAX_ATTEMPTS = 5;
const PART_BYTES = 256 * 1024;

/** One run over one file. */
export class Run {
  /** @type {State} */
  state = "ready";
  /** Why the run is broken, or what it waits for; empty else. */
  message = "";
  /** Whether the file can not be read any further. The rows before are answered, then the run is broken for good. */
  isLost = false;
  #lostTo = "";
  #work;
  #patience;
  /** @type {Item[]} */
  #waiting = []; // rows that were read or sent, and have no answer
  #isRead = false;
  #inFlight = 0;
  #stop = new AbortController();
  #attempts = new Map();
  /** @type {(() => void)[]} */
  #sleepers = [];
  /** @type {Promise<void>} */
  #loop = Promise.resolve();

  /**
   * @param {Work} work
   * @param {Patience} [patience]
   */
  constructor(work, patience = new Patience()) {
    this.#work = work;
    this.#patience = patience;
  }

  /** Whether rows are being sent. */
  get isActive() {
    return this.state === "running" || this.state === "pausing";
  }

  /** Whether no row is left to be sent. */
  get isOver() {
    return this.state === "done" || (this.state === "broken" && this.isLost && !this.#waiting.length);
  }

  /** Milliseconds until the next part may be sent, because the server sheds; 0 where it does not. */
  get pauseMs() {
    return this.isActive ? this.#patience.pauseMs : 0;
  }

  /** Begin, or go on after a pause, a stop or a break. Resolves when no more rows are sent. */
  async start() {
    if (!this.isActive && !this.isOver) {
      await this.#loop; // the end of a stop
      this.#stop = new AbortController();
      this.message = "";
      this.#become("running");
      this.#loop = this.#send();
    }
    await this.#loop;
  }

  /** Send no more parts, and wait for those in flight. */
  pause() {
    if (this.state === "running") {
      this.#become("pausing");
    }
  }

  /** Break off the parts in flight; their rows wait. */
  stop() {
    if (this.isActive || this.state === "paused") {
      this.#become("stopped");
      this.#stop.abort();
    }
  }

  async #send() {
    while (this.state === "running") {
      if (this.#inFlight >= this.#patience.parts || this.#patience.pauseMs > 0) {
        await this.#wait();
        continue;
      }
      const part = await this.#next();
      if (part.length) {
        this.#inFlight += 1;
        this.#exchange(part).finally(() => {
          this.#inFlight -= 1;
          this.#wake();
        });
      } else if (this.#inFlight) {
        await this.#wait();
      } else if (this.#isRead && !this.#waiting.length) {
        this.#become(this.isLost ? "broken" : "done");
      }
    }
    while (this.#inFlight) {
      await this.#wait();
    }
    if (this.state === "pausing") {
      this.#become("paused");
    }
  }

  /** Return the next part: rows that wait, else rows of the file. */
  async #next() {
    while (this.#waiting.length < this.#patience.rows && !this.#isRead) {
      const items = await this.#read();
      this.#isRead = items.length === 0;
      this.#waiting.push(...items);
      if (this.#waiting.reduce((sum, item) => sum + size(item), 0) > PART_BYTES) {
        break;
      }
    }
    let [count, bytes] = [0, 0];
    while (count < Math.min(this.#patience.rows, this.#waiting.length) && (count === 0 || bytes < PART_BYTES)) {
      bytes += size(this.#waiting[count]);
      count += 1;
    }
    if (this.state !== "running") {
      return [];
    }
    return this.#waiting.splice(0, count);
  }

  /** Return the next rows; a file that can not be read any further ends there. */
  async #read() {
    try {
      return await this.#work.read();
    } catch (error) {
      this.isLost = true;
      this.#lostTo = error.message;
      return [];
    }
  }

  async #exchange(part) {
    const open = new Map(part.map((item) => [item.row, item]));
    let trouble = null;
    const onAnswer = (answer) => {
      const { id, error } = answer;
      if (!open.has(id)) {
        trouble = error ?? trouble; // the last line of a stream that ends early
      } else if (!error) {
        open.delete(id);
        this.#work.answered(id, answer);
      } else if (PASSING.has(error.kind)) {
        trouble = error;
      } else {
        open.delete(id);
        this.#work.failed(id, error.kind, error.message);
      }
    };
    try {
      const lines = part.map(({ row, text, pair }) => (pair === null ? { id: row, text } : { id: row, text, text_pair: pair }));
      await this.#work.send(lines, { signal: this.#stop.signal, onAnswer });
    } catch (error) {
      trouble = error;
    }
    const left = [...open.values()];
    this.#waiting.unshift(...left);
    if (!this.#stop.signal.aborted) {
      if (left.length) {
        this.#react(trouble ?? { kind: "unreachable", message: "the server ended the answer early" }, left, part.length);
      } else {
        this.#patience.succeed();
      }
    }
    this.#work.changed();
  }

  /** Decide what becomes of rows without an answer. */
  #react(trouble, left, sent) {
    const { status = 0, kind = "", message = "the server does not answer" } = trouble;
    if (status === 401 || status === 403 || kind === "unauthorized") {
      this.#break(message);
    } else if (status === 413 && sent > 1) {
      this.#patience.shrink(sent);
    } else if (PASSING.has(kind) || status === 429 || status === 503 || status === 504) {
      this.message = message;
      this.#patience.shed((trouble.retryAfterS ?? 0) * 1000);
    } else if (status >= 400) {
      this.#retry(left, kind || String(status), message);
    } else if (left.length < sent) {
      this.#patience.shed(0); // some were answered, so the server is there
    } else if (this.#patience.fail() > MAX_ATTEMPTS) {
      this.#break(`${message}; is it running? Continue when it is`);
    }
  }

  /** Send rows again after an error, alone in the end; give those up that failed too often. */
  #retry(left, kind, message) {
    const lost = new Set();
    for (const { row } of left) {
      this.#attempts.set(row, (this.#attempts.get(row) ?? 0) + 1);
      if (this.#attempts.get(row) >= MAX_ATTEMPTS) {
        this.#attempts.delete(row);
        lost.add(row);
        this.#work.failed(row, kind, message);
      }
    }
    this.#waiting = this.#waiting.filter(({ row }) => !lost.has(row));
    this.#patience.shed(0);
  }

  #break(message) {
    this.message = message;
    this.#become("broken");
    this.#stop.abort();
  }

  /** @param {State} state */
  #become(state) {
    this.state = state;
    if (state === "done" || state === "paused") {
      this.message = "";
    } else if (this.isOver) {
      this.message = this.#lostTo;
    }
    this.#wake();
    this.#work.changed();
  }

  /** Wait until something happens, or until a pause is over. */
  #wait() {
    return new Promise((resolve) => {
      this.#sleepers.push(() => resolve());
      if (this.#patience.pauseMs > 0 || !this.#inFlight) { // a pause may end just now, and then nothing else wakes it
        this.#patience.wait().then(resolve);
      }
    });
  }

  #wake() {
    this.#sleepers.splice(0).forEach((wake) => wake());
  }
}

function size({ text, pair }) {
  return text.length + (pair?.length ?? 0) + 30;
}
