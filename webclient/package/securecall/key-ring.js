/**
 * The keys as a client uses them. What makes, keeps and judges them is loaded beside the first connection.
 *
 * @typedef {import("../securecall.js").Identity} Identity
 * @typedef {import("../securecall.js").PeerKey} PeerKey
 * @typedef {import("./keys.js").Keys} Keys
 */

import { SecureCallError } from "./errors.js";
import { Once } from "./once.js";

/** This client's identity key, and those of the others. */
export class KeyRing {
  /** @type {Identity | null} */
  identity = null;
  #keys;
  #isDoubted = false;
  #tell;

  /**
   * @param {import("./connection.js").Connection} connection
   * @param {import("../securecall.js").SecureCallOptions} options
   * @param {(type: string, detail: unknown) => void} tell
   */
  constructor(connection, options, tell) {
    this.#tell = tell;
    this.#keys = new Once(async () => {
      const { Keys } = await import("./keys.js");
      return new Keys(connection, options, {
        identity: (known) => tell("identity", (this.identity = known)),
        error: (error) => tell("error", error),
        tell,
      });
    });
  }

  /** @returns {Promise<Keys>} */
  async loaded() {
    const keys = await this.#keys.get();
    if (this.#isDoubted) keys.doubt();
    this.#isDoubted = false;
    return keys;
  }

  /** @param {(keys: Keys) => Promise<unknown>} run what is not waited for */
  async run(run) {
    try {
      await run(await this.loaded());
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
    return this.run((keys) => keys.publish(registered));
  }

  /** Look again at the next `publish`. */
  doubt() {
    this.#isDoubted = true;
  }

  /** @param {string} peerId @returns {Promise<PeerKey>} */
  async judge(peerId) {
    return (await this.loaded()).peers.judge(peerId);
  }

  /** @param {string | null} text @returns {Promise<string[]>} */
  async sign(text) {
    const keys = await this.loaded().catch(() => null);
    return keys ? keys.sign(text) : [];
  }

  /** @param {Parameters<Keys["peers"]["verify"]>} what @returns {Promise<import("../securecall.js").Verification["status"]>} */
  async verify(...what) {
    const keys = await this.loaded().catch(() => null);
    const signature = what[3];
    return keys ? keys.peers.verify(...what) : signature === undefined ? "unsigned" : "unknown";
  }
}
