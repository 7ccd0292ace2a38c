/**
 * The answers to a file's rows, in columns of typed arrays: some 40 bytes a row for a model of two labels.
 *
 * Probabilities are kept in millionths, which is how the server rounds them, so nothing is lost; values of a regression
 * are kept as doubles. Texts are in `texts.js`.
 */

/** @typedef {{problem: "single_label" | "multi_label" | "regression", labels: string[], thresholds?: number[]}} Head */

/** What became of a row: it waits for its answer, has one, or has failed. */
export const [WAITING, ANSWERED, FAILED] = [0, 1, 2];

const MILLION = 1e6;
const FIRST_ROWS = 1024;

/** Columns that grow: `width` numbers a row. */
class Column {
  /**
   * @param {new (length: number) => any} type a typed array
   * @param {number} [width]
   */
  constructor(type, width = 1) {
    this.type = type;
    this.width = width;
    this.values = new type(FIRST_ROWS * width);
  }

  /** @param {number} rows */
  reserve(rows) {
    if (rows * this.width > this.values.length) {
      const larger = new this.type(this.values.length * 2);
      larger.set(this.values);
      this.values = larger;
    }
  }
}

/** The answers of one model to the rows of one file. Rows are counted from 0, in the order of the file. */
export class ScoreTable {
  /** @param {Head} head */
  constructor(head) {
    this.head = head;
    this.length = 0;
    this.isRegression = head.problem === "regression";
    const labels = Math.max(1, head.labels.length);
    this.width = this.isRegression ? 1 : labels;
    this.columns = {
      number: new Column(Uint32Array),
      status: new Column(Uint8Array),
      truncated: new Column(Uint8Array),
      tokens: new Column(Uint32Array),
      unknown: new Column(Uint32Array),
      reason: new Column(Int32Array),
      best: new Column(Int16Array),
      score: new Column(this.isRegression ? Float64Array : Int32Array, this.width),
      chosen: new Column(Uint8Array, head.problem === "multi_label" ? labels : 1),
      gold: new Column(this.isRegression ? Float64Array : Int16Array),
      goldChosen: new Column(Uint8Array, head.problem === "multi_label" ? labels : 1),
    };
    /** @type {{kind: string, message: string}[]} */
    this.reasons = [];
    this.places = new Map();
    this.counts = { answered: 0, failed: 0, truncated: 0, gold: 0 };
  }

  /**
   * Add a row that waits for its answer.
   *
   * @param {number} number its line in the file
   * @param {number | number[] | null} gold index of its label, indices, or value; null where it has none
   * @returns {number} the row
   */
  add(number, gold) {
    const row = this.length;
    this.length += 1;
    for (const column of Object.values(this.columns)) {
      column.reserve(this.length);
    }
    this.columns.number.values[row] = number;
    this.columns.best.values[row] = -1;
    if (Array.isArray(gold)) {
      this.columns.gold.values[row] = 1;
      for (const index of gold) {
        this.columns.goldChosen.values[row * this.width + index] = 1;
      }
    } else {
      this.columns.gold.values[row] = gold ?? (this.isRegression ? NaN : -1);
    }
    this.counts.gold += gold === null ? 0 : 1;
    return row;
  }

  /**
   * Store the answer to a row.
   *
   * @param {number} row
   * @param {any} answer as the native protocol answers
   */
  answer(row, answer) {
    const { status, truncated, tokens, unknown, best, score, chosen } = this.columns;
    status.values[row] = ANSWERED;
    truncated.values[row] = answer.truncated ? 1 : 0;
    tokens.values[row] = answer.tokens;
    unknown.values[row] = answer.unknown ?? 0;
    if (this.isRegression) {
      score.values[row] = answer.value;
    } else {
      answer.probabilities.forEach((probability, index) => {
        score.values[row * this.width + index] = Math.round(probability * MILLION);
      });
    }
    if (this.head.problem === "multi_label") {
      answer.labels.forEach((label) => { chosen.values[row * this.width + this.head.labels.indexOf(label)] = 1; });
      best.values[row] = largest(answer.probabilities);
    } else if (!this.isRegression) {
      best.values[row] = answer.sentiment;
    }
    this.counts.answered += 1;
    this.counts.truncated += answer.truncated ? 1 : 0;
  }

  /**
   * Store why a row has no answer.
   *
   * @param {number} row
   * @param {string} kind
   * @param {string} message
   */
  fail(row, kind, message) {
    const key = `${kind}\n${message}`;
    if (!this.places.has(key)) {
      this.places.set(key, this.reasons.length);
      this.reasons.push({ kind, message });
    }
    this.columns.status.values[row] = FAILED;
    this.columns.reason.values[row] = this.places.get(key);
    this.counts.failed += 1;
  }

  /** @param {number} row */
  status(row) {
    return this.columns.status.values[row];
  }

  /**
   * Return why a row failed; null for others.
   *
   * @param {number} row
   */
  reason(row) {
    return this.status(row) === FAILED ? this.reasons[this.columns.reason.values[row]] : null;
  }

  /**
   * Return the probability of a label as the server wrote it, or the value of a regression.
   *
   * @param {number} row
   * @param {number} [label]
   * @returns {number}
   */
  score(row, label = 0) {
    const value = this.columns.score.values[row * this.width + label];
    return this.isRegression ? value : value / MILLION;
  }

  /**
   * Return the number by which rows are sorted: the largest probability, or the value.
   *
   * @param {number} row
   */
  top(row) {
    return this.isRegression ? this.score(row) : this.score(row, Math.max(0, this.columns.best.values[row]));
  }

  /**
   * Return the indices of the chosen labels: one of a single-label model, any number of a multi-label one.
   *
   * @param {number} row
   * @returns {number[]}
   */
  chosen(row) {
    return this.head.problem === "multi_label" ? this.#set("chosen", row) : [this.columns.best.values[row]];
  }

  /**
   * Return the gold labels' indices of a row; null where it has none.
   *
   * @param {number} row
   * @returns {number[] | null}
   */
  gold(row) {
    const value = this.columns.gold.values[row];
    if (this.isRegression || value < 0) {
      return null;
    }
    return this.head.problem === "multi_label" ? this.#set("goldChosen", row) : [value];
  }

  /**
   * Return whether the answer to a row is its gold label, or all its labels; null where that is not known.
   *
   * @param {number} row
   * @returns {boolean | null}
   */
  isRight(row) {
    const gold = this.status(row) === ANSWERED ? this.gold(row) : null;
    return gold && String(gold) === String(this.chosen(row));
  }

  /**
   * Return how far a row is from another answer: the lead of its best label over the second, or of a multi-label model
   * the smallest distance of a probability to its threshold.
   *
   * @param {number} row
   */
  margin(row) {
    if (this.head.problem === "multi_label") {
      const distances = this.head.labels.map((_, label) => Math.abs(this.score(row, label) - (this.head.thresholds?.[label] ?? 0.5)));
      return Math.min(...distances);
    }
    const best = this.columns.best.values[row];
    let second = 0;
    for (let label = 0; label < this.width; label += 1) {
      second = label === best ? second : Math.max(second, this.score(row, label));
    }
    return this.score(row, best) - second;
  }

  /** Bytes of all columns. */
  get bytes() {
    return Object.values(this.columns).reduce((sum, column) => sum + column.values.byteLength, 0);
  }

  #set(name, row) {
    const { values } = this.columns[name];
    return this.head.labels.flatMap((_, label) => (values[row * this.width + label] ? [label] : []));
  }
}

function largest(values) {
  return values.reduce((best, value, index) => (value > values[best] ? index : best), 0);
}
