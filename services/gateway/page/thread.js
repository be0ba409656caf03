// Draws the conversation: one list item a turn, drawn anew whenever the turn changes.

import { place } from "./conversation.js";
import { byId, element } from "./elements.js";
import { showPassage } from "./passage.js";
import { timingsBar } from "./timings.js";
import { language, translated } from "./words.js";

const MARK = /\[(\d+)\]/g;
const LAST_WORD = /(\S*)\s*$/;
const KNOWN_LACKS = ["tts", "voice", "translation"];
const NEAR_END_PX = 120;

export class Thread {
  #items = new Map();

  constructor(conversation) {
    this.list = byId("turns");
    this.pane = this.list.closest("main");
    conversation.addEventListener("turn", ({ detail }) => this.#draw(detail));
    conversation.addEventListener("removed", ({ detail }) => this.#erase(detail));
    for (const turn of conversation.turns) this.#draw(turn);
  }

  #draw(turn) {
    const follow = this.pane.scrollHeight - this.pane.scrollTop - this.pane.clientHeight < NEAR_END_PX;
    let item = this.#items.get(turn.id);
    if (!item) {
      item = element("li");
      this.#items.set(turn.id, item);
      this.list.append(item);
    }
    const focused = item.contains(document.activeElement) ? document.activeElement.dataset.focus : null;
    item.className = `turn ${turn.role} ${turn.status}`;
    item.replaceChildren(...(turn.role === "user" ? asked(turn) : answered(turn)));
    if (focused) item.querySelector(`[data-focus="${CSS.escape(focused)}"]`)?.focus();
    if (follow) this.pane.scrollTop = this.pane.scrollHeight;
    this.#fill();
  }

  #erase(turn) {
    this.#items.get(turn.id)?.remove();
    this.#items.delete(turn.id);
    this.#fill();
  }

  // What is for a conversation is there when there is one.
  #fill() {
    const empty = this.#items.size === 0;
    byId("welcome").hidden = !empty;
    byId("new").hidden = byId("download").hidden = empty;
  }
}

function asked(turn) {
  const characters = [...turn.text];
  const sure = characters.slice(0, turn.stable).join("");
  const unsure = characters.slice(turn.stable).join("");
  const said = element("p", { class: "said" }, speaker("user"), sure);
  if (unsure) said.append(element("span", { class: "unsure" }, unsure));
  const note = turn.status === "failed" ? element("p", { class: "note" }, translated("not-heard")) : null;
  return [said, note].filter(Boolean);
}

function answered(turn) {
  const parts = [];
  if (turn.text || turn.status === "streaming") {
    parts.push(element("p", { class: "said" }, speaker("assistant"), ...spoken(turn)));
  }
  for (const note of notesOf(turn)) parts.push(element("p", { class: "note" }, note));
  const asides = asidesOf(turn);
  if (asides.length) parts.push(element("p", { class: "quiet" }, asides.join(" · ")));
  if (turn.citations.length) parts.push(sources(turn));
  const bar = turn.timings && timingsBar(turn.timings, turn.toEarMs);
  if (bar) parts.push(bar);
  return parts;
}

function notesOf({ status, note }) {
  if (status === "interrupted" || status === "broken") return [translated(status)];
  return status === "failed" ? [[translated("failed"), note].filter(Boolean).join(" ")] : [];
}

// How the answer came about, where that was not as usual.
function asidesOf({ degraded = [], translatedFrom }) {
  const names = new Intl.DisplayNames([language], { type: "language" });
  const known = degraded.filter((part) => KNOWN_LACKS.includes(part));
  const others = degraded.filter((part) => !KNOWN_LACKS.includes(part));
  return [
    ...(translatedFrom ? [translated("translated-from", { language: names.of(translatedFrom) })] : []),
    ...known.map((part) => translated(`degraded-${part}`)),
    ...(others.length ? [translated("degraded", { parts: others.join(", ") })] : []),
  ];
}

const speaker = (role) => element("span", { class: "unseen" }, `${translated(role)}: `);

// The text; of an answer that was interrupted what nobody heard is told apart, once the server has said how much was.
function spoken({ text, status, heard, citations }) {
  if (status !== "interrupted" || heard === null || !text.startsWith(heard)) return withMarks(text, citations);
  const rest = withMarks(text.slice(heard.length), citations, heard.length);
  return [...withMarks(text.slice(0, heard.length), citations), element("span", { class: "unheard" }, ...rest)];
}

// The text, with each [number] that has a citation made a button. `begin`: where the text begins in the turn's.
function withMarks(text, citations, begin = 0) {
  const parts = [];
  let end = 0;
  for (const mark of text.matchAll(MARK)) {
    const citation = citations.find((each) => each.number === Number(mark[1]));
    if (!citation) continue;
    const before = text.slice(end, mark.index);
    const word = before.match(LAST_WORD);
    const button = opening("cite", [citation], `mark-${begin + mark.index}`, mark[1]);
    // A number does not begin a line: it stays with the word that it belongs to.
    parts.push(before.slice(0, word.index), element("span", { class: "together" }, word[1], "\u00a0", button));
    end = mark.index + mark[0].length;
  }
  parts.push(text.slice(end));
  return parts;
}

function sources(turn) {
  const list = element("div", { class: "sources", role: "group", "aria-label": translated("sources") });
  const passages = new Map();
  for (const citation of turn.citations) {
    passages.set(citation.passage_id, [...(passages.get(citation.passage_id) ?? []), citation]);
  }
  for (const [id, citations] of passages) {
    const numbers = citations.map(({ number }) => element("b", {}, String(number)));
    list.append(opening("source", citations, id, ...numbers, element("span", {}, place(citations[0]))));
  }
  return list;
}

function opening(kind, citations, focus, ...children) {
  const number = citations.map((citation) => citation.number).join(", ");
  const label = translated("open-passage", { number, place: place(citations[0]) });
  const attributes = { class: kind, "aria-label": label, "aria-haspopup": "dialog", "data-focus": focus };
  return element("button", { ...attributes, onclick: () => showPassage(citations) }, ...children);
}
