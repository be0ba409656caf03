// The assistant as this page has it: ears, voice, connection and conversation held together, and what state that makes.
//
//   microphone ──frames──► connection ──► server
//   player ◄──audio───────── connection ◄── server ──► conversation (what is drawn)
//      └──how much was heard──► connection
//
// Audio of an answer that was interrupted may still be on its way; it is known by its response, and dropped.

import { Connection } from "./connection.js";
import { Conversation } from "./conversation.js";
import { Microphone } from "./microphone.js";
import { Moment } from "./moment.js";
import { fromBase64, toBase64 } from "./pcm.js";
import { Player, RATE_HZ } from "./player.js";
import { translated } from "./words.js";

const MODEL = "ledge-rag";
const TAIL_MS = 150;
const INTERRUPTED_MS = 2500;
const CANCELLED_WITHIN_MS = 3000;
// A tenth of a second, less than which is no word.
const FEWEST_FRAMES = 4;
// What a person need not hear of: their hand was a little faster than the answer, or shorter than a word.
const HARMLESS = ["response_cancel_not_active", "input_audio_buffer_commit_empty"];

export class Assistant extends EventTarget {
  #silenced = new Set();
  #whole = new Set();
  #arrivedMs = new Map();
  #doneWaiters = [];
  #frames = 0;

