// What was said so far, told from the server's events: a list of turns, and nothing of how they are drawn.
//
//   turn of the user        "partial" ──► "done" | removed where nothing was said
//   turn of the assistant   "streaming" ──► "done" | "interrupted" | "failed" | "broken" (the connection was lost)
//
// It outlives a reload of the page in the tab's own storage, and a lost connection by telling the next session of it.

const STORED = "ledge-conversation";
const MOST_TURNS = 200;
const RETOLD_TURNS = 24;
// Nobody is understood who speaks faster.
const CHARACTERS_PER_S = 18;
const AFTER_WHICH = { completed: "done", cancelled: "interrupted", failed: "failed", incomplete: "done" };

export class Conversation extends EventTarget {
  // Fires `turn` with a turn that is new or has changed, `removed` with one that is gone.
  constructor() {
    super();
    this.turns = [];
    this.#restore();
  }

  find(id) {
    return this.turns.find((turn) => turn.id === id);
  }

  get last() {
    return this.turns.at(-1);
  }

  // A question that was typed; returns the events that ask it.
  ask(text) {
    const id = `item_${crypto.getRandomValues(new Uint32Array(3)).join("")}`.slice(0, 32);
    this.#change(this.#turn(id, "user"), { text, stable: text.length, status: "done" });
    return { type: "conversation.item.create", item: message(id, "user", text) };
  }

  // A question that was not sent after all.
  takeBack(id) {
    this.#remove(id);
  }

  apply(event) {
    const change = this.#changes[event.type];
    if (change) change(event);
  }

