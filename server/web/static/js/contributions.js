/**
 * Contributions of the parts of a text, as a picture and in words.
 *
 * @typedef {object} Part
 * @property {string} text
 * @property {number} start in code points
 * @property {number} stop
 * @property {number} part 1 in the second text of a pair, else 0
 * @property {number | null} by what it contributes to the explained label; null where nothing is left without it
 * @property {number | null} without the score without it
 * @property {number} level from -5 (against) to 5 (for); 0 where it changes little
 *
 * @typedef {object} Explained for one label
 * @property {string} label
 * @property {number} score
 * @property {Part[]} parts
 * @property {number} scale the contribution that has the strongest colour
 * @property {boolean} value whether the model answers with a number
 * @property {boolean} pairs whether it reads two texts
 * @property {number | null} threshold from which a multi-label model chooses the label
 */

import { CodePoints } from "./code_points.js";
import { el } from "./dom.js";
import { decimal, percent } from "./format.js";

const LEVELS = 5;
const SMALLEST_SCALE = 0.05;
const SMALLEST_SHARE = 0.01; // of a value, whose unit is not known
const DIGITS = 6; // of a score in an answer
const QUOTED = 60;

/**
 * What an answer says of one label.
 * @param {any} answer of `POST /explain`
 * @param {string} label one of its labels
 * @param {any} model of `GET /info`
 * @returns {Explained}
 */
export function explained(answer, label, model) {
  const value = model.problem === "regression";
  const index = answer.labels.indexOf(label);
  const score = answer.scores[index];
  const smallest = value ? SMALLEST_SHARE * Math.abs(score) : SMALLEST_SCALE;
  const scale = Math.max(smallest, ...answer.parts.map((part) => Math.abs(part.contributions?.[index] ?? 0))) || 1;
  const parts = answer.parts.map((part) => {
    const by = part.contributions ? part.contributions[index] : null;
    const level = by === null ? 0 : Math.round((by / scale) * LEVELS);
    return { text: part.text, start: part.start, stop: part.stop, part: part.part ?? 0, by, without: by === null ? null : Number((score - by).toFixed(DIGITS)), level };
  });
  const threshold = model.problem === "multi_label" ? (model.thresholds[index] ?? 0.5) : null;
  return { label, score, parts, scale, value, pairs: model.pairs, threshold };
}

/** @param {Explained} of @param {number} score whether a multi-label model chooses the label with it */
export const isChosen = (of, score) => of.threshold !== null && score >= of.threshold;

/** @param {Explained} of @param {Part} part in which text of a pair it is, in words; empty where there is one text */
export const placeOf = (of, part) => (of.pairs ? ` in the ${part.part ? "second" : "first"} text` : "");

/** @param {Explained} of @param {number} score */
export const shown = (of, score) => (of.value ? decimal(score) : percent(Math.max(0, Math.min(1, score))));

/** @param {Explained} of @param {number} by such as "+57.5 points" */
export function effect(of, by) {
  const size = of.value ? decimal(Math.abs(by)) : Math.abs(by * 100).toFixed(1);
  const sign = Number(size) === 0 ? "±" : by > 0 ? "+" : "−";
  return `${sign}${size}${of.value ? "" : " points"}`;
}

/** @param {Explained} of @param {Part} part in which direction it works, in words */
export function direction({ value }, { by, level }) {
  if (by === null) return "nothing is left without it";
  if (level === 0) return "changes little";
  return value ? (level > 0 ? "raises the value" : "lowers the value") : level > 0 ? "speaks for it" : "speaks against it";
}

/**
 * What the score would be without a part, in a sentence.
 * @param {Explained} of
 * @param {Part} part
 */
export function sentence(of, part) {
  if (part.without === null) return "Without it nothing would be left to read.";
  const what = of.value ? "the value" : `the probability of ${of.label}`;
  const [now, then] = [isChosen(of, of.score), isChosen(of, part.without)];
  const decision = now === then ? "" : then ? ", and the label would be chosen" : ", and the label would not be chosen";
  return `Without it ${what} would be ${shown(of, part.without)} instead of ${shown(of, of.score)}${decision}.`;
}

/** @param {string} text shortened */
export const quote = (text) => `“${text.length > QUOTED ? `${text.slice(0, QUOTED - 1).trimEnd()}…` : text}”`;

/**
 * The text with its parts as options: one stop of the tab key, arrows move between parts.
 * @param {Explained} of
 * @param {string} text
 * @param {{number: number, name: string, onPick: (index: number) => void}} options the number of the text in a pair;
 *   `onPick` gets the index of the part that is pointed at or reached with the keyboard
 * @returns {{element: HTMLElement, options: Map<number, HTMLElement>}}
 */
