/** API: what the page does, as calls that can be copied. */

import { el, replace } from "../dom.js";
import { examplesFor } from "../examples.js";
import { TASKS } from "../samples.js";
import { problem } from "../states.js";

export const title = "API";

const NEEDS = { InferenceClient: "/", tritonclient: "/v2/models/{name}/infer" };
const INSTALL = { Python: "pip install requests", InferenceClient: "pip install huggingface_hub", tritonclient: "pip install tritonclient[http]" };

/**
 * @param {HTMLElement} section
 * @param {import("../main.js").App} app
 */
export function mount(section, app) {
  const place = el("div", { class: "stack wide-gap" });
  let paths = null;
  let task = TASKS[0].name;
  let client = "curl";

  async function show() {
    try {
      paths ??= new Set(await app.api.paths());
    } catch (error) {
      replace(place, problem(error, show));
      return;
    }
    const offered = TASKS.filter(({ path }) => paths.has(path));
    const chosen = offered.find(({ name }) => name === task) ?? offered[0];
    const clients = Object.keys(chosen.samples).filter((name) => !NEEDS[name] || paths.has(NEEDS[name]));
    const using = clients.includes(client) ? client : clients[0];
    replace(
      place,
      choice("Calls", offered.map(({ name }) => name), chosen.name, (name) => (task = name)),
      el(
        "section",
        { class: "card stack" },
        el("div", { class: "row spread" }, el("div", {}, el("h2", {}, el("code", {}, chosen.path)), el("p", { class: "soft small" }, chosen.about)), choice("Clients", clients, using, (name) => (client = name))),
        codeElement(chosen.samples[using](context()), app),
        (INSTALL[using] || app.api.hasKey) && el("div", { class: "row soft small" }, INSTALL[using] && el("code", {}, INSTALL[using]), app.api.hasKey && el("span", {}, "The key is read from the variable ", el("code", {}, "VERDICT_KEY"), ".")),
      ),
    );
  }

  function choice(label, names, current, choose) {
    const button = (name) => el("button", { "aria-pressed": String(name === current), onclick: () => pick(name) }, name);
    async function pick(name) {
      choose(name);
      await show();
      [...place.querySelectorAll("button")].find((each) => each.textContent === name)?.focus();
    }
    return el("div", { class: "segments", role: "group", "aria-label": label }, names.map(button));
  }

  function context() {
    const draft = app.draft.text.trim() ? app.draft : examplesFor(app.info.model)[0].draft;
    return { base: new URL(".", location.href).href.replace(/\/$/, ""), model: app.info.model, draft, key: app.api.hasKey };
  }

  section.append(
    el(
      "div",
      { class: "head" },
      el("h1", {}, "Call it yourself"),
      el("p", {}, "What this page does, as calls to copy; the text is the one that you tried last. ", el("a", { href: "docs" }, "All routes and fields"), " are in the interactive documentation."),
    ),
    place,
  );
  return { show };
}

function codeElement(code, app) {
  const button = el("button", { class: "copy", onclick: copy }, "Copy");
  async function copy() {
    const copied = await navigator.clipboard?.writeText(code).then(() => true, () => false);
    if (!copied) getSelection()?.selectAllChildren(pre);
    button.textContent = copied ? "Copied" : "Selected";
    app.announce(button.textContent);
    setTimeout(() => (button.textContent = "Copy"), 2000);
  }
  const pre = el("pre", { class: "code", tabindex: 0, "aria-label": "Code" }, code);
  return el("div", { class: "with-copy" }, pre, button);
}
