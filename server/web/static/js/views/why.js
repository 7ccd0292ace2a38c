/** Why: which parts of a text the answer depends on, and what it would be without each. */

import { colouredText, detail, explained, isChosen, legend, placeOf, quote, sentence, shown, strongestParts } from "../contributions.js";
import { el, replace } from "../dom.js";
import { Editor } from "../editor.js";
import { examplesFor } from "../examples.js";
import { plural } from "../format.js";
import { Latest } from "../latest.js";
import { empty, loading, problem } from "../states.js";

export const title = "Why";

const PAUSE_MS = 700;
const LISTED = 8;
const FEW_LABELS = 3;
const BY = [["sentence", "Sentences"], ["word", "Words"]];

/**
 * @param {HTMLElement} section
 * @param {import("../main.js").App} app
 */
export function mount(section, app) {
  const { model } = app.info;
  const latest = new Latest();
  const editor = new Editor(model, { id: "why-text", onInput: () => ask(PAUSE_MS) });
  const result = el("div", { class: "stack why-result" });
  const switches = BY.map(([name, words]) => el("button", { "aria-pressed": String(name === "word"), onclick: () => choose(name) }, words));
  let by = "word";
  let chosen = "";
  let label = "";
  let asked = "";

  function choose(name) {
    by = name;
    BY.forEach(([each], index) => switches[index].setAttribute("aria-pressed", String(each === by)));
    ask();
  }

  function ask(pauseMs = 0) {
    app.draft = editor.draft;
    asked = JSON.stringify([app.draft, by]);
    if (editor.empty) {
      latest.stop();
      show(empty(model.pairs ? "Write two texts, or choose an example." : "Write a text, or choose an example. The parts that the answer depends on are coloured."));
      return;
    }
    result.classList.add("busy");
    latest.start(run, pauseMs);
  }

  async function run(signal) {
    if (!result.querySelector(".why")) show(loading("Leaving out one part after the other …"));
    result.setAttribute("aria-busy", "true");
    const { content, draft } = editor;
    try {
      const answer = await app.api.explain(content, { by, signal });
      signal.throwIfAborted();
      showAnswer(answer, draft);
    } catch (error) {
      if (!signal.aborted) showProblem(error);
    }
  }

  function show(...nodes) {
    result.classList.remove("busy");
    result.removeAttribute("aria-busy");
    replace(result, nodes);
  }

  function showProblem(error) {
    const node = problem(error, () => ask());
    if (error.kind === "too_large" && by === "word") node.append(el("button", { onclick: () => choose("sentence") }, "Explain by sentence"));
    if (error.kind === "not_found") replace(node, el("strong", {}, "Explanations are turned off"), el("p", { class: "small" }, "The operator of this server has turned them off (VERDICT_PROTOCOLS)."));
    show(node);
  }

  function showAnswer(answer, draft) {
    label = answer.labels.includes(chosen) ? chosen : answer.label;
    render(answer, draft);
    const of = explained(answer, label, model);
    const strongest = of.parts[strongestOf(of)];
    app.announce(strongest ? `The strongest part is ${quote(strongest.text)}${placeOf(of, strongest)}. ${sentence(of, strongest)}` : "Nothing is left without the only part.");
  }

  function render(answer, draft) {
    const of = explained(answer, label, model);
    const picked = new Picked(of);
    const texts = model.pairs ? [draft.text, draft.pair] : [draft.text];
    const coloured = texts.map((text, number) => {
      const name = `Parts of the ${model.pairs ? (number ? "second text" : "first text") : "text"}.${of.value ? "" : ` Explained: ${of.label}.`} Arrow keys move between them`;
      return colouredText(of, text, { number, name, onPick: (index) => picked.pick(index) });
    });
    const list = strongestParts(of, { most: LISTED, onPick: (index) => picked.pick(index), onOpen: (index) => picked.open(index) });
    picked.options = new Map(coloured.flatMap(({ options }) => [...options]));
    picked.rows = list.rows;
    show(
      el(
        "div",
        { class: "why" },
        el(
          "section",
          { class: "card stack", "aria-labelledby": "why-title" },
          el("div", { class: "title" }, el("h2", { id: "why-title" }, heading(of)), labelChoice(answer, draft)),
          coloured.map(({ element }) => element),
          legend(of),
          remarks(answer, of, () => choose("word"), by),
        ),
        el("div", { class: "stack why-side" }, el("section", { class: "card why-detail", "aria-label": "The chosen part" }, picked.place), list.rows.size > 0 && el("section", { class: "card", "aria-labelledby": "strongest-title" }, el("div", { class: "title" }, el("h2", { id: "strongest-title" }, "Strongest parts"), el("span", { class: "soft small" }, `of ${plural(of.parts.length, by)}`)), list.element)),
      ),
      el("p", { class: "soft small why-note" }, el("strong", {}, "Leave-one-out. "), answer.note),
    );
    picked.pick(strongestOf(of) ?? 0);
  }

  function labelChoice(answer, draft) {
    if (model.problem === "regression" || answer.labels.length < 2) return null;
    const pick = (name) => {
      chosen = label = name;
      render(answer, draft);
      result.querySelector(".why [aria-pressed='true'], .why select")?.focus();
    };
    if (answer.labels.length <= FEW_LABELS) {
      return el("div", { class: "segments", role: "group", "aria-label": "Explained label" }, answer.labels.map((name) => el("button", { "aria-pressed": String(name === label), onclick: () => pick(name) }, name)));
    }
    const options = answer.labels.map((name) => el("option", { value: name, selected: name === label }, name));
    return el("label", { class: "row why-label" }, "Label ", el("select", { onchange: (event) => pick(event.target.value) }, options));
  }

  const chips = examplesFor(model).map(({ name, draft }) => el("button", { onclick: () => { editor.draft = draft; ask(); } }, name));
  section.append(
    el("div", { class: "head" }, el("h1", {}, "Why this answer?"), el("p", {}, "Each part is left out in turn, and the model answers again. What changes the answer most is coloured most.")),
    el(
      "section",
      { class: "card stack", "aria-label": "Your text" },
      editor.element,
      el(
        "div",
        { class: "row spread" },
        el("div", { class: "chips", role: "group", "aria-label": "Examples" }, chips),
        el("div", { class: "segments", role: "group", "aria-label": "Parts that are left out" }, switches),
      ),
    ),
    result,
  );

  return {
    show() {
      editor.draft = app.draft;
      if (asked !== JSON.stringify([editor.draft, by])) ask();
      editor.first.focus({ preventScroll: true });
    },
  };
}

