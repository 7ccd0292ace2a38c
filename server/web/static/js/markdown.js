/**
 * The Markdown of model cards as elements: headings, paragraphs, lists, tables, code, bold. All else stays text, links too:
 * a card is a file that anyone may have written.
 */

import { el } from "./dom.js";

/**
 * @param {string} text
 * @returns {HTMLElement}
 */
export function markdownElement(text) {
  const lines = text.replace(/<!--[^]*?-->/g, "").split(/\r?\n/);
  const node = el("div", { class: "prose" });
  for (let at = 0; at < lines.length; ) {
    const block = BLOCKS.find(({ starts }) => starts.test(lines[at]));
    if (!block) {
      at += 1;
      continue;
    }
    let end = at + 1;
    while (end < lines.length && block.goesOn(lines[end], lines, end)) end += 1;
    node.append(block.make(lines.slice(at, end)));
    at = end + (block.closes ? 1 : 0);
  }
  return node;
}

const BLOCKS = [
  { starts: /^```/, goesOn: (line) => !line.startsWith("```"), closes: true, make: (lines) => el("pre", { class: "code", tabindex: 0 }, lines.slice(1).join("\n")) },
  { starts: /^#{1,6} /, goesOn: () => false, make: ([line]) => el(line.startsWith("## ") || line.startsWith("# ") ? "h2" : "h3", {}, inline(line.replace(/^#+ /, ""))) },
  { starts: /^\|/, goesOn: (line) => line.startsWith("|"), make: table },
  { starts: /^[-*] /, goesOn: (line) => /^([-*] |\s+\S)/.test(line), make: list },
  { starts: /\S/, goesOn: (line) => /^(?!```|#{1,6} |\||[-*] )\s*\S/.test(line), make: (lines) => el("p", {}, inline(lines.join(" "))) },
];

function list(lines) {
  const items = lines.join("\n").split(/^[-*] /m).slice(1);
  return el("ul", {}, items.map((item) => el("li", {}, inline(item.replace(/\s*\n\s*/g, " ").trim()))));
}

function table(lines) {
  const cells = (line) => line.trim().replace(/^\||\|$/g, "").split("|").map((cell) => cell.trim());
  const [heading, ...rows] = lines.filter((line) => !/^\|[\s:|-]+\|?$/.test(line)).map(cells);
  const number = (cell) => (/^[\d.,%\s-]+$/.test(cell) ? "number" : null);
  return el(
    "div",
    { class: "wide", tabindex: 0, role: "region", "aria-label": heading.filter(Boolean).join(", ") },
    el(
      "table",
      {},
      el("thead", {}, el("tr", {}, heading.map((cell, index) => el("th", { scope: "col", class: rows[0] && number(rows[0][index] ?? "") }, inline(cell))))),
      el("tbody", {}, rows.map((row) => el("tr", {}, row.map((cell) => el("td", { class: number(cell) }, inline(cell)))))),
    ),
  );
}

function inline(text) {
  return text.split(/(`[^`]+`|\*\*[^*]+\*\*)/).map((part) => {
    if (/^`[^`]+`$/.test(part)) return el("code", {}, part.slice(1, -1));
    if (/^\*\*[^*]+\*\*$/.test(part)) return el("strong", {}, part.slice(2, -2));
    return part.replace(/\[([^\]]+)\]\([^)]*\)/g, "$1");
  });
}
