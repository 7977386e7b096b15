/** One step at a time: everything that touches the peer connection waits for what came before. */
export class Steps {
  #last = Promise.resolve();
  #isStopped = false;
  /** Settled when the call is over: what a closed peer connection was asked for is never answered. */
  #stopped;
  #stop = () => {};
  #onError;

  /** @param {(error: unknown) => void} onError */
  constructor(onError) {
    this.#onError = onError;
    this.#stopped = new Promise((/** @type {(value: void) => void} */ resolve) => (this.#stop = resolve));
  }

  /**
   * @param {() => Promise<void>} run not run when it is stopped by then
   * @returns {Promise<void>} when it is done, or failed, or is stopped
   */
  add(run) {
    this.#last = this.#last.then(async () => {
      if (this.#isStopped) return;
      try {
        await Promise.race([run(), this.#stopped]);
      } catch (error) {
        this.#onError(error);
      }
    });
    return this.#last;
  }

  stop() {
    this.#isStopped = true;
    this.#stop();
  }
}
