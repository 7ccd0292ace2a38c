/**
 * The page: navigation, the model's state and the views.
 *
 * @typedef {object} App what every view gets
 * @property {import("./api.js").Api} api
 * @property {any} info the document of `GET /info`
 * @property {import("./link.js").Draft} draft the text that the views share
 * @property {(view: string, draft?: import("./link.js").Draft) => void} open show a view, with a text
 * @property {(message: string) => void} announce tell screen readers
 *
 * @typedef {object} View a module of `views/`
 * @property {string} title
 * @property {(section: HTMLElement, app: App) => void | Shown} mount build the view, once
 *
 * @typedef {object} Shown
 * @property {() => void} [show] called each time that the view is opened, after `mount` too
 * @property {() => void} [hide] called when another view is opened
 */

import { Api } from "./api.js";
import { el, replace } from "./dom.js";
import { askForKey } from "./key_dialog.js";
import { readLink, writeLink } from "./link.js";
import { loading, problem } from "./states.js";
import { themeButton } from "./theme.js";
import { VIEWS } from "./views.js";

const main = /** @type {HTMLElement} */ (document.getElementById("main"));
const nav = /** @type {HTMLElement} */ (document.getElementById("nav"));
const status = /** @type {HTMLElement} */ (document.getElementById("status"));
const live = /** @type {HTMLElement} */ (document.getElementById("live"));

/** @type {App} */
const app = {
  api: new Api(askForKey),
  info: null,
  draft: { text: "", pair: "" },
  open(view, draft) {
    if (draft) app.draft = draft;
    location.hash = writeLink(view);
  },
  announce(message) {
    live.textContent = message;
  },
};

/** @type {Map<string, {section: HTMLElement, shown: Shown}>} */
const mounted = new Map();
let current = "";

function showNavigation() {
  const links = VIEWS.map(({ name, title }) => el("li", {}, el("a", { href: writeLink(name), data: { view: name } }, title)));
  replace(nav, el("ul", {}, links));
}

function markNavigation() {
  for (const link of nav.querySelectorAll("a")) {
    if (link.dataset.view === current) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
  nav.querySelector("[aria-current]")?.scrollIntoView({ block: "nearest", inline: "nearest" });
}

function showStatus() {
  const { model } = app.info;
  replace(
    status,
    el("div", { class: "about" }, el("div", { class: "model" }, model.name), el("div", { class: "mono" }, model.version)),
    themeButton(),
  );
}

async function load(view) {
  const section = el("section", { id: `view-${view.name}`, "aria-label": view.title });
  main.append(section);
  try {
    const module = await view.load();
    return { section, shown: module.mount(section, app) ?? {} };
  } catch (error) {
    section.remove();
    throw error;
  }
}

async function route() {
  const link = readLink(location.hash);
  const view = VIEWS.find(({ name }) => name === link.view) ?? VIEWS[0];
  if (link.draft) {
    app.draft = link.draft;
    history.replaceState(null, "", writeLink(view.name)); // a later reload must not bring an old text back
  }
  const moved = current !== "" && current !== view.name;
  if (moved) mounted.get(current)?.shown.hide?.();
  current = view.name;
  markNavigation();
  document.title = `${view.title} · Verdict`;
  if (!mounted.has(view.name)) mounted.set(view.name, await load(view));
  if (current !== view.name) return; // another view was opened meanwhile
  for (const [name, { section }] of mounted) section.hidden = name !== view.name;
  mounted.get(view.name)?.shown.show?.();
  if (moved) main.focus({ preventScroll: true });
}

async function start() {
  replace(main, el("section", {}, loading("Asking the server about its model …")));
  try {
    app.info = await app.api.info();
  } catch (error) {
    replace(main, el("section", {}, problem(error, start)));
    return;
  }
  replace(main);
  showStatus();
  window.addEventListener("hashchange", route);
  await route();
}

document.querySelector(".skip")?.addEventListener("click", (event) => {
  event.preventDefault(); // its fragment names no view
  main.focus();
});
showNavigation();
replace(status, themeButton());
start();
