// Elements without innerHTML: whatever comes from the hub becomes text, never markup.

export const byId = (id) => document.getElementById(id);

/** An element with attributes (`on…` are listeners; null and false are left out) and children (nodes or text). */
export function el(tag, attributes = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else if (value === true) node.setAttribute(name, "");
    else if (value !== null && value !== undefined && value !== false) node.setAttribute(name, value);
  }
  node.append(...children.filter((child) => child !== null && child !== undefined));
  return node;
}

/** Set text only where it changed, so that a selection and the reader of a screen are left in peace. */
export function setText(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

const sheets = new Map();

/** A style sheet that few views need, loaded once; settled when it is there, or can't be had. */
export function styled(href) {
  if (!sheets.has(href)) {
    sheets.set(href, new Promise((done) => document.head.append(el("link", { rel: "stylesheet", href, onload: done, onerror: done }))));
  }
  return sheets.get(href);
}

/** New children only when `key`, which says what they show, has changed. */
export function fill(node, key, children) {
  if (node.shows === key) return;
  node.shows = key;
  node.replaceChildren(...children());
}
