/** The words that differ between two texts: a longest common subsequence. */

const MOST_CELLS = 1_000_000;
/** White space, words, and every other character by itself. */
const PIECES = /\s+|[\p{L}\p{M}\p{N}_'’]+|[^]/gu;

/**
 * @param {string} before
 * @param {string} after
 * @returns {{kind: "same" | "gone" | "new", text: string}[] | null} parts in order; null where the texts are too long
 */
export function wordDiff(before, after) {
  const one = before.match(PIECES) ?? [];
  const other = after.match(PIECES) ?? [];
  if (one.length * other.length > MOST_CELLS) return null;
  const parts = [];
  const add = (kind, text) => {
    if (parts.at(-1)?.kind === kind) parts.at(-1).text += text;
    else parts.push({ kind, text });
  };
  const lengths = commonLengths(one, other);
  let i = 0;
  let j = 0;
  while (i < one.length || j < other.length) {
    if (i < one.length && j < other.length && one[i] === other[j]) {
      add("same", one[i]);
      i += 1;
      j += 1;
    } else if (j >= other.length || (i < one.length && lengths[i + 1][j] >= lengths[i][j + 1])) {
      add("gone", one[i]);
      i += 1;
    } else {
      add("new", other[j]);
      j += 1;
    }
  }
  return parts;
}

/** Return how many words of one[i:] and other[j:] are common, at [i][j]. */
function commonLengths(one, other) {
  const lengths = Array.from({ length: one.length + 1 }, () => new Uint16Array(other.length + 1));
  for (let i = one.length - 1; i >= 0; i -= 1) {
    for (let j = other.length - 1; j >= 0; j -= 1) {
      lengths[i][j] = one[i] === other[j] ? lengths[i + 1][j + 1] + 1 : Math.max(lengths[i + 1][j], lengths[i][j + 1]);
    }
  }
  return lengths;
}
