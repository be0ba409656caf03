// Plays PCM16 of the context's own rate, one spoken item after the other, and tells how much was heard of each.
//
//   in   {pcm, item}          more of an item
//        {complete: item}     that was all of it
//        {gain}               play on louder or lower: ducking
//        {stop}               drop what is not played yet
//   out  {item, playedMs, what: "began" | "played" | "ended" | "stopped" | "starved", level}
//
// Nothing clicks: a beginning fades in, a stop fades out, a gain glides. An item that was stopped may go on later: what
// comes of it then follows what was played of it.

const CUSHION_S = 0.06;
const FADE_S = 0.005;
const GLIDE_S = 0.03;
const REPORT_S = 0.2;
const MOST_S = 600;

class Playback extends AudioWorkletProcessor {
  constructor() {
    super();
    this.queue = [];
    this.queued = 0;
    this.offset = 0;
    this.complete = new Set();
    this.item = null;
    this.played = 0;
    this.stopped = null;
    this.flowing = false;
    this.fade = 0;
    this.fading = 0;
    this.gain = 1;
    this.target = 1;
    this.unreported = 0;
    this.energy = 0;
    this.port.onmessage = ({ data }) => this.#receive(data);
  }

  #receive(message) {
    if (message.pcm && this.queued < MOST_S * sampleRate) {
      this.queue.push(message);
      this.queued += message.pcm.length;
    }
    if (message.complete) this.#completed(message.complete);
    if (message.gain !== undefined) this.target = message.gain;
    if (message.stop) {
      this.target = 1;
      if (this.flowing) this.fading = -1;
      else this.#drop();
    }
  }

  process(_, outputs) {
    const out = outputs[0][0];
    for (let i = 0; i < out.length; i++) out[i] = this.#next();
    for (const channel of outputs[0].slice(1)) channel.set(out);
    if (this.item && this.unreported >= REPORT_S * sampleRate) this.#report("played");
    return true;
  }

  #next() {
    if (!this.flowing && !this.#begin()) return 0;
    const head = this.queue[0];
    if (head.item !== this.item) this.#turnTo(head.item);
    const sample = head.pcm[this.offset++] / 32768;
    this.queued--;
    this.played++;
    this.unreported++;
    this.energy += sample * sample;
    if (this.offset === head.pcm.length) {
      this.queue.shift();
      this.offset = 0;
    }
    this.gain += Math.max(-1, Math.min(1, (this.target - this.gain) * 8)) / (GLIDE_S * sampleRate);
    this.fade = Math.max(0, Math.min(1, this.fade + this.fading / (FADE_S * sampleRate)));
    const level = this.fade * this.gain * sample;
    if (this.fading < 0 && this.fade === 0) this.#drop();
    else if (this.queue.length === 0) this.fading < 0 ? this.#drop() : this.#runDry();
    return level;
  }

  #completed(item) {
    if (this.queue.some((piece) => piece.item === item)) this.complete.add(item);
    else if (item === this.item) {
      this.#report("ended");
      this.item = null;
    }
  }

  #begin() {
    if (!this.queue.length) return false;
    if (this.queued < CUSHION_S * sampleRate && !this.complete.has(this.queue[0].item)) return false;
    this.flowing = true;
    this.fade = 0;
    this.fading = 1;
    return true;
  }

  #turnTo(item) {
    if (this.item) this.#report("ended");
    this.complete.delete(this.item);
    this.item = item;
    this.played = this.stopped?.item === item ? this.stopped.played : 0;
    this.stopped = null;
    this.#report("began");
  }

  #runDry() {
    this.flowing = false;
    const ended = this.complete.delete(this.item);
    this.#report(ended ? "ended" : "starved");
    if (ended) this.item = null;
  }

  #drop() {
    this.queue = [];
    this.queued = 0;
    this.offset = 0;
    this.complete.clear();
    this.flowing = false;
    this.fade = 0;
    this.fading = 0;
    this.gain = this.target;
    if (this.item) {
      this.#report("stopped");
      this.stopped = { item: this.item, played: this.played };
    }
    this.item = null;
  }

  #report(what) {
    const level = Math.sqrt(this.energy / Math.max(1, this.unreported));
    this.port.postMessage({ item: this.item, playedMs: Math.round((this.played / sampleRate) * 1000), what, level });
    this.unreported = 0;
    this.energy = 0;
  }
}

registerProcessor("playback", Playback);
