// The passage that a citation stands for: where it is, and in it the words that the answer rests on.

import { outline } from "./conversation.js";
import { byId, element } from "./elements.js";
import { translated } from "./words.js";

export function showPassage(citation) {
  byId("passage-title").textContent = `[${citation.number}] ${citation.document}`;
  const page = citation.page ? translated("passage-page", { page: citation.page }) : "";
  byId("passage-place").textContent = [page, outline(citation.heading)].filter(Boolean).join(" · ");
  // Places are counted in characters, of which JavaScript counts some as two.
  const characters = [...citation.text];
  const between = (start, end) => characters.slice(start, end).join("");
  const evidence = element("mark", {}, between(citation.start, citation.end));
  byId("passage-text").replaceChildren(between(0, citation.start), evidence, between(citation.end));
  const score = translated("passage-score", { score: citation.score.toFixed(2) });
  byId("passage-facts").textContent = `${translated("passage-collection", citation)} · ${score}`;
  byId("passage").showModal();
  evidence.scrollIntoView({ block: "center" });
}
