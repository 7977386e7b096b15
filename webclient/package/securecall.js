/**
 * A browser client for the SecureCall signaling server. What it offers is described in securecall.d.ts.
 *
 * This is the module to import; it needs `timer-worker.js` and the folder `securecall/` beside it, and nothing else.
 * What two clients with this library agree on beyond the server's protocol stands in docs/client.md.
 */

import { SecureCallError } from "./securecall/errors.js";
import { checkClientId, webSocketUrl } from "./securecall/given.js";
import { Parts } from "./securecall/parts.js";
import { STATES, settled } from "./securecall/signaling-states.js";

export { SecureCallError } from "./securecall/errors.js";
export { inGroups } from "./securecall/groups.js";

/** @implements {Pick<import("./securecall.js").SecureCall, keyof import("./securecall.js").SecureCall>} */
export class SecureCall extends EventTarget {
  #parts;

  /**
   * @param {string | URL} url
   * @param {import("./securecall.js").SecureCallOptions} options
   */
  constructor(url, options) {
    super();
    checkClientId(options.clientId);
    this.clientId = options.clientId;
    this.#parts = new Parts(webSocketUrl(url), options, (type, detail) => {
      this.dispatchEvent(new CustomEvent(type, { detail }));
    });
  }

  get url() {
    return this.#parts.connection.url;
  }

  get signaling() {
    return this.#parts.connection.status;
  }

  get hasRelay() {
    return this.#parts.iceServers.hasRelay;
  }

  get currentCall() {
    return this.#parts.call?.status ?? null;
  }

  get path() {
    return this.#parts.call?.path ?? null;
  }

  get remoteStream() {
    const stream = this.#parts.call?.remoteStream;
    return stream?.getTracks().length ? stream : null;
  }

  get identity() {
    return this.#parts.keys.identity;
  }

  get peerKey() {
    return this.#parts.peers.current;
  }

  get verification() {
    return this.#parts.call?.verification ?? null;
  }

  get peerState() {
    return this.#parts.call?.shown.peer ?? null;
  }

  get peerConnection() {
    return this.#parts.ongoing?.rtc ?? null;
  }

  async connect() {
    const { state } = this.signaling;
    if (state === "online") return;
    if (!STATES[state].isGoing) this.#parts.keys.doubt();
    this.#parts.calls.load().catch(() => undefined);
    try {
      this.#parts.connection.start();
    } catch {
      // A page that came by https may not connect without encryption.
      throw new SecureCallError("invalid-url", `This page may not connect to ${this.url}; use a wss: address.`);
    }
    await settled(this);
  }

  disconnect() {
    this.hangUp();
    this.#parts.connection.stop();
    this.#parts.timers.stop();
  }

  /**
   * @param {string} targetId
   * @param {MediaStream | null} [stream]
   */
  async call(targetId, stream = null) {
    checkClientId(targetId);
    if (targetId === this.clientId) throw new SecureCallError("invalid-client-id", "You cannot call yourself.");
    if (!this.#parts.connection.isOnline) {
      throw new SecureCallError("offline", "There is no connection to the server. Try again when it is back.");
    }
    return (await this.#parts.calls.load()).place(targetId, stream);
  }

  /**
   * @param {MediaStream | null} [stream]
   * @param {string} [callId]
   */
  async accept(stream = null, callId) {
    await (await this.#parts.calls.load()).accept(stream, callId);
  }

  /**
   * @param {string} [reason]
   * @param {string} [callId]
   */
  reject(reason, callId) {
    this.#parts.calls.known?.reject(reason, callId);
  }

  /** @param {string} [callId] */
  hangUp(callId) {
    this.#parts.calls.known?.hangUp(callId);
  }

  /** @type {import("./securecall.js").SecureCall["replaceTrack"]} */
  async replaceTrack(kind, track, callId) {
    await (await this.#parts.calls.load()).replaceTrack(kind, track, callId);
  }

  /** @type {import("./securecall.js").SecureCall["setMuted"]} */
  async setMuted(kind, isMuted, callId) {
    (await this.#parts.calls.load()).sending(callId).shown.setMuted(kind, isMuted);
  }

  /** @type {import("./securecall.js").SecureCall["send"]} */
  async send(data, callId) {
    await (await this.#parts.calls.load()).sending(callId).data.send(data);
  }

  retryNow() {
    this.#parts.connection.retryNow();
  }

  /** @param {string} [peerId] */
  async lookUpPeerKey(peerId) {
    return this.#parts.peers.lookUp(peerId);
  }

  /**
   * @param {string} [peerId]
   * @param {string | null} [publicKey]
   */
  async acceptPeerKey(peerId, publicKey) {
    return this.#parts.peers.accept(peerId, publicKey);
  }

  /**
   * @param {boolean} isVerified
   * @param {string} [peerId]
   * @param {string | null} [publicKey]
   */
  async setPeerVerified(isVerified, peerId, publicKey) {
    return this.#parts.peers.setVerified(isVerified, peerId, publicKey);
  }

  /** @param {string} [peerId] */
  async safetyNumber(peerId) {
    return this.#parts.peers.safetyNumber(peerId);
  }

  async replaceIdentity() {
    return (await this.#parts.keys.loaded()).replace();
  }

  async acceptRecord() {
    await (await this.#parts.keys.loaded()).acceptRecord();
  }

  async owner() {
    return (await this.#parts.keys.loaded()).owner();
  }
}

/** @type {typeof import("./securecall.js").safetyNumber} */
export async function safetyNumber(one, other) {
  return (await import("./securecall/safety-number.js")).safetyNumber(one, other);
}

/** @type {typeof import("./securecall.js").fingerprint} */
export async function fingerprint(publicKey) {
  return (await import("./securecall/safety-number.js")).fingerprint(publicKey);
}
