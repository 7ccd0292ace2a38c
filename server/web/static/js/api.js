/**
 * The API of the server that the page came from. The API key lives in this module's memory alone.
 *
 * @typedef {string | [string, string]} TextOrPair
 * @typedef {{signal?: AbortSignal}} Options
 * @typedef {{tokenize: number, queue: number, inference: number, total: number}} Timing milliseconds; the total is
 *   what the browser waited
 */

/** A request that was not answered with a success. */
export class ApiError extends Error {
  /**
   * @param {number} status of HTTP; 0 where no answer came
   * @param {string} kind for programs, such as "overloaded"
   * @param {string} message for people
   * @param {number} [retryAfterS] seconds after which another try makes sense; 0 where the server names none
   */
  constructor(status, kind, message, retryAfterS = 0) {
    super(message);
    this.name = "ApiError";
    this.status = status;
    this.kind = kind;
    this.retryAfterS = retryAfterS;
  }
}

/** @param {TextOrPair} text */
function fields(text) {
  return typeof text === "string" ? { text } : { text: text[0], text_pair: text[1] };
}

/** The server's routes as functions; each throws ApiError. An aborted request throws the browser's AbortError. */
export class Api {
  #key = "";
  #asking = null;
  #ask;

  /** @param {(message: string) => Promise<string>} askForKey asks the visitor; empty: the visitor gives none */
  constructor(askForKey) {
    this.#ask = askForKey;
  }

  /** Whether the visitor gave a key. */
  get hasKey() {
    return this.#key !== "";
  }

  /** Return the document of `GET /info`. */
  async info() {
    return (await this.#send("info")).json();
  }

  /** Return the model card in Markdown, `GET /card`. */
  async card() {
    return (await this.#send("card")).text();
  }

  /** Return the paths that the server answers, from `GET /openapi.json`. */
  async paths() {
    return Object.keys((await (await this.#send("openapi.json")).json()).paths);
  }

  /** Return the text of `GET /metrics`. @param {Options} [options] */
  async metrics({ signal } = {}) {
    return (await this.#send("metrics", { signal })).text();
  }

  /**
   * Return the answer of `POST /predict` with its times as `timing`.
   * @param {TextOrPair} text
   * @param {Options & {truncation?: string}} [options]
   */
  async predict(text, { signal, truncation } = {}) {
    const started = performance.now();
    const response = await this.#send("predict", { signal, body: { ...fields(text), truncation } });
    const answer = await response.json();
    return { ...answer, timing: { ...serverTiming(response), total: performance.now() - started } };
  }

  /**
   * Return the answer of `POST /tokenize`.
   * @param {TextOrPair} text
   * @param {Options & {truncation?: string}} [options]
   */
  async tokenize(text, { signal, truncation } = {}) {
    return (await this.#send("tokenize", { signal, body: { ...fields(text), truncation } })).json();
  }

  /**
   * Return the answer of `POST /explain`.
   * @param {TextOrPair} text
   * @param {Options & {by?: "sentence" | "word"}} [options]
   */
  async explain(text, { by, signal, ...more } = {}) {
    return (await this.#send("explain", { signal, body: { ...fields(text), by, ...more } })).json();
  }

  /**
   * Send lines to `POST /predict/stream`, and hand on each line of the answer as it arrives.
   * @param {object[]} lines such as `{text, id}`
   * @param {Options & {onAnswer: (answer: any) => void}} options
   */
  async stream(lines, { signal, onAnswer }) {
    const body = lines.map((line) => JSON.stringify(line) + "\n").join("");
    const response = await this.#send("predict/stream", { signal, body, type: "application/x-ndjson" });
    const decoder = new TextDecoder();
    let rest = "";
    for (const reader = response.body.getReader(); ; ) {
      const { value, done } = await reader.read();
      const parts = (rest + decoder.decode(value, { stream: !done })).split("\n");
      rest = done ? "" : parts.pop();
      for (const part of parts) if (part) onAnswer(JSON.parse(part));
      if (done) return;
    }
  }

  async #send(path, { body, signal, type = "application/json" } = {}) {
    for (let message = ""; ; ) {
      const key = this.#key;
      const response = await this.#request(path, body, signal, type);
      if (response.ok) return response;
      const error = await readError(response);
      if (error.status !== 401) throw error;
      if (key === this.#key && !(await this.#askOnce(message, signal))) throw error;
      message = "The server does not accept this key.";
    }
  }

  async #request(path, body, signal, type) {
    const headers = { ...(this.#key && { "x-api-key": this.#key }), ...(body && { "content-type": type }) };
    try {
      return await fetch(path, {
        method: body ? "POST" : "GET",
        body: body && (typeof body === "string" ? body : JSON.stringify(body)),
        headers,
        signal,
        cache: "no-store",
        credentials: "same-origin",
      });
    } catch (error) {
      if (error.name === "AbortError") throw error;
      throw new ApiError(0, "unreachable", "The server does not answer. It may have been stopped, or the network is down.");
    }
  }

  /** Requests that fail together ask once. */
  async #askOnce(message, signal) {
    this.#asking ??= this.#ask(message || (this.#key && "The server does not accept this key any more.")).finally(() => {
      this.#asking = null;
    });
    const key = await this.#asking;
    signal?.throwIfAborted();
    if (key) this.#key = key;
    return key !== "";
  }
}

async function readError(response) {
  const retryAfterS = Number(response.headers.get("retry-after")) || 0;
  try {
    const { error } = await response.json();
    return new ApiError(response.status, error.kind, error.message, retryAfterS);
  } catch {
    return new ApiError(response.status, "unknown", `The server answered with status ${response.status}.`, retryAfterS);
  }
}

/** @param {Response} response @returns {Omit<Timing, "total">} */
function serverTiming(response) {
  const times = { tokenize: 0, queue: 0, inference: 0 };
  for (const [, name, value] of (response.headers.get("server-timing") ?? "").matchAll(/(\w+);dur=([\d.]+)/g)) {
    times[name] = Number(value);
  }
  return times;
}
