// The microphone: opened only while somebody means to talk, and closed again, so that the browser's own sign tells the
// truth. Muted it hears silence, not nothing, for a turn ends in silence.

import { translated } from "./words.js";

export class Microphone {
  #stream = null;
  #context = null;
  #opening = null;

  // `heard` gets each frame: {pcm: Int16Array at 24 kHz, level: 0 to 1}.
  constructor(heard) {
    this.heard = heard;
    this.muted = false;
  }

  get open() {
    return this.#stream !== null;
  }

  // Asks the person the first time. Throws an Error whose message is for people.
  async start() {
    this.#opening ??= this.#start().finally(() => (this.#opening = null));
    return this.#opening;
  }

  async #start() {
    if (this.open) return;
    if (!navigator.mediaDevices) throw new Error(translated("microphone-needs-https"));
    let stream;
    try {
      stream = await navigator.mediaDevices.getUserMedia({
        audio: { channelCount: 1, echoCancellation: true, noiseSuppression: true, autoGainControl: true },
      });
    } catch (error) {
      const denied = error.name === "NotAllowedError" || error.name === "SecurityError";
      throw new Error(translated(denied ? "microphone-denied" : "microphone-missing"), { cause: error });
    }
    this.#context = new AudioContext({ latencyHint: "interactive" });
    await this.#context.audioWorklet.addModule(new URL("capture.worklet.js", import.meta.url));
    const capture = new AudioWorkletNode(this.#context, "capture", { numberOfOutputs: 0 });
    capture.port.onmessage = ({ data }) => this.#stream && this.heard(data);
    this.#context.createMediaStreamSource(stream).connect(capture);
    this.#stream = stream;
    this.mute(this.muted);
    await this.#context.resume();
  }

  mute(muted) {
    this.muted = muted;
    for (const track of this.#stream?.getAudioTracks() ?? []) track.enabled = !muted;
  }

  async stop() {
    await this.#opening?.catch(() => {});
    for (const track of this.#stream?.getTracks() ?? []) track.stop();
    this.#stream = null;
    const context = this.#context;
    this.#context = null;
    await context?.close();
  }
}
