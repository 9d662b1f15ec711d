// Code that can be copied: a block of it in one or two languages. Which one is shown is one choice for the whole page.

import { byId, el } from "./dom.js";

const KEPT_AS = "docs.language";
const SAID_FOR_MS = 2500;

/** Storage may be refused (a private window): then the choice lasts as long as the page. */
function kept(value) {
  try {
    if (value !== undefined) localStorage.setItem(KEPT_AS, value);
    return localStorage.getItem(KEPT_AS);
  } catch {
    return value;
  }
}

/** Show JavaScript (true) or curl and JSON everywhere; the button that was pressed stays where it is on the screen. */
function choose(script, pressed) {
  const before = pressed?.getBoundingClientRect().top;
  document.documentElement.dataset.language = script ? "script" : "plain";
  for (const button of document.querySelectorAll("[data-choice]")) {
    button.setAttribute("aria-pressed", String((button.dataset.choice === "script") === script));
  }
  if (pressed) scrollBy({ top: pressed.getBoundingClientRect().top - before, behavior: "instant" });
}

/** To be called once, when all blocks stand. */
export function chooseAsBefore() {
  choose(kept() === "script");
}

function switched({ currentTarget: button }) {
  kept(button.dataset.choice);
  choose(button.dataset.choice === "script", button);
}

/** Whether `text` is in the clipboard now. Its interface is missing where a page came by plain HTTP from another machine. */
async function copied(text, node) {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    getSelection().selectAllChildren(node);
    return document.execCommand("copy");
  }
}

async function copy({ currentTarget: button }) {
  const shown = [...button.closest(".code").querySelectorAll("code")].find((node) => node.checkVisibility());
  const told = (await copied(shown.textContent, shown)) ? "Copied" : "Selected: copy it by Ctrl+C";
  button.firstChild.textContent = byId("said").textContent = told;
  clearTimeout(Number(button.dataset.timer));
  button.dataset.timer = setTimeout(() => {
    button.firstChild.textContent = "Copy";
    byId("said").textContent = "";
  }, SAID_FOR_MS);
}

const lines = (kind, text, name) => el("pre", { class: kind, tabindex: "0", role: "group", "aria-label": name }, el("code", {}, text));

/** A block of `texts`: {language: text}; the second of two is JavaScript. `title` says what it is, `caption` when. */
export function code(title, texts, caption) {
  const [[first, plain], second] = Object.entries(texts);
  const choices = second
    ? el("div", { class: "choices", role: "group", "aria-label": `Language of ${title}` },
      el("button", { type: "button", "data-choice": "plain", onclick: switched }, first),
      el("button", { type: "button", "data-choice": "script", onclick: switched }, second[0]))
    : el("span", { class: "language" }, first);
  return el("div", { class: second ? "code both" : "code" },
    el("div", { class: "bar" }, choices, caption ? el("span", { class: "caption" }, caption) : null, el("button", { type: "button", class: "copy", onclick: copy }, el("span", {}, "Copy"), el("span", { class: "hide" }, ` ${title}`))),
    lines("plain-text", plain, `${title}, ${first}`), second ? lines("script-text", second[1], `${title}, ${second[0]}`) : null);
}
