/**
 * @typedef {import("../timers.js").Timers} Timers
 */

/** A call's timers: one of each name. */
export class NamedTimers {
  /** @type {Map<string, number>} */
  #running = new Map();
  #timers;

  /** @param {Timers} timers */
  constructor(timers) {
    this.#timers = timers;
  }

  /**
   * @param {string} name
   * @param {number} delayMs
   * @param {() => void} run
   */
  after(name, delayMs, run) {
    this.clear(name);
    this.#running.set(name, this.#timers.after(delayMs, run));
  }

  /** @param {string[]} names */
  clear(...names) {
    for (const name of names) {
      const timer = this.#running.get(name);
      if (timer !== undefined) this.#timers.clear(timer);
      this.#running.delete(name);
    }
  }

  stop() {
    this.clear(...this.#running.keys());
  }
}
