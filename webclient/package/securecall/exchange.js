/**
 * What is sent to the server until it has surely arrived, and what is asked until it is answered, on one line after the other.
 *
 * @typedef {import("./outbox.js").Outgoing} Outgoing
 * @typedef {import("./connection.js").ServerError} ServerError
 */

import { SecureCallError, refusal } from "./errors.js";
import { Outbox } from "./outbox.js";

const REQUEST_MS = 10_000;

export class Exchange {
  #outbox = new Outbox();
  #timers;
  #beats;
  #refused;
  /** @type {import("./line.js").Line | null} on which this client is registered */
  #line = null;
  /** @type {string | null} why nothing is sent any more */
  #end = null;

  /**
   * @param {import("./timers.js").Timers} timers
   * @param {import("./heartbeats.js").Heartbeats} beats
   * @param {(error: ServerError, isRepeated: boolean) => void} refused told what answers nothing that was asked
   */
  constructor(timers, beats, refused) {
    this.#timers = timers;
    this.#beats = beats;
    this.#refused = refused;
  }

  /** Messages are taken again after an end. */
  begin() {
    this.#end = null;
  }

  /**
   * From now on messages are sent at once; those that wait are not.
   *
   * @param {import("./line.js").Line} line
   * @returns {Outgoing[]} these
   */
  registered(line) {
    this.#line = line;
    return this.#outbox.messages;
  }

  /** @param {Outgoing[]} waiting */
  sendWaiting(waiting) {
    for (const message of waiting) if (this.#outbox.has(message)) this.#send(message);
  }

  /** The line is gone: what has not arrived waits for the next one. */
  lost() {
    this.#line = null;
  }

  /** @param {string} sentence why there is no next one */
  end(sentence) {
    this.#end = sentence;
    for (const { answer } of this.#outbox.clear()) answer?.reject(new SecureCallError("closed", sentence));
  }

  /**
   * Get a message across, now or later.
   *
   * @param {string} type
   * @param {Record<string, unknown> | (() => Record<string, unknown>)} payload
   * @param {string} [callId]
   */
  post(type, payload, callId) {
    const make = typeof payload === "function" ? payload : () => payload;
    this.#add({ type, payload: make, callId, heartbeat: 0, isSent: false, isRepeated: false });
  }

  /**
   * The same for a message that was sent before, unless it is still on its way.
   *
   * @param {string} type
   * @param {() => Record<string, unknown>} payload
   * @param {string} callId
   */
  postAgain(type, payload, callId) {
    if (this.#outbox.of(type, callId).length) return;
    this.#add({ type, payload, callId, heartbeat: 0, isSent: true, isRepeated: true });
  }

  /**
   * Ask something.
   *
   * @param {string} type
   * @param {Record<string, unknown>} payload
   * @param {string} answerType
   * @param {(payload: any) => boolean} [matches]
   * @returns {Promise<any>} the answer's payload
   * @throws {SecureCallError} The server's refusal, unless it can be tried again in time, or `offline` without an answer in time.
   */
  ask(type, payload, answerType, matches = () => true) {
    return new Promise((resolve, reject) => {
      const answer = { type: answerType, matches, dueAt: performance.now() + REQUEST_MS, resolve, reject };
      /** @type {Outgoing} */
      const message = { type, payload: () => payload, callId: undefined, heartbeat: 0, isSent: false, isRepeated: false, answer };
      this.#timers.after(REQUEST_MS, () => {
        if (this.#outbox.remove(message)) reject(new SecureCallError("offline", "The server did not answer.", { request: type }));
      });
      this.#add(message);
    });
  }

  /**
   * Whether a message of a call has never been sent, or was refused and will be sent again.
   *
   * @param {string} type
   * @param {string} callId
   */
  isUnsent(type, callId) {
    return this.#outbox.of(type, callId).some(({ isSent }) => !isSent);
  }

  /**
   * Send no more of a call's messages that have not arrived yet.
   *
   * @param {string} callId
   */
  forget(callId) {
    this.#outbox.forget(callId);
  }

  /** Forget what the server has read: what was sent before a heartbeat that is answered. */
  arrived() {
    this.#outbox.arrived(this.#beats.answered);
  }

  /**
   * @param {string} type
   * @param {any} payload
   * @returns {boolean} whether this is an answer
   */
  received(type, payload) {
    const asked = this.#outbox.askedFor(type, payload);
    if (!asked) return false;
    this.#outbox.remove(asked);
    asked.answer?.resolve(payload);
    return true;
  }

  /**
   * @param {ServerError} error
   * @param {number} delayMs after which it may be sent again
   */
  refused(error, delayMs) {
    const { code, request, callId } = error;
    const refused = this.#outbox.refused(request, callId);
    const [first] = refused;
    // What is asked is not tried again when nobody waits for it any more.
    const isTooLate = first?.answer && first.answer.dueAt < performance.now() + delayMs;
    if (code === "RATE_LIMITED" && !isTooLate) {
      this.#repeat(refused, delayMs);
      return;
    }
    for (const message of refused) this.#outbox.remove(message);
    if (first?.answer) first.answer.reject(refusal(error, request, callId));
    else this.#refused(error, first?.isRepeated ?? false);
  }

  /**
   * @param {Outgoing[]} messages
   * @param {number} delayMs
   */
  #repeat(messages, delayMs) {
    const line = this.#line;
    for (const message of messages) Object.assign(message, { heartbeat: Infinity, isSent: false });
    this.#timers.after(delayMs, () => {
      if (line !== this.#line) return;
      this.sendWaiting(messages.filter(({ heartbeat }) => heartbeat === Infinity));
    });
  }

  /** @param {Outgoing} message */
  #add(message) {
    if (this.#end !== null) {
      message.answer?.reject(new SecureCallError("closed", this.#end));
      return;
    }
    this.#outbox.add(message);
    if (this.#line) this.#send(message);
  }

  /** @param {Outgoing} message */
  #send(message) {
    message.heartbeat = this.#beats.sent;
    message.isRepeated = message.isSent;
    message.isSent = true;
    this.#line?.send(message.type, message.payload());
  }
}
