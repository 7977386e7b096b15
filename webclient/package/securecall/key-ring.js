/**
 * The keys as a client uses them. What makes, keeps and judges them is loaded beside the first connection.
 *
 * @typedef {import("../securecall.js").Identity} Identity
 * @typedef {import("../securecall.js").PeerKey} PeerKey
 * @typedef {import("./keys.js").Keys} Keys
 */

import { SecureCallError } from "./errors.js";

/** This client's identity key, and those of the others. */
export class KeyRing {
  /** @type {Identity | null} */
  identity = null;
  /** @type {Promise<Keys> | null} */
  #keys = null;
  #isDoubted = false;
  #make;
  #tell;

  /**
   * @param {import("./connection.js").Connection} connection
   * @param {import("../securecall.js").SecureCallOptions} options
   * @param {(type: string, detail: unknown) => void} tell
   */
  constructor(connection, options, tell) {
    this.#tell = tell;
    this.#make = async () => {
      const { Keys } = await import("./keys.js");
      return new Keys(connection, options, {
        identity: (known) => tell("identity", (this.identity = known)),
        error: (error) => tell("error", error),
        tell,
      });
    };
  }

  /** @returns {Promise<Keys>} */
  async #loaded() {
    this.#keys ??= this.#make().catch((error) => {
      // Without a network, perhaps: the next one who needs it asks again.
      this.#keys = null;
      throw error;
    });
    const keys = await this.#keys;
    if (this.#isDoubted) keys.doubt();
    this.#isDoubted = false;
    return keys;
  }

  /** @param {(keys: Keys) => Promise<unknown>} run */
  async #run(run) {
    try {
      await run(await this.#loaded());
    } catch {
      const sentence = "The part of the client that knows keys could not be loaded. Calls cannot be verified.";
      this.#tell("error", new SecureCallError("keys-unavailable", sentence));
    }
  }

  /**
   * The key is in the directory after this, if it can be; several calls are one.
   *
   * @param {{isUnsigned: boolean}} [registered] how, if it was just now
   */
  publish(registered) {
    return this.#run((keys) => keys.publish(registered));
  }

  /** @param {string | undefined} challenge @param {string | undefined} message of the server, which wants a signature */
  challenged(challenge, message) {
    this.#run(async (keys) => (await keys.owner()).challenged(challenge, String(message)));
  }

  /** Look who has the ID now. */
  superseded() {
    this.#run((keys) => keys.superseded());
  }

  /** @returns {Promise<import("../securecall.js").Owner>} */
  async owner() {
    return (await this.#loaded()).owner();
  }

  /** Look again at the next `publish`. */
  doubt() {
    this.#isDoubted = true;
  }

  /** @returns {Promise<Identity>} */
  async replace() {
    return (await this.#loaded()).replace();
  }

  /** @param {string} peerId @returns {Promise<PeerKey>} */
  async judge(peerId) {
    return (await this.#loaded()).judge(peerId);
  }

  /** @param {string} peerId @param {string | null | undefined} publicKey @returns {Promise<PeerKey>} */
  async accept(peerId, publicKey) {
    return (await this.#loaded()).accept(peerId, publicKey);
  }

  /** @param {PeerKey} peerKey @param {boolean} isVerified @returns {Promise<PeerKey>} */
  async setVerified(peerKey, isVerified) {
    return (await this.#loaded()).setVerified(peerKey, isVerified);
  }

  /** @param {string | null} text @returns {Promise<string[]>} */
  async sign(text) {
    const keys = await this.#loaded().catch(() => null);
    return keys ? keys.sign(text) : [];
  }

  /** @param {Parameters<Keys["verify"]>} what @returns {Promise<import("../securecall.js").Verification["status"]>} */
  async verify(...what) {
    const keys = await this.#loaded().catch(() => null);
    const signature = what[3];
    return keys ? keys.verify(...what) : signature === undefined ? "unsigned" : "unknown";
  }
}
