// What was said so far, told from the server's events: a list of turns, and nothing of how they are drawn.
//
//   turn of the user        "partial" ──► "done" | removed where nothing was said
//   turn of the assistant   "streaming" ──► "done" | "interrupted" | "failed" | "broken" (the connection was lost)
//
// It outlives a reload of the page in the tab's own storage, and a lost connection by telling the next session of it.

const STORED = "ledge-conversation";
const MOST_TURNS = 200;
const RETOLD_TURNS = 24;
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
    "response.output_audio_transcript.delta": ({ item_id, delta }) => this.#append(item_id, delta),
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

  #append(id, delta) {
    const turn = this.#turn(id, "assistant");
    this.#change(turn, { text: turn.text + delta });
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

  interrupted(id) {
    const turn = this.find(id);
    if (turn?.role === "assistant") this.#change(turn, { status: "interrupted" });
  }

  // The connection is gone, and with it whatever was under way.
  breakOff() {
    for (const turn of this.turns) {
      if (turn.status === "streaming") this.#change(turn, { status: "broken" });
      else if (turn.status === "partial") this.#remove(turn.id);
    }
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

const told = (ledge) => ({ degraded: ledge?.degraded ?? [], translatedFrom: ledge?.translated_from ?? null });

function message(id, role, text) {
  return { id, type: "message", role, content: [{ type: role === "user" ? "input_text" : "output_text", text }] };
}

// Where a passage stands, in one line.
export function place({ document, page, heading }) {
  return [document, page ? `p. ${page}` : "", outline(heading)].filter(Boolean).join(" · ");
}

export const outline = (heading) => heading.replaceAll(" > ", " › ");
