/**
 * This client's identity key: made, kept, told of, and signed with.
 *
 * @typedef {import("../securecall.js").Identity} Identity
 * @typedef {import("./key-store.js").KeptIdentity} KeptIdentity
 */

import { base64url, encoder } from "./bytes.js";
import { SecureCallError } from "./errors.js";
import { KEY_SENTENCES, refusalSentence } from "./key-sentences.js";
import { fingerprint } from "./safety-number.js";

const ECDSA = { name: "ECDSA", namedCurve: "P-256", hash: "SHA-256" };

/** @returns {Promise<{privateKey: CryptoKey, publicKey: string}>} with a private key that no script can read */
export async function newIdentity() {
  const { privateKey, publicKey } = await crypto.subtle.generateKey(ECDSA, false, ["sign", "verify"]);
  return { privateKey, publicKey: base64url(await crypto.subtle.exportKey("spki", publicKey)) };
}

/** @throws {SecureCallError} where the page offers no keys */
export function checkSecure() {
  if (globalThis.crypto?.subtle) return;
  const sentence = "This page is not secure (https), so this browser offers no keys. Calls cannot be verified.";
  throw new SecureCallError("keys-unavailable", sentence);
}

/**
 * @param {any} error
 * @returns {SecureCallError}
 */
export function keyError(error) {
  if (!(error instanceof SecureCallError)) return new SecureCallError("storage-unavailable", String(error.message));
  if (["keys-unavailable", "key-refused", "refused-answer", "record-replaced"].includes(error.code)) return error;
  const sentence = error.code === "RATE_LIMITED" ? error.message : KEY_SENTENCES.unavailable("");
  return new SecureCallError("directory-unavailable", sentence, error);
}

export class OwnKey {
  /** @type {Identity | null} as it was told last */
  identity = null;
  /** @type {KeptIdentity | null} */
  #kept = null;
  #store;
  #place;
  #clientId;
  #tell;

  /**
   * @param {import("./key-store.js").KeyStore} store
   * @param {string} place of this client in it
   * @param {string} clientId
   * @param {(identity: Identity) => void} tell
   */
  constructor(store, place, clientId, tell) {
    this.#store = store;
    this.#place = place;
    this.#clientId = clientId;
    this.#tell = tell;
  }

  /**
   * @param {(kept: KeptIdentity | null) => KeptIdentity | null} change
   * @returns {Promise<KeptIdentity | null>}
   */
  keep(change) {
    return this.#store.update("identities", this.#place, change);
  }

  /** Look again at what is kept: another tab, or the owner of the ID, may have changed it. */
  forget() {
    this.#kept = null;
  }

  /** @returns {Promise<KeptIdentity>} a new one, if there is none */
  async load() {
    if (this.#kept) return this.#kept;
    const made = await newIdentity();
    this.#kept = /** @type {KeptIdentity} */ (await this.keep((before) => before ?? made));
    if (this.#kept.publicKey !== this.identity?.publicKey) {
      await this.announce({ isNew: this.#kept === made, isPublished: false, replacedAnother: false });
    }
    return this.#kept;
  }

  /** Take what the owner of the ID put in its place, which is in the directory. */
  async renew() {
    this.forget();
    await this.load();
    await this.announce({ isPublished: true, replacedAnother: false });
  }

  /** Take another one in place of what is kept. */
  async replace() {
    const made = await newIdentity();
    this.#kept = made;
    await this.keep(() => made);
    await this.announce({ isNew: true, isPublished: false, replacedAnother: false });
  }

  /**
   * Publish it as the key of an ID that belongs to nobody.
   *
   * @param {import("./connection.js").Connection} connection
   * @throws {SecureCallError} `key-refused`, and what `ask` throws
   */
  async publish(connection) {
    const clientId = this.#clientId;
    const { publicKey } = await this.load();
    try {
      await connection.ask("PKD_REGISTER", { clientId, publicKey }, "PKD_RESULT", (it) => it.clientId === clientId);
    } catch (error) {
      if (!(error instanceof SecureCallError) || error.code !== "INVALID_MESSAGE") throw error;
      // An operator has frozen or reserved the ID, or revoked the key. The identity stays: whether another one is wanted
      // is for a person to say.
      throw new SecureCallError("key-refused", refusalSentence(error.serverMessage), error);
    }
  }

  /** @param {Partial<Identity>} change */
  async announce(change) {
    const { publicKey } = /** @type {KeptIdentity} */ (this.#kept);
    const identity = { ...this.identity, ...change, clientId: this.#clientId, publicKey };
    this.identity = Object.freeze(/** @type {Identity} */ ({ ...identity, fingerprint: await fingerprint(publicKey) }));
    this.#tell(this.identity);
  }

  /**
   * @param {string} text
   * @returns {Promise<string[]>} the signature; none without a key
   */
  async sign(text) {
    if (!this.#kept) return [];
    return [base64url(await crypto.subtle.sign(ECDSA, this.#kept.privateKey, encoder.encode(text)))];
  }
}
