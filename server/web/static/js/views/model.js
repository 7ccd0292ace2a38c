/** Model: what the artifact says of itself. */

import { reliabilityDiagram } from "../charts.js";
import { el, replace } from "../dom.js";
import { count, decimal, milliseconds, percent, plural } from "../format.js";
import { markdownElement } from "../markdown.js";
import { empty, loading, problem } from "../states.js";

export const title = "Model";

const PROBLEMS = { single_label: "one of several labels", multi_label: "any number of labels", regression: "a number" };
const CUTS = {
  head: "the beginning is read",
  head_tail: "the beginning and the end are read",
  window: "all of it is read, window by window",
};

/**
 * @param {HTMLElement} section
 * @param {import("../main.js").App} app
 */
export function mount(section, app) {
  const { info } = app;
  const place = el("div", { class: "stack wide-gap" });
  const parts = [
    ["Overview", () => overview(info)],
    ["Evaluation", () => evaluation(info.model)],
    ["Calibration", () => calibration(info.model)],
    ["Card", () => cardElement(app)],
  ];
  const buttons = parts.map(([name, make]) => el("button", { "aria-pressed": "false", onclick: () => open(name, make) }, name));

  function open(name, make) {
    for (const button of buttons) button.setAttribute("aria-pressed", String(button.textContent === name));
    replace(place, make());
  }

  section.append(
    el("div", { class: "head" }, el("h1", {}, info.model.name), el("p", {}, `Version ${info.model.version}. The model reads ${info.model.pairs ? "two texts" : "a text"} and answers with ${PROBLEMS[info.model.problem]}.`)),
    el("div", { class: "segments", role: "group", "aria-label": "Parts" }, buttons),
    place,
  );
  open(...parts[0]);
}

function card(name, ...children) {
  return el("section", { class: "card" }, el("div", { class: "title" }, el("h2", {}, name)), ...children);
}

function facts(rows) {
  return el("dl", { class: "facts" }, rows.filter(([, value]) => value !== "" && value !== undefined).map(([name, value]) => [el("dt", {}, name), el("dd", {}, value)]));
}

function overview({ model, limits, runtime, cpu }) {
  const best = model.evaluations[0];
  return [
    el(
      "div",
      { class: "tiles" },
      tile("Labels", model.problem === "regression" ? "a number" : count(model.labels.length), labelWords(model)),
      tile("Reads at most", plural(model.max_length, "token"), `of a longer text ${CUTS[model.truncation] ?? model.truncation}`),
      tile("Quantization", model.quantization, `on ${cpu.int8.length ? cpu.int8.join(", ") : "a CPU without int8 instructions"}`),
      best && tile(mainFigure(best).name, mainFigure(best).value, `on ${count(best.n)} texts of ${best.dataset}, ${best.split}`),
    ),
    el(
      "div",
      { class: "columns" },
      card("Model", facts([
        ["Name", model.name],
        ["Version", model.version],
        ["Digest", el("span", { class: "mono" }, model.digest)],
        ["Answers with", PROBLEMS[model.problem]],
        ["Scores by", model.activation],
        ["Reads", model.pairs ? "pairs of texts" : "single texts"],
      ])),
      card("Limits of a request", facts([
        ["Characters of a text", count(limits.max_text_chars)],
        ["Texts in a batch", count(limits.max_items_per_request)],
        ["Body", `${count(limits.max_body_bytes)} bytes`],
        ["Time in the queue", `${decimal(limits.request_timeout_s)} s`],
        ["Tokens in the queue", count(limits.max_queue_tokens)],
        ["Texts in a micro-batch", count(limits.max_batch_items)],
      ])),
      card("Machine", facts([
        ["CPU", cpu.model],
        ["vCPUs", decimal(cpu.vcpus)],
        ["int8 instructions", cpu.int8.join(", ") || "none"],
        ["Workers", count(runtime.inference_workers)],
        ["onnxruntime", runtime.onnxruntime],
        ["Python", runtime.python],
        ["Longest run", longestRun(runtime)],
      ])),
    ),
    model.labels.length > 2 && card("Labels", el("ul", { class: "labels" }, model.labels.map((label, index) => el("li", {}, label, model.thresholds[index] !== undefined && el("span", { class: "soft figure" }, ` from ${percent(model.thresholds[index])}`))))),
  ];
}

function labelWords({ labels }) {
  return labels.length <= 3 ? labels.join(", ") : `${labels.slice(0, 3).join(", ")} and ${labels.length - 3} more`;
}