/** The part that is pointed at, in the text, in the list and in words. */
class Picked {
  constructor(of) {
    this.of = of;
    this.place = el("div", { class: "stack close" });
    this.options = new Map();
    this.rows = new Map();
    this.index = -1;
  }

  pick(index) {
    if (index === this.index) return;
    for (const [each, node] of this.options) {
      node.setAttribute("aria-selected", String(each === index));
      if (this.sameText(each, index)) node.tabIndex = each === index ? 0 : -1;
    }
    for (const [each, row] of this.rows) row.classList.toggle("picked", each === index);
    this.index = index;
    replace(this.place, detail(this.of, this.of.parts[index]));
  }

  /** Each text keeps one stop of the tab key. */
  sameText(one, other) {
    return this.of.parts[one].part === this.of.parts[other].part;
  }

  open(index) {
    this.options.get(index)?.focus();
  }
}

function strongestOf({ parts }) {
  const sizes = parts.map((part) => (part.by === null ? -1 : Math.abs(part.by)));
  const largest = Math.max(...sizes);
  return largest < 0 ? null : sizes.indexOf(largest);
}

function heading(of) {
  const decided = of.threshold === null ? "" : isChosen(of, of.score) ? " · chosen" : " · not chosen";
  return [of.value ? of.label || "Value" : of.label, el("span", { class: "why-score" }, shown(of, of.score), decided)];
}

/** What a reader should know of this explanation. */
function remarks(answer, of, explainByWord, by) {
  const notes = [];
  if (of.threshold !== null) notes.push(el("p", {}, `The model chooses ${of.label} from ${shown(of, of.threshold)} on.`));
  if (of.parts.every((part) => part.by === null)) {
    notes.push(el("p", {}, `The text has only one ${by}. Without it nothing is left to read. `, by === "sentence" && el("button", { onclick: explainByWord }, "Explain by word")));
  } else if (of.parts.every((part) => part.level === 0)) {
    notes.push(el("p", {}, "No single part changes the answer much: the parts say the same, or work together."));
  }
  if (answer.truncated) notes.push(el("p", {}, "The text is longer than the model reads. Parts that it does not read contribute nothing."));
  return notes.length > 0 && el("div", { class: "stack close small soft" }, notes);
}
