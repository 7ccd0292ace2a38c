/** A run and what came of it: progress, charts, comparison, review, rows and downloads. */

import { el } from "../../dom.js";
import { charts } from "./charts.js";
import { comparison } from "./comparison.js";
import { downloads } from "./downloads.js";
import { progress } from "./progress.js";
import { reviewPanel } from "./review_panel.js";
import { rowTable } from "./row_table.js";

/** @typedef {import("../batch.js").Batch} Batch */

const FRAME_MS = 150;

/**
 * @param {{app: import("../../main.js").App, file: File, batch: Batch, another: () => void}} properties
 * @returns {{element: HTMLElement, update: () => void}}
 */
export function results({ app, file, batch, another }) {
  const line = progress(app, file, batch, another);
  const pictures = charts(batch);
  const gold = comparison(batch);
  const review = reviewPanel(app, file, batch);
  const table = rowTable(batch);
  const parts = [pictures, gold, review, table];
  const take = downloads(app, file, batch);
  const below = el("div", { class: "stack" }, pictures.element, gold.element, review.element, table.element);
  const element = el("div", { class: "stack" }, line.element, take.element, below);
  let timer = 0;
  let isFinal = false;
  let pauseMs = 0;

  function draw() {
    timer = 0;
    const began = performance.now();
    line.update();
    take.update();
    below.hidden = batch.done === 0;
    parts.forEach((part) => part.update(isFinal));
    pauseMs = Math.max(FRAME_MS, 8 * (performance.now() - began)); // drawing takes at most a ninth of the time
  }

  return {
    element,
    update() {
      isFinal = !batch.run.isActive;
      line.update();
      if (isFinal) {
        clearTimeout(timer);
        draw();
      } else if (!timer) {
        timer = window.setTimeout(draw, pauseMs);
      }
    },
  };
}
