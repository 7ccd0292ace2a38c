/**
 * How fast a run sends: parts in flight, rows a part, and a pause after the server shed.
 *
 * Shedding halves both and doubles the pause; every fourth part that succeeds adds one part. This is how TCP shares a
 * line (additive increase, multiplicative decrease), so several pages share a server.
 */

const MAX_PARTS = 4;
const MAX_ROWS = 500;
const MIN_ROWS = 25;
const FIRST_PAUSE_MS = 500;
const LONGEST_PAUSE_MS = 30_000;
const STEP = 4;

const CLOCK = { now: () => performance.now(), sleep: (ms) => new Promise((resolve) => { setTimeout(resolve, ms); }) };

/** The pace of one run. */
export class Patience {
  /** Parts in flight at once. */
  parts = 2;
  /** Rows in a part. */
  rows = MAX_ROWS;
  #clock;
  #until = 0;
  #sheds = 0;
  #successes = 0;
  #failures = 0;

  /** @param {{now: () => number, sleep: (ms: number) => Promise<void>}} [clock] milliseconds */
  constructor(clock = CLOCK) {
    this.#clock = clock;
  }

  /** Milliseconds until the next part may be sent. */
  get pauseMs() {
    return Math.max(0, this.#until - this.#clock.now());
  }

  /** Wait until the next part may be sent. */
  wait() {
    return this.#clock.sleep(this.pauseMs);
  }

  /** A part was answered whole. */
  succeed() {
    [this.#sheds, this.#failures] = [0, 0];
    this.#successes += 1;
    if (this.#successes % STEP === 0) {
      this.parts = Math.min(MAX_PARTS, this.parts + 1);
      this.rows = Math.min(MAX_ROWS, this.rows * 2);
    }
  }

  /**
   * The server had no room.
   *
   * @param {number} retryAfterMs as it asked for; 0 if it did not
   */
  shed(retryAfterMs) {
    const pause = Math.min(LONGEST_PAUSE_MS, FIRST_PAUSE_MS * 2 ** this.#sheds);
    this.#sheds += 1;
    this.#successes = 0;
    this.parts = Math.max(1, this.parts >> 1);
    this.rows = Math.max(MIN_ROWS, this.rows >> 1);
    this.#until = Math.max(this.#until, this.#clock.now() + Math.max(pause, retryAfterMs));
  }

  /**
   * The server did not answer at all.
   *
   * @returns {number} times in a row
   */
  fail() {
    this.shed(0);
    this.#failures += 1;
    return this.#failures;
  }

  /**
   * A part was too large for the server.
   *
   * @param {number} rows that it had
   */
  shrink(rows) {
    this.rows = Math.max(1, rows >> 1);
  }
}

/** Answers a second over the last seconds, and the time that is left. */
export class Pace {
  /** @type {{time: number, count: number}[]} */
  #samples = [];

  /**
   * @param {number} time milliseconds
   * @param {number} count answers so far
   */
  record(time, count) {
    this.#samples.push({ time, count });
    while (this.#samples.length > 2 && time - this.#samples[0].time > 10_000) {
      this.#samples.shift();
    }
  }

  /** Forget the time before a pause. */
  reset() {
    this.#samples = [];
  }

  /** Rows a second; 0 where that is not known yet. */
  get rate() {
    const [first, last] = [this.#samples[0], this.#samples.at(-1)];
    return first && last.time > first.time ? ((last.count - first.count) * 1000) / (last.time - first.time) : 0;
  }
}

/**
 * Return how many rows a file has, from those that were read so far.
 *
 * @param {number} rows that were read
 * @param {number} share of the file that was read
 * @param {number} total where the file says it; else -1
 * @returns {number}
 */
export function estimateRows(rows, share, total) {
  return total >= 0 ? total : share > 0 ? Math.max(rows, Math.round(rows / share)) : rows;
}
