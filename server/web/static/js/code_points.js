/** Places in a text: the server counts Unicode code points, JavaScript counts UTF-16 code units. */

/** A text whose places are code points. */
export class CodePoints {
  /** @param {string} text */
  constructor(text) {
    this.text = text;
    /** @type {Uint32Array | null} where each code point begins; null where both counts are the same */
    this.starts = /[\ud800-\udbff][\udc00-\udfff]/.test(text) ? startsOf(text) : null;
  }

  /** How many code points the text has. */
  get length() {
    return this.starts ? this.starts.length - 1 : this.text.length;
  }

  /**
   * @param {number} point a place in code points
   * @returns {number} the same place in code units
   */
  unit(point) {
    return this.starts ? this.starts[Math.min(point, this.length)] : point;
  }

  /**
   * @param {number} start the first code point
   * @param {number} [stop] the code point after the last one
   * @returns {string} the part between them
   */
  slice(start, stop = this.length) {
    return this.text.slice(this.unit(start), this.unit(stop));
  }
}

function startsOf(text) {
  const starts = [];
  let unit = 0;
  for (const character of text) {
    starts.push(unit);
    unit += character.length;
  }
  return Uint32Array.from([...starts, unit]);
}
