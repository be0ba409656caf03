// Tells screen readers of the answers that are not read aloud, each once: when it is whole, or will never be.

import { byId, element } from "./elements.js";
import { translated } from "./words.js";

// Why an answer failed is told by the page's state.
const OVER = ["done", "interrupted", "broken", "failed"];
const NOTED = ["interrupted", "broken"];

export class Announcer {
  #told = new Set();

  constructor(conversation, settings) {
    this.settings = settings;
    conversation.addEventListener("turn", ({ detail }) => this.#changed(detail));
    conversation.addEventListener("removed", ({ detail }) => this.#told.delete(detail.id));
  }

  #changed({ id, role, status, text }) {
    if (role !== "assistant" || !OVER.includes(status) || this.#told.has(id)) return;
    this.#told.add(id);
    if (this.settings.readsAloud) return;
    const note = NOTED.includes(status) ? [translated(status)] : [];
    // An element of its own: the same words in the same place would not be told a second time.
    byId("announcer").replaceChildren(element("p", {}, [text, ...note].filter(Boolean).join(" ")));
  }
}
