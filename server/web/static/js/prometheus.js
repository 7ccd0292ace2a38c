/** The text format of Prometheus, and what the server view needs of it. */

/** @typedef {{name: string, labels: Record<string, string>, value: number}} Sample */

/**
 * @param {string} text of `GET /metrics`
 * @returns {Map<string, Sample[]>} samples by name
 */
export function parseMetrics(text) {
  const samples = new Map();
  for (const [, name, labelText = "", value] of text.matchAll(/^([a-z_]\w*)(?:\{(.*)\})? (\S+)$/gim)) {
    const labels = {};
    for (const [, key, quoted] of labelText.matchAll(/(\w+)="((?:[^"\\]|\\.)*)"/g)) {
      labels[key] = quoted.replace(/\\(.)/g, (_, character) => (character === "n" ? "\n" : character));
    }
    if (!samples.has(name)) samples.set(name, []);
    samples.get(name).push({ name, labels, value: Number(value) });
  }
  return samples;
}

/**
 * @param {Map<string, Sample[]>} metrics
 * @param {string} name
 * @param {(labels: Record<string, string>) => boolean} [keep]
 * @returns {number} the sum of the samples; 0 where there are none
 */
export function total(metrics, name, keep = () => true) {
  return (metrics.get(name) ?? []).filter(({ labels }) => keep(labels)).reduce((sum, { value }) => sum + value, 0);
}

/**
 * A histogram as counts that grew between two scrapes.
 * @param {Map<string, Sample[]>} before
 * @param {Map<string, Sample[]>} after
 * @param {string} name
 * @param {(labels: Record<string, string>) => boolean} [keep]
 * @returns {{le: number, count: number}[]} by ascending upper bound; not cumulative
 */
export function growth(before, after, name, keep) {
  const [old, now] = [cumulative(before, name, keep), cumulative(after, name, keep)];
  let last = 0;
  return [...now].sort(([one], [other]) => one - other).map(([le, value]) => {
    const grown = value - (old.get(le) ?? 0);
    const count = Math.max(0, grown - last);
    last = grown;
    return { le, count };
  });
}

function cumulative(metrics, name, keep = () => true) {
  const sums = new Map();
  for (const { labels, value } of metrics.get(`${name}_bucket`) ?? []) {
    const le = labels.le === "+Inf" ? Infinity : Number(labels.le);
    if (keep(labels)) sums.set(le, (sums.get(le) ?? 0) + value);
  }
  return sums;
}

/**
 * @param {{le: number, count: number}[]} buckets
 * @param {number} share such as 0.95
 * @returns {number | null} the quantile, interpolated in its bucket as Prometheus does; null without any event
 */
export function quantile(buckets, share) {
  const events = buckets.reduce((sum, { count }) => sum + count, 0);
  if (events === 0) return null;
  let left = share * events;
  let low = 0;
  for (const { le, count } of buckets) {
    if (left <= count && count > 0) return le === Infinity ? low : low + (le - low) * (left / count);
    left -= count;
    low = le === Infinity ? low : le;
  }
  return low;
}
