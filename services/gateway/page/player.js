// What is spoken, and how much of it was heard: a thin hand on the worklet that plays.

import { translated } from "./words.js";

export const RATE_HZ = 24000;
const DUCKED = 10 ** (-12 / 20);

export class Player {
  #node = null;
  #context = null;
  #opening = null;
  #waiting = [];

  // `told` gets what the worklet reports: {item, playedMs, what, level}. See playback.worklet.js.
  constructor(told) {
    this.told = told;
    this.item = null;
    this.playedMs = 0;
  }

  get playing() {
    return this.item !== null;
  }

  // Browsers let a page sound only after somebody touched it: called from each click and key that begins something.
  async wake() {
    this.#opening ??= this.#open().catch((error) => this.#cannot(error));
    await this.#opening;
    if (this.#context.state === "suspended") await this.#context.resume();
  }

  async #open() {
    this.#context = new AudioContext({ sampleRate: RATE_HZ, latencyHint: "interactive" });
    await this.#context.audioWorklet.addModule(new URL("playback.worklet.js", import.meta.url));
    this.#node = new AudioWorkletNode(this.#context, "playback", { numberOfInputs: 0, outputChannelCount: [1] });
    this.#node.port.onmessage = ({ data }) => this.#reported(data);
    this.#node.connect(this.#context.destination);
    for (const message of this.#waiting.splice(0)) this.#node.port.postMessage(message);
  }

  // What came meanwhile is not heard; the next question tries again.
  async #cannot(error) {
    const context = this.#context;
    this.#context = null;
    this.#opening = null;
    this.#waiting = [];
    await context?.close();
    throw new Error(translated("player-failed", { reason: error.message }), { cause: error });
  }

  // Between a sample's turn and its sound, as far as the browser knows.
  get latencyMs() {
    return 1000 * ((this.#context?.outputLatency ?? 0) || (this.#context?.baseLatency ?? 0));
  }

  play(item, pcm) {
    this.#post({ pcm, item });
  }

  complete(item) {
    this.#post({ complete: item });
  }

  duck() {
    this.#post({ gain: DUCKED });
  }

  resume() {
    this.#post({ gain: 1 });
  }

  stop() {
    this.#post({ stop: true });
  }

  #post(message) {
    if (this.#node) this.#node.port.postMessage(message);
    else if (message.stop) this.#waiting = [];
    else if (this.#opening) this.#waiting.push(message);
  }

  #reported(report) {
    const over = report.what === "ended" || report.what === "stopped";
    this.item = over ? null : report.item;
    this.playedMs = report.playedMs;
    this.told(report);
  }
}
