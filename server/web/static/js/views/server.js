/** Server: what it does now, from its own metrics. It asks every two seconds, and only while one looks. */

import { barChart, lineChart } from "../charts.js";
import { el, replace } from "../dom.js";
import { count, decimal, milliseconds, plural } from "../format.js";
import { growth, parseMetrics, quantile, total } from "../prometheus.js";
import { loading, problem } from "../states.js";

export const title = "Server";

const EVERY_MS = 2000;
const SLOTS = 60;
const OWN_ROUTES = /^\/(metrics|info|card|docs|static|health|openapi\.json|$)/;
const answersTexts = ({ route }) => !OWN_ROUTES.test(route ?? "");

/**
 * @param {HTMLElement} section
 * @param {import("../main.js").App} app
 */
export function mount(section, app) {
  const place = el("div", { class: "stack wide-gap" }, loading("Asking for the first figures …"));
  const pauseButton = el("button", { onclick: () => (timer ? stop() : start()) }, "Pause");
  const history = [];
  let last = null;
  let timer = 0;
  let controller = new AbortController();

  async function tick() {
    if (document.hidden) return;
    controller.abort();
    controller = new AbortController();
    const { signal } = controller;
    try {
      const metrics = parseMetrics(await app.api.metrics({ signal }));
      const now = { metrics, at: performance.now() };
      if (signal.aborted) return;
      if (last) {
        history.push(measure(last, now));
        history.splice(0, history.length - SLOTS);
      }
      last = now;
      replace(place, ...figures(history, metrics, app.info));
    } catch (error) {
      if (signal.aborted) return;
      stop();
      replace(place, problem(error, start));
    }
  }

  function start() {
    clearInterval(timer);
    timer = setInterval(tick, EVERY_MS);
    pauseButton.textContent = "Pause";
    tick();
  }

  function stop() {
    clearInterval(timer);
    timer = 0;
    last = null; // a rate over the pause would be no rate of now
    controller.abort();
    pauseButton.textContent = "Go on";
  }

  section.append(
    el("div", { class: "row spread" }, el("div", { class: "head" }, el("h1", {}, "The server now"), el("p", {}, "The last two minutes, from its metrics. It asks while you look, every two seconds.")), pauseButton),
    place,
  );
  return { show: start, hide: stop };
}

/** What happened between two scrapes. */
function measure(before, after) {
  const seconds = (after.at - before.at) / 1000;
  const rate = (name, keep) => Math.max(0, total(after.metrics, name, keep) - total(before.metrics, name, keep)) / seconds;
  const durations = growth(before.metrics, after.metrics, "verdict_request_duration_seconds", answersTexts);
  const batches = growth(before.metrics, after.metrics, "verdict_batch_texts");
  const runs = batches.reduce((sum, each) => sum + each.count, 0);
  return {
    texts: rate("verdict_texts_total", ({ outcome }) => outcome === "predicted"),
    shed: rate("verdict_shed_total"),
    median: quantile(durations, 0.5),
    tail: quantile(durations, 0.95),
    waiting: total(after.metrics, "verdict_queue_depth_texts"),
    running: total(after.metrics, "verdict_in_flight_texts"),
    perBatch: runs ? (rate("verdict_batch_texts_sum") * seconds) / runs : null,
    batches,
  };
}

function figures(history, metrics, info) {
  const now = history.at(-1);
  const series = (key, factor = 1) => history.map((each) => (each[key] === null ? null : each[key] * factor));
  const ms = (seconds) => (seconds === null || seconds === undefined ? "–" : milliseconds(seconds * 1000));
  const chart = (name, value, note, options) =>
    el(
      "section",
      { class: "card tile" },
      el("h2", {}, name),
      el("p", { class: "big figure" }, value),
      el("p", { class: "soft small figure" }, note),
      lineChart({ slots: SLOTS, label: `${name} over the last two minutes, now ${value}`, ...options }),
    );
  return [
    el(
      "div",
      { class: "tiles" },
      chart("Throughput", now ? `${decimal(now.texts)} texts/s` : "–", `${plural(total(metrics, "verdict_texts_total", ({ outcome }) => outcome === "predicted"), "text")} since the start`, { series: [series("texts")], format: decimal, floor: 10 }),
      chart("Latency", ms(now?.median), now?.tail === null || !now ? "no request in the last two seconds" : `median; dashed: 95 % within ${ms(now.tail)}`, { series: [series("median", 1000), series("tail", 1000)], format: milliseconds, floor: 5 }),
      chart("Queue", now ? plural(now.waiting, "text") : "–", now ? `${count(now.running)} running · room for ${count(info.limits.max_queue_tokens)} tokens` : "", { series: [series("waiting")], format: count, floor: 10 }),
      chart("Micro-batches", now?.perBatch ? `${decimal(now.perBatch)} texts` : "–", now?.shed ? `${decimal(now.shed)} requests refused a second` : `at most ${info.limits.max_batch_items} texts in one`, { series: [series("perBatch")], format: decimal, floor: 4 }),
    ),
    el("div", { class: "columns" }, batchCard(history), labelCard(metrics), runCard(info.runtime)),
  ];
}

function batchCard(history) {
  const sums = new Map();
  for (const { batches } of history) for (const { le, count: n } of batches) sums.set(le, (sums.get(le) ?? 0) + n);
  let low = 0;
  const bars = [...sums].map(([le, value]) => {
    const name = le === Infinity ? `> ${low}` : le - low > 1 ? `${low + 1}–${le}` : `${le}`;
    low = le;
    return { name, value, shown: plural(value, "run") };
  });
  const any = bars.some((bar) => bar.value > 0);
  return el("section", { class: "card" }, el("div", { class: "title" }, el("h2", {}, "Texts in a micro-batch")), any ? barChart({ bars, label: "Texts in a micro-batch" }) : el("p", { class: "soft small" }, "No text was answered in the last two minutes."));
}

function labelCard(metrics) {
  const samples = [...(metrics.get("verdict_predictions_total") ?? [])].sort((one, other) => other.value - one.value);
  const all = samples.reduce((sum, { value }) => sum + value, 0);
  const rows = samples.slice(0, 8).map(({ labels, value }) =>
    el("li", { class: "bar" }, el("span", { class: "name" }, labels.label), el("span", { class: "value" }, count(value)), el("span", { class: "track", "aria-hidden": "true" }, el("span", { class: "fill", style: { "--share": all ? value / all : 0 } }))),
  );
  return el("section", { class: "card" }, el("div", { class: "title" }, el("h2", {}, "Labels since the start"), samples.length > 8 && el("span", { class: "soft small" }, `8 of ${samples.length}`)), el("ul", { class: "bars" }, rows));
}

function runCard({ run_ms_by_padded_tokens: measured }) {
  if (!measured) return null;
  const bars = Object.entries(measured).map(([tokens, ms]) => ({ name: tokens, value: Number(ms), shown: milliseconds(Number(ms)) }));
  const longest = bars.at(-1);
  return el("section", { class: "card" }, el("div", { class: "title" }, el("h2", {}, "One run by its tokens"), el("span", { class: "soft small" }, `${longest.name} tokens: ${longest.shown}`)), barChart({ bars, label: "Time of one run by padded tokens, measured at start" }));
}