function longestRun({ run_ms_by_padded_tokens: measured }) {
  const last = Object.entries(measured ?? {}).at(-1);
  return last ? `${milliseconds(Number(last[1]))} for ${last[0]} tokens` : "";
}

function tile(name, value, note) {
  return el("section", { class: "card tile" }, el("h2", {}, name), el("p", { class: "big figure" }, value), el("p", { class: "soft small" }, note));
}

function mainFigure(row) {
  if (row.accuracy !== undefined) return { name: "Accuracy", value: percent(row.accuracy) };
  const [name, value] = Object.entries(row.figures ?? {})[0] ?? ["Texts", row.n];
  return { name: words(name), value: decimal(value) };
}

const words = (name) => name.replaceAll("_", " ").replace(/^./, (first) => first.toUpperCase());

function evaluation({ evaluations }) {
  if (evaluations.length === 0) return empty("This artifact brings no evaluation. ", el("code", {}, "make evaluate"), " measures one.");
  const names = [...new Set(evaluations.flatMap((row) => Object.keys(row.figures ?? {})))];
  const single = evaluations.some((row) => row.accuracy !== undefined);
  const columns = [
    ...(single ? [["Accuracy", (row) => percent(row.accuracy)], ["Calibration error", (row) => percent(row.expected_calibration_error)]] : []),
    ...names.map((name) => [words(name), (row) => (row.figures?.[name] === undefined ? "" : decimal(row.figures[name]))]),
  ];
  return card(
    "By data set",
    el(
      "div",
      { class: "wide", tabindex: 0, role: "region", "aria-label": "Evaluation by data set" },
      el(
        "table",
        {},
        el("thead", {}, el("tr", {}, el("th", { scope: "col" }, "Data set"), el("th", { scope: "col" }, "Split"), ["Texts", ...columns.map(([name]) => name)].map((name) => el("th", { scope: "col", class: "number" }, name)), el("th", { scope: "col" }, "Measured on"))),
        el("tbody", {}, evaluations.map((row) => el("tr", {}, el("th", { scope: "row" }, row.dataset), el("td", {}, row.split), el("td", { class: "number" }, count(row.n)), columns.map(([, cell]) => el("td", { class: "number" }, cell(row))), el("td", { class: "soft" }, row.measured_on)))),
      ),
    ),
    el("p", { class: "soft small after" }, "Calibration error: by how much the model is more or less sure than it is right, on average. Figures hold for texts of these kinds, not for each text."),
  );
}

function calibration({ evaluations }) {
  const rows = evaluations.filter((row) => row.reliability?.length);
  if (rows.length === 0) return empty("This artifact brings no calibration by confidence. ", el("code", {}, "make evaluate"), " adds it.");
  const place = el("div");
  const buttons = rows.map((row) => el("button", { "aria-pressed": "false", onclick: () => show(row) }, `${row.dataset}, ${row.split}`));
  function show(row) {
    buttons.forEach((button, index) => button.setAttribute("aria-pressed", String(rows[index] === row)));
    replace(place, el("div", { class: "calibration" }, reliabilityDiagram(row.reliability), binTable(row)));
  }
  show(rows[0]);
  return card("How sure against how right", el("div", { class: "stack" }, el("p", { class: "soft small" }, "Each circle holds the texts of one range of confidence; its area is their number. On the dashed line, the model is right as often as it says."), el("div", { class: "segments", role: "group", "aria-label": "Data sets" }, buttons), place));
}

function binTable({ reliability, expected_calibration_error: error }) {
  return el(
    "div",
    { class: "stack" },
    el("p", { class: "small" }, "Mean gap: ", el("strong", { class: "figure" }, percent(error))),
    el(
      "table",
      {},
      el("thead", {}, el("tr", {}, ["Sure", "Right", "Texts"].map((name) => el("th", { scope: "col", class: "number" }, name)))),
      el("tbody", {}, reliability.map(([confidence, accuracy, n]) => el("tr", {}, [percent(confidence), percent(accuracy), count(n)].map((cell) => el("td", { class: "number" }, cell))))),
    ),
  );
}

function cardElement(app) {
  const place = el("div", { class: "card" }, loading("Loading the card …"));
  async function load() {
    try {
      replace(place, markdownElement(await app.api.card()));
    } catch (error) {
      replace(place, error.kind === "not_found" ? empty("This artifact brings no card.") : problem(error, load));
    }
  }
  load();
  return place;
}
