// Every word that the page says, in the person's language. Another language is another file like words.en.js.

import en from "./words.en.js";
import es from "./words.es.js";

const LANGUAGES = { en, es };

export const language = navigator.languages.map((tag) => tag.split("-")[0]).find((tag) => tag in LANGUAGES) ?? "en";

// The sentence of that name, with {placeholders} filled in. English where a language lacks it.
export function translated(name, values = {}) {
  const sentence = LANGUAGES[language][name] ?? en[name] ?? name;
  return sentence.replace(/\{(\w+)\}/g, (_, field) => values[field] ?? "");
}

// Fills what index.html leaves open: data-text for an element's text, data-label for what it is called.
export function translatePage(root = document) {
  root.documentElement?.setAttribute("lang", language);
  for (const element of root.querySelectorAll("[data-text]")) element.textContent = translated(element.dataset.text);
  for (const element of root.querySelectorAll("[data-label]")) {
    element.setAttribute("aria-label", translated(element.dataset.label));
    element.title = translated(element.dataset.label);
  }
  for (const element of root.querySelectorAll("[data-placeholder]")) {
    element.placeholder = translated(element.dataset.placeholder);
  }
}
