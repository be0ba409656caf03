// One Realtime WebSocket that comes back by itself.
//
//   CLOSED ──open──► CONNECTING ──session.created──► OPEN
//     ▲                 ▲  │ refused for good           │ dropped
//     └─────────────────┼──┘                            ▼
//                       └───────── after a while ──── WAITING
//
// A browser does not say why a socket was refused, so what may be refused is asked of REST first.

import { address, call, key, Refused } from "./rest.js";
import { translated } from "./words.js";

const FIRST_WAIT_MS = 500;
const LONGEST_WAIT_MS = 10_000;
const HELLO_MS = 10_000;
const MOST_UNSENT_BYTES = 2 ** 20;
const REFUSED_FOR_GOOD = 1008;
const SECRET_S = 60;
const VOICE = "ledge.voice.v1.VoiceService";

export class Connection extends EventTarget {
  #socket = null;
  #timer = null;
  #waitMs = FIRST_WAIT_MS;
  #wanted = false;

  // Fires `event` with each event of the server in `detail`, and `changed` with {state, reason, status, waitMs, again}.
  constructor(model) {
    super();
    this.model = model;
    this.state = "closed";
    // A socket does not notice for minutes that its network is gone; the browser does at once.
    addEventListener("offline", () => this.ready && this.#later(""));
    addEventListener("online", () => this.state === "waiting" && this.open());
  }

  get ready() {
    return this.state === "open";
  }

  open() {
    this.#wanted = true;
    this.#waitMs = FIRST_WAIT_MS;
    this.#connect();
  }

  close(why = {}) {
    this.#wanted = false;
    this.#drop();
    this.#turn("closed", why);
  }

  // A conversation of its own: the server forgets the one before.
  renew() {
    this.open();
  }

  // Whether it is on its way. A server that reads nothing is given up, before what it did not read fills the memory.
  send(event) {
    if (this.ready && this.#socket.bufferedAmount > MOST_UNSENT_BYTES) this.#later("");
    const sent = this.ready && this.#socket.readyState === WebSocket.OPEN;
    if (sent) this.#socket.send(JSON.stringify(event));
    return sent;
  }

  async #connect({ again = false } = {}) {
    this.#drop();
    this.#turn("connecting", { again });
    const attempt = (this.attempt = Symbol());
    let protocols;
    try {
      protocols = await this.#protocols();
    } catch (error) {
      if (attempt === this.attempt && this.#wanted) this.#refused(error);
      return;
    }
    if (attempt !== this.attempt || !this.#wanted) return;
    const url = address(`v1/realtime?model=${encodeURIComponent(this.model)}`);
    url.protocol = url.protocol.replace("http", "ws");
    const socket = (this.#socket = new WebSocket(url, protocols));
    const hello = setTimeout(() => socket.close(), HELLO_MS);
    socket.onmessage = ({ data }) => {
      if (socket !== this.#socket) return;
      const event = JSON.parse(data);
      if (event.type === "session.created") {
        clearTimeout(hello);
        this.#waitMs = FIRST_WAIT_MS;
        this.#turn("open");
      }
      this.dispatchEvent(new CustomEvent("event", { detail: event }));
    };
    socket.onclose = async ({ code, reason }) => {
      clearTimeout(hello);
      if (socket !== this.#socket) return;
      if (code === REFUSED_FOR_GOOD) this.close({ reason });
      else if (this.ready) this.#later(reason);
      else await this.#whyNot().then(() => this.#later(reason), (error) => this.#refused(error));
    };
  }

  // Throws Refused where coming back would not help.
  async #whyNot() {
    const { dependencies } = await call("GET", "v1/health?check_dependencies=true");
    if (!(VOICE in dependencies)) throw new Refused(translated("no-voice"), 404);
    await call("GET", "v1/models");
  }

  #refused(error) {
    if (error.status >= 400 && error.status < 500 && error.status !== 429) {
      this.close({ reason: error.message, status: error.status });
    } else this.#later(error.message, error.retryAfterS);
  }

  // The key does not travel in the socket's own request, but a secret of a minute that it was exchanged for.
  async #protocols() {
    if (!key.get()) return ["realtime"];
    const session = { type: "realtime", model: this.model };
    const expires_after = { anchor: "created_at", seconds: SECRET_S };
    const secret = await call("POST", "v1/realtime/client_secrets", { expires_after, session });
    return ["realtime", `openai-insecure-api-key.${secret.value}`];
  }

  #later(reason, afterS = null) {
    this.#drop();
    if (!this.#wanted) return;
    const waitMs = afterS ? afterS * 1000 : this.#waitMs;
    this.#waitMs = Math.min(LONGEST_WAIT_MS, this.#waitMs * 2);
    this.#turn("waiting", { reason, waitMs });
    this.#timer = setTimeout(() => this.#connect({ again: true }), waitMs);
  }

  #drop() {
    clearTimeout(this.#timer);
    const socket = this.#socket;
    this.#socket = null;
    socket?.close();
  }

  #turn(state, more = {}) {
    this.state = state;
    this.dispatchEvent(new CustomEvent("changed", { detail: { state, ...more } }));
  }
}
