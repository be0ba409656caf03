// The one button, by pointer, by key and by assistive technology: a tap turns listening on or off, a hold is a turn.
//
//   down ──► tapped       let go before HOLD_MS
//        └─► held ──► released
//
// The space bar anywhere but in a field is the button, too.

const HOLD_MS = 300;
const OWN_SPACE = "input, textarea, select, button, summary, a[href], [tabindex='0'], dialog";

export class TalkButton {
  #timer = null;
  #held = false;
  #down = false;

  // `on` has down, tapped, held and released.
  constructor(button, on) {
    this.on = on;
    button.addEventListener("pointerdown", (event) => {
      if (event.button !== 0) return;
      button.setPointerCapture(event.pointerId);
      this.#press();
    });
    for (const over of ["pointerup", "pointercancel"]) button.addEventListener(over, () => this.#release());
    button.addEventListener("contextmenu", (event) => event.preventDefault());
    // Enter, and what assistive technology calls a click, come without a pointer.
    button.addEventListener("click", (event) => {
      if (event.detail !== 0 || this.#down) return;
      this.#press();
      this.#release();
    });
    addEventListener("keydown", (event) => {
      if (event.code !== "Space" || (event.target !== button && event.target.closest(OWN_SPACE))) return;
      event.preventDefault();
      if (!event.repeat) this.#press();
    });
    addEventListener("keyup", (event) => {
      if (event.code !== "Space" || !this.#down) return;
      event.preventDefault();
      this.#release();
    });
    addEventListener("blur", () => this.#release());
  }

  #press() {
    if (this.#down) return;
    this.#down = true;
    this.#held = false;
    this.on.down();
    this.#timer = setTimeout(() => {
      this.#held = true;
      this.on.held();
    }, HOLD_MS);
  }

  #release() {
    if (!this.#down) return;
    this.#down = false;
    clearTimeout(this.#timer);
    if (this.#held) this.on.released();
    else this.on.tapped();
  }
}
