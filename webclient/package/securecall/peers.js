/**
 * The keys of a client's peers: looked up, pinned, compared with what was pinned, and verified with.
 *
 * @typedef {import("../securecall.js").PeerKey} PeerKey
 * @typedef {import("../securecall.js").Verification} Verification
 * @typedef {import("./errors.js").SecureCallError} SecureCallError
 * @typedef {import("./key-store.js").Pin} Pin
 * @typedef {import("./ownership/answers.js").Standing} Standing
 * @typedef {import("./record/check.js").Pinned} Pinned
 */

import { bytesOf, encoder } from "./bytes.js";
import { KEY_SENTENCES, WITHHELD_SENTENCES } from "./key-sentences.js";
import { fingerprintOrNull } from "./safety-number.js";
import { newPin, pinnedOf, verdictOn } from "./verdicts.js";

const ECDSA = { name: "ECDSA", namedCurve: "P-256", hash: "SHA-256" };

/** The keys of the others. */
export class Peers {
  #store;
  #place;
  #find;
  /** @type {Map<string, Pinned>} the last statements of peers, as they were looked up */
  #statements = new Map();

  /**
   * @param {import("./key-store.js").KeyStore} store
   * @param {string} place of this client in it
   * @param {(clientId: string, pinned?: Pinned) => Promise<Standing | import("./directory.js").Unchecked>} find
   */
  constructor(store, place, find) {
    this.#store = store;
    this.#place = place;
    this.#find = find;
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
      found = await this.#find(peerId, known ?? undefined);
    } catch (error) {
      const { code, message } = /** @type {SecureCallError} */ (error);
      return ["refused-answer", "record-replaced"].includes(code)
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
    const known = pinnedOf(found);
    this.#statements.set(peerId, known);
    let verdict = verdictOn(null, found.chain);
    const pin = await this.#pin(peerId, (before) => {
      verdict = verdictOn(before, found.chain);
      if (verdict === "known") return { .../** @type {Pin} */ (before), ...known };
      return ["new", "moved"].includes(verdict) ? newPin(identity, known) : before;
    });
    const status = verdict === "released" ? "changed" : verdict;
    return this.#describe(peerId, status, identity, pin, KEY_SENTENCES[verdict](peerId), found.vkey !== undefined);
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
    return this.#describe(peerId, pin ? "known" : "unpublished", accepted, pin, undefined, found.isRecorded);
  }

  /**
   * @param {PeerKey} peerKey
   * @param {boolean} isVerified
   * @returns {Promise<PeerKey>}
   */
  async setVerified(peerKey, isVerified) {
    const { peerId, status, publicKey, isRecorded } = peerKey;
    // What was compared is the key that was shown; a changed one is accepted first.
    const pin = await this.#pin(peerId, (before) =>
      before?.publicKey === publicKey && before.isVerified !== isVerified ? { ...before, isVerified } : before,
    );
    return this.#describe(peerId, status, publicKey, pin, undefined, isRecorded);
  }

  /**
   * @param {string} peerId
   * @param {PeerKey["status"]} status
   * @param {string | null} publicKey
   * @param {Pin | null} pin
   * @param {string} [sentence]
   * @param {boolean} [isRecorded] whether the public record has the key
   * @returns {Promise<PeerKey>}
   */
  async #describe(peerId, status, publicKey, pin, sentence = KEY_SENTENCES[status](peerId), isRecorded = false) {
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
      isRecorded,
    });
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
    if (!(await isSignedBy(key, text, signature))) return "forged";
    await this.#pin(peerId, (before) =>
      before?.publicKey === key && !before.hasSigned ? { ...before, hasSigned: true } : before,
    );
    return "verified";
  }
}

/**
 * @param {string} publicKey
 * @param {string} text
 * @param {string} signature
 */
async function isSignedBy(publicKey, text, signature) {
  try {
    const key = await crypto.subtle.importKey("spki", bytesOf(publicKey), ECDSA, true, ["verify"]);
    return await crypto.subtle.verify(ECDSA, key, bytesOf(signature), encoder.encode(text));
  } catch {
    // A key of another kind, from another client, cannot have made a signature; nor is what is not base64url one.
    return false;
  }
}
