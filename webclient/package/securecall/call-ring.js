/**
 * The calls as a client uses them. What makes and keeps them is loaded beside the first connection; until then what comes for them waits.
 *
 * @typedef {import("./calls.js").Calls} Calls
 */

import { SecureCallError } from "./errors.js";

/** The calls of a client. */
export class CallRing {
  /** @type {Calls | null} null: not loaded yet */
  known = null;
  /** @type {Promise<Calls> | null} */
  #loading = null;
  /** @type {((calls: Calls) => void)[]} */
  #waiting = [];
  #surroundings;

  /** @param {import("./call/surroundings.js").Surroundings} surroundings */
  constructor(surroundings) {
    this.#surroundings = surroundings;
  }

  /** @returns {Promise<Calls>} fails with `calls-unavailable`, which is told, too */
  load() {
    this.#loading ??= this.#make().catch(() => {
      // Without a network, perhaps: the next one who needs it asks again.
      this.#loading = null;
      const sentence = "The part of the client that knows calls could not be loaded. It is tried again when it is needed.";
      const error = new SecureCallError("calls-unavailable", sentence);
      this.#surroundings.tell("error", error);
      throw error;
    });
    return this.#loading;
  }

  /** @param {(calls: Calls) => void} run now, or in its turn once it is loaded */
  later(run) {
    if (this.known) {
      run(this.known);
      return;
    }
    this.#waiting.push(run);
    this.load().catch(() => undefined);
  }

  async #make() {
    const { Calls } = await import("./calls.js");
    const calls = new Calls(this.#surroundings);
    this.known = calls;
    for (const run of this.#waiting.splice(0)) run(calls);
    return calls;
  }
}
