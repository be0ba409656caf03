// One file on its way into a collection: waiting ──► sending ──► reading ──► done | unchanged | failed | lost

import { address, call, headers, refusal, Refused } from "./rest.js";

const AT_ONCE = 2;
const ASK_MS = 400;
const BUSY_S = 3;
const PATIENCE_MS = 60_000;

export class Uploads {
  #waiting = [];
  #running = 0;

  // `changed` gets an upload whenever something new is known of it.
  constructor(changed) {
    this.changed = changed;
  }

  add(file, collection) {
    const upload = { file, collection, state: "waiting", share: 0, reason: "", passages: 0 };
    this.#waiting.push(upload);
    this.changed(upload);
    this.#next();
  }

  async #next() {
    if (this.#running >= AT_ONCE || !this.#waiting.length) return;
    this.#running++;
    const upload = this.#waiting.shift();
    try {
      await this.#run(upload);
    } catch (error) {
      Object.assign(upload, { state: "failed", reason: error.message });
    }
    this.changed(upload);
    this.#running--;
    this.#next();
  }

  async #run(upload) {
    const { task_id } = await this.#sent(upload);
    upload.state = "reading";
    for (;;) {
      this.changed(upload);
      await later(ASK_MS);
      const told = await this.#asked(task_id);
      if (told.state === "UNKNOWN") upload.state = "lost";
      else if (told.state !== "PENDING") settle(upload, told);
      if (upload.state !== "reading") return;
    }
  }

  // What has become of it. That nobody answers for a while says nothing of the reading, which goes on.
  async #asked(taskId) {
    const untilMs = performance.now() + PATIENCE_MS;
    for (;;) {
      try {
        return await call("GET", `v1/status?task_id=${encodeURIComponent(taskId)}`);
      } catch (error) {
        if (!passes(error) || performance.now() > untilMs) return { state: "UNKNOWN" };
        await later(1000 * (error.retryAfterS ?? BUSY_S));
      }
    }
  }

  async #sent(upload) {
    for (;;) {
      try {
        return await this.#send(upload);
      } catch (error) {
        if (!(error instanceof Refused) || error.status !== 429) throw error;
        await later(1000 * (error.retryAfterS ?? BUSY_S));
      }
    }
  }

  // XMLHttpRequest, since `fetch` does not tell how much was sent.
  #send(upload) {
    const form = new FormData();
    form.append("data", JSON.stringify({ collection_name: upload.collection }));
    form.append("documents", upload.file, upload.file.name);
    const request = new XMLHttpRequest();
    request.open("POST", address("v1/documents"));
    for (const [name, value] of Object.entries(headers())) request.setRequestHeader(name, value);
    request.upload.onprogress = ({ loaded, total }) => {
      Object.assign(upload, { state: "sending", share: loaded / total });
      this.changed(upload);
    };
    return new Promise((resolve, reject) => {
      request.onload = () => {
        if (request.status === 200) resolve(JSON.parse(request.responseText));
        else reject(refusal(request.status, request.responseText, request.getResponseHeader("retry-after")));
      };
      request.onerror = () => reject(new Refused("the connection was lost", 0));
      request.send(form);
    });
  }
}

function settle(upload, { state, result }) {
  const stored = result.documents[0]?.document_info;
  const failed = result.failed_documents[0];
  if (stored) {
    upload.state = stored.outcome === "unchanged" ? "unchanged" : "done";
    upload.passages = stored.total_elements;
  } else {
    const whole = state === "FAILED" ? result.message : "";
    Object.assign(upload, { state: "failed", reason: failed?.error_message ?? whole });
  }
}

const passes = ({ status }) => status === 0 || status === 429 || status >= 500;

const later = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
