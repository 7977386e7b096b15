/**
 * This client's identity key: published, and, where the ID belongs to it, watched.
 *
 * @typedef {import("../securecall.js").Identity} Identity
 * @typedef {import("./ownership/owner.js").Owner} Owner
 * @typedef {import("./record/check.js").Pinned} Pinned
 */

import { Directory } from "./directory.js";
import { SecureCallError } from "./errors.js";
import { UNKEPT_SENTENCE } from "./key-sentences.js";
import { KeyStore } from "./key-store.js";
import { Once } from "./once.js";
import { OwnKey, checkSecure, keyError, newIdentity } from "./own-key.js";
import { Peers } from "./peers.js";
import { isLie } from "./verdicts.js";

// How often a client that stays connected looks whether its ID is still its own.
const LOOK_EVERY_MS = 86_400_000;

/** This client's identity key, and with `peers` those of the others. */
export class Keys {
  #connection;
  #clientId;
  #listener;
  #own;
  #directory;
  #claims;
  #owner = new Once(() => this.#makeOwner());
  #lookTimer = 0;
  /** @type {import("./directory.js").Ask} */
  #ask = (...question) => this.#connection.ask(...question);
  #find = (/** @type {string} */ clientId, /** @type {Pinned | undefined} */ pinned) => this.#directory.find(this.#ask, clientId, pinned);
  /** @type {Promise<void> | null} */
  #publishing = null;
  /** Whether the directory has not taken the key: what it signs could not be verified. */
  #isRefused = false;

  /**
   * @param {import("./connection.js").Connection} connection
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
    const store = new KeyStore(() => {
      listener.error(new SecureCallError("storage-unavailable", UNKEPT_SENTENCE));
    });
    this.#directory = new Directory(store, connection.url, options, listener.tell);
    this.#own = new OwnKey(store, `${host} ${clientId}`, clientId, listener.identity);
    this.peers = new Peers(store, `${host} ${clientId}`, this.#find);
  }

  /** @returns {Promise<Owner>} */
  owner() {
    return this.#owner.get();
  }

  async #makeOwner() {
    const { Owner } = await import("./ownership/owner.js");
    return new Owner({
      connection: this.#connection,
      ask: this.#ask,
      clientId: this.#clientId,
      directory: this.#directory,
      claims: this.#claims,
      tell: this.#listener.tell,
      keep: (change) => this.#own.keep(change),
      makeKey: newIdentity,
      renewed: () => {
        this.#isRefused = false;
        return this.#own.renew();
      },
    });
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
    const kept = await this.#own.keep((before) => before);
    if (kept?.statement !== undefined) await (await this.owner()).superseded();
  }

  /** Go on with the public record that the server has now. */
  async acceptRecord() {
    await (await this.#directory.record()).accept();
    this.#publishing = null;
    await this.publish();
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
      this.#tellOf(error);
    });
    return this.#publishing;
  }

  /** Look again at the next `publish`: another tab or browser may have made or published a key meanwhile. */
  doubt() {
    this.#publishing = null;
    this.#isRefused = false;
    this.#own.forget();
  }

  /** @returns {Promise<Identity>} */
  async replace() {
    if ((await this.#own.load()).statement !== undefined) {
      await (await this.owner()).rotate();
    } else {
      this.#isRefused = false;
      await this.#own.replace();
      this.#publishing = null;
      await this.publish();
    }
    return /** @type {Identity} */ (this.#own.identity);
  }

  /** @param {boolean} isUnsigned whether this connection registered without a signature */
  async #publish(isUnsigned) {
    checkSecure();
    const kept = await this.#own.load();
    // A look first: most of the time the key is there, and publishing costs the server more.
    const found = await this.#find(this.#clientId, kept).catch(async (error) => {
      if (isLie(error)) await (await this.owner()).distrust();
      throw error;
    });
    if (found.directory !== undefined && !(await this.#meet(found, isUnsigned))) return;
    if (found.publicKey === kept.publicKey) await this.#own.announce({ isPublished: true });
    else await this.#register(found.publicKey !== null);
  }

  /**
   * @param {import("./ownership/answers.js").Standing} found
   * @param {boolean} isUnsigned
   * @returns {Promise<boolean>} whether the key is published as if no ID belonged to a key
   */
  async #meet(found, isUnsigned) {
    this.#lookLater();
    this.#own.load().then((kept) => this.#directory.audit(this.#ask, this.#clientId, kept)).catch((error) => this.#tellOf(error));
    const state = await (await this.owner()).met(found, isUnsigned);
    // For a name that was given free the directory takes a statement alone.
    if (state === "free" && found.status === "unsigned") return true;
    this.#isRefused = state !== "owner";
    await this.#own.announce({ isPublished: state === "owner", replacedAnother: false });
    return false;
  }

  /** @param {any} error of what nobody waits for: it changes nothing else; leaving is none */
  #tellOf(error) {
    if (error.code !== "closed") this.#listener.error(keyError(error));
  }

  #lookLater() {
    clearTimeout(this.#lookTimer);
    this.#lookTimer = setTimeout(() => {
      this.#publishing = null;
      if (this.#connection.isOnline) this.publish();
    }, LOOK_EVERY_MS);
  }

  /** @param {boolean} replacedAnother */
  async #register(replacedAnother) {
    try {
      await this.#own.publish(this.#connection);
    } catch (error) {
      this.#isRefused ||= error instanceof SecureCallError && error.code === "key-refused";
      throw error;
    }
    await this.#own.announce({ isPublished: true, replacedAnother });
  }

  /** @param {string | null} text of a description, as `signedText` returned it; without a key nothing is signed */
  async sign(text) {
    return this.#isRefused || text === null ? [] : this.#own.sign(text);
  }
}
