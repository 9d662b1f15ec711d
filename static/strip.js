// A session's seats as a line of dots: who is here, who has a seat, what is free. Words beside it say the same.

import { el } from "./dom.js";

const DOTS = 16;
const STEP = 10;

export class Strip {
  constructor() {
    this.layers = ["free", "taken", "here"].map((name) => el("i", { class: name }));
    this.node = el("span", { class: "strip", "aria-hidden": "true" }, ...this.layers);
  }

  /** One dot a seat while they fit, else each stands for as many as it must. */
  update({ live, participants, maxParticipants }) {
    const all = Math.max(maxParticipants ?? 0, participants, live);
    const share = Math.max(1, all / DOTS);
    const dots = (count) => Math.ceil(count / share);
    const counts = [maxParticipants === null ? 0 : dots(all), dots(Math.max(participants, live)), dots(live)];
    this.layers.forEach((layer, at) => {
      layer.style.width = `${counts[at] * STEP}px`;
    });
    this.node.style.width = `${Math.max(...counts) * STEP}px`;
    this.node.hidden = counts.every((count) => count === 0);
  }
}
