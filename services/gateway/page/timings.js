// Where the time of an answer went, as one bar: each stage is as long as it held up the answer.
//
// The server tells when each stage was done, after the end of speech. Stages overlap, for work begins before it is sure
// that the speaker has finished: one that was done before an earlier one in time cost nothing, and is left out.

import { element } from "./elements.js";
import { translated } from "./words.js";

const STAGES = ["endpoint_ms", "transcript_ms", "retrieval_ms", "first_text_ms", "first_audio_ms", "first_sound_ms"];
const SHORTEST_MS = 1;

// [{stage, ms}] in the order in which they were done.
export function shares(timings) {
  const done = STAGES.filter((stage) => Number.isFinite(timings[stage])).map((stage) => [stage, timings[stage]]);
  const order = done.sort(([a, atMs], [b, btMs]) => atMs - btMs || STAGES.indexOf(a) - STAGES.indexOf(b));
  let beforeMs = 0;
  const taken = order.map(([stage, atMs]) => {
    const ms = atMs - beforeMs;
    beforeMs = Math.max(beforeMs, atMs);
    return { stage, ms };
  });
  return taken.filter(({ ms }) => ms >= SHORTEST_MS);
}

// `toEarMs`: what this page itself took with the first audio; null where nothing sounded.
export function timingsBar(timings, toEarMs = null) {
  const heard = toEarMs !== null && Number.isFinite(timings.first_audio_ms);
  const all = heard ? { ...timings, first_sound_ms: timings.first_audio_ms + toEarMs } : timings;
  const taken = shares(all);
  if (!taken.length) return null;
  const totalMs = taken.reduce((sum, { ms }) => sum + ms, 0);
  const name = Number.isFinite(timings.first_audio_ms) ? "first-sound" : "first-text";
  const summary = translated(name, { seconds: (totalMs / 1000).toFixed(2) });
  const bar = element("div", { class: "bar", "aria-hidden": "true" });
  const legend = element("div", { class: "legend" });
  for (const { stage, ms } of taken) {
    const share = element("i", { "data-stage": stage });
    share.style.flexGrow = ms;
    bar.append(share);
    const told = translated("milliseconds", { name: translated(`stage-${stage}`), ms: Math.round(ms) });
    legend.append(element("span", {}, element("i", { "data-stage": stage }), told));
  }
  return element("div", { class: "timings" }, summary, bar, legend);
}
