/** All rows: sorted, filtered, searched. Only those in sight are elements, so 500,000 rows scroll like 50. */

import { el, replace } from "../../dom.js";
import { count, decimal, percent, plural } from "../../format.js";
import { arrange } from "../order.js";
import { ANSWERED, FAILED } from "../scores.js";
import { showRow } from "./row_dialog.js";

/** @typedef {import("../batch.js").Batch} Batch */

const ROW_PX = 40;
const SPARE_ROWS = 6;
const SEARCH_PAUSE_MS = 250;

/**
 * @param {Batch} batch
 * @returns {{element: HTMLElement, update: (isFinal: boolean) => void}}
 */
export function rowTable(batch) {
  const { table, texts } = batch;
  const { head } = table;
  const hasGold = batch.choice.gold >= 0;
  const sort = { by: "number", descending: false };
  const filter = { show: "all", label: -1, found: null };
  let order = new Uint32Array(0);
  let searchTimer = 0;
  let draws = 0;

  const columns = [
    ["number", batch.source.unit === "line" ? "Line" : "Row", "number"],
    ["", "Text", ""],
    ...(table.isRegression ? [] : [["label", head.problem === "multi_label" ? "Labels" : "Label", ""]]),
    ["score", table.isRegression ? "Value" : "Probability", "number"],
    ...(hasGold ? [["gold", "In the file", ""]] : []),
    ["tokens", "Tokens", "number"],
  ];
  const shown = el("span", { class: "soft small", role: "status" });
  const body = el("div", { role: "rowgroup", class: "file-rows-body" });
  const headings = columns.map(([key, name, kind]) => heading(key, name, kind));
  const header = el("div", { role: "row", class: "file-row file-row-head", "aria-rowindex": "1" }, headings);
  const grid = el("div", { role: "table", "aria-label": "Rows of the file", class: "file-rows-inner" }, el("div", { role: "rowgroup", class: "file-rows-top" }, header), body);
  const view = el("div", { class: `file-rows${table.isRegression ? " value" : ""}${hasGold ? " gold" : ""}`, tabindex: "0", role: "region", "aria-label": "Rows, scrollable", onscroll: draw }, grid);
  const none = el("p", { class: "soft file-none" }, "No row fits this filter.");
  const search = el("input", { type: "search", id: "file-search", placeholder: "Search the texts", "aria-label": "Search the texts", oninput: () => { clearTimeout(searchTimer); searchTimer = window.setTimeout(find, SEARCH_PAUSE_MS); } });
  const shows = [["all", "All rows"], ["answered", "Answered"], ["failed", "Failed"], ...(hasGold && !table.isRegression ? [["wrong", "Not as in the file"]] : []), ["truncated", "Cut to fit"]];
  const showSelect = el("select", { "aria-label": "Which rows", id: "file-show", onchange: () => { filter.show = showSelect.value; refresh(true); } }, shows.map(([key, name]) => el("option", { value: key }, name)));
  const labelSelect = el("select", { "aria-label": "Which label", id: "file-label", onchange: () => { filter.label = Number(labelSelect.value); refresh(true); } }, el("option", { value: -1 }, "All labels"), head.labels.map((label, place) => el("option", { value: place }, label)));

  function heading(key, name, kind) {
    const button = key && el("button", { class: "plain", onclick: () => sortBy(key) }, name);
    return el("div", { role: "columnheader", class: kind, data: { key }, "aria-sort": key === "number" ? "ascending" : null }, button || name);
  }

  function sortBy(key) {
    sort.descending = sort.by === key ? !sort.descending : key === "score" || key === "tokens";
    sort.by = key;
    headings.forEach((cell) => {
      if (cell.dataset.key === key) {
        cell.setAttribute("aria-sort", sort.descending ? "descending" : "ascending");
      } else {
        cell.removeAttribute("aria-sort");
      }
    });
    refresh(true);
  }

  async function find() {
    const wanted = search.value.trim();
    filter.found = wanted ? await texts.search(wanted) : null;
    refresh(true);
  }

  function refresh(toTop = false) {
    order = arrange(table, filter, sort);
    grid.setAttribute("aria-rowcount", String(order.length + 1));
    body.style.setProperty("height", `${order.length * ROW_PX}px`);
    shown.textContent = order.length === table.length ? plural(order.length, "row") : `${count(order.length)} of ${plural(table.length, "row")}`;
    none.hidden = order.length > 0;
    if (toTop) {
      view.scrollTop = 0;
    }
    draw();
  }

  async function draw() {
    draws += 1;
    const mine = draws;
    const first = Math.max(0, Math.floor(view.scrollTop / ROW_PX) - SPARE_ROWS);
    const last = Math.min(order.length, Math.ceil((view.scrollTop + view.clientHeight) / ROW_PX) + SPARE_ROWS);
    const rows = [...order.subarray(first, last)];
    const found = await Promise.all(rows.map((row) => texts.get(row)));
    if (mine === draws) {
      const focused = body.contains(document.activeElement) ? document.activeElement.dataset.row : null;
      replace(body, rows.map((row, place) => rowElement(row, first + place, found[place])));
      if (focused !== null) {
        body.querySelector(`[data-row="${focused}"]`)?.focus({ preventScroll: true });
      }
    }
  }

  function rowElement(row, place, text) {
    const status = table.status(row);
    const reason = table.reason(row);
    const isAnswered = status === ANSWERED;
    const isRight = hasGold ? table.isRight(row) : null;
    const label = isAnswered ? table.chosen(row).map((each) => head.labels[each]).join(", ") || "no label" : status === FAILED ? "failed" : "…";
    const score = !isAnswered ? "" : table.isRegression ? decimal(table.score(row)) : percent(table.top(row));
    const words = text.pair ? `${text.text} ⟶ ${text.pair}` : text.text;
    const cells = {
      number: count(table.columns.number.values[row]),
      label: el("span", { class: status === FAILED ? "file-tag bad" : "file-tag", title: label }, label),
      score: status === FAILED && table.isRegression ? "failed" : score,
      gold: el("span", { class: isRight === false ? "file-gold wrong" : "file-gold", title: text.gold }, text.gold, isRight === false && el("span", { class: "hidden-text" }, " (not the model's label)")),
      tokens: isAnswered ? [count(table.columns.tokens.values[row]), table.columns.truncated.values[row] === 1 && el("span", { class: "file-cut", title: "longer than the model reads" }, " cut")] : "",
      "": el("button", { class: "plain file-open", data: { row }, onclick: () => showRow(batch, row) }, reason ? `${words} ${words && "— "}${reason.message}` : words || "(empty)"),
    };
    return el(
      "div",
      { role: "row", class: `file-row${status === FAILED ? " failed" : ""}`, "aria-rowindex": String(place + 2), style: { top: `${place * ROW_PX}px` } },
      columns.map(([key, , kind]) => el("div", { role: "cell", class: kind, data: { key } }, cells[key])),
    );
  }

  const element = el(
    "section",
    { class: "card stack", "aria-labelledby": "file-all" },
    el("div", { class: "row spread" }, el("div", { class: "row" }, el("h2", { id: "file-all" }, "Rows"), shown), el("div", { class: "row file-filters" }, search, showSelect, !table.isRegression && labelSelect)),
    view,
    none,
  );
  return { element, update: () => refresh() };
}
