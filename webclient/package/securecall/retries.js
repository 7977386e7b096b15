/**
 * When to try again to reach the server: after 1 to 30 s, as the protocol has it.
 */

const FIRST_RETRY_MS = 1_000;
const LAST_RETRY_MS = 30_000;

/**
 * How long to wait before attempt number `attempt`, counted from 0: random, so that clients that lost the same server
 * do not all come back at once, between 1 s and a bound that doubles up to 30 s.
 *
 * @param {number} attempt
 */
function retryDelayMs(attempt) {
  const bound = Math.min(LAST_RETRY_MS, FIRST_RETRY_MS * 2 ** (attempt + 1));
  return FIRST_RETRY_MS + Math.random() * (bound - FIRST_RETRY_MS);
}

/** The attempts of a connection. */
export class Retries {
  // Grows with every attempt, and only a connection that lives takes it back: a server that accepts and drops its
  // clients is left alone like one that is away.
  #step = 0;
  #pauseMs = 0;
  #timer = 0;
  #timers;

  /** @param {import("./timers.js").Timers} timers */
  constructor(timers) {
    this.#timers = timers;
  }

  /** The next wait is the shortest again. */
  reset() {
    this.#step = 0;
  }

  /** @param {number} ms how long to wait at least, the next time */
  pause(ms) {
    this.#pauseMs = ms;
  }

  /**
   * @param {() => void} run
   * @returns {number} after how many ms it runs
   */
  later(run) {
    const delayMs = Math.max(retryDelayMs(this.#step), this.#pauseMs);
    this.#step += 1;
    this.#pauseMs = 0;
    this.#timer = this.#timers.after(delayMs, run);
    return delayMs;
  }

  stop() {
    this.#timers.clear(this.#timer);
  }
}
