/** What the model reads of a text: its tokens, unknown tokens, and the exact places where it was cut. */

import { CodePoints } from "./code_points.js";
import { el } from "./dom.js";
import { count, plural } from "./format.js";

const SHOWN_TOKENS = 400;

/**
 * @param {any} tokenized of `POST /tokenize`
 * @param {string[]} texts the text, and of a pair the second one
 * @returns {HTMLElement}
 */
export function readingElement(tokenized, texts) {
  const spans = [tokenized.read, tokenized.read_pair ?? []];
  return el(
    "div",
    { class: "stack" },
    el("p", { class: "small soft", id: "reading-summary" }, summary(tokenized, spans)),
    tokenized.truncated && texts.map((text, part) => cutText(text, spans[part], texts.length > 1 ? part : null)),
    tokenList(tokenized.tokens, spans, texts),
  );
}

function isRead(token, spans) {
  return token.start === null || spans[token.part ?? 0].some(([start, stop]) => start <= token.start && token.stop <= stop);
}

function summary({ tokens, truncated, max_length: limit }, spans) {
  const read = tokens.filter((token) => isRead(token, spans)).length;
  const unknown = tokens.filter((token) => token.unknown).length;
  const parts = [
    truncated
      ? `The text has ${plural(tokens.length, "token")}. The model reads ${count(read)} of them.`
      : `${plural(tokens.length, "token")} of at most ${count(limit)}. The model reads the whole text.`,
    unknown > 0 && ` ${plural(unknown, "token is", "tokens are")} unknown to the model.`,
  ];
  return parts.filter(Boolean).join("");
}

/** The text with the parts that the model does not read struck out, and a mark at each cut. */
function cutText(text, spans, part) {
  const points = new CodePoints(text);
  const children = [];
  let place = 0;
  const skip = (stop) => {
    const left = stop - place;
    if (left <= 0 || !points.slice(place, stop).trim()) {
      children.push(points.slice(place, stop));
      return;
    }
    children.push(
      el("span", { class: "cut-mark" }, `${plural(left, "character")} not read`),
      el("del", {}, points.slice(place, stop)),
    );
  };
  for (const [start, stop] of spans) {
    skip(start);
    children.push(points.slice(start, stop));
    place = stop;
  }
  skip(points.length);
  return el("div", { class: "cut", tabindex: 0, role: "region", "aria-label": `What is read of the ${part === 1 ? "second text" : "text"}` }, children);
}

function tokenList(tokens, spans, texts) {
  const points = texts.map((text) => new CodePoints(text));
  const chip = (token) => {
    const special = token.start === null;
    const read = isRead(token, spans);
    const kind = special ? "special" : token.unknown ? "unknown" : read ? "" : "unread";
    const source = special ? "added by the tokenizer" : `characters ${token.start} to ${token.stop}: “${points[token.part ?? 0].slice(token.start, token.stop)}”`;
    const shown = token.unknown && !special ? points[token.part ?? 0].slice(token.start, token.stop) : token.text;
    const note = { special: "", unknown: " (unknown)", unread: " (not read)" }[kind];
    return el("li", { class: kind ? `token ${kind}` : "token", title: source }, shown, note && el("span", { class: "hidden-text" }, note));
  };
  const list = el("ol", { class: "tokens" }, tokens.slice(0, SHOWN_TOKENS).map(chip));
  const region = el("div", { class: "token-region", role: "region", tabindex: 0, "aria-label": "Tokens" }, list);
  if (tokens.length <= SHOWN_TOKENS) return region;
  const more = el("button", { class: "plain", onclick: showAll }, `Show all ${count(tokens.length)} tokens`);
  function showAll() {
    list.append(...tokens.slice(SHOWN_TOKENS).map(chip));
    more.remove();
  }
  return el("div", { class: "stack" }, region, el("div", {}, more));
}
