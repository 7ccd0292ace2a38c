/**
 * The texts of a file's rows, outside the heap of the page: 256 rows a Blob, which the browser may keep on disk.
 *
 * A text is there for the table and the review whatever the file's format, without reading the file again.
 */

/** @typedef {{text: string, pair: string, id: string, gold: string}} RowText `pair`, `id` and `gold` are empty where there are none */

const BLOCK_ROWS = 256;
const KEPT_BLOCKS = 16;

/** Texts by row, from 0. */
export class TextStore {
  /** @type {Blob[]} */
  #blocks = [];
  /** @type {RowText[]} */
  #open = [];
  /** @type {Map<number, RowText[]>} */
  #kept = new Map();

  /** @param {RowText} text of the next row */
  add(text) {
    this.#open.push(text);
    if (this.#open.length === BLOCK_ROWS) {
      this.#blocks.push(new Blob([JSON.stringify(this.#open)]));
      this.#open = [];
    }
  }

  /** How many rows there are. */
  get length() {
    return this.#blocks.length * BLOCK_ROWS + this.#open.length;
  }

  /**
   * Return the texts of a row.
   *
   * @param {number} row
   * @returns {Promise<RowText>}
   */
  async get(row) {
    const block = Math.floor(row / BLOCK_ROWS);
    return (await this.#read(block))[row % BLOCK_ROWS];
  }

  /**
   * Return for each row whether its text holds some characters, in any case.
   *
   * @param {string} wanted
   * @returns {Promise<Uint8Array>}
   */
  async search(wanted) {
    const folded = wanted.toLowerCase();
    const found = new Uint8Array(this.length);
    for (let block = 0; block * BLOCK_ROWS < found.length; block += 1) {
      const rows = block < this.#blocks.length ? JSON.parse(await this.#blocks[block].text()) : this.#open;
      rows.forEach(({ text, pair, id }, place) => {
        const row = block * BLOCK_ROWS + place;
        found[row] = `${text}\n${pair}\n${id}`.toLowerCase().includes(folded) ? 1 : 0;
      });
    }
    return found;
  }

  async #read(block) {
    if (block >= this.#blocks.length) {
      return this.#open;
    }
    const rows = this.#kept.get(block) ?? JSON.parse(await this.#blocks[block].text());
    this.#kept.delete(block);
    this.#kept.set(block, rows); // the last one used stands last
    if (this.#kept.size > KEPT_BLOCKS) {
      this.#kept.delete(this.#kept.keys().next().value);
    }
    return rows;
  }
}
