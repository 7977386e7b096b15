/**
 * Timers that a hidden page does not slow down.
 */

/** Timers that go on while the page is hidden; the page's own where there can be no worker. */
export class Timers {
  /** @type {Map<number, {due: number, run: () => void}>} */
  #pending = new Map();
  #next = 1;
  /** @type {Worker | null | undefined} undefined: not tried yet */
  #worker;
  #url;

  /** @param {string | URL} url */
  constructor(url) {
    this.#url = url;
  }

  /**
   * @param {number} delayMs
   * @param {() => void} run
   * @returns {number} for `clear`
   */
  after(delayMs, run) {
    const id = this.#next++;
    this.#pending.set(id, { due: Date.now() + delayMs, run });
    if (this.#worker === undefined) this.#worker = this.#start();
    if (this.#worker) this.#worker.postMessage({ id, delayMs });
    else setTimeout(() => this.#fire(id), delayMs);
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
  }

  #start() {
    try {
      const worker = new Worker(this.#url);
      worker.onmessage = ({ data }) => this.#fire(data);
      worker.onerror = () => this.#doWithout();
      return worker;
    } catch {
      // The file is on another origin, or the page's policy forbids workers.
      return null;
    }
  }

  #doWithout() {
    this.#worker = null;
    for (const [id, { due }] of this.#pending) setTimeout(() => this.#fire(id), Math.max(0, due - Date.now()));
  }

  /** @param {number} id */
  #fire(id) {
    const timer = this.#pending.get(id);
    this.#pending.delete(id);
    timer?.run();
  }
}
