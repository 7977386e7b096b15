/**
 * This client's identity key, and those of its peers.
 *
 * @typedef {import("../securecall.js").Identity} Identity
 * @typedef {import("../securecall.js").PeerKey} PeerKey
 * @typedef {import("../securecall.js").Verification} Verification
 * @typedef {import("./connection.js").Connection} Connection
 * @typedef {import("./key-store.js").KeptIdentity} KeptIdentity
 * @typedef {import("./key-store.js").Pin} Pin
 * @typedef {import("./ownership/answers.js").Standing} Standing
 * @typedef {import("./ownership/owner.js").Owner} Owner
 */

import { base64url, bytesOf, encoder } from "./bytes.js";
import { Directory } from "./directory.js";
import { SecureCallError } from "./errors.js";
import { KeyStore } from "./key-store.js";
import { fingerprint, fingerprintOrNull } from "./safety-number.js";
import { KEY_SENTENCES, WITHHELD_SENTENCES, refusalSentence } from "./key-sentences.js";
import { verdictOn } from "./verdicts.js";

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
  if (["keys-unavailable", "key-refused", "refused-answer"].includes(error.code)) return error;
  return new SecureCallError("directory-unavailable", KEY_SENTENCES.unavailable(""), error);
}

/**
 * @param {string} publicKey
 * @param {string} [statement] by which the ID belongs to it
 * @returns {Pin}
 */
function newPin(publicKey, statement) {
  return { publicKey, pinnedAt: Date.now(), isVerified: false, hasSigned: false, statement };
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
  #directory;
  #claims;
  /** @type {Promise<Owner> | null} */
  #owner = null;
  /** @type {Map<string, string | undefined>} the last statements of peers, as they were looked up */
  #statements = new Map();
  #lookTimer = 0;
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
  constructor(connection, { clientId, claimsId = false }, listener) {
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
    this.#directory = new Directory(this.#store, host, listener.tell);
  }

  /** @returns {Promise<Owner>} */
  owner() {
    this.#owner ??= import("./ownership/owner.js").then(
      ({ Owner }) =>
        new Owner({
          connection: this.#connection,
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
    const { publicKey, statement } = await this.#load();
    // A look first: most of the time the key is there, and publishing costs the server more.
    const found = await this.#find(this.#clientId, statement).catch(async (error) => {
      if (error.code === "refused-answer") await (await this.owner()).distrust();
      throw error;
    });
    if (found.directory !== undefined && !(await this.#meet(found, isUnsigned))) return;
    const published = found.publicKey;
    if (published === publicKey) await this.#announce({ isPublished: true });
    else await this.#register(published !== null);
  }

  /**
   * @param {Standing} found
   * @param {boolean} isUnsigned
   * @returns {Promise<boolean>} whether the key is published as if no ID belonged to a key
   */
  async #meet(found, isUnsigned) {
    this.#lookLater();
    const state = await (await this.owner()).met(found, isUnsigned);
    if (state === "free") return true;
    this.#isRefused = state !== "owner";
    await this.#announce({ isPublished: state === "owner", replacedAnother: false });
    return false;
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
   * @param {string} [pinned] the statement that is known
   */
  #find(clientId, pinned) {
    return this.#directory.find((...question) => this.#connection.ask(...question), clientId, pinned);
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
    const known = await this.#pin(peerId, (pin) => pin);
    let found;
    try {
      found = await this.#find(peerId, known?.statement);
    } catch (error) {
      const { code, message } = /** @type {SecureCallError} */ (error);
      return code === "refused-answer"
        ? this.#describe(peerId, "refused", null, known, `${KEY_SENTENCES.refused(peerId)} ${message}`)
        : this.#describe(peerId, "unavailable", null, known);
    }
    if (found.directory !== undefined && found.status !== "unsigned") return this.#judgeOwned(peerId, found);
    const { publicKey } = found;
    this.#statements.delete(peerId);
    let isNew = false;
    const pin = await this.#pin(peerId, (before) => {
      isNew = before === null && publicKey !== null;
      return isNew ? newPin(String(publicKey)) : before;
    });
    // A key that is gone is as much of a change as another one: a directory that lies could just as well hide it.
    const status = pin === null ? "unpublished" : pin.publicKey !== publicKey ? "changed" : isNew ? "new" : "known";
    const isFree = status === "new" && found.directory !== undefined;
    return this.#describe(peerId, status, publicKey, pin, isFree ? KEY_SENTENCES.free(peerId) : undefined);
  }

  /**
   * The same for an ID that belongs to a key: what follows from what is pinned is believed.
   *
   * @param {string} peerId
   * @param {Standing} found
   * @returns {Promise<PeerKey>}
   */
  async #judgeOwned(peerId, found) {
    const last = found.chain.at(-1);
    if (found.status !== "signed" || !last) {
      const known = await this.#pin(peerId, (pin) => pin);
      return this.#describe(peerId, "withheld", null, known, WITHHELD_SENTENCES[found.status](peerId));
    }
    const { identity } = last.statement;
    this.#statements.set(peerId, last.text);
    let verdict = verdictOn(null, found.chain);
    const pin = await this.#pin(peerId, (before) => {
      verdict = verdictOn(before, found.chain);
      if (verdict === "known") return { .../** @type {Pin} */ (before), statement: last.text };
      return ["new", "moved"].includes(verdict) ? newPin(identity, last.text) : before;
    });
    const status = verdict === "released" ? "changed" : verdict;
    return this.#describe(peerId, status, identity, pin, KEY_SENTENCES[verdict](peerId));
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
      accepted === null ? null : newPin(accepted, this.#statements.get(peerId)),
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
   * @param {string} [sentence]
   * @returns {Promise<PeerKey>}
   */
  async #describe(peerId, status, publicKey, pin, sentence = KEY_SENTENCES[status](peerId)) {
    const isOther = pin !== null && pin.publicKey !== publicKey;
    return Object.freeze({
      peerId,
      status,
      sentence,
      publicKey,
      fingerprint: await fingerprintOrNull(publicKey),
      pinnedKey: isOther ? pin.publicKey : null,
      pinnedFingerprint: isOther ? await fingerprintOrNull(pin.publicKey) : null,
      pinnedAt: pin?.pinnedAt ?? null,
      isVerified: !isOther && (pin?.isVerified ?? false),
    });
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
