/** Numbers and times for people. */

const whole = new Intl.NumberFormat("en");

/** @param {number} value a whole number, such as 12,345 */
export const count = (value) => whole.format(value);

/** @param {number} number @param {string} one @param {string} [many] such as "1 token" and "2 tokens" */
export const plural = (number, one, many = `${one}s`) => `${count(number)} ${number === 1 ? one : many}`;

/** @param {number} share from 0 to 1; never shown as 0 or 100 % where it is neither */
export function percent(share) {
  const value = share * 100;
  if (value > 0 && value < 0.1) return "< 0.1 %";
  if (value < 100 && value > 99.9) return "> 99.9 %";
  return `${value.toFixed(1)} %`;
}

/** @param {number} ms milliseconds */
export function milliseconds(ms) {
  if (ms >= 1000) return `${(ms / 1000).toFixed(2)} s`;
  return `${ms >= 100 ? ms.toFixed(0) : ms >= 10 ? ms.toFixed(1) : ms.toFixed(2)} ms`;
}

/** @param {number} value whole, or with three digits and more before the point */
export function decimal(value) {
  if (Number.isInteger(value)) return count(value);
  const size = Math.abs(value);
  if (size >= 1000) return count(Math.round(value));
  return size >= 100 ? value.toFixed(0) : size >= 10 ? value.toFixed(1) : value.toFixed(size && size < 0.01 ? 4 : 2);
}
