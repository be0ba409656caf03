// Elements without markup in strings: what comes from documents and models is text, and stays text.

export const byId = (id) => document.getElementById(id);

// element("button", {class: "cite", onclick: …, "aria-label": …}, "1")
export function element(name, attributes = {}, ...children) {
  const made = document.createElement(name);
  for (const [attribute, value] of Object.entries(attributes)) {
    if (attribute.startsWith("on")) made[attribute] = value;
    else if (value !== null && value !== undefined && value !== false) made.setAttribute(attribute, value);
  }
  made.append(...children.filter((child) => child !== null && child !== undefined));
  return made;
}

export function icon(name) {
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  const use = document.createElementNS("http://www.w3.org/2000/svg", "use");
  use.setAttribute("href", `#icon-${name}`);
  svg.append(use);
  return svg;
}

// Each dialog closes by its button, by Esc, and by a press beside it.
export function closable(dialog) {
  for (const button of dialog.querySelectorAll("[data-close]")) button.onclick = () => dialog.close();
  dialog.addEventListener("pointerdown", (event) => {
    const box = dialog.getBoundingClientRect();
    const within = (place, from, to) => place >= from && place <= to;
    const inside = within(event.clientX, box.left, box.right) && within(event.clientY, box.top, box.bottom);
    if (event.target === dialog && !inside) dialog.close();
  });
}
