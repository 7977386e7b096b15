/**
 * Timers that a hidden page does not slow down.
 */

/** The longest that browsers wait: with more than 31 bits of milliseconds `setTimeout` and `setInterval` fire at once. */
export const LONGEST_MS = 2 ** 31 - 1;

/**
 * Bound a length that comes from outside, so that a timer does not run wild because of it.
 *
 * @param {unknown} ms
 * @param {number} leastMs
 * @param {number} otherwiseMs if it is no number
 */
export function bounded(ms, leastMs, otherwiseMs) {
  return typeof ms === "number" && !Number.isNaN(ms) ? Math.max(ms, leastMs) : otherwiseMs;
}

/** Timers that go on while the page is hidden; the page's own where there can be no worker. */
export class Timers {
  /** @type {Map<number, {due: number, restMs: number, run: () => void}>} `restMs`: what comes after `LONGEST_MS` */
  #pending = new Map();
  #next = 1;
  /** @type {Worker | null | undefined} undefined: not tried yet */
  #worker;
  /** Whether the worker has fired a timer: its file may be on its way, or may never come. */
  #isProved = false;
  #url;
  #onFailure;

  /**
   * @param {string | URL | undefined} url of the worker's script; undefined: beside this library
   * @param {() => void} [onFailure] told once that there can be no worker
   */
  constructor(url, onFailure) {
    this.#url = url;
    this.#onFailure = onFailure;
  }

  /**
   * @param {number} delayMs of any length
   * @param {() => void} run
   * @returns {number} for `clear`
   */
  after(delayMs, run) {
    const id = this.#next++;
    if (this.#worker === undefined) this.#worker = this.#start();
    this.#wait(id, delayMs, run);
    return id;
  }

  /** @param {number} id */
  clear(id) {
    if (this.#pending.delete(id)) this.#worker?.postMessage({ id, delayMs: null });
  }

  /** Forget all; the next one starts a new worker. */
  stop() {
    this.#pending.clear();
    this.#worker?.terminate();
    this.#worker = undefined;
    this.#isProved = false;
  }

  /**
   * @param {number} id
   * @param {number} wholeMs
   * @param {() => void} run
   */
  #wait(id, wholeMs, run) {
    const delayMs = Math.min(wholeMs, LONGEST_MS);
    this.#pending.set(id, { due: Date.now() + delayMs, restMs: wholeMs - delayMs, run });
    this.#worker?.postMessage({ id, delayMs });
    // Until then the page's timers run beside; the first of two that fires is the one that counts.
    if (!this.#isProved) setTimeout(() => this.#fire(id), delayMs);
  }

  #start() {
    try {
      // Bundlers find the worker by this expression, and by no other.
      const worker = this.#url ? new Worker(this.#url) : new Worker(new URL("../timer-worker.js", import.meta.url));
      worker.onmessage = ({ data }) => {
        this.#isProved = true;
        this.#fire(data);
      };
      worker.onerror = () => this.#doWithout();
      return worker;
    } catch {
      // The file is on another origin, or the page's policy forbids workers.
      this.#fail();
      return null;
    }
  }

  #fail() {
    this.#onFailure?.();
    this.#onFailure = undefined;
  }

  #doWithout() {
    this.#fail();
    this.#worker = null;
    this.#isProved = false;
    for (const [id, { due }] of this.#pending) setTimeout(() => this.#fire(id), Math.max(0, due - Date.now()));
  }

  /** @param {number} id */
  #fire(id) {
    const timer = this.#pending.get(id);
    this.#pending.delete(id);
    if (!timer) return;
    if (timer.restMs > 0) this.#wait(id, timer.restMs, timer.run);
    else timer.run();
  }
}
