/** What a view shows where it has no answer: nothing yet, waiting, or an error with a way on. */

import { el } from "./dom.js";

const TITLES = {
  unreachable: "No answer from the server",
  unauthorized: "An API key is needed",
  overloaded: "The server is busy",
  draining: "The server is shutting down",
  not_ready: "The model is not loaded yet",
  timed_out: "The server had no time for this request",
  too_large: "This text is too long",
  invalid_request: "The server does not take this text",
  text_failed: "The model fails on this text",
  not_found: "This server does not offer this",
};
const PASSES = new Set(["overloaded", "draining", "not_ready", "timed_out"]);

/**
 * Show an error, with a button that tries again. Where the server says when, the button is pressed by itself then.
 * @param {import("./api.js").ApiError} error
 * @param {() => void} [retry]
 * @returns {HTMLElement}
 */
export function problem(error, retry) {
  const warn = PASSES.has(error.kind) || error.kind === "unauthorized";
  const title = TITLES[error.kind] ?? "Something went wrong";
  const node = el(
    "div",
    { class: `state ${warn ? "warn" : "bad"}`, role: "alert", data: { kind: error.kind } },
    el("strong", {}, title),
    el("p", { class: "small" }, error.kind === "unauthorized" ? "This server answers those who send a key. Its operator gives you one." : error.message),
  );
  if (retry && !["invalid_request", "too_large", "text_failed", "not_found"].includes(error.kind)) node.append(retryButton(error, retry, node));
  return node;
}

function retryButton(error, retry, node) {
  const label = error.kind === "unauthorized" ? "Enter the API key" : "Try again";
  const button = el("button", { onclick: retry }, label);
  if (!PASSES.has(error.kind) || !error.retryAfterS) return button;
  let left = error.retryAfterS;
  const tick = () => {
    if (!node.isConnected && left < error.retryAfterS) return;
    if (left <= 0) {
      retry();
      return;
    }
    button.textContent = `Try again (in ${left} s)`;
    left -= 1;
    setTimeout(tick, 1000);
  };
  tick();
  return button;
}

/**
 * Show that there is nothing yet.
 * @param {...any} children
 * @returns {HTMLElement}
 */
export function empty(...children) {
  return el("div", { class: "state empty" }, ...children);
}

/**
 * Show that something is on its way.
 * @param {string} what
 * @returns {HTMLElement}
 */
export function loading(what) {
  return el("div", { class: "state empty", role: "status" }, what);
}
