/**
 * Messages of the application, on a data channel of their own that both sides negotiate in advance.
 *
 * The channel goes the way of the media, with its keys: what is verified of them holds for the messages.
 *
 * @typedef {import("./call.js").Call} Call
 */

import { SecureCallError } from "../errors.js";

const CHANNEL = { negotiated: true, id: 254 };
// What every browser takes, of those that say nothing about it (RFC 8841, section 6.1).
const MOST_BYTES = 65_536;
const MOST_BUFFERED_BYTES = 1_048_576;

/** The messages of a call. */
export class Data {
  /** @type {RTCDataChannel | null} */
  #channel = null;
  /** Those who wait for a channel, or for room in it. @type {(() => void)[]} */
  #waiting = [];
  /** @type {Promise<unknown>} */
  #last = Promise.resolve();
  #call;

  /** @param {Call} call */
  constructor(call) {
    this.#call = call;
  }

  /** @param {RTCPeerConnection} rtc */
  open(rtc) {
    const { callId, peerId, shown, surroundings } = this.#call;
    const channel = rtc.createDataChannel("securecall-data", CHANNEL);
    this.#channel = channel;
    channel.binaryType = "arraybuffer";
    channel.bufferedAmountLowThreshold = MOST_BUFFERED_BYTES;
    channel.onbufferedamountlow = () => this.look();
    channel.onopen = () => {
      // It opens beside any other data of a peer that does not know it.
      if (this.#call.peer?.takesData) shown.takesData();
      this.look();
    };
    channel.onmessage = ({ data }) => {
      // The channels of a call that is over are open for a moment.
      if (!this.#call.isOver) surroundings.tell("data", { callId, peerId, data });
    };
  }

  /**
   * Send a message in its turn.
   *
   * @param {string | ArrayBuffer | ArrayBufferView} data
   * @returns {Promise<void>} when the browser has it
   */
  send(data) {
    // An application may give anything, and what is neither has no length.
    const bytes = typeof data === "string" ? new Blob([data]).size : data?.byteLength;
    if (!(bytes > 0 && bytes <= MOST_BYTES)) {
      throw new SecureCallError("invalid-data", `A message is text or bytes, of 1 to ${MOST_BYTES} bytes.`);
    }
    const sent = this.#last.then(() => this.#send(data));
    this.#last = sent.catch(() => undefined);
    return sent;
  }

  /** @param {any} data */
  async #send(data) {
    while (!this.#hasRoom()) await new Promise((/** @type {(value: void) => void} */ resolve) => this.#waiting.push(resolve));
    this.#channel?.send(data);
  }

  /**
   * @returns {boolean} whether something can be sent now
   * @throws {SecureCallError} if it never can
   */
  #hasRoom() {
    const { isOver, status, callId, peer, peerId } = this.#call;
    if (isOver) throw new SecureCallError("no-call", status.sentence, { callId });
    if (peer && !peer.takesData) throw new SecureCallError("no-data", `${peerId}'s app takes no messages.`, { callId });
    const channel = peer && this.#channel;
    return channel?.readyState === "open" && channel.bufferedAmount <= MOST_BUFFERED_BYTES;
  }

  /** Something changed for those who wait. */
  look() {
    for (const resolve of this.#waiting.splice(0)) resolve();
  }
}
