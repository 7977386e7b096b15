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
    const timer = this.#timers.after(delayMs, () => {
      this.#running.delete(name);
      run();
    });
    this.#running.set(name, timer);
  }

  /** @param {string} name */
  has(name) {
    return this.#running.has(name);
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
