// The documents: which collection is asked, what is in it, files dropped in, files taken out.

import { byId, closable, element, icon } from "./elements.js";
import { call } from "./rest.js";
import { Uploads } from "./uploads.js";
import { language, translated } from "./words.js";

const NEW = "\u0000new";
const FINISHED = ["done", "unchanged", "failed", "lost"];

export class Documents {
  #rows = new Map();

  constructor(settings) {
    this.settings = settings;
    this.collections = [];
    this.uploads = new Uploads((upload) => this.#drawUpload(upload));
    byId("collection-name").textContent = this.collection;
    const dialog = byId("documents");
    closable(dialog);
    dialog.onclose = () => this.#closed();
    for (const id of ["open-documents", "welcome-add"]) byId(id).onclick = () => this.open();
    byId("collection").onchange = ({ target }) => this.#chosen(target.value);
    byId("new-collection").onsubmit = (event) => this.#create(event);
    byId("choose").onclick = () => this.#knowsWhere() && byId("files").click();
    byId("files").onchange = ({ target }) => {
      this.#add(target.files);
      target.value = "";
    };
    this.#takeDrops(dialog);
  }

  get collection() {
    return this.settings.chosen.collection;
  }

  get #path() {
    return `v1/documents?collection_name=${encodeURIComponent(this.collection)}`;
  }

  open() {
    byId("documents").showModal();
    return this.#told(this.refresh());
  }

