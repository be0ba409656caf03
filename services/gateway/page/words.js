// Every word that the page says, in the person's language. Another language is another file like words.en.js.

import en from "./words.en.js";
import es from "./words.es.js";

const LANGUAGES = { en, es };

export const language = navigator.languages.map((tag) => tag.split("-")[0]).find((tag) => tag in LANGUAGES) ?? "en";

const plural = new Intl.PluralRules(language);

// The sentence of that name, with {placeholders} filled in. Where a {count} is given it may have a form of its own, as
// "pages-one" for one page; which numbers take which form is the language's affair.
export function translated(name, values = {}) {
  const form = values.count === undefined ? name : `${name}-${plural.select(values.count)}`;
  const sentence = LANGUAGES[language][form] ?? LANGUAGES[language][name];
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
