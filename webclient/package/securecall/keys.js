/**
 * This client's identity key, and those of its peers.
 *
 * @typedef {import("../securecall.js").Identity} Identity
 * @typedef {import("../securecall.js").PeerKey} PeerKey
 * @typedef {import("../securecall.js").Verification} Verification
 * @typedef {import("./connection.js").Connection} Connection
 * @typedef {import("./key-store.js").KeptIdentity} KeptIdentity
 * @typedef {import("./key-store.js").Pin} Pin
 */

import { base64url, bytesOf, encoder } from "./bytes.js";
import { IDENTITY_ATTRIBUTE } from "./attributes.js";
import { SecureCallError } from "./errors.js";
import { KeyStore } from "./key-store.js";
import { fingerprint, fingerprintOrNull } from "./safety-number.js";
import { KEY_SENTENCES, refusalSentence } from "./key-sentences.js";

const ECDSA = { name: "ECDSA", namedCurve: "P-256", hash: "SHA-256" };

/** @returns {Promise<KeptIdentity>} with a private key that no script can read */
async function newIdentity() {
  const { privateKey, publicKey } = await crypto.subtle.generateKey(ECDSA, false, ["sign", "verify"]);
  return { privateKey, publicKey: base64url(await crypto.subtle.exportKey("spki", publicKey)) };
}

/**
 * @param {any} error
 * @returns {SecureCallError}
 */
function keyError(error) {
  if (!(error instanceof SecureCallError)) return new SecureCallError("storage-unavailable", String(error.message));
  if (["keys-unavailable", "key-refused"].includes(error.code)) return error;
  return new SecureCallError("directory-unavailable", KEY_SENTENCES.unavailable(""), error);
}

/**
 * @param {string} publicKey
 * @returns {Pin}
 */
function newPin(publicKey) {
  return { publicKey, pinnedAt: Date.now(), isVerified: false, hasSigned: false };
}

/** This client's identity key, and those of the others. */
export class Keys {
  /** @type {Identity | null} */
  identity = null;
  /** @type {KeptIdentity | null} */
  #kept = null;
  #connection;
  #clientId;
  #place;
  #store;
  #listener;
  /** @type {Promise<void> | null} */
  #publishing = null;
  /** Whether the directory has not taken the key: what it signs could not be verified. */
  #isRefused = false;

