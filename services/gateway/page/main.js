// Wires the page: settings and documents beside it, the assistant behind the button, and its state in words and colour.

import { Announcer } from "./announcer.js";
import { Assistant } from "./assistant.js";
import { Documents } from "./documents.js";
import { byId, closable } from "./elements.js";
import { call, key } from "./rest.js";
import { Settings } from "./settings.js";
import { TalkButton } from "./talk_button.js";
import { Thread } from "./thread.js";
import { translated, translatePage } from "./words.js";

const QUIETEST_DB = -55;
const LOUDEST_DB = -10;

translatePage();
const settings = new Settings();
const documents = new Documents(settings);
const assistant = new Assistant(settings);
new Thread(assistant.conversation);
new Announcer(assistant.conversation, settings);

// State, in words, in colour, and for those who cannot see either.

function hint() {
  const { state, away } = assistant;
  const quiet = !assistant.listening;
  const unheeded = quiet || !settings.chosen.bargeIn;
  if (state === "error") return assistant.problem.message;
  if (state === "disconnected") {
    if (away.state === "closed") return away.reason;
    if (away.state === "connecting") return translated("hint-retrying");
    const seconds = Math.max(1, Math.round(away.waitMs / 1000));
    return translated(away.reason ? "hint-disconnected-why" : "hint-disconnected", { reason: away.reason, seconds });
  }
  if (assistant.held) return translated("hint-held");
  if (assistant.ducked && state === "speaking") return translated("hint-ducked");
  if (state === "listening" && assistant.microphone.muted) return translated("hint-listening-muted");
  if (state === "speaking" && unheeded) return translated("hint-speaking-quiet");
  if (state === "interrupted" && quiet) return translated("hint-interrupted-quiet");
  return translated(`hint-${state}`);
}

function show(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

function showState() {
  const { state, listening, held } = assistant;
  document.body.dataset.state = state;
  document.body.toggleAttribute("data-held", held);
  show(byId("state-name"), translated(`state-${state === "error" ? assistant.problem.kind : state}`));
  show(byId("hint"), hint());
  byId("try-now").hidden = state !== "disconnected";
  byId("interrupt").hidden = !(assistant.player.playing || assistant.response);
  byId("mute").hidden = !listening;
  const name = translated(listening ? "talk-stop" : "talk-start");
  byId("talk").setAttribute("aria-pressed", listening || held);
  byId("talk").setAttribute("aria-label", name);
  byId("talk").title = name;
  if (assistant.away?.status === 401) askForKey();
}

assistant.addEventListener("changed", showState);

let metered = 0;
assistant.addEventListener("level", ({ detail }) => {
  const db = 20 * Math.log10(detail + 1e-6);
  const level = Math.max(0, Math.min(1, (db - QUIETEST_DB) / (LOUDEST_DB - QUIETEST_DB)));
  byId("level").style.setProperty("--level", level.toFixed(3));
  if (metered++ % 8 === 0) byId("level").setAttribute("aria-valuenow", Math.round(level * 100));
});

// What a person does.

new TalkButton(byId("talk"), {
  down: () => assistant.getReady(),
  tapped: () => (assistant.listening ? assistant.stopListening() : assistant.listen()),
  held: () => assistant.hold(),
  released: () => assistant.letGo(),
});
byId("interrupt").onclick = () => assistant.interrupt();
byId("mute").onclick = () => {
  const muted = !assistant.microphone.muted;
  assistant.mute(muted);
  showMute();
};
byId("try-now").onclick = () => start();
byId("ask").onsubmit = async (event) => {
  event.preventDefault();
  const text = byId("question").value.trim();
  if (text && (await assistant.ask(text))) byId("question").value = "";
};
byId("new").onclick = () => {
  assistant.restart();
  byId("question").focus();
};
byId("download").onclick = () => {
  const words = { user: translated("user"), assistant: translated("assistant") };
  const file = new Blob([assistant.conversation.asText(words)], { type: "text/plain" });
  const link = document.createElement("a");
  link.href = URL.createObjectURL(file);
  link.download = `${translated("transcript-file")}-${new Date().toISOString().slice(0, 16).replaceAll(":", "")}.txt`;
  link.click();
  URL.revokeObjectURL(link.href);
};
addEventListener("keydown", (event) => {
  if (event.key === "Escape" && !document.querySelector("dialog[open]")) assistant.interrupt();
});

function showMute() {
  const { muted } = assistant.microphone;
  const name = translated(muted ? "unmute" : "mute");
  byId("mute").setAttribute("aria-pressed", muted);
  byId("mute").setAttribute("aria-label", name);
  byId("mute").title = name;
  byId("mute").querySelector("use").setAttribute("href", muted ? "#icon-muted" : "#icon-microphone");
}

// The gateway may ask for a key.

function askForKey() {
  const dialog = byId("key");
  if (dialog.open) return;
  byId("key-wrong").hidden = !key.get();
  dialog.showModal();
}

byId("key").onclose = () => {
  if (!key.get()) assistant.connection.close({ reason: translated("key-title") });
};
byId("key").querySelector("form").onsubmit = (event) => {
  event.preventDefault();
  key.set(event.target.elements.key.value.trim());
  event.target.reset();
  byId("key").close();
  start();
};

async function start() {
  try {
    await documents.refresh();
  } catch (error) {
    if (error.status === 401) return askForKey();
  }
  await settings.load();
  assistant.open();
}

closable(byId("passage"));
showMute();
showState();
start();
