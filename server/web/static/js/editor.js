/** One or two text boxes, for models of single texts and of pairs. */

import { el } from "./dom.js";

/** Text boxes that hold a draft. */
export class Editor {
  /**
   * @param {any} model of `GET /info`
   * @param {{id: string, label?: string, labelPair?: string, onInput: () => void}} options
   */
  constructor(model, { id, label, labelPair = "Second text", onInput }) {
    this.pairs = model.pairs;
    this.first = box(id, onInput, "Write or paste a text …");
    this.second = box(`${id}-pair`, onInput, "The text that it is compared with …");
    const fields = [[label ?? (this.pairs ? "First text" : "Text"), this.first], [labelPair, this.second]];
    this.element = el(
      "div",
      { class: "stack" },
      fields.slice(0, this.pairs ? 2 : 1).map(([name, area]) => el("div", { class: "field" }, el("label", { for: area.id }, name), area)),
    );
  }

  /** @returns {import("./link.js").Draft} */
  get draft() {
    return { text: this.first.value, pair: this.pairs ? this.second.value : "" };
  }

  set draft({ text, pair }) {
    this.first.value = text;
    this.second.value = pair ?? "";
  }

  /** Put the cursor into the first box, where that opens no keyboard on the screen. */
  focus() {
    if (matchMedia("(pointer: fine)").matches) this.first.focus({ preventScroll: true });
  }

  /** Whether there is nothing to ask yet. */
  get empty() {
    return !this.first.value.trim() || (this.pairs && !this.second.value.trim());
  }

  /** The text or the pair, as the API takes it. */
  get content() {
    return contentOf(this.draft, this.pairs);
  }
}

/**
 * @param {import("./link.js").Draft} draft
 * @param {boolean} pairs
 * @returns {import("./api.js").TextOrPair}
 */
export function contentOf(draft, pairs) {
  return pairs ? [draft.text, draft.pair] : draft.text;
}

function box(id, onInput, placeholder) {
  return el("textarea", { id, placeholder, rows: 6, spellcheck: false, autocomplete: "off", oninput: onInput });
}
