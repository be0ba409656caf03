// The microphone: opened only while somebody means to talk, and closed again, so that the browser's own sign tells the
// truth. Muted it hears silence, not nothing, for a turn ends in silence.

import { translated } from "./words.js";

const WANTED = { channelCount: 1, echoCancellation: true, noiseSuppression: true, autoGainControl: true };
// What getUserMedia fails with, and what a person can do about it.
const REFUSALS = {
  NotAllowedError: "microphone-denied",
  SecurityError: "microphone-denied",
  NotFoundError: "microphone-missing",
  OverconstrainedError: "microphone-missing",
  NotReadableError: "microphone-busy",
  AbortError: "microphone-busy",
};

export class Microphone {
  #stream = null;
  #context = null;
  #opening = null;

  // `heard` gets each frame: {pcm: Int16Array at 24 kHz, level: 0 to 1}. `lost` is called when the device is gone.
  constructor({ heard, lost }) {
    this.heard = heard;
    this.lost = lost;
    this.muted = false;
  }

  get open() {
    return this.#stream !== null;
  }

  // Asks the person the first time. Throws an Error whose message is for people; then nothing is left open.
  async start() {
    this.#opening ??= this.#start().finally(() => (this.#opening = null));
    return this.#opening;
  }

  async #start() {
    if (this.open) return;
    const stream = await asked();
    try {
      await this.#listen(stream);
    } catch (error) {
      await this.#close(stream);
      throw new Error(translated("microphone-failed", { reason: error.message }), { cause: error });
    }
    this.#stream = stream;
    this.mute(this.muted);
    for (const track of stream.getAudioTracks()) track.onended = () => this.#ended(stream);
  }

  async #listen(stream) {
    this.#context = new AudioContext({ latencyHint: "interactive" });
    await this.#context.audioWorklet.addModule(new URL("capture.worklet.js", import.meta.url));
    const capture = new AudioWorkletNode(this.#context, "capture", { numberOfOutputs: 0 });
    capture.port.onmessage = ({ data }) => this.#stream && this.heard(data);
    this.#context.createMediaStreamSource(stream).connect(capture);
    await this.#context.resume();
  }

  mute(muted) {
    this.muted = muted;
    for (const track of this.#stream?.getAudioTracks() ?? []) track.enabled = !muted;
  }

  async stop() {
    await this.#opening?.catch(() => {});
    await this.#close(this.#stream);
  }

  // Unplugged, or no longer allowed: what we stop ourselves does not tell of its end.
  async #ended(stream) {
    if (stream !== this.#stream) return;
    await this.#close(stream);
    this.lost();
  }

  async #close(stream) {
    for (const track of stream?.getTracks() ?? []) track.stop();
    this.#stream = null;
    const context = this.#context;
    this.#context = null;
    await context?.close();
  }
}

async function asked() {
  if (!navigator.mediaDevices?.getUserMedia) {
    throw new Error(translated(isSecureContext ? "microphone-unknown" : "microphone-needs-https"));
  }
  try {
    return await navigator.mediaDevices.getUserMedia({ audio: WANTED });
  } catch (error) {
    const name = REFUSALS[error.name] ?? "microphone-failed";
    throw new Error(translated(name, { reason: error.message || error.name }), { cause: error });
  }
}
