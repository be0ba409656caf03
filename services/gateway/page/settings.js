// What a person chooses, kept in the browser: language, voice, collection, thoroughness, what is read aloud.

import { byId, closable, element } from "./elements.js";
import { call } from "./rest.js";
import { language as pageLanguage, translated } from "./words.js";

const STORED = "ledge-settings";
const DEFAULTS = { language: "", voice: "", collection: "default", effort: "", readAloud: true, bargeIn: true };
const EFFORTS = ["", "fast", "balanced", "thorough"];

export class Settings extends EventTarget {
  // Fires `changed` with the name of what was chosen in `detail`.
  constructor() {
    super();
    try {
      this.chosen = { ...DEFAULTS, ...JSON.parse(localStorage.getItem(STORED) ?? "{}") };
    } catch {
      this.chosen = { ...DEFAULTS };
    }
    closable(byId("settings"));
    byId("open-settings").onclick = () => byId("settings").showModal();
    this.#select("language", [["", translated("language-auto")]]);
    this.#select("voice", [["", translated("voice-default")]]);
    this.#select("effort", EFFORTS.map((effort) => [effort, translated(`effort-${effort || "default"}`)]));
    this.#tick("read-aloud", "readAloud");
    this.#tick("barge-in", "bargeIn");
    if (!isSecureContext) this.#cannotSound();
  }

  // Browsers let a page process sound only where they trust its address.
  get readsAloud() {
    return this.chosen.readAloud && isSecureContext;
  }

  // What the server is told of it.
  session(turnDetection) {
    const { language, voice, collection, effort } = this.chosen;
    const pcm = { type: "audio/pcm", rate: 24000 };
    return {
      type: "realtime",
      output_modalities: [this.readsAloud ? "audio" : "text"],
      audio: {
        input: { format: pcm, turn_detection: turnDetection },
        // Empty: the one that speaks the language.
        output: { format: pcm, voice: voice ?? "" },
      },
      ledge: { collections: [collection], language, partials: true, ...(effort ? { effort } : {}) },
    };
  }

  choose(name, value) {
    this.chosen[name] = value;
    localStorage.setItem(STORED, JSON.stringify(this.chosen));
    this.dispatchEvent(new CustomEvent("changed", { detail: name }));
  }

  // Fills in what the suite has. A suite without voices or translation leaves the default as the only choice.
  async load() {
    const [voices, languages] = await Promise.all([
      call("GET", "v1/audio/voices").then((told) => told.voices, () => []),
      call("GET", "languages").catch(() => []),
    ]);
    const names = new Intl.DisplayNames([pageLanguage], { type: "language" });
    const codes = new Set([...voices.map((voice) => voice.language), ...languages.map(({ code }) => code)]);
    this.#forgetMissing("voice", voices.map((voice) => voice.id));
    if (languages.length) this.#forgetMissing("language", [...codes]);
    const known = [...codes].filter(Boolean).sort().map((code) => [code, names.of(code)]);
    this.#select("language", [["", translated("language-auto")], ...known]);
    const named = voices.map((voice) => [voice.id, `${voice.name} (${names.of(voice.language)})`]);
    this.#select("voice", [["", translated("voice-default")], ...named]);
  }

  // What was chosen of a suite that had more.
  #forgetMissing(name, there) {
    if (there.length && this.chosen[name] && !there.includes(this.chosen[name])) this.choose(name, "");
  }

  #select(name, choices) {
    const select = byId(name);
    select.replaceChildren(...choices.map(([value, text]) => element("option", { value }, text)));
    select.value = this.chosen[name];
    if (select.selectedIndex < 0) select.selectedIndex = 0;
    select.onchange = () => this.choose(name, select.value);
  }

  #cannotSound() {
    const box = byId("read-aloud");
    Object.assign(box, { checked: false, disabled: true });
    box.nextElementSibling.textContent = translated("read-aloud-needs-https");
  }

  #tick(id, name) {
    byId(id).checked = this.chosen[name];
    byId(id).onchange = ({ target }) => this.choose(name, target.checked);
  }
}
