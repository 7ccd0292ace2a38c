/**
 * CSV and TSV: fields from text that arrives in chunks, as RFC 4180 says and as Python's strict csv module reads it.
 *
 * A field with the separator, a line break or a quote stands in quotes; quotes inside it are doubled. With quotes
 * that mean nothing, each line is a row. Blank lines are skipped.
 */

/** @typedef {{line: number, fields: string[]}} Fields the line on which a row begins, from 1, and its fields */

/** The separators that the header is tried with, the likeliest first. */
export const SEPARATORS = [",", ";", "\t", "|"];

const REMEDY = "double each quote inside a quoted field, set quotes to “mean nothing”, or save the file as JSON lines";
const [LF, CR, QUOTE] = [10, 13, 34];
const [ROW_START, FIELD_START, PLAIN, QUOTED, QUOTE_SEEN, CR_SEEN] = [0, 1, 2, 3, 4, 5];

/** A row that cannot be split; `line` is where it begins. */
export class SeparatedError extends Error {
  /**
   * @param {number} line
   * @param {string} message
   */
  constructor(line, message) {
    super(message);
    this.line = line;
  }
}

/** Splits chunks of text into rows; it keeps only the row that is not complete yet. */
export class SeparatedParser {
  #separator;
  #hasQuotes;
  #state = ROW_START;
  #field = "";
  /** @type {string[]} */
  #fields = [];
  #line = 1;
  #first = 1;

  /**
   * @param {string} separator one character
   * @param {boolean} [hasQuotes] whether quotes mean something
   */
  constructor(separator, hasQuotes = true) {
    this.#separator = separator.charCodeAt(0);
    this.#hasQuotes = hasQuotes;
  }

  /**
   * Return the rows that end in a chunk.
   *
   * @param {string} text
   * @returns {Fields[]}
   * @throws {SeparatedError} if a quote is followed by another character, or a carriage return stands alone
   */
  feed(text) {
    /** @type {Fields[]} */
    const rows = [];
    let start = 0; // of the part of the field that is in this chunk
    for (let place = 0; place < text.length; place += 1) {
      const code = text.charCodeAt(place);
      if (this.#state === QUOTED) {
        if (code === QUOTE) {
          this.#field += text.slice(start, place);
          this.#state = QUOTE_SEEN;
        } else if (code === LF) {
          this.#line += 1;
        }
        continue;
      }
      if (this.#state === CR_SEEN) {
        this.#endOfLine(code, rows);
        continue;
      }
      if (this.#state === QUOTE_SEEN && code === QUOTE) {
        start = place; // the second of two quotes is the field's
        this.#state = QUOTED;
      } else if (code === this.#separator || code === LF || code === CR) {
        if (this.#state === PLAIN) {
          this.#field += text.slice(start, place);
        }
        this.#endOfField(code, rows);
      } else if (this.#state === QUOTE_SEEN) {
        throw new SeparatedError(this.#first, `a quote ends a field, but ${JSON.stringify(text[place])} follows it; ${REMEDY}`);
      } else if (this.#state !== PLAIN) {
        this.#state = code === QUOTE && this.#hasQuotes ? QUOTED : PLAIN;
        start = this.#state === QUOTED ? place + 1 : place;
      }
    }
    if (this.#state === PLAIN || this.#state === QUOTED) {
      this.#field += text.slice(start);
    }
    return rows;
  }

  /**
   * Return the row that the file's end completes, if there is one.
   *
   * @returns {Fields[]}
   * @throws {SeparatedError} if a quoted field is still open
   */
  end() {
    /** @type {Fields[]} */
    const rows = [];
    if (this.#state === QUOTED) {
      throw new SeparatedError(this.#first, `a quote opens a field that never ends; ${REMEDY}`);
    }
    if (this.#state !== ROW_START && this.#state !== CR_SEEN) {
      this.#endOfField(LF, rows);
    } else if (this.#state === CR_SEEN) {
      this.#endOfLine(LF, rows);
    }
    return rows;
  }

  #endOfField(code, rows) {
    if (this.#state !== ROW_START || code === this.#separator) {
      this.#fields.push(this.#field);
      this.#field = "";
    }
    if (code === this.#separator) {
      this.#state = FIELD_START;
    } else if (code === CR) {
      this.#state = CR_SEEN;
    } else {
      this.#endOfLine(code, rows);
    }
  }

  #endOfLine(code, rows) {
    if (code === CR) {
      return; // several before the line feed
    }
    if (code !== LF) {
      throw new SeparatedError(
        this.#first,
        "a carriage return stands outside quotes and ends no line; quote the field, or end the lines with LF",
      );
    }
    if (this.#fields.length) {
      rows.push({ line: this.#first, fields: this.#fields });
    }
    this.#fields = [];
    this.#state = ROW_START;
    this.#line += 1;
    this.#first = this.#line;
  }
}

/**
 * Return the separator of a file: what `sep=` declares, or by which its header has a known column or the most fields.
 *
 * @param {string} header the first line that is not blank
 * @param {string} usual a comma, or a tab for .tsv
 * @param {(names: string[]) => boolean} isKnown whether a header has a column of texts
 * @returns {string}
 */
export function sniffSeparator(header, usual, isKnown) {
  const declared = /^sep=(.)[\r\n]*$/.exec(header);
  if (declared) {
    return declared[1];
  }
  const candidates = [usual, ...SEPARATORS.filter((separator) => separator !== usual)];
  const split = candidates.map((separator) => ({ separator, names: splitHeader(header, separator) }));
  const known = split.find(({ names }) => isKnown(names.map((name) => name.trim())));
  return (known ?? split.reduce((best, each) => (each.names.length > best.names.length ? each : best))).separator;
}

function splitHeader(header, separator) {
  try {
    const parser = new SeparatedParser(separator);
    const rows = parser.feed(header.replace(/[\r\n]+$/, "\n"));
    return (rows.length ? rows : parser.end())[0]?.fields ?? [];
  } catch {
    return [];
  }
}