  #changes = {
    "ledge.transcript": ({ item_id, text, stable_characters }) => {
      if (text) this.#change(this.#turn(item_id, "user"), { text, stable: stable_characters, status: "partial" });
    },
    "conversation.item.input_audio_transcription.completed": ({ item_id, transcript }) => {
      const text = transcript.trim();
      if (text) this.#change(this.#turn(item_id, "user"), { text, stable: text.length, status: "done" });
      else this.#remove(item_id);
    },
    "conversation.item.input_audio_transcription.failed": ({ item_id, error }) => {
      this.#change(this.#turn(item_id, "user"), { status: "failed", note: error?.message });
    },
    "conversation.item.deleted": ({ item_id }) => this.#remove(item_id),
    "conversation.item.truncated": ({ item_id }) => {
      const turn = this.find(item_id);
      if (turn) this.#change(turn, { status: "interrupted" });
    },
    // What was heard of an answer: the whole of it stays to be read.
    "conversation.item.retrieved": ({ item }) => {
      const turn = this.find(item.id);
      const [content] = item.content ?? [];
      if (turn) this.#change(turn, { heard: content?.transcript ?? content?.text ?? "" });
    },
    "response.output_item.added": ({ response_id, item }) => {
      if (item.type === "message") this.#change(this.#turn(item.id, "assistant"), { response: response_id });
    },
    "response.output_text.delta": ({ item_id, delta }) => this.#append(item_id, delta),
    "response.output_audio_transcript.delta": ({ item_id, delta }) => this.#append(item_id, delta, { isSpoken: true }),
    "response.output_audio.done": ({ item_id }) => this.#know(item_id, { isMade: true }),
    "response.output_text.done": ({ item_id, text }) => this.#settle(item_id, text),
    "response.output_audio_transcript.done": ({ item_id, transcript }) => this.#settle(item_id, transcript),
    "response.done": ({ response }) => this.#finish(response),
    "ledge.citations": ({ item_id, citations }) => {
      const turn = this.#turn(item_id, "assistant");
      const known = new Map([...turn.citations, ...citations].map((citation) => [citation.number, citation]));
      this.#change(turn, { citations: [...known.values()].sort((a, b) => a.number - b.number) });
    },
    "ledge.timings": ({ type, response_id, ...timings }) => {
      const turn = this.turns.findLast((each) => each.response === response_id);
      if (turn) this.#change(turn, { timings: { ...turn.timings, ...timings } });
    },
  };

  #append(id, delta, known = {}) {
    const turn = this.#turn(id, "assistant");
    this.#change(turn, { text: turn.text + delta, ...known });
  }

  #settle(id, text) {
    const turn = this.find(id);
    if (turn && text) this.#change(turn, { text });
  }

  #finish(response) {
    for (const turn of this.turns.filter((each) => each.response === response.id)) {
      const status = turn.status === "interrupted" ? "interrupted" : (AFTER_WHICH[response.status] ?? "done");
      const note = response.status_details?.error?.message ?? null;
      if (!turn.text && status !== "failed") this.#remove(turn.id);
      else this.#change(turn, { status, note, ...told(response.ledge) });
    }
  }

  // What this page itself knows of a turn: how long its first audio took from the socket to the ear.
  sounded(id, toEarMs) {
    const turn = this.find(id);
    if (turn) this.#change(turn, { toEarMs });
  }

  // How much audio there is of a turn, and how much of it was played: nothing that is drawn.
  arrived(id, ms) {
    this.#know(id, { audioMs: (this.find(id)?.audioMs ?? 0) + ms });
  }

  played(id, ms, isWhole) {
    this.#know(id, { playedMs: ms, ...(isWhole ? { isPlayedOut: true } : {}) });
    if (isWhole) this.#store();
  }

  // The player has dropped what it had: what comes now follows what was played.
  dropped(id) {
    this.#know(id, { audioMs: this.find(id)?.playedMs ?? 0 });
  }

  #know(id, fields) {
    Object.assign(this.find(id) ?? {}, fields);
  }

  interrupted(id) {
    const turn = this.find(id);
    if (turn?.role === "assistant") this.#change(turn, { status: "interrupted" });
  }

  // The connection is gone, and with it whatever was under way. Nobody will tell what was heard of it.
  breakOff() {
    for (const turn of [...this.turns]) {
      const heard = turn.heard ?? heardOf(turn);
      if (turn.status === "streaming") this.#change(turn, { status: "broken", heard });
      else if (turn.status === "partial") this.#remove(turn.id);
      else if (heard !== turn.heard) this.#change(turn, { status: "broken", heard });
    }
  }

  // The page is left, and takes with it what it plays.
  leave() {
    this.breakOff();
    this.#store();
  }

  // The events that tell a new session what was said before, and heard.
  retold() {
    const told = this.turns
      .map(({ id, role, status, text, heard }) => ({ id, role, status, text: heard ?? text }))
      .filter((turn) => turn.text && turn.status !== "partial")
      .slice(-RETOLD_TURNS);
    return told.map(({ id, role, text }) => ({ type: "conversation.item.create", item: message(id, role, text) }));
  }

  clear() {
    for (const turn of [...this.turns]) this.#remove(turn.id);
  }

  asText(words) {
    return this.turns
      .map((turn) => {
        const sources = turn.citations.map((citation) => `  [${citation.number}] ${place(citation)}`);
        return [`${words[turn.role]}: ${turn.text}`, ...sources].join("\n");
      })
      .join("\n\n");
  }

  #turn(id, role) {
    let turn = this.find(id);
    if (!turn) {
      const status = role === "user" ? "partial" : "streaming";
      turn = { id, role, status, text: "", stable: 0, note: null, response: null };
      Object.assign(turn, { heard: null, citations: [], timings: null, toEarMs: null });
      Object.assign(turn, { isSpoken: false, audioMs: 0, playedMs: 0, isMade: false, isPlayedOut: false });
      this.turns.push(turn);
      if (this.turns.length > MOST_TURNS) this.#remove(this.turns[0].id);
    }
    return turn;
  }

  #change(turn, fields) {
    Object.assign(turn, fields);
    this.dispatchEvent(new CustomEvent("turn", { detail: turn }));
    if (turn.status !== "partial") this.#store();
  }

  #remove(id) {
    const turn = this.find(id);
    if (!turn) return;
    this.turns.splice(this.turns.indexOf(turn), 1);
    this.dispatchEvent(new CustomEvent("removed", { detail: turn }));
    this.#store();
  }

  #store() {
    try {
      sessionStorage.setItem(STORED, JSON.stringify(this.turns));
    } catch {
      // The storage is full: the conversation goes on, and will not outlive a reload.
    }
  }

  #restore() {
    try {
      this.turns = JSON.parse(sessionStorage.getItem(STORED) ?? "[]");
    } catch {
      this.turns = [];
    }
    this.breakOff();
  }
}

// The text as far as its audio was played, in whole words; null where all of it was, or where it was only read.
function heardOf({ text, status, isSpoken, audioMs, playedMs, isMade, isPlayedOut }) {
  if (!isSpoken || isPlayedOut || (status !== "streaming" && !playedMs)) return null;
  const share = audioMs ? Math.min(1, playedMs / audioMs) : 0;
  const most = isMade ? text.length : (playedMs * CHARACTERS_PER_S) / 1000;
  const end = Math.round(Math.min(text.length * share, most));
  return end ? text.slice(0, end) + text.slice(end).match(/^\S*/)[0] : "";
}

const told = (ledge) => ({ degraded: ledge?.degraded ?? [], translatedFrom: ledge?.translated_from ?? null });

function message(id, role, text) {
  return { id, type: "message", role, content: [{ type: role === "user" ? "input_text" : "output_text", text }] };
}

// Where a passage stands, in one line.
export function place({ document, page, heading }) {
  return [document, page ? `p. ${page}` : "", outline(heading)].filter(Boolean).join(" · ");
}

export const outline = (heading) => heading.replaceAll(" > ", " › ");
