/**
 * This client's identity key: kept, published, and, where the ID belongs to it, watched.
 *
 * @typedef {import("../securecall.js").Identity} Identity
 * @typedef {import("./connection.js").Connection} Connection
 * @typedef {import("./key-store.js").KeptIdentity} KeptIdentity
 * @typedef {import("./ownership/answers.js").Standing} Standing
 * @typedef {import("./ownership/owner.js").Owner} Owner
 */

import { base64url, encoder } from "./bytes.js";
import { Directory } from "./directory.js";
import { SecureCallError } from "./errors.js";
import { KEY_SENTENCES, refusalSentence } from "./key-sentences.js";
import { KeyStore } from "./key-store.js";
import { Peers } from "./peers.js";
import { fingerprint } from "./safety-number.js";

// How often a client that stays connected looks whether its ID is still its own.
const LOOK_EVERY_MS = 86_400_000;
const ECDSA = { name: "ECDSA", namedCurve: "P-256", hash: "SHA-256" };

/** @returns {Promise<{privateKey: CryptoKey, publicKey: string}>} with a private key that no script can read */
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
  if (["keys-unavailable", "key-refused", "refused-answer", "record-replaced"].includes(error.code)) return error;
  const sentence = error.code === "RATE_LIMITED" ? error.message : KEY_SENTENCES.unavailable("");
  return new SecureCallError("directory-unavailable", sentence, error);
}

/** This client's identity key, and with `peers` those of the others. */
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
  #directory;
  #claims;
  /** @type {Promise<Owner> | null} */
  #owner = null;
  #lookTimer = 0;
  /** @type {import("./directory.js").Ask} */
  #ask = (...question) => this.#connection.ask(...question);
  /** @type {Promise<void> | null} */
  #publishing = null;
  /** Whether the directory has not taken the key: what it signs could not be verified. */
  #isRefused = false;

  /**
   * @param {Connection} connection
   * @param {import("../securecall.js").SecureCallOptions} options
   * @param {{identity: (identity: Identity) => void, error: (error: SecureCallError) => void,
   *   tell: (type: string, detail: unknown) => void}} listener
   */
  constructor(connection, options, listener) {
    const { clientId, claimsId = false } = options;
    const { host } = new URL(connection.url);
    this.#connection = connection;
    this.#clientId = clientId;
    this.#claims = claimsId;
    this.#listener = listener;
    this.#place = `${host} ${clientId}`;
    this.#store = new KeyStore(() => {
      const sentence = "This browser keeps no data for this page: it will forget your key, and those of others.";
      listener.error(new SecureCallError("storage-unavailable", sentence));
    });
    this.#directory = new Directory(this.#store, connection.url, options, listener.tell);
    this.peers = new Peers(this.#store, this.#place, (...question) => this.#find(...question));
  }

  /** @returns {Promise<Owner>} */
  owner() {
    this.#owner ??= import("./ownership/owner.js").then(
      ({ Owner }) =>
        new Owner({
          connection: this.#connection,
          ask: this.#ask,
          clientId: this.#clientId,
          directory: this.#directory,
          claims: this.#claims,
          tell: this.#listener.tell,
          keep: (change) => this.#store.update("identities", this.#place, change),
          makeKey: newIdentity,
          renewed: () => this.#renew(),
        }),
      (error) => {
        this.#owner = null;
        throw error;
      },
    );
    return this.#owner;
  }

  /**
   * The server wants to know whose this ID is.
   *
   * @param {string | undefined} challenge
   * @param {string | undefined} message
   */
  async challenged(challenge, message) {
    await (await this.owner()).challenged(challenge, String(message));
  }

  /** Another connection registered this client's ID: look whose it is, if it belongs to a key. */
  async superseded() {
    const kept = await this.#store.update("identities", this.#place, (/** @type {KeptIdentity | null} */ before) => before);
    if (kept?.statement !== undefined) await (await this.owner()).superseded();
  }

  /** Go on with the public record that the server has now. */
  async acceptRecord() {
    await (await this.#directory.record()).accept();
    this.#publishing = null;
    await this.publish();
  }

  async #renew() {
    this.#kept = null;
    this.#isRefused = false;
    await this.#load();
    await this.#announce({ isPublished: true, replacedAnother: false });
  }

  /**
   * The key is in the directory after this, if it can be; several calls are one.
   *
   * @param {{isUnsigned: boolean}} [registered] how, if it was just now
   */
  publish(registered) {
    // Who may own an ID looks each time whether it still does.
    if (registered && this.#lookTimer) this.#publishing = null;
    this.#publishing ??= this.#publish(registered?.isUnsigned ?? false).catch((error) => {
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
    if ((await this.#load()).statement !== undefined) {
      await (await this.owner()).rotate();
      return /** @type {Identity} */ (this.identity);
    }
    this.#kept = await newIdentity();
    const made = this.#kept;
    this.#isRefused = false;
    await this.#store.update("identities", this.#place, () => made);
    await this.#announce({ isNew: true, isPublished: false, replacedAnother: false });
    this.#publishing = null;
    await this.publish();
    return /** @type {Identity} */ (this.identity);
  }

  /** @param {boolean} isUnsigned whether this connection registered without a signature */
  async #publish(isUnsigned) {
    if (!globalThis.crypto?.subtle) {
      const sentence = "This page is not secure (https), so this browser offers no keys. Calls cannot be verified.";
      throw new SecureCallError("keys-unavailable", sentence);
    }
    const kept = await this.#load();
    // A look first: most of the time the key is there, and publishing costs the server more.
    const found = await this.#find(this.#clientId, kept).catch(async (error) => {
      // A clock that is wrong is nobody's attack.
      if (error.code === "refused-answer" && !error.isLate) await (await this.owner()).distrust();
      throw error;
    });
    if (found.directory !== undefined && !(await this.#meet(found, isUnsigned))) return;
    const published = found.publicKey;
    if (published === kept.publicKey) await this.#announce({ isPublished: true });
    else await this.#register(published !== null);
  }

  /**
   * @param {Standing} found
   * @param {boolean} isUnsigned
   * @returns {Promise<boolean>} whether the key is published as if no ID belonged to a key
   */
  async #meet(found, isUnsigned) {
    this.#lookLater();
    this.#audit();
    const state = await (await this.owner()).met(found, isUnsigned);
    // For a name that was given free the directory takes a statement alone.
    if (state === "free" && found.status === "unsigned") return true;
    this.#isRefused = state !== "owner";
    await this.#announce({ isPublished: state === "owner", replacedAnother: false });
    return false;
  }

  /** Compare the public record with the auditor's; what is wrong with it is told, and changes nothing else. */
  async #audit() {
    const kept = await this.#load();
    await this.#directory.audit(this.#ask, this.#clientId, kept).catch((error) => this.#listener.error(keyError(error)));
  }

  #lookLater() {
    clearTimeout(this.#lookTimer);
    this.#lookTimer = setTimeout(() => {
      this.#publishing = null;
      if (this.#connection.isOnline) this.publish();
    }, LOOK_EVERY_MS);
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
   * @param {import("./record/check.js").Pinned} [pinned] what is known
   */
  #find(clientId, pinned) {
    return this.#directory.find(this.#ask, clientId, pinned);
  }

  /**
   * Sign a description; nothing without a key.
   *
   * @param {string | null} text what `signedText` returned
   */
  async sign(text) {
    if (!this.#kept || this.#isRefused || text === null) return [];
    const signature = await crypto.subtle.sign(ECDSA, this.#kept.privateKey, encoder.encode(text));
    return [base64url(signature)];
  }
}