export function colouredText(of, text, { number, name, onPick }) {
  const points = new CodePoints(text);
  const options = new Map();
  const children = [];
  let place = 0;
  of.parts.forEach((part, index) => {
    if (part.part !== number) return;
    children.push(points.slice(place, part.start));
    const option = el(
      "span",
      {
        class: "part",
        role: "option",
        tabindex: options.size === 0 ? 0 : -1,
        "aria-selected": "false",
        data: { level: String(part.level) },
        onpointerenter: (event) => event.pointerType !== "touch" && onPick(index),
        onclick: () => option.focus(),
        onfocus: () => onPick(index),
      },
      points.slice(part.start, part.stop),
      el("span", { class: "hidden-text" }, `. ${direction(of, part)}. ${sentence(of, part)} `),
    );
    options.set(index, option);
    children.push(option);
    place = part.stop;
  });
  children.push(points.slice(place));
  const element = el("div", { class: "why-text", role: "listbox", "aria-label": name, "aria-orientation": "horizontal", onkeydown: (event) => move(event, [...options.values()]) }, children);
  return { element, options };
}

const STEPS = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 };

function move(event, options) {
  const at = options.indexOf(event.target);
  const to = event.key === "Home" ? 0 : event.key === "End" ? options.length - 1 : at + (STEPS[event.key] ?? Number.NaN);
  if (at < 0 || !options[to]) return;
  event.preventDefault();
  options[to].focus();
}

/** What the colours and lines mean. @param {Explained} of */
export function legend(of) {
  const steps = [-5, -3, -1, 0, 1, 3, 5].map((level) => el("span", { class: "part swatch", data: { level: String(level) } }, "ab"));
  return el(
    "div",
    { class: "legend small" },
    el("span", {}, of.value ? "Lowers the value" : `Against ${of.label}`),
    el("span", { class: "swatches", "aria-hidden": "true" }, steps),
    el("span", {}, of.value ? "Raises the value" : `For ${of.label}`),
    el("span", { class: "hidden-text" }, `${of.value ? "Parts that raise the value" : "Parts for the label"} are blue and underlined with a line, ${of.value ? "parts that lower it" : "parts against it"} orange and with a wave. The thicker, the stronger.`),
  );
}

/**
 * The parts, the strongest first.
 * @param {Explained} of
 * @param {{most: number, onPick: (index: number) => void, onOpen: (index: number) => void}} options
 * @returns {{element: HTMLElement, rows: Map<number, HTMLElement>}}
 */
export function strongestParts(of, { most, onPick, onOpen }) {
  const order = of.parts.map((_, index) => index).filter((index) => of.parts[index].by !== null);
  order.sort((one, other) => Math.abs(of.parts[other].by) - Math.abs(of.parts[one].by));
  const rows = new Map();
  const make = (index) => {
    const part = of.parts[index];
    const size = Math.abs(part.by) / of.scale;
    const row = el(
      "li",
      { data: { level: String(part.level) } },
      el(
        "button",
        { class: "contribution", onpointerenter: () => onPick(index), onfocus: () => onPick(index), onclick: () => onOpen(index) },
        el("span", { class: "name" }, part.text, el("span", { class: "soft small" }, placeOf(of, part))),
        el("span", { class: "value figure" }, effect(of, part.by)),
        el("span", { class: "track", "aria-hidden": "true" }, el("span", { class: part.by < 0 ? "fill against" : "fill", style: { "--size": size } })),
        el("span", { class: "hidden-text" }, `. ${sentence(of, part)}`),
      ),
    );
    rows.set(index, row);
    return row;
  };
  const list = el("ol", { class: "contributions" }, order.slice(0, most).map(make));
  if (order.length <= most) return { element: list, rows };
  const more = el("button", { class: "plain", onclick: showAll }, `Show all ${order.length} parts`);
  function showAll() {
    list.append(...order.slice(most).map(make));
    more.remove();
    list.children[most].firstElementChild.focus();
  }
  return { element: el("div", { class: "stack close" }, list, el("div", {}, more)), rows };
}

/**
 * One part: what the score would be without it, as a sentence and as two bars.
 * @param {Explained} of
 * @param {Part} part
 * @returns {Node[]}
 */
export function detail(of, part) {
  const bars = of.value || part.without === null ? null : [[of.pairs ? "Both texts" : "Whole text", of.score], ["Without it", part.without]];
  return [
    el("p", { class: "quoted" }, quote(part.text), el("span", { class: "soft small" }, placeOf(of, part))),
    el("p", {}, part.by === null ? null : el("strong", { class: "figure" }, effect(of, part.by)), part.by === null ? "" : ` · ${direction(of, part)}`),
    el("p", { class: "soft" }, sentence(of, part)),
    bars &&
      el(
        "ul",
        { class: "bars two" },
        bars.map(([name, score], index) =>
          el(
            "li",
            { class: index === 0 ? "bar chosen" : "bar" },
            el("span", { class: "name" }, name),
            el("span", { class: "value" }, shown(of, score)),
            el("span", { class: "track", "aria-hidden": "true" }, el("span", { class: "fill", style: { "--share": Math.max(0, Math.min(1, score)) } })),
          ),
        ),
      ),
  ].filter(Boolean);
}
