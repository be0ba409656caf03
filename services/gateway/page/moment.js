// Something that is true for a moment after it happened: it is shown, and then is over by itself.

export class Moment {
  #timer = null;

  // `changed` is called whenever `now` is another.
  constructor(lastsMs, changed) {
    this.lastsMs = lastsMs;
    this.changed = changed;
    this.now = false;
  }

  begin() {
    this.#turn(true);
    this.#timer = setTimeout(() => this.end(), this.lastsMs);
  }

  end() {
    this.#turn(false);
  }

  #turn(now) {
    clearTimeout(this.#timer);
    this.now = now;
    this.changed();
  }
}
