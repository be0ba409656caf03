// What the microphone hears, as 24 kHz PCM16: one message for every 32 ms, which is one window of the voice detector.
// The message is {pcm: Int16Array, level: root mean square, 0 to 1}.
//
// The device's own rate comes in, whatever it is, since not every browser lets a microphone into a context of another.

const OUT_HZ = 24000;
const FRAME_SAMPLES = 768;
const TAPS_PER_SIDE = 12;
const STEPS = 128;

// A windowed sinc that cuts off below half of the lower rate, so that nothing is folded back into what is heard.
class Downsampler {
  constructor(inHz) {
    this.step = inHz / OUT_HZ;
    const widening = Math.max(1, this.step);
    this.reach = Math.ceil(TAPS_PER_SIDE * widening);
    const cutoff = 0.92 / widening;
    this.kernel = new Float32Array(this.reach * STEPS + 2);
    for (let i = 0; i < this.kernel.length; i++) {
      const x = i / STEPS;
      const sinc = x === 0 ? 1 : Math.sin(Math.PI * x * cutoff) / (Math.PI * x * cutoff);
      const window = x < this.reach ? 0.5 + 0.5 * Math.cos((Math.PI * x) / this.reach) : 0;
      this.kernel[i] = cutoff * sinc * window;
    }
    this.past = new Float32Array(2 * this.reach);
    this.position = this.reach;
  }

  // Calls `take` with each sample of the lower rate that these complete.
  feed(samples, take) {
    const all = new Float32Array(this.past.length + samples.length);
    all.set(this.past);
    all.set(samples, this.past.length);
    for (; this.position + this.reach < all.length; this.position += this.step) {
      const middle = Math.floor(this.position);
      let sum = 0;
      for (let i = middle - this.reach + 1; i <= middle + this.reach; i++) {
        sum += all[i] * this.kernel[Math.round(Math.abs(this.position - i) * STEPS)];
      }
      take(sum);
    }
    const kept = Math.min(all.length, 2 * this.reach + Math.ceil(this.step));
    this.past = all.slice(all.length - kept);
    this.position -= all.length - kept;
  }
}

class Capture extends AudioWorkletProcessor {
  constructor() {
    super();
    this.downsampler = new Downsampler(sampleRate);
    this.#begin();
  }

  #begin() {
    this.frame = new Int16Array(FRAME_SAMPLES);
    this.filled = 0;
    this.energy = 0;
  }

  process(inputs) {
    const channel = inputs[0][0];
    if (channel) this.downsampler.feed(channel, (sample) => this.#take(sample));
    return true;
  }

  #take(sample) {
    const bounded = Math.max(-1, Math.min(1, sample));
    this.frame[this.filled++] = Math.round(bounded * 32767);
    this.energy += bounded * bounded;
    if (this.filled < FRAME_SAMPLES) return;
    const level = Math.sqrt(this.energy / FRAME_SAMPLES);
    this.port.postMessage({ pcm: this.frame, level }, [this.frame.buffer]);
    this.#begin();
  }
}

registerProcessor("capture", Capture);