  // What went well is in the list now; what did not stays until somebody has seen it.
  #closed() {
    byId("uploads").querySelectorAll(".done, .unchanged").forEach((row) => row.remove());
    byId("new-collection").hidden = true;
    byId("collection").value = this.collection;
  }

  // What collections there are, and what is in the one that is asked. Throws Refused.
  async refresh() {
    const told = await call("GET", "v1/collections");
    this.collections = told.collections.map((each) => each.collection_name);
    if (!this.collections.includes(this.collection)) this.collections.unshift(this.collection);
    this.#drawCollections();
    const known = told.collections.find((each) => each.collection_name === this.collection);
    const count = known?.collection_info.number_of_files ?? 0;
    byId("collection-name").textContent = this.collection;
    const welcome = count ? "welcome-count" : "welcome-none";
    byId("welcome-count").textContent = translated(welcome, { count, collection: this.collection });
    byId("welcome-add").hidden = count > 0;
    this.#drawList(count ? (await call("GET", this.#path)).documents : []);
  }

  #drawCollections() {
    const options = this.collections.map((name) => element("option", { value: name }, name));
    byId("collection").replaceChildren(...options, element("option", { value: NEW }, translated("collection-new")));
    // While one is named the form stays.
    byId("collection").value = byId("new-collection").hidden ? this.collection : NEW;
  }

  #chosen(name) {
    byId("new-collection").hidden = name !== NEW;
    if (name === NEW) byId("new-collection").elements.name.focus();
    else this.#turnTo(name);
  }

  #turnTo(name) {
    byId("new-collection").hidden = true;
    this.settings.choose("collection", name);
    return this.#told(this.refresh());
  }

  async #create(event) {
    event.preventDefault();
    const name = event.target.elements.name.value.trim();
    const made = await this.#told(call("POST", "v1/collection", { collection_name: name }));
    if (!made) return;
    event.target.reset();
    await this.#turnTo(name);
    byId("collection").focus();
  }

  #drawList(documents) {
    const sorted = documents.toSorted((a, b) => a.document_name.localeCompare(b.document_name, language));
    const list = byId("document-list");
    const focused = list.contains(document.activeElement) ? document.activeElement.dataset.focus : null;
    list.replaceChildren(...sorted.map((each) => this.#row(each)));
    if (focused !== null) this.#focus(focused);
    byId("documents-note").textContent = documents.length ? "" : translated("documents-none");
  }

  #row({ document_name: name, document_info: info }) {
    const pages = info.pages ? [translated("pages", { count: info.pages })] : [];
    const facts = [...pages, translated("passages", { count: info.total_elements }), size(info.file_size)];
    const label = translated("delete", { name });
    const attributes = { class: "tool", "aria-label": label, title: label, "data-focus": name };
    const remove = element("button", attributes, icon("delete"));
    remove.onclick = () => this.#delete(name);
    return element("li", {}, ...named(name, facts.join(" · ")), remove);
  }

  // On a document's button; where that is gone, on what stands above the list.
  #focus(name) {
    const button = byId("document-list").querySelector(`[data-focus="${CSS.escape(name)}"]`);
    (button ?? byId("collection")).focus();
  }

  async #delete(name) {
    const collection = this.collection;
    const dialog = byId("delete");
    byId("delete-sure").textContent = translated("delete-sure", { name, collection });
    dialog.returnValue = "";
    dialog.showModal();
    await new Promise((resolve) => dialog.addEventListener("close", resolve, { once: true }));
    // The list may have been drawn anew meanwhile, and its button be another.
    this.#focus(name);
    if (dialog.returnValue !== "delete") return;
    if (!(await this.#told(call("DELETE", this.#path, [name])))) return;
    await this.#told(this.refresh());
    byId("documents-note").textContent = translated("deleted", { name });
  }

  // Whether it is settled where files go.
  #knowsWhere() {
    const form = byId("new-collection");
    if (form.hidden) return true;
    byId("documents-note").textContent = translated("collection-first");
    form.elements.name.focus();
    return false;
  }

  #add(files) {
    if (!this.#knowsWhere()) return;
    for (const file of files) this.uploads.add(file, this.collection);
  }

  #drawUpload(upload) {
    const row = this.#rows.get(upload) ?? element("li");
    if (!this.#rows.has(upload)) byId("uploads").prepend(row);
    this.#rows.set(upload, row);
    const { name } = upload.file;
    const told =
      upload.state === "done"
        ? translated("passages", { count: upload.passages })
        : translated(`upload-${upload.state}`, { reason: upload.reason, percent: Math.round(upload.share * 100) });
    const finished = FINISHED.includes(upload.state);
    row.className = upload.state === "lost" ? "failed" : upload.state;
    row.replaceChildren(...named(name, told));
    if (finished) {
      const label = translated("dismiss", { name });
      const dismiss = element("button", { class: "tool", "aria-label": label, title: label }, icon("close"));
      dismiss.onclick = () => {
        row.remove();
        byId("choose").focus();
      };
      row.append(dismiss);
      byId("documents-told").textContent = `${name}: ${told}`;
      this.#told(this.refresh());
    } else {
      const known = upload.state === "sending" ? { value: upload.share } : {};
      row.append(element("progress", { max: 1, "aria-label": name, ...known }));
    }
  }

  // Files may be dropped anywhere; the panel then opens and shows what becomes of them.
  #takeDrops(dialog) {
    const veil = byId("drop-veil");
    const show = (on) => {
      veil.hidden = !on || dialog.open;
      veil.firstElementChild.textContent = translated("drop-anywhere", { collection: this.collection });
      dialog.classList.toggle("over", on);
    };
    addEventListener("dragover", (event) => {
      if (!event.dataTransfer.types.includes("Files")) return;
      event.preventDefault();
      show(true);
    });
    addEventListener("dragleave", (event) => event.relatedTarget === null && show(false));
    addEventListener("drop", (event) => {
      if (!event.dataTransfer.files.length) return;
      event.preventDefault();
      show(false);
      if (!dialog.open) this.open();
      this.#add(event.dataTransfer.files);
    });
  }

  // Whether it went well; what did not is told below the list.
  async #told(promise) {
    try {
      await promise;
      return true;
    } catch (error) {
      byId("documents-note").textContent = error.message;
      return false;
    }
  }
}

const named = (name, told) => [element("span", { class: "name" }, name), element("span", { class: "quiet" }, told)];

function size(bytes) {
  const large = bytes >= 1e6;
  const format = { style: "unit", unit: large ? "megabyte" : "kilobyte", maximumFractionDigits: large ? 1 : 0 };
  return new Intl.NumberFormat(language, format).format(large ? bytes / 1e6 : Math.max(1, bytes / 1e3));
}
