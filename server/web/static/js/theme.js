/** Light, dark, or as the system has it. The choice is all that the page keeps beyond its tab. */

import { el } from "./dom.js";

const KEY = "verdict-theme";
const CHOICES = [
  ["", "System"],
  ["light", "Light"],
  ["dark", "Dark"],
];

function read() {
  try {
    return localStorage.getItem(KEY) ?? "";
  } catch {
    return ""; // storage can be turned off
  }
}

function apply(theme) {
  if (theme) document.documentElement.dataset.theme = theme;
  else delete document.documentElement.dataset.theme;
  try {
    if (theme) localStorage.setItem(KEY, theme);
    else localStorage.removeItem(KEY);
  } catch {
    // as above: then the choice lasts as long as the page
  }
}

/** Return the button that goes through the choices. */
export function themeButton() {
  let index = Math.max(0, CHOICES.findIndex(([name]) => name === read()));
  const button = el("button", { class: "plain", onclick: next });
  function show() {
    button.textContent = `Theme: ${CHOICES[index][1]}`;
    apply(CHOICES[index][0]);
  }
  function next() {
    index = (index + 1) % CHOICES.length;
    show();
  }
  show();
  return button;
}
