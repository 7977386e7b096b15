/**
 * What is on its way to the server.
 *
 * A message stays until the server has surely read it: until a heartbeat that was sent after it is answered, or until its
 * own answer comes. What is left when a connection is lost is sent again on the next one.
 *
 * @typedef {object} Outgoing
 * @property {string} type
 * @property {() => Record<string, unknown>} payload made when it is sent
 * @property {string | undefined} callId
 * @property {number} heartbeat how many had been sent on this connection before it; Infinity: refused, sent again later
 * @property {boolean} isSent on any connection
 * @property {boolean} isRepeated sent more than once
 * @property {{type: string, matches: (payload: any) => boolean, dueAt: number, resolve: (payload: any) => void,
 *   reject: (error: Error) => void}} [answer] due by `performance.now()`
 */

/** The messages that are on their way, in their order. */
export class Outbox {
  /** @type {Outgoing[]} */
  #messages = [];

  get messages() {
    return [...this.#messages];
  }

  /** @param {Outgoing} message */
  add(message) {
    this.#messages.push(message);
  }

  /** @param {Outgoing} message */
  has(message) {
    return this.#messages.includes(message);
  }

  /**
   * @param {Outgoing} message
   * @returns {boolean} whether it was on its way
   */
  remove(message) {
    const index = this.#messages.indexOf(message);
    if (index >= 0) this.#messages.splice(index, 1);
    return index >= 0;
  }

  /** @returns {Outgoing[]} those that were on their way, which are not any more */
  clear() {
    return this.#messages.splice(0);
  }

  /**
   * @param {string | undefined} type
   * @param {string | undefined} callId
   * @returns {Outgoing[]} those of a type, of a call or of none
   */
  of(type, callId) {
    return this.#messages.filter((message) => message.type === type && message.callId === callId);
  }

  /** @param {string} callId */
  forget(callId) {
    this.#messages = this.#messages.filter((message) => message.callId !== callId);
  }

  /** @param {number} heartbeats how many were answered: what was sent before the last of them has arrived */
  arrived(heartbeats) {
    this.#messages = this.#messages.filter(({ answer, heartbeat }) => answer || heartbeat >= heartbeats);
  }

  /**
   * @param {string} type
   * @param {any} payload
   * @returns {Outgoing | undefined} the oldest one that this answers
   */
  askedFor(type, payload) {
    return this.#messages.find(({ answer }) => answer?.type === type && answer.matches(payload));
  }

  /**
   * @param {string | undefined} request the type that the server refused
   * @param {string | undefined} callId
   * @returns {Outgoing[]} those that it means
   */
  refused(request, callId) {
    const sent = this.of(request, callId).filter(({ isSent }) => isSent);
    // Which candidate was refused is not said; the others do no harm a second time. Anything else is answered in order.
    return request === "ICE_CANDIDATE" ? sent : sent.slice(0, 1);
  }
}
