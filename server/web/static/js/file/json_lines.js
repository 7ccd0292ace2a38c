/**
 * JSON lines and plain text: lines from text that arrives in chunks, and the objects in them.
 *
 * Lines end at a line feed alone; other line breaks occur inside texts. An object comes back with its values and as it
 * was written, so a download repeats the numbers of the file to the last digit.
 */

/** @typedef {{line: number, text: string}} Line a line's number, from 1, and its text without the line end */
/** @typedef {{line: number, raw: string, value: Record<string, unknown> | null, problem: string}} JsonRecord */

/** Splits chunks of text into lines; it keeps only the line that is not complete yet. */
export class LineSplitter {
  /** @type {string[]} */
  #rest = [];
  #line = 1;

  /**
   * Return the lines that end in a chunk.
   *
   * @param {string} text
   * @returns {Line[]}
   */
  feed(text) {
    /** @type {Line[]} */
    const lines = [];
    let start = 0;
    for (let stop = text.indexOf("\n"); stop >= 0; stop = text.indexOf("\n", start)) {
      lines.push(this.#next(text.slice(start, stop)));
      start = stop + 1;
    }
    this.#rest.push(text.slice(start));
    return lines;
  }

  /**
   * Return the last line where the file does not end with a line feed.
   *
   * @returns {Line[]}
   */
  end() {
    const line = this.#next("");
    return line.text ? [line] : [];
  }

  #next(part) {
    const text = this.#rest.length ? this.#rest.join("") + part : part;
    this.#rest = [];
    const line = { line: this.#line, text: text.endsWith("\r") ? text.slice(0, -1) : text };
    this.#line += 1;
    return line;
  }
}

/** Finds the objects of a file that has one per line, or one array of objects; in both, chunk by chunk. */
export class JsonSplitter {
  #lines = new LineSplitter();
  /** @type {ArraySplitter | null} */
  #array = null;
  #isFirst = true;

  /**
   * Return the objects that end in a chunk.
   *
   * @param {string} text
   * @returns {JsonRecord[]}
   */
  feed(text) {
    if (this.#isFirst && text.trimStart()) {
      this.#isFirst = false;
      if (text.trimStart().startsWith("[")) {
        this.#array = new ArraySplitter();
      }
    }
    return this.#array ? this.#array.feed(text) : this.#records(this.#lines.feed(text));
  }

  /**
   * Return the object of the last line, or a record with the problem of an array that does not end.
   *
   * @returns {JsonRecord[]}
   */
  end() {
    return this.#array ? this.#array.end() : this.#records(this.#lines.end());
  }

  #records(lines) {
    return lines
      .map(({ line, text }) => ({ line, raw: text.replace(/^[ \t\r]+|[ \t\r]+$/g, "") }))
      .filter(({ raw }) => raw)
      .map(({ line, raw }) => parseRecord(line, raw.endsWith(",") ? raw.slice(0, -1) : raw));
  }
}

/** Finds the elements of one array: the text between commas that stand in no object, array or string. */
class ArraySplitter {
  #element = "";
  #line = 1;
  #first = 1;
  #depth = 0;
  #inString = false;
  #isEscaped = false;

  feed(text) {
    const records = [];
    let start = 0;
    for (let place = 0; place < text.length; place += 1) {
      const character = text[place];
      if (character === "\n") {
        this.#line += 1;
      }
      if (this.#inString) {
        if (this.#isEscaped) {
          this.#isEscaped = false;
        } else if (character === "\\") {
          this.#isEscaped = true;
        } else if (character === '"') {
          this.#inString = false;
        }
      } else if (character === '"') {
        this.#inString = true;
      } else if (character === "[" || character === "{") {
        this.#depth += 1;
        if (this.#depth <= 2) {
          [start, this.#first] = this.#depth === 1 ? [place + 1, this.#line] : [start, this.#line];
        }
      } else if (character === "]" || character === "}" || (character === "," && this.#depth === 1)) {
        this.#depth -= character === "," ? 0 : 1;
        if (character === "," || this.#depth === 0) {
          records.push(...this.#finish(text.slice(start, place)));
          start = place + 1;
        }
      }
    }
    this.#element += text.slice(start);
    return records;
  }

  end() {
    const rest = this.#element.trim();
    if (this.#depth > 0) {
      return [{ line: this.#first, raw: "", value: null, problem: "the array of the file never ends; close it with ]" }];
    }
    return rest ? [{ line: this.#line, raw: "", value: null, problem: "more follows behind the array; write one array" }] : [];
  }

  #finish(part) {
    const raw = (this.#element + part).trim().replace(/[ \t]*[\r\n]+[ \t\r\n]*/g, " ");
    this.#element = "";
    return raw ? [parseRecord(this.#first, raw)] : [];
  }
}

/**
 * Return an object with its values; `value` is null and `problem` says why where it is none.
 *
 * @param {number} line
 * @param {string} raw
 * @returns {JsonRecord}
 */
export function parseRecord(line, raw) {
  let value;
  try {
    value = JSON.parse(raw);
  } catch (error) {
    return { line, raw, value: null, problem: `not JSON: ${error.message}` };
  }
  if (value === null || typeof value !== "object" || Array.isArray(value)) {
    return { line, raw, value: null, problem: 'not a JSON object, such as {"text": …}' };
  }
  return { line, raw, value, problem: "" };
}
