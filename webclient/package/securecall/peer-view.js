/**
 * The keys of peers as an application sees them: that of the current call's peer, and what is done with each.
 *
 * @typedef {import("../securecall.js").PeerKey} PeerKey
 */

import { SecureCallError } from "./errors.js";

export class PeerView {
  /** @type {PeerKey | null} of the peer of the current call, as it was judged last */
  current = null;
  #clientId;
  #connection;
  #keys;
  #calls;
  #tell;

  /**
   * @param {object} surroundings
   * @param {string} surroundings.clientId
   * @param {import("./connection.js").Connection} surroundings.connection
   * @param {import("./key-ring.js").KeyRing} surroundings.keys
   * @param {import("./call-ring.js").CallRing} surroundings.calls
   * @param {(type: string, detail: unknown) => void} surroundings.tell
   */
  constructor({ clientId, connection, keys, calls, tell }) {
    this.#clientId = clientId;
    this.#connection = connection;
    this.#keys = keys;
    this.#calls = calls;
    this.#tell = tell;
  }

  /** Another call began, whose peer is not known yet. */
  began() {
    this.current = null;
  }

  /** @param {PeerKey} peerKey */
  async judged(peerKey) {
    const isCurrent = this.#calls.known?.current?.peerId === peerKey.peerId;
    if (isCurrent) this.current = peerKey;
    this.#tell("peerkey", peerKey);
    if (!isCurrent) return;
    const digits = await this.#safetyNumberFor(peerKey);
    const { peerId, publicKey } = peerKey;
    if (digits && this.current === peerKey) this.#tell("safetynumber", { peerId, publicKey, digits });
  }

  /** @param {string} [peerId] */
  async lookUp(peerId) {
    return this.#told(await this.#keys.judge(this.#peerOr(peerId)));
  }

  /**
   * @param {string | undefined} peerId
   * @param {string | null | undefined} publicKey
   */
  async accept(peerId, publicKey) {
    const id = this.#peerOr(peerId);
    const { peers } = await this.#keys.loaded();
    return this.#told(await peers.accept(id, publicKey));
  }

  /**
   * @param {boolean} isVerified
   * @param {string | undefined} peerId
   * @param {string | null | undefined} publicKey
   */
  async setVerified(isVerified, peerId, publicKey) {
    const found = await this.#known(this.#peerOr(peerId));
    const isMeant = publicKey === undefined || publicKey === found.publicKey;
    return this.#told(isMeant ? await (await this.#keys.loaded()).peers.setVerified(found, isVerified) : found);
  }

  /** @param {string} [peerId] */
  async safetyNumber(peerId) {
    return this.#safetyNumberFor(await this.#known(this.#peerOr(peerId)));
  }

  /** @param {PeerKey} peerKey */
  #told(peerKey) {
    this.judged(peerKey);
    return peerKey;
  }

  /** @param {string} peerId */
  async #known(peerId) {
    return this.current?.peerId === peerId ? this.current : this.#keys.judge(peerId);
  }

  /** @param {string | undefined} peerId */
  #peerOr(peerId) {
    const id = peerId ?? this.#calls.known?.current?.peerId;
    if (id === undefined) throw new SecureCallError("no-call", "There is no call; say whose key you mean.");
    if (!this.#connection.isOnline) throw new SecureCallError("offline", "There is no connection to the server.");
    return id;
  }

  /** @param {PeerKey} peerKey */
  async #safetyNumberFor({ peerId, publicKey }) {
    const own = this.#keys.identity?.publicKey;
    if (publicKey === null || own === undefined) return null;
    const { safetyNumber } = await import("./safety-number.js");
    return safetyNumber({ clientId: this.#clientId, publicKey: own }, { clientId: peerId, publicKey });
  }
}
