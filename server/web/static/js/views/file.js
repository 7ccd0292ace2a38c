/** File: score every row of a file, see what the answers look like, review them, and take them along. */

import { Batch } from "../file/batch.js";
import { openSource } from "../file/source.js";
import { chooser } from "../file/view/chooser.js";
import { preview, readingOptions } from "../file/view/preview.js";
import { results } from "../file/view/results.js";
import { el, replace } from "../dom.js";
import { loading } from "../states.js";

export const title = "File";

/**
 * @param {HTMLElement} section
 * @param {import("../main.js").App} app
 */
export function mount(section, app) {
  const { model } = app.info;
  const place = el("div", { class: "stack file-view", tabindex: "-1" });
  /** @type {Batch | null} */
  let batch = null;
  let opened = 0; // files so far; a slow one must not replace a later one

  section.append(
    el("div", { class: "head" }, el("h1", {}, "Score a file"), el("p", {}, introduction(model))),
    place,
  );

  function show(...children) {
    const hadFocus = place.contains(document.activeElement);
    replace(place, ...children);
    if (hadFocus) {
      place.focus({ preventScroll: true }); // what had it is gone; without this the next Tab begins at the top of the page
    }
  }

  function showChooser(error = null) {
    batch?.run.stop();
    batch = null;
    show(error && unreadable(error), chooser(model, open));
  }

  /** @param {File} file @param {import("../file/source.js").ReadOptions} [options] */
  async function open(file, options = {}) {
    opened += 1;
    const mine = opened;
    show(loading(`Reading ${file.name} …`));
    try {
      const source = await openSource(file, options);
      if (mine === opened) {
        show(await preview({ file, source, model, options, reopen: (changed) => open(file, changed), start, cancel: showChooser }));
        app.announce(`${file.name}: ${source.columns.length} columns`);
      }
    } catch (error) {
      if (mine === opened) {
        showProblem(file, options, error);
      }
    }
  }

  function showProblem(file, options, error) {
    showChooser(error);
    if (/\.(csv|tsv|txt|jsonl|ndjson|json)$/i.test(file.name) && file.size > 0) {
      place.firstElementChild.append(readingOptions(file, null, options, (changed) => open(file, changed)));
    }
  }

  function start(file, source, choice) {
    const head = { problem: model.problem, labels: model.problem === "regression" ? [] : model.labels, thresholds: model.thresholds };
    const send = (lines, options) => app.api.stream(lines, options);
    let shown = null;
    batch = new Batch(source, choice, head, send, () => shown?.update());
    shown = results({ app, file, batch, another: () => showChooser() });
    show(shown.element);
    batch.start().then(() => shown.update());
  }

  window.addEventListener("beforeunload", (event) => {
    if (batch?.run.isActive) {
      event.preventDefault();
    }
  });
  showChooser();
  return {};
}

function unreadable(error) {
  return el("div", { class: "state bad", role: "alert" }, el("strong", {}, "This file can not be read"), el("p", { class: "small" }, error.message));
}

function introduction({ problem: kind, pairs }) {
  const answer = { regression: "a number", multi_label: "its labels" }[kind] ?? "a label";
  const row = pairs ? "pair of texts" : "row";
  return `Each ${row} gets ${answer}. The file is read here in your browser, and its texts go to this server alone.`;
}
