/**
 * Heartbeats: how often the server is asked for one, and when a line on which no answer comes is dead.
 */

const ANSWER_MS = 10_000;
// Asked when something happened to the network: whoever waits at the screen should not wait long.
const PROBE_ANSWER_MS = 3_000;
// While somebody waits for an answer: with `PROBE_ANSWER_MS`, a line that is dead is found within 5 s.
const PROBE_EVERY_MS = 2_000;

/** The heartbeats of a connection, on one line after the other. */
export class Heartbeats {
  /** How many were sent on this line. */
  sent = 0;
  /** How many of them were answered; the server reads in order. */
  answered = 0;
  #timers;
  #everyMs;
  #listener;
  #beatTimer = 0;
  #answerTimer = 0;
  #answerDueAt = 0;
  #isClose = false;

  /**
   * @param {import("./timers.js").Timers} timers
   * @param {number} everyMs
   * @param {{beat: () => void, died: () => void}} listener
   */
  constructor(timers, everyMs, listener) {
    this.#timers = timers;
    this.#everyMs = everyMs;
    this.#listener = listener;
  }

  /** The line is gone; on the next one nothing was sent. */
  stop() {
    this.sent = this.answered = 0;
    this.#timers.clear(this.#beatTimer);
    this.#timers.clear(this.#answerTimer);
  }

  /** Ask at once, and do not wait long for the answer. */
  probe() {
    this.#beat(PROBE_ANSWER_MS);
  }

  /** Ask when it is time. */
  beatLater() {
    const [everyMs, answerMs] = this.#isClose ? [Math.min(PROBE_EVERY_MS, this.#everyMs), PROBE_ANSWER_MS] : [this.#everyMs, ANSWER_MS];
    this.#timers.clear(this.#beatTimer);
    this.#beatTimer = this.#timers.after(everyMs, () => this.#beat(answerMs));
  }

  /**
   * Look often whether the line lives, or not.
   *
   * @param {boolean} isClose
   * @param {boolean} isOnline whether there is a line
   */
  watch(isClose, isOnline) {
    if (isClose === this.#isClose) return;
    this.#isClose = isClose;
    if (!isOnline) return;
    if (isClose) this.probe();
    else this.beatLater();
  }

  /** An answer came. */
  heard() {
    this.answered += 1;
    if (this.answered === this.sent) this.#timers.clear(this.#answerTimer);
  }

  /** @param {number} answerMs */
  #beat(answerMs) {
    this.beatLater();
    this.sent += 1;
    this.#listener.beat();
    const dueAt = performance.now() + answerMs;
    // One that is not answered yet is due when it was.
    if (this.sent - this.answered > 1 && this.#answerDueAt <= dueAt) return;
    this.#answerDueAt = dueAt;
    this.#timers.clear(this.#answerTimer);
    this.#answerTimer = this.#timers.after(answerMs, () => this.#listener.died());
  }
}
