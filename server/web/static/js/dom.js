/**
 * Elements. Strings become text nodes alone, and no HTML is ever parsed: a text of a caller stays a text.
 *
 * @typedef {string | number | Node | null | undefined | false} Child
 */

const SVG = "http://www.w3.org/2000/svg";
const AS_PROPERTY = new Set(["value", "checked", "disabled", "hidden", "selected", "open", "readOnly", "spellcheck"]);

/**
 * Make an element.
 * @param {string} tag
 * @param {Record<string, any>} [properties] attributes; `class`; `style` and `data` as objects; `onclick` and other
 *   listeners as functions; null and false leave an attribute out
 * @param {...(Child | Child[])} children
 * @returns {any} the element
 */
export function el(tag, properties = {}, ...children) {
  return fill(document.createElement(tag), properties, children);
}

/**
 * Make an element of SVG; arguments as for `el`.
 * @param {string} tag
 * @param {Record<string, any>} [properties]
 * @param {...(Child | Child[])} children
 * @returns {any} the element
 */
export function svg(tag, properties = {}, ...children) {
  return fill(document.createElementNS(SVG, tag), properties, children);
}

/**
 * Put children in the place of those that a node has.
 * @param {Element} node
 * @param {...(Child | Child[])} children
 */
export function replace(node, ...children) {
  node.replaceChildren(...nodes(children));
}

function fill(node, properties, children) {
  for (const [name, value] of Object.entries(properties)) set(node, name, value);
  node.append(...nodes(children));
  return node;
}

function set(node, name, value) {
  if (typeof value === "function") node.addEventListener(name.replace(/^on/, ""), value);
  else if (name.startsWith("on")) throw new TypeError(`${name} takes a function`);
  else if (AS_PROPERTY.has(name)) node[name] = value;
  else if (name === "style") Object.entries(value).forEach(([key, each]) => node.style.setProperty(key, each));
  else if (name === "data") Object.assign(node.dataset, value);
  else if (value !== null && value !== undefined && value !== false) node.setAttribute(name, value === true ? "" : value);
}

function nodes(children) {
  return children
    .flat(Infinity)
    .filter((child) => child !== null && child !== undefined && child !== false)
    .map((child) => (child instanceof Node ? child : document.createTextNode(String(child))));
}
