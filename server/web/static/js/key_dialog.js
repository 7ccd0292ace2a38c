/** The dialog that asks for the API key. */

import { el } from "./dom.js";

/**
 * Ask the visitor for the API key.
 * @param {string} message why it asks again; empty at first
 * @returns {Promise<string>} the key; empty where the visitor gives none
 */
export function askForKey(message) {
  const input = el("input", { type: "password", id: "key", autocomplete: "off", required: true, "aria-describedby": "key-about" });
  const dialog = el(
    "dialog",
    { "aria-labelledby": "key-title" },
    el(
      "form",
      { method: "dialog" },
      el("h2", { id: "key-title" }, "This server asks for an API key"),
      message && el("p", { class: "small", role: "alert" }, message),
      el("div", { class: "stack" }, el("label", { for: "key" }, "API key"), input),
      el("p", { class: "soft small", id: "key-about" }, "The key stays in the memory of this tab. It is gone when you close or reload the page."),
      el(
        "div",
        { class: "row" },
        el("button", { class: "primary", value: "use" }, "Use this key"),
        el("button", { value: "", formnovalidate: true }, "Not now"),
      ),
    ),
  );
  document.body.append(dialog);
  dialog.showModal();
  return new Promise((resolve) => {
    dialog.addEventListener("close", () => {
      dialog.remove();
      resolve(dialog.returnValue === "use" ? input.value.trim() : "");
    });
  });
}
