/** The address of a view and its text. All of it stands in the fragment, which browsers never send to a server. */

/**
 * @typedef {{text: string, pair: string}} Draft the text that the views share; `pair` is for models of pairs
 */

/**
 * @param {string} hash such as "#/try?text=good"
 * @returns {{view: string, draft: Draft | null}}
 */
export function readLink(hash) {
  const [path, query = ""] = hash.replace(/^#\/?/, "").split("?", 2);
  const fields = new URLSearchParams(query);
  const draft = fields.has("text") ? { text: fields.get("text") ?? "", pair: fields.get("pair") ?? "" } : null;
  return { view: path, draft };
}

/**
 * @param {string} view
 * @param {Draft} [draft]
 * @returns {string} the fragment
 */
export function writeLink(view, draft) {
  if (!draft) return `#/${view}`;
  const fields = new URLSearchParams({ text: draft.text, ...(draft.pair && { pair: draft.pair }) });
  return `#/${view}?${fields}`;
}