  /**
   * @param {Connection} connection
   * @param {string} clientId
   * @param {{identity: (identity: Identity) => void, error: (error: SecureCallError) => void}} listener
   */
  constructor(connection, clientId, listener) {
    this.#connection = connection;
    this.#clientId = clientId;
    this.#listener = listener;
    this.#place = `${new URL(connection.url).host} ${clientId}`;
    this.#store = new KeyStore(() => {
      const sentence = "This browser keeps no data for this page: it will forget your key, and those of others.";
      listener.error(new SecureCallError("storage-unavailable", sentence));
    });
  }

  /** The key is in the directory after this, if it can be; several calls are one. */
  publish() {
    this.#publishing ??= this.#publish().catch((error) => {
      // What an operator decided, an operator takes back: until the next `doubt` there is nothing to try again.
      if (error.code !== "key-refused") this.#publishing = null;
      if (error.code !== "closed") this.#listener.error(keyError(error));
    });
    return this.#publishing;
  }

  /** Look again at the next `publish`: another tab or browser may have made or published a key meanwhile. */
  doubt() {
    this.#publishing = null;
    this.#isRefused = false;
    this.#kept = null;
  }

  /** @returns {Promise<Identity>} */
  async replace() {
    this.#kept = await newIdentity();
    const made = this.#kept;
    this.#isRefused = false;
    await this.#store.update("identities", this.#place, () => made);
    await this.#announce({ isNew: true, isPublished: false, replacedAnother: false });
    this.#publishing = null;
    await this.publish();
    return /** @type {Identity} */ (this.identity);
  }

  async #publish() {
    if (!globalThis.crypto?.subtle) {
      const sentence = "This page is not secure (https), so this browser offers no keys. Calls cannot be verified.";
      throw new SecureCallError("keys-unavailable", sentence);
    }
    const { publicKey } = await this.#load();
    // A look first: most of the time the key is there, and publishing costs the server more.
    const published = await this.#lookUp(this.#clientId);
    if (published === publicKey) await this.#announce({ isPublished: true });
    else await this.#register(published !== null);
  }

  async #load() {
    if (this.#kept) return this.#kept;
    const made = await newIdentity();
    const kept = await this.#store.update("identities", this.#place, (before) => before ?? made);
    this.#kept = /** @type {KeptIdentity} */ (kept);
    if (this.#kept.publicKey !== this.identity?.publicKey) {
      await this.#announce({ isNew: this.#kept === made, isPublished: false, replacedAnother: false });
    }
    return this.#kept;
  }

  /** @param {boolean} replacedAnother */
  async #register(replacedAnother) {
    try {
      await this.#put();
    } catch (error) {
      if (!(error instanceof SecureCallError) || error.code !== "INVALID_MESSAGE") throw error;
      // An operator has frozen or reserved the ID, or revoked the key. The identity stays: whether another one is wanted
      // is for a person to say.
      this.#isRefused = true;
      throw new SecureCallError("key-refused", refusalSentence(error.serverMessage), error);
    }
    await this.#announce({ isPublished: true, replacedAnother });
  }

  async #put() {
    const clientId = this.#clientId;
    const publicKey = this.#kept?.publicKey;
    await this.#connection.ask("PKD_REGISTER", { clientId, publicKey }, "PKD_RESULT", (it) => it.clientId === clientId);
  }

  /** @param {Partial<Identity>} change */
  async #announce(change) {
    const publicKey = /** @type {KeptIdentity} */ (this.#kept).publicKey;
    const identity = { ...this.identity, ...change, clientId: this.#clientId, publicKey };
    this.identity = Object.freeze(/** @type {Identity} */ ({ ...identity, fingerprint: await fingerprint(publicKey) }));
    this.#listener.identity(this.identity);
  }

  /**
   * @param {string} clientId
   * @returns {Promise<string | null>}
   */
  async #lookUp(clientId) {
    const { publicKey } = await this.#connection.ask(
      "PKD_LOOKUP", { clientId }, "PKD_RESULT", (it) => it.clientId === clientId,
    );
    return publicKey;
  }

  /**
   * @param {string} peerId
   * @param {(pin: Pin | null) => Pin | null} change
   * @returns {Promise<Pin | null>}
   */
  #pin(peerId, change) {
    return this.#store.update("pins", `${this.#place} ${peerId}`, change);
  }

  /**
   * Look up a peer's key, pin it when it is the first one, and compare it with the pinned one.
   *
   * @param {string} peerId
   * @returns {Promise<PeerKey>}
   */
  async judge(peerId) {
    /** @type {string | null} */
    let publicKey;
    try {
      publicKey = await this.#lookUp(peerId);
    } catch {
      return this.#describe(peerId, "unavailable", null, await this.#pin(peerId, (pin) => pin));
    }
    let isNew = false;
    const pin = await this.#pin(peerId, (before) => {
      isNew = before === null && publicKey !== null;
      return isNew ? newPin(String(publicKey)) : before;
    });
    // A key that is gone is as much of a change as another one: a directory that lies could just as well hide it.
    const status = pin === null ? "unpublished" : pin.publicKey !== publicKey ? "changed" : isNew ? "new" : "known";
    return this.#describe(peerId, status, publicKey, pin);
  }

  /**
   * @param {string} peerId
   * @param {string | null | undefined} publicKey the key that was shown; undefined: whichever there is
   * @returns {Promise<PeerKey>}
   */
  async accept(peerId, publicKey) {
    const found = await this.judge(peerId);
    if (found.status !== "changed") return found;
    if (publicKey !== undefined && publicKey !== found.publicKey) return found;
    const accepted = found.publicKey;
    const pin = await this.#pin(peerId, () =>
      accepted === null ? null : newPin(accepted),
    );
    return this.#describe(peerId, pin ? "known" : "unpublished", accepted, pin);
  }

  /**
   * @param {PeerKey} peerKey
   * @param {boolean} isVerified
   * @returns {Promise<PeerKey>}
   */
  async setVerified(peerKey, isVerified) {
    const { peerId, status, publicKey } = peerKey;
    // What was compared is the key that was shown; a changed one is accepted first.
    const pin = await this.#pin(peerId, (before) =>
      before?.publicKey === publicKey && before.isVerified !== isVerified ? { ...before, isVerified } : before,
    );
    return this.#describe(peerId, status, publicKey, pin);
  }

  /**
   * @param {string} peerId
   * @param {PeerKey["status"]} status
   * @param {string | null} publicKey
   * @param {Pin | null} pin
   * @returns {Promise<PeerKey>}
   */
  async #describe(peerId, status, publicKey, pin) {
    const isOther = pin !== null && pin.publicKey !== publicKey;
    return Object.freeze({
      peerId,
      status,
      sentence: KEY_SENTENCES[status](peerId),
      publicKey,
      fingerprint: await fingerprintOrNull(publicKey),
      pinnedKey: isOther ? pin.publicKey : null,
      pinnedFingerprint: isOther ? await fingerprintOrNull(pin.publicKey) : null,
      pinnedAt: pin?.pinnedAt ?? null,
      isVerified: !isOther && (pin?.isVerified ?? false),
    });
  }

  /**
   * The attribute that signs a description, or nothing without a key.
   *
   * @param {string | null} text what `signedText` returned
   */
  async sign(text) {
    if (!this.#kept || this.#isRefused || text === null) return [];
    const signature = await crypto.subtle.sign(ECDSA, this.#kept.privateKey, encoder.encode(text));
    return [IDENTITY_ATTRIBUTE + base64url(signature)];
  }

  /**
   * @param {PeerKey | null} peerKey null: there was no way to look
   * @param {string} peerId
   * @param {string | null} text what `signedText` returned
   * @param {string | undefined} signature
   * @returns {Promise<Verification["status"]>}
   */
  async verify(peerKey, peerId, text, signature) {
    if (!globalThis.crypto?.subtle || !peerKey) return signature === undefined ? "unsigned" : "unknown";
    const key = peerKey.publicKey ?? peerKey.pinnedKey;
    const pin = await this.#pin(peerId, (before) => before);
    if (signature === undefined) return pin?.hasSigned && pin.publicKey === key ? "stripped" : "unsigned";
    if (text === null) return "forged";
    if (key === null) return "unknown";
    let verifyingKey;
    try {
      verifyingKey = await crypto.subtle.importKey("spki", bytesOf(key), ECDSA, true, ["verify"]);
    } catch {
      // A key of another kind, from another client: it cannot have made this signature.
      return "forged";
    }
    if (!(await isSignedBy(verifyingKey, text, signature))) return "forged";
    await this.#pin(peerId, (before) =>
      before?.publicKey === key && !before.hasSigned ? { ...before, hasSigned: true } : before,
    );
    return "verified";
  }
}

/**
 * @param {CryptoKey} key
 * @param {string} text
 * @param {string} signature
 */
async function isSignedBy(key, text, signature) {
  try {
    return await crypto.subtle.verify(ECDSA, key, bytesOf(signature), encoder.encode(text));
  } catch {
    // Not even base64url.
    return false;
  }
}
