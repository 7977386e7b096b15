/**
 * The control channel: a hang-up that takes the media's way.
 *
 * @typedef {import("./call.js").Call} Call
 */

import { MEDIA_SENTENCES } from "../sentences.js";
import { peerEnded } from "./ends.js";

const CHANNEL = { negotiated: true, id: 255 };
const BYE_MS = 500;
const BYE_ALONE_MS = 3_000;

/** The control channel of a call. */
export class Control {
  /** @type {(() => void) | null} */
  #onHere = null;
  /** @type {RTCDataChannel | null} */
  #channel = null;
  /** Kinds of our media that ended by themselves; the peer is told as soon as there is a way. */
  #stopped = new Set();
  #call;

  /** @param {Call} call */
  constructor(call) {
    this.#call = call;
  }

  /** @param {RTCPeerConnection} rtc */
  open(rtc) {
    this.#channel = rtc.createDataChannel("securecall-control", CHANNEL);
    this.#channel.onopen = () => {
      for (const kind of this.#stopped) this.stopped(kind);
      this.#call.shown.opened();
    };
    this.#channel.onmessage = ({ data }) => this.#received(String(data));
  }

  /**
   * Close the peer connection.
   *
   * @param {RTCPeerConnection} rtc
   * @param {string | null} bye the reason to tell the peer, perhaps empty; null to say nothing
   */
  leave(rtc, bye) {
    if (bye === null || !this.#channel || !this.isOpen) {
      rtc.close();
      return;
    }
    // Nothing is sent from now on; but a connection that is closed at once would take the message with it.
    for (const sender of rtc.getSenders()) sender.replaceTrack(null).catch(() => undefined);
    for (const track of this.#call.remoteStream.getTracks()) track.enabled = false;
    this.send({ type: "bye", ...(bye && { reason: bye }) });
    this.#channel.onmessage = null;
    this.#channel.onclose = () => rtc.close();
    setTimeout(() => rtc.close(), BYE_MS);
  }

  /** Ask the peer over the media's way whether it is there; settled when it answers. */
  ask() {
    this.send({ type: "ask" });
    return new Promise((/** @type {(value: void) => void} */ resolve) => (this.#onHere = resolve));
  }

  /** @param {string} kind of our media that ended by itself */
  stopped(kind) {
    this.#stopped.add(kind);
    this.send({ type: "stopped", kind });
  }

  /** @param {string} kind of our media that is sent again, if it stopped */
  sends(kind) {
    if (this.#stopped.delete(kind)) this.send({ type: "sends", kind });
  }

  /** Whether messages reach the peer. */
  get isOpen() {
    return this.#channel?.readyState === "open";
  }

  /**
   * @param {object} message
   * @returns {boolean} whether there is a way
   */
  send(message) {
    if (this.isOpen) this.#channel?.send(JSON.stringify(message));
    return this.isOpen;
  }

  /** @param {string} text */
  #received(text) {
    /** @type {any} */
    let message = null;
    try {
      message = JSON.parse(text);
    } catch {
      // Nothing that this version knows.
    }
    if (message?.type === "ask") this.send({ type: "here" });
    else if (message?.type === "here") this.#onHere?.();
    else if (message?.type === "bye") this.#ended(message.reason);
    else if (message?.type === "media") this.#call.shown.received(message);
    else if (message?.type === "stopped" || message?.type === "sends") this.#tell(message.kind, message.type === "stopped");
  }

  /**
   * @param {unknown} kind
   * @param {boolean} isStopped
   */
  #tell(kind, isStopped) {
    const { callId, peerId, surroundings } = this.#call;
    if (kind !== "audio" && kind !== "video") return;
    const sentence = MEDIA_SENTENCES[isStopped ? "stopped" : "sends"](peerId, kind);
    surroundings.tell("peermedia", { callId, peerId, kind, isStopped, sentence });
  }

  /** @param {unknown} reason */
  #ended(reason) {
    const { callId, placing, surroundings } = this.#call;
    this.#call.finish(...peerEnded("connected", reason));
    // A server that did not hear of it would keep the call.
    surroundings.timers.after(BYE_ALONE_MS, () => {
      if (!placing.isForgotten) this.#call.post("CALL_END", { callId });
    });
  }
}
