/** Which column of a file is what: guesses by name, and the values of a row as the model and the page need them. */

/** @typedef {{text: number, textPair: number, id: number, gold: number}} Choice places of the columns; -1 where none is */

const NUMBER = /^[-+]?[0-9]+(\.[0-9]*)?(e[-+]?[0-9]{1,3})?$/i;

const NAMES = {
  text: ["text", "sentence", "review", "content", "comment", "body", "message", "question", "premise", "sentence1", "text_a"],
  textPair: ["text_pair", "sentence2", "hypothesis", "answer", "text_b"],
  id: ["id", "idx", "key", "uuid"],
  gold: ["label", "gold", "labels", "sentiment", "category", "class", "target"],
};

/**
 * Return whether a header has a column of texts by one of the usual names.
 *
 * @param {string[]} names
 * @returns {boolean}
 */
export function hasTexts(names) {
  return find(names, NAMES.text) >= 0;
}

/**
 * Return the columns that a file's names suggest. Without a usual name, the text is the column with the longest values.
 *
 * @param {string[]} names
 * @param {unknown[][]} sample values of the first rows
 * @param {boolean} readsPairs whether the model reads two texts
 * @returns {Choice}
 */
export function guessColumns(names, sample, readsPairs) {
  const named = find(names, NAMES.text);
  const text = named >= 0 ? named : longest(names, sample);
  const textPair = readsPairs ? find(names, NAMES.textPair) : -1;
  return { text, textPair, id: find(names, NAMES.id), gold: find(names, NAMES.gold, text) };
}

function find(names, wanted, except = -1) {
  const plain = names.map((name) => name.trim().toLowerCase());
  const found = wanted.map((name) => plain.findIndex((each, place) => each === name && place !== except));
  return found.find((place) => place >= 0) ?? -1;
}

function longest(names, sample) {
  const lengths = names.map((_, place) => {
    const texts = sample.map((values) => values[place]).filter((value) => typeof value === "string");
    return texts.reduce((sum, text) => sum + text.length, 0);
  });
  const best = Math.max(...lengths, 0);
  return best > 0 ? lengths.indexOf(best) : -1;
}

/**
 * Return the text of a row, or why it has none. Whether it is blank is for the server to say.
 *
 * @param {unknown} value
 * @param {string} column
 * @returns {{text: string, problem: string}}
 */
export function textOf(value, column) {
  if (typeof value === "string") {
    return { text: value, problem: "" };
  }
  const shown = value === null || value === undefined ? "null" : `${JSON.stringify(value)} (${kindOf(value)})`;
  return { text: "", problem: `column ${JSON.stringify(column)}: the text is ${shown.slice(0, 80)}; correct the row or remove it` };
}

function kindOf(value) {
  return Array.isArray(value) ? "list" : typeof value;
}

/**
 * Return a gold label as text; empty where the row has none.
 *
 * @param {unknown} value
 * @returns {string}
 */
export function nameOf(value) {
  if (value === null || value === undefined) {
    return "";
  }
  const name = typeof value === "string" ? value : typeof value === "object" ? JSON.stringify(value) : String(value);
  return name.trim() ? name : "";
}

/**
 * Return the index of the model's label that a gold label names, as training matches them: the same name; the only one
 * that differs in case, blanks or digits; for a number, the only name with that integer in it; and where no name holds a
 * number, the index.
 *
 * @param {string} name
 * @param {string[]} labels
 * @returns {number} -1 where none fits
 */
export function matchLabel(name, labels) {
  const found = places.get(labels) ?? findPlaces(labels);
  places.set(labels, found);
  const exact = labels.indexOf(name);
  if (exact >= 0) {
    return exact;
  }
  const folded = fold(name);
  const place = found.folded.get(folded) ?? (/^[0-9]+$/.test(folded) ? found.numbers.get(Number(folded)) : undefined);
  return place ?? -1;
}

/** @type {WeakMap<string[], {folded: Map<string, number>, numbers: Map<number, number>}>} */
const places = new WeakMap();

function findPlaces(labels) {
  const inside = labels.map((label) => label.match(/[0-9]+/g) ?? []);
  const areNumbers = labels.some((label) => NUMBER.test(label.trim()));
  let numbers = labels.map((_, place) => place);
  if (areNumbers) {
    numbers = [];
  } else if (inside.every((found) => found.length === 1)) {
    numbers = inside.map(([digits]) => Number(digits));
  }
  return { folded: unambiguous(labels.map(fold)), numbers: unambiguous(numbers) };
}

function fold(name) {
  const plain = name.normalize("NFC").toLowerCase().trim().replace(/\s+/g, " ");
  return NUMBER.test(plain) ? String(Number(plain)) : plain;
}

/** Return the places of keys, without those that occur twice. */
function unambiguous(keys) {
  return new Map(keys.map((key, place) => [key, place]).filter(([key]) => keys.indexOf(key) === keys.lastIndexOf(key)));
}

/**
 * Return the indices of a multi-label row's labels: of a list, or of a text with one name or several between |, ; or ,
 *
 * @param {unknown} value
 * @param {string[]} labels
 * @returns {number[] | null} ascending; null where a name fits no label
 */
export function matchLabels(value, labels) {
  let names = Array.isArray(value) ? value.map(nameOf) : [nameOf(value)];
  if (names.length === 1 && names[0].startsWith("[")) {
    try {
      names = JSON.parse(names[0]).map(nameOf);
    } catch {
      return null;
    }
  } else if (names.length === 1 && !labels.includes(names[0])) {
    const separator = ["|", ";", ","].find((each) => names[0].includes(each));
    names = separator ? names[0].split(separator).map((name) => name.trim()) : names;
  }
  const found = names.filter((name) => name).map((name) => matchLabel(name, labels));
  return found.includes(-1) ? null : [...new Set(found)].sort((one, other) => one - other);
}
