/** Compare: a text, an edited version beside it, and what the edit changed. */

import { answerElement, decision, scores, spoken } from "../answer.js";
import { el, replace } from "../dom.js";
import { Editor } from "../editor.js";
import { decimal } from "../format.js";
import { Latest } from "../latest.js";
import { empty, problem } from "../states.js";
import { wordDiff } from "../word_diff.js";

export const title = "Compare";

const PAUSE_MS = 180;
const SHOWN_CHANGES = 8;

/**
 * @param {HTMLElement} section
 * @param {import("../main.js").App} app
 */
export function mount(section, app) {
  const { model } = app.info;
  const before = new Side("before", "Before", app, update);
  const after = new Side("after", "After", app, update);
  const change = el("section", { class: "card", "aria-labelledby": "change-title" });
  const history = new History(app, restore);
  const pinButton = el("button", { class: "primary", onclick: pin }, "Pin this comparison");
  let spokenTimer = 0;

  function update() {
    const ready = Boolean(before.answer && after.answer);
    pinButton.disabled = !ready;
    change.hidden = !ready;
    clearTimeout(spokenTimer);
    if (!ready) return;
    const { words, element } = changeElement(model, before, after);
    replace(change, el("div", { class: "title" }, el("h2", { id: "change-title" }, "What the edit changed"), el("span", { class: "soft small" }, words)), element);
    spokenTimer = setTimeout(() => app.announce(`Before: ${spoken(model, before.answer)}. After: ${spoken(model, after.answer)}.`), 900);
  }

  function pin() {
    history.add({ before: before.editor.draft, after: after.editor.draft, answers: [before.answer, after.answer] });
    app.announce("Pinned");
  }

  function restore(entry) {
    before.set(entry.before);
    after.set(entry.after);
    section.scrollIntoView({ block: "start" });
  }

  section.append(
    el("div", { class: "head" }, el("h1", {}, "Compare two versions"), el("p", {}, "Change a word and see what it does to the answer.")),
    el("div", { class: "columns two" }, before.element, after.element),
    change,
    el(
      "div",
      { class: "row" },
      pinButton,
      el("button", { onclick: () => after.set(before.editor.draft) }, "Copy before to after"),
      el("button", { onclick: swap }, "Swap"),
    ),
    history.element,
  );

  function swap() {
    const { draft } = before.editor;
    before.set(after.editor.draft);
    after.set(draft);
  }

  update();
  return {
    show() {
      if (!before.editor.empty) return;
      const draft = app.draft.text ? app.draft : { text: "", pair: "" };
      before.set(draft);
      after.set(draft);
      after.editor.focus();
    },
  };
}

/** One of the two versions, with its answer. */
class Side {
  constructor(id, name, app, changed) {
    this.app = app;
    this.changed = changed;
    this.answer = null;
    this.latest = new Latest();
    this.editor = new Editor(app.info.model, { id: `compare-${id}`, label: app.info.model.pairs ? `${name}: first text` : name, labelPair: `${name}: second text`, onInput: () => this.ask(PAUSE_MS) });
    this.place = el("div", { class: "answer-place" }, empty("The answer comes while you type."));
    this.element = el("section", { class: "card stack", "aria-label": name }, this.editor.element, this.place);
  }

  set(draft) {
    this.editor.draft = draft;
    this.ask();
  }

  ask(pauseMs = 0) {
    this.answer = null;
    if (this.editor.empty) {
      this.latest.stop();
      this.show(empty("The answer comes while you type."));
      return;
    }
    this.place.classList.add("busy");
    this.latest.start(async (signal) => {
      try {
        const answer = await this.app.api.predict(this.editor.content, { signal });
        signal.throwIfAborted();
        this.answer = answer;
        this.show(answerElement(this.app.info.model, answer));
      } catch (error) {
        if (!signal.aborted) this.show(problem(error, () => this.ask()));
      }
    }, pauseMs);
  }

  show(node) {
    this.place.classList.remove("busy");
    replace(this.place, node);
    this.changed();
  }
}

function changeElement(model, before, after) {
  const diff = wordDiff(before.editor.draft.text, after.editor.draft.text);
  const same = diff !== null && diff.every((part) => part.kind === "same");
  const [one, other] = [before.answer, after.answer];
  const flipped = decision(model, one).words !== decision(model, other).words;
  return {
    words: flipped ? `The decision changed from ${decision(model, one).words} to ${decision(model, other).words}.` : "The decision stayed.",
    element: el(
      "div",
      { class: "stack" },
      same && !model.pairs ? el("p", { class: "soft" }, "Both texts are the same. Edit one of them.") : diff && el("p", { class: "diff" }, diff.map(diffPart)),
      model.problem === "regression" ? el("p", { class: "figure" }, signed(other.value - one.value, decimal)) : changeRows(model, one, other),
    ),
  };
}

function diffPart({ kind, text }) {
  if (kind === "same") return text;
  return el(kind === "gone" ? "del" : "ins", {}, text);
}

function changeRows(model, one, other) {
  const after = scores(model, other);
  const rows = scores(model, one).map((row, index) => ({ label: row.label, from: row.score, to: after[index].score, by: after[index].score - row.score }));
  rows.sort((first, second) => Math.abs(second.by) - Math.abs(first.by));
  return el(
    "ul",
    { class: "changes" },
    rows.slice(0, SHOWN_CHANGES).map(({ label, from, to, by }) =>
      el(
        "li",
        { class: by >= 0 ? "up" : "down" },
        el("span", { class: "name" }, label),
        el("span", { class: "track", "aria-hidden": "true" }, el("span", { class: "move", style: { "--from": Math.min(from, to), "--to": Math.max(from, to) } }), el("span", { class: "at", style: { "--at": to } })),
        el("span", { class: "value figure" }, signed(by * 100, (value) => value.toFixed(1)), " points"),
      ),
    ),
  );
}

function signed(value, write) {
  return `${value > 0 ? "+" : value < 0 ? "−" : "±"}${write(Math.abs(value))}`;
}

/** The pinned comparisons, newest first. They stay in the memory of the tab. */
class History {
  constructor(app, restore) {
    this.model = app.info.model;
    this.restore = restore;
    this.rows = el("tbody");
    this.table = el(
      "div",
      { class: "wide", hidden: true, tabindex: 0, role: "region", "aria-label": "Pinned comparisons" },
      el("table", { class: "pinned" }, el("thead", {}, el("tr", {}, ["Before", "", "After", "", ""].map((name) => el(name ? "th" : "td", { scope: name ? "col" : null }, name)))), this.rows),
    );
    this.none = empty("Pinned comparisons are kept here until you close the tab.");
    this.element = el("section", { class: "card", "aria-labelledby": "pinned-title" }, el("div", { class: "title" }, el("h2", { id: "pinned-title" }, "Pinned")), this.none, this.table);
  }

  add(entry) {
    const row = el(
      "tr",
      {},
      [entry.before, entry.after].map((draft, side) => [
        el("td", { class: "text" }, el("div", { title: draft.text }, draft.text, draft.pair && el("span", { class: "soft" }, ` · ${draft.pair}`))),
        el("td", { class: "figure" }, spoken(this.model, entry.answers[side])),
      ]),
      el("td", {}, el("div", { class: "row" }, el("button", { onclick: () => this.restore(entry) }, "Show"), el("button", { class: "plain", onclick: remove }, "Remove"))),
    );
    const show = () => {
      this.table.hidden = !this.rows.firstChild;
      this.none.hidden = !this.table.hidden;
    };
    function remove() {
      row.remove();
      show();
    }
    this.rows.prepend(row);
    show();
  }
}