  // Fires `changed` whenever `state` or `hint` may be another, and `level` with the loudness of what is heard.
  constructor(settings) {
    super();
    this.settings = settings;
    this.conversation = new Conversation();
    this.connection = new Connection(MODEL);
    this.microphone = new Microphone({ heard: (frame) => this.#heard(frame), lost: () => this.#deafened() });
    this.player = new Player((report) => this.#played(report));
    this.listening = false;
    this.held = false;
    this.session = "idle";
    this.response = null;
    this.ducked = false;
    this.interrupted = new Moment(INTERRUPTED_MS, () => this.#changed());
    this.problem = null;
    this.away = { state: "connecting" };
    this.connection.addEventListener("event", ({ detail }) => this.#receive(detail));
    this.connection.addEventListener("changed", ({ detail }) => this.#connectionChanged(detail));
    settings.addEventListener("changed", () => this.#configure());
    addEventListener("pagehide", () => this.conversation.leave());
  }

  // One of: connecting, disconnected, error, interrupted, listening, hearing, thinking, speaking, idle.
  get state() {
    if (this.away) return this.away.state === "connecting" && !this.away.again ? "connecting" : "disconnected";
    if (this.problem) return "error";
    if (this.held) return "listening";
    if (this.interrupted.now) return "interrupted";
    if (this.listening && ["user_speaking", "soft_end"].includes(this.session)) return "hearing";
    if (this.player.playing) return "speaking";
    if (this.response || this.session === "committed") return "thinking";
    return this.listening ? "listening" : "idle";
  }

  open() {
    this.connection.open();
  }

  // Listening, until it is stopped.

  async listen() {
    this.#begin();
    if (!(await this.#openEars())) return;
    this.listening = true;
    this.connection.send({ type: "input_audio_buffer.clear" });
    this.#configure();
    this.#changed();
  }

  async stopListening() {
    this.listening = false;
    await this.microphone.stop();
    this.connection.send({ type: "input_audio_buffer.clear" });
    this.#configure();
    this.dispatchEvent(new CustomEvent("level", { detail: 0 }));
    this.#changed();
  }

  // Push to talk: `getReady` as soon as it may come to that, so that the first word is not lost.

  async getReady() {
    this.#begin();
    this.#frames = 0;
    if (this.listening) return;
    this.#configure({ manual: true });
    await this.#openEars();
  }

  hold() {
    if (!this.microphone.open && this.problem) return;
    this.held = true;
    if (this.player.playing || this.response) this.interrupt();
    this.interrupted.end();
    if (this.listening) this.#configure();
    this.#changed();
  }

  async letGo() {
    if (!this.held) return;
    // The last sound of a word comes after the finger has moved.
    await new Promise((resolve) => setTimeout(resolve, TAIL_MS));
    this.held = false;
    if (!this.listening) await this.microphone.stop();
    if (this.#frames < FEWEST_FRAMES) this.connection.send({ type: "input_audio_buffer.clear" });
    else {
      this.connection.send({ type: "input_audio_buffer.commit" });
      this.connection.send({ type: "response.create" });
    }
    this.#configure();
    this.dispatchEvent(new CustomEvent("level", { detail: 0 }));
    this.#changed();
  }

  mute(muted) {
    this.microphone.mute(muted);
    this.#changed();
  }

  // A typed question. Whether it was sent.
  async ask(text) {
    this.#begin();
    if (!this.connection.ready) return false;
    if (this.player.playing || this.response) {
      this.interrupt();
      await this.#responseDone();
    }
    this.interrupted.end();
    const question = this.conversation.ask(text);
    const sent = this.connection.send(question) && this.connection.send({ type: "response.create" });
    // The connection may be gone by now, and the next one would be told of the question, but not asked it.
    if (!sent) this.conversation.takeBack(question.item.id);
    return sent;
  }

  interrupt() {
    const { item, playedMs } = this.player;
    if (this.response) {
      this.#silenced.add(this.response);
      this.connection.send({ type: "response.cancel", response_id: this.response });
    }
    if (item) {
      const heard = { item_id: item, content_index: 0, audio_end_ms: playedMs };
      this.connection.send({ type: "conversation.item.truncate", ...heard });
      this.conversation.interrupted(item);
    }
    this.#hush();
  }

  restart() {
    this.interrupt();
    this.interrupted.end();
    this.conversation.clear();
    this.connection.renew();
  }

  // What is said and heard from here on answers an act of the person.
  #begin() {
    this.problem = null;
    if (this.settings.readsAloud) this.player.wake().catch((error) => this.#fail(error.message));
    this.#changed();
  }

  async #openEars() {
    try {
      await this.microphone.start();
    } catch (error) {
      this.#fail(error.message, "deaf");
    }
    return this.microphone.open;
  }

  // What was said until now stays unanswered: nobody knows whether it was all.
  async #deafened() {
    this.held = false;
    await this.stopListening();
    this.#fail(translated("microphone-lost"), "deaf");
  }

  #configure({ manual = false } = {}) {
    const interrupts = this.settings.chosen.bargeIn;
    const byItself = this.listening && !this.held && !manual;
    const detection = byItself ? { type: "server_vad", create_response: true, interrupt_response: interrupts } : null;
    this.connection.send({ type: "session.update", session: this.settings.session(detection) });
  }

  #heard({ pcm, level }) {
    this.#frames++;
    this.dispatchEvent(new CustomEvent("level", { detail: level }));
    this.connection.send({ type: "input_audio_buffer.append", audio: toBase64(pcm) });
  }

  #played({ item, playedMs, what, level }) {
    if (what === "began" && this.#arrivedMs.has(item)) {
      const tookMs = performance.now() - this.#arrivedMs.get(item) + this.player.latencyMs;
      this.conversation.sounded(item, tookMs);
      this.#arrivedMs.delete(item);
    }
    const ended = what === "ended";
    const over = ended || what === "stopped";
    this.conversation.played(item, playedMs, ended);
    // What was stopped has not ended: all that was sent of it would count as heard.
    this.connection.send({ type: "ledge.playback", item_id: item, played_ms: playedMs, ended });
    if (!this.microphone.open) this.dispatchEvent(new CustomEvent("level", { detail: over ? 0 : level }));
    if (over) this.ducked = false;
    // What is sent again after a false alarm is not ended again.
    if (what === "starved" && this.#whole.has(item)) this.player.complete(item);
    this.#changed();
  }

  #receive(event) {
    this.#reactions[event.type]?.(event);
    this.conversation.apply(event);
    this.#changed();
  }

  #reactions = {
    "session.created": () => {
      this.#configure();
      for (const item of this.conversation.retold()) this.connection.send(item);
    },
    "error": ({ error }) => {
      if (!HARMLESS.includes(error.code)) this.#fail(error.message);
    },
    "conversation.item.truncated": ({ item_id }) => {
      this.connection.send({ type: "conversation.item.retrieve", item_id });
    },
    "ledge.state": ({ state }) => (this.session = state),
    "input_audio_buffer.speech_started": () => {
      this.problem = null;
      // The server tells of all speech, also of what is not to interrupt.
      if (this.player.playing && this.settings.chosen.bargeIn) this.#hush();
    },
    "ledge.playback": ({ action }) => {
      this.ducked = action === "duck";
      if (action === "duck") this.player.duck();
      else if (action === "stop") this.#hush();
      else {
        this.player.resume();
        this.interrupted.end();
      }
    },
    "response.created": ({ response }) => {
      this.response = response.id;
      this.problem = null;
      this.interrupted.end();
    },
    "response.output_audio.delta": ({ response_id, item_id, delta }) => {
      if (this.#silenced.has(response_id)) return;
      const { toEarMs } = this.conversation.find(item_id) ?? {};
      if (toEarMs === null && !this.#arrivedMs.has(item_id)) this.#arrivedMs.set(item_id, performance.now());
      const pcm = fromBase64(delta);
      this.conversation.arrived(item_id, (1000 * pcm.length) / RATE_HZ);
      this.player.play(item_id, pcm);
    },
    "response.output_audio.done": ({ item_id }) => {
      this.#whole.add(item_id);
      this.player.complete(item_id);
    },
    "response.done": ({ response }) => {
      this.#silenced.delete(response.id);
      if (this.response === response.id) this.response = null;
      this.#doneWaiters.splice(0).forEach((resolve) => resolve());
      if (response.status === "failed") this.#fail(response.status_details?.error?.message ?? "");
    },
  };

  // Nothing more is heard of what is playing, unless the server finds that it was a false alarm.
  #hush() {
    if (this.player.item) this.conversation.dropped(this.player.item);
    this.player.stop();
    this.interrupted.begin();
  }

  async #responseDone() {
    if (!this.response) return;
    await new Promise((resolve) => {
      this.#doneWaiters.push(resolve);
      setTimeout(resolve, CANCELLED_WITHIN_MS);
    });
  }

  #connectionChanged(change) {
    this.away = change.state === "open" ? null : change;
    if (this.away) {
      this.player.stop();
      this.conversation.breakOff();
      this.response = null;
      this.session = "idle";
      this.#silenced.clear();
      this.#whole.clear();
      this.interrupted.end();
      this.#doneWaiters.splice(0).forEach((resolve) => resolve());
    }
    this.#changed();
  }

  // `kind`: "deaf" where there is no microphone; the rest works as ever.
  #fail(message, kind = "error") {
    this.problem = { kind, message };
    this.#changed();
  }

  #changed() {
    this.dispatchEvent(new CustomEvent("changed"));
  }
}
