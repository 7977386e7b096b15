/**
 * Lines to the server, one after the other: a lost one is followed by another, until one is superseded or left for good.
 *
 * @typedef {import("../securecall.js").SignalingStatus} SignalingStatus
 */

import { Line } from "./line.js";
import { refusalOf } from "./refusal.js";
import { Retries } from "./retries.js";
import { lossSentence, statusOf } from "./signaling-states.js";

// The protocol's: another connection has the ID, and this one does not come back by itself.
const SUPERSEDED = 4409;
// A connection that we give up. Not 1000, which would end the calls at the server, or 1001, which would hold them briefly.
const GIVEN_UP = 4408;
const NORMAL = 1000;
const REGISTER_MS = 15_000;

export class Lines {
  status = statusOf("idle");
  /** @type {Line | null} */
  current = null;
  retries;
  #url;
  #timers;
  #listener;
  #registerTimer = 0;
  /** Whether the server has taken a connection of this page: then it refuses none for where the page came from. */
  #isTaken = false;

  /**
   * @param {string} url
   * @param {import("./timers.js").Timers} timers
   * @param {{changed: (status: SignalingStatus) => void, opened: () => void, received: (type: string, payload: any) => void,
   *   lost: () => void, ended: (sentence: string) => void}} listener
   */
  constructor(url, timers, listener) {
    this.#url = url;
    this.#timers = timers;
    this.#listener = listener;
    this.retries = new Retries(timers);
  }

  /** @param {number} attempts that failed before */
  open(attempts) {
    this.retries.stop();
    this.current = new Line(this.#url, {
      opened: () => this.#listener.opened(),
      received: (type, payload) => {
        this.#isTaken = true;
        this.#listener.received(type, payload);
      },
      closed: (code) => this.#closed(code),
    });
    this.#registerTimer = this.#timers.after(REGISTER_MS, () => this.giveUp());
    this.#change(statusOf("connecting", { attempts }));
  }

  /** The server knows whose line this is. */
  registered() {
    this.#timers.clear(this.#registerTimer);
    this.#change(statusOf("online"));
  }

  /** On a network that is gone a close would wait for the peer's: nobody waits for it. */
  giveUp() {
    this.#leave(GIVEN_UP, "no answer");
    this.#wait(undefined);
  }

  /**
   * The page is put aside, where it cannot answer: without a call nobody can reach it, as if it had been closed.
   *
   * @param {boolean} isInCall
   */
  freeze(isInCall) {
    if (!this.current) return;
    this.#leave(isInCall ? GIVEN_UP : NORMAL);
    this.#wait(undefined);
  }

  /** @param {string} [sentence] why */
  stop(sentence) {
    this.#leave(NORMAL);
    this.#end(statusOf("closed", sentence === undefined ? {} : { sentence }));
  }

  /**
   * @param {number} code
   * @param {string} [reason]
   */
  #leave(code, reason) {
    this.current?.leave(code, reason);
    this.current = null;
    this.retries.stop();
    this.#timers.clear(this.#registerTimer);
    this.#listener.lost();
  }

  /** @param {number} code */
  #closed(code) {
    this.#leave(NORMAL);
    if (code === SUPERSEDED) {
      this.#end(statusOf("superseded", { closeCode: code }));
      return;
    }
    this.#wait(code);
    if (!this.#isTaken) this.#explain();
  }

  /** @param {SignalingStatus} status until there is another line */
  #end(status) {
    this.#listener.ended(status.sentence);
    this.#change(status);
  }

  /** @param {number | undefined} closeCode */
  #wait(closeCode) {
    const sentence = lossSentence(this.status.state === "online");
    const retryInMs = this.retries.later(() => this.open(this.status.attempts));
    const attempts = this.status.attempts + 1;
    this.#change(statusOf("waiting", { sentence, attempts, retryAt: Date.now() + retryInMs, retryInMs, closeCode }));
  }

  /** Browsers do not say why the opening handshake failed. */
  async #explain() {
    const { status } = this;
    const sentence = await refusalOf(this.#url);
    if (sentence && this.status === status) this.#change(statusOf(status.state, { ...status, sentence, isRefused: true }));
  }

  /** @param {SignalingStatus} status */
  #change(status) {
    this.status = status;
    this.#listener.changed(status);
  }
}
