/** The newest of several requests: an older answer never comes after a newer question. */

/** Runs work, and gives up the work before it. */
export class Latest {
  #controller = new AbortController();
  #timer = 0;

  /**
   * Start work after a pause in which nothing newer was started.
   * @param {(signal: AbortSignal) => Promise<void>} work must look at the signal before it shows anything
   * @param {number} [pauseMs]
   */
  start(work, pauseMs = 0) {
    this.stop();
    const { signal } = (this.#controller = new AbortController());
    this.#timer = setTimeout(() => {
      work(signal).catch((error) => {
        if (!signal.aborted) throw error;
      });
    }, pauseMs);
  }

  /** Give up what waits or runs. */
  stop() {
    clearTimeout(this.#timer);
    this.#controller.abort();
  }
}
