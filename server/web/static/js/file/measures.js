/** What a table of scores says as a whole: label mix, histogram, confusion matrix, accuracy, errors of a regression. */

import { ANSWERED } from "./scores.js";

/** @typedef {import("./scores.js").ScoreTable} ScoreTable */

/** @param {ScoreTable} table */
function* answered(table) {
  for (let row = 0; row < table.length; row += 1) {
    if (table.status(row) === ANSWERED) {
      yield row;
    }
  }
}

/**
 * Return how many answers have each label, in label order. An answer of a multi-label model counts for each of its labels.
 *
 * @param {ScoreTable} table
 * @returns {number[]}
 */
export function labelMix(table) {
  const counts = table.head.labels.map(() => 0);
  for (const row of answered(table)) {
    for (const label of table.chosen(row)) {
      counts[label] += 1;
    }
  }
  return counts;
}

/**
 * Return how many answers fall into bins of equal width: of the probability of a label (-1: of the best one) from 0 to 1,
 * or of the values of a regression from the smallest to the largest.
 *
 * @param {ScoreTable} table
 * @param {number} bins
 * @param {number} [label]
 * @returns {{low: number, high: number, counts: number[]}}
 */
export function histogram(table, bins, label = -1) {
  const valueOf = (row) => (label < 0 ? table.top(row) : table.score(row, label));
  let [low, high] = [0, 1];
  if (table.isRegression) {
    [low, high] = [Infinity, -Infinity];
    for (const row of answered(table)) {
      [low, high] = [Math.min(low, valueOf(row)), Math.max(high, valueOf(row))];
    }
    [low, high] = low > high ? [0, 1] : low === high ? [low - 0.5, high + 0.5] : [low, high];
  }
  const counts = new Array(bins).fill(0);
  for (const row of answered(table)) {
    const bin = Math.floor(((valueOf(row) - low) / (high - low)) * bins);
    counts[Math.min(bins - 1, Math.max(0, bin))] += 1;
  }
  return { low, high, counts };
}

/**
 * Compare the answers of a single-label model with the gold labels.
 *
 * @param {ScoreTable} table
 * @returns {{matrix: number[][], rows: number, right: number, accuracy: number, macroF1: number}} rows of the matrix are
 *   gold labels, columns the model's; NaN where no row can be compared
 */
export function confusion(table) {
  const labels = table.head.labels;
  const matrix = labels.map(() => labels.map(() => 0));
  let [rows, right] = [0, 0];
  for (const row of answered(table)) {
    const gold = table.gold(row);
    if (gold) {
      matrix[gold[0]][table.chosen(row)[0]] += 1;
      rows += 1;
      right += gold[0] === table.chosen(row)[0] ? 1 : 0;
    }
  }
  const scores = labels.map((_, label) => {
    const gold = matrix[label].reduce((sum, count) => sum + count, 0);
    const given = matrix.reduce((sum, counts) => sum + counts[label], 0);
    return { hits: matrix[label][label], gold, given };
  });
  return { matrix, rows, right, accuracy: right / rows, macroF1: meanF1(scores) };
}

/**
 * Compare the answers of a multi-label model with the gold labels, label by label.
 *
 * @param {ScoreTable} table
 * @returns {{labels: {hits: number, gold: number, given: number, precision: number, recall: number, f1: number}[],
 *   rows: number, right: number, accuracy: number, macroF1: number}} right: all labels of the row are the gold ones
 */
export function agreement(table) {
  const counts = table.head.labels.map(() => ({ hits: 0, gold: 0, given: 0 }));
  let [rows, right] = [0, 0];
  for (const row of answered(table)) {
    const gold = table.gold(row);
    if (gold) {
      const chosen = table.chosen(row);
      rows += 1;
      right += String(gold) === String(chosen) ? 1 : 0;
      gold.forEach((label) => { counts[label].gold += 1; });
      chosen.forEach((label) => {
        counts[label].given += 1;
        counts[label].hits += gold.includes(label) ? 1 : 0;
      });
    }
  }
  const labels = counts.map((each) => ({ ...each, precision: each.hits / each.given, recall: each.hits / each.gold, f1: f1(each) }));
  return { labels, rows, right, accuracy: right / rows, macroF1: meanF1(counts) };
}

/**
 * Compare the values of a regression with the gold ones.
 *
 * @param {ScoreTable} table
 * @returns {{rows: number, meanError: number, rootError: number, correlation: number}} mean absolute error, root of the
 *   mean squared error, Pearson's correlation; NaN where no row can be compared
 */
export function deviation(table) {
  const pairs = [];
  for (const row of answered(table)) {
    const gold = table.columns.gold.values[row];
    if (!Number.isNaN(gold)) {
      pairs.push([table.score(row), gold]);
    }
  }
  const mean = (values) => values.reduce((sum, value) => sum + value, 0) / values.length;
  const [center, goldCenter] = [mean(pairs.map(([value]) => value)), mean(pairs.map(([, gold]) => gold))];
  const product = mean(pairs.map(([value, gold]) => (value - center) * (gold - goldCenter)));
  const spread = mean(pairs.map(([value]) => (value - center) ** 2));
  const goldSpread = mean(pairs.map(([, gold]) => (gold - goldCenter) ** 2));
  return {
    rows: pairs.length,
    meanError: mean(pairs.map(([value, gold]) => Math.abs(value - gold))),
    rootError: Math.sqrt(mean(pairs.map(([value, gold]) => (value - gold) ** 2))),
    correlation: product / Math.sqrt(spread * goldSpread),
  };
}

/** F1 = 2 hits / (gold + given); 0 where a label is never right, NaN where it never occurs. */
function f1({ hits, gold, given }) {
  return (2 * hits) / (gold + given);
}

/** The mean of F1 over the labels that occur. */
function meanF1(counts) {
  const scores = counts.map(f1).filter((score) => !Number.isNaN(score));
  return scores.reduce((sum, score) => sum + score, 0) / scores.length;
}
