// Finding one's way: a filter over all articles, and the place in the navigation where the reader is.

import { byId } from "./dom.js";

const WIDE = matchMedia("(min-width: 60rem)");
const BELOW_THE_BAR = 140;

const linkTo = (id) => byId("nav").querySelector(`a[href="#${CSS.escape(id)}"]`);

/** Show what has all words of the filter, and say how much that is. */
function filter() {
  const words = byId("filter").value.toLowerCase().split(/\s+/).filter(Boolean);
  let shown = 0;
  for (const article of document.querySelectorAll("article.item")) {
    const text = article.dataset.text ??= article.textContent.toLowerCase();
    article.hidden = !words.every((word) => text.includes(word));
    linkTo(article.id).parentElement.hidden = article.hidden;
    shown += Number(!article.hidden);
  }
  for (const part of document.querySelectorAll(".part")) {
    part.hidden = !part.querySelector(".item:not([hidden])");
    linkTo(part.id).closest("section").hidden = part.hidden;
  }
  byId("found").textContent = words.length ? (shown ? `${shown} found` : "Nothing has all of these words.") : "";
  mark();
}

/** Mark where the reader is: the last article that began above the line below the bar. */
function mark() {
  const articles = [...document.querySelectorAll("article.item:not([hidden])")];
  const begun = articles.filter((article) => article.getBoundingClientRect().top < BELOW_THE_BAR);
  const here = begun.at(-1) ?? articles[0];
  const before = byId("nav").querySelector("[aria-current]");
  const link = here && linkTo(here.id);
  if (before === link) return;
  before?.removeAttribute("aria-current");
  link?.setAttribute("aria-current", "location");
  byId("here").textContent = link ? link.textContent : "";
  if (link && WIDE.matches) follow(link);
}

/** Keep the marked link in sight, without moving the page as scrollIntoView would. */
function follow(link) {
  const nav = byId("nav");
  const [inside, around] = [link.getBoundingClientRect(), nav.getBoundingClientRect()];
  if (inside.top < around.top + 40) nav.scrollTop -= around.top + 40 - inside.top;
  else if (inside.bottom > around.bottom - 40) nav.scrollTop += inside.bottom - around.bottom + 40;
}

/** An anchor whose article was filtered out: show everything, then go there. */
function arrive() {
  const target = byId(decodeURIComponent(location.hash.slice(1)));
  if (!target) return;
  if (target.hidden) {
    byId("filter").value = "";
    filter();
  }
  target.scrollIntoView();
}

/** To be called once, when all articles stand. */
export function findable() {
  const contents = byId("contents");
  const fit = () => { contents.open = WIDE.matches; };
  WIDE.addEventListener("change", fit);
  fit();
  byId("nav").addEventListener("click", (event) => {
    if (event.target.closest("a") && !WIDE.matches) contents.open = false;
  });
  let waiting = false;
  addEventListener("scroll", () => {
    if (waiting) return;
    waiting = true;
    requestAnimationFrame(() => {
      waiting = false;
      mark();
    });
  }, { passive: true });
  byId("filter").addEventListener("input", filter);
  addEventListener("hashchange", arrive);
  arrive();
  mark();
}
