/** Try: a text box that answers while one types. */

import { answerElement, spoken } from "../answer.js";
import { el, replace } from "../dom.js";
import { Editor } from "../editor.js";
import { examplesFor } from "../examples.js";
import { milliseconds } from "../format.js";
import { Latest } from "../latest.js";
import { writeLink } from "../link.js";
import { readingElement } from "../reading.js";
import { empty, problem } from "../states.js";

export const title = "Try";

const PAUSE_MS = 180;
const SPOKEN_PAUSE_MS = 900;

/**
 * @param {HTMLElement} section
 * @param {import("../main.js").App} app
 */
export function mount(section, app) {
  const { model } = app.info;
  const latest = new Latest();
  const editor = new Editor(model, { id: "try-text", onInput: () => ask(PAUSE_MS) });
  const answer = el("div", { class: "answer-place" });
  const times = el("div");
  const reading = el("div");
  const readingCard = el("section", { class: "card", "aria-labelledby": "reading-title" }, el("div", { class: "title" }, el("h2", { id: "reading-title" }, "What the model reads")), reading);
  const linkButton = el("button", { class: "plain", onclick: copyLink }, "Copy link");
  let spokenTimer = 0;
  let asked = "";

  function ask(pauseMs = 0) {
    app.draft = editor.draft;
    asked = JSON.stringify(app.draft);
    clearTimeout(spokenTimer);
    linkButton.disabled = editor.empty;
    if (editor.empty) {
      latest.stop();
      showNothing();
      return;
    }
    answer.classList.add("busy");
    latest.start(run, pauseMs);
  }

  async function run(signal) {
    const { content, draft } = editor;
    const tokens = app.api.tokenize(content, { signal }).catch(() => null); // the answer says what is wrong
    try {
      const predicted = await app.api.predict(content, { signal });
      signal.throwIfAborted();
      showAnswer(predicted);
    } catch (error) {
      if (signal.aborted) return;
      showProblem(error);
      return;
    }
    const tokenized = await tokens;
    if (signal.aborted) return;
    readingCard.hidden = tokenized === null;
    if (tokenized) replace(reading, readingElement(tokenized, model.pairs ? [draft.text, draft.pair] : [draft.text]));
  }

  function showNothing() {
    answer.classList.remove("busy");
    replace(answer, empty(model.pairs ? "Write two texts. The answer comes while you type." : "Write a text. The answer comes while you type."));
    replace(times);
    readingCard.hidden = true;
  }

  function showAnswer(predicted) {
    answer.classList.remove("busy");
    replace(answer, answerElement(model, predicted, { all: answer.dataset.all === "true" }));
    replace(times, timesElement(predicted.timing));
    spokenTimer = setTimeout(() => app.announce(spoken(model, predicted)), SPOKEN_PAUSE_MS);
  }

  function showProblem(error) {
    answer.classList.remove("busy");
    replace(answer, problem(error, () => ask()));
    replace(times);
    readingCard.hidden = true;
  }

  async function copyLink() {
    const address = new URL(writeLink("try", editor.draft), location.href).href;
    history.replaceState(null, "", address);
    const copied = await navigator.clipboard?.writeText(address).then(() => true, () => false);
    linkButton.textContent = copied ? "Link copied" : "The link is in the address bar";
    app.announce(linkButton.textContent);
    setTimeout(() => (linkButton.textContent = "Copy link"), 2500);
  }

  const chips = examplesFor(model).map(({ name, draft }) =>
    el("button", { onclick: () => { editor.draft = draft; ask(); } }, name),
  );
  answer.dataset.all = "false";
  section.append(
    el("div", { class: "head" }, el("h1", {}, "Try the model"), el("p", {}, introduction(model))),
    el(
      "div",
      { class: "try" },
      el(
        "section",
        { class: "card stack", "aria-label": "Your text" },
        editor.element,
        el("div", { class: "stack close" }, el("span", { class: "label", id: "examples" }, "Examples"), el("div", { class: "chips", role: "group", "aria-labelledby": "examples" }, chips)),
        el("div", { class: "row spread" }, el("span", { class: "soft small" }, "The text goes to this server alone."), linkButton),
      ),
      el("section", { class: "card", "aria-labelledby": "answer-title" }, el("div", { class: "title" }, el("h2", { id: "answer-title" }, "Answer")), answer, times),
    ),
    readingCard,
  );

  return {
    show() {
      editor.draft = app.draft;
      if (asked !== JSON.stringify(editor.draft)) ask();
      editor.focus();
    },
  };
}

function introduction({ labels, problem: kind, pairs }) {
  const what = pairs ? "two texts" : "a text";
  if (kind === "regression") return `The model reads ${what} and answers with a number.`;
  if (kind === "multi_label") return `The model reads ${what} and chooses any number of ${labels.length} labels.`;
  const names = labels.length <= 4 ? labels.join(" or ") : `one of ${labels.length} labels`;
  return `The model reads ${what} and decides: ${names}.`;
}

/** @param {import("../api.js").Timing} timing */
function timesElement({ tokenize, queue, inference, total }) {
  const rest = Math.max(0, total - tokenize - queue - inference);
  const parts = [["Tokenize", tokenize], ["Queue", queue], ["Inference", inference], ["Network and browser", rest]];
  return el(
    "dl",
    { class: "times", "aria-label": "Times of this request" },
    parts.map(([name, ms]) => el("div", {}, el("dt", {}, name), el("dd", {}, milliseconds(ms)))),
  );
}
