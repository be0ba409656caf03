// The passage that citations stand for: where it is, and in it the words that the answer rests on.

import { outline } from "./conversation.js";
import { byId, element } from "./elements.js";
import { translated } from "./words.js";

// `citations`: one or more of the same passage.
export function showPassage(citations) {
  const [citation] = citations;
  byId("passage-title").textContent = `${citations.map(({ number }) => `[${number}]`).join(" ")} ${citation.document}`;
  const page = citation.page ? translated("passage-page", { page: citation.page }) : "";
  byId("passage-place").textContent = [page, outline(citation.heading)].filter(Boolean).join(" · ");
  // Places are counted in characters, of which JavaScript counts some as two.
  const characters = [...citation.text];
  const between = (start, end) => characters.slice(start, end).join("");
  const parts = [];
  let told = 0;
  for (const { start, end } of citations.toSorted((a, b) => a.start - b.start)) {
    if (end <= told) continue;
    parts.push(between(told, start), element("mark", {}, between(Math.max(told, start), end)));
    told = end;
  }
  byId("passage-text").replaceChildren(...parts, between(told));
  const score = translated("passage-score", { score: citation.score.toFixed(2) });
  byId("passage-facts").textContent = `${translated("passage-collection", citation)} · ${score}`;
  byId("passage").showModal();
  byId("passage-text").querySelector("mark")?.scrollIntoView({ block: "center" });
}
