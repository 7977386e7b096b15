/**
 * Statements of this client on their way: kept before they are sent, with the key that they name, as `next` beside what is
 * sure, and sent again once the directory is seen without them.
 *
 * @typedef {import("../key-store.js").KeptIdentity} KeptIdentity
 * @typedef {import("../key-store.js").KeptStatement} KeptStatement
 * @typedef {import("./answers.js").Standing} Standing
 * @typedef {import("./statements.js").Statement} Statement
 * @typedef {import("../directory.js").Ask} Ask
 * @typedef {import("../record/check.js").Pinned} Pinned
 *
 * @typedef {object} Surroundings
 * @property {import("../connection.js").Connection} connection
 * @property {Ask} ask on that connection
 * @property {string} clientId
 * @property {import("../directory.js").Directory} directory
 * @property {boolean} claims whether an ID that nobody has is claimed at once
 * @property {(type: string, detail: unknown) => void} tell
 * @property {(change: (kept: KeptIdentity | null) => KeptIdentity | null) => Promise<KeptIdentity | null>} keep
 * @property {() => Promise<{privateKey: CryptoKey, publicKey: string}>} makeKey
 * @property {() => Promise<void>} renewed told when the key that is kept is another one
 */

import { SecureCallError } from "../errors.js";
import { pinnedOf } from "../verdicts.js";
import { runErrand } from "./errand.js";
import { signAsIdentity } from "./signatures.js";
import { parse, textOf } from "./statements.js";

// After these refusals a statement will not be accepted later either.
const FINAL = ["INVALID_MESSAGE", "NOT_REGISTERED"];

/** @param {unknown} error */
export function isFinal(error) {
  return error instanceof SecureCallError && FINAL.includes(error.code);
}

export class Proposals {
  #around;

  /** @param {Surroundings} surroundings */
  constructor(surroundings) {
    this.#around = surroundings;
  }

  /** @returns {Promise<KeptIdentity | null>} */
  kept() {
    return this.#around.keep((before) => before);
  }

  /** @returns {Promise<KeptIdentity>} */
  async mustKeep() {
    const kept = await this.kept();
    if (!kept) throw new SecureCallError("keys-unavailable", "This browser has no key for this name yet; connect first.");
    return kept;
  }

  /** @returns {Promise<{kept: KeptIdentity, before: Statement}>} the last statement that is sure */
  async owned() {
    const kept = await this.mustKeep();
    if (kept.statement === undefined) throw new SecureCallError("not-owner", "This name is not this browser's.");
    return { kept, before: parse(kept.statement) };
  }

  get ask() {
    return this.#around.ask;
  }

  /**
   * Ask on a connection that is registered as nobody.
   *
   * @template T
   * @param {(ask: Ask) => Promise<T>} run
   */
  askAsNobody(run) {
    return runErrand(this.#around.connection.url, run);
  }

  /**
   * Look this client's own ID up.
   *
   * @param {Ask} ask
   * @param {Pinned | undefined} pinned
   * @param {Record<string, unknown>} [statement] what is sent in place of the question
   * @returns {Promise<Standing>}
   */
  async find(ask, pinned, statement) {
    const found = await this.#around.directory.find(ask, this.#around.clientId, pinned, statement);
    if (found.directory !== undefined) return found;
    throw new SecureCallError("not-owner", "On this server names belong to nobody.");
  }

  /**
   * Keep a statement, then send it.
   *
   * @param {Ask} ask
   * @param {{privateKey: CryptoKey, publicKey: string}} key
   * @param {Statement} statement
   * @param {{previous?: string, recovery?: string}} signatures by who had the ID before
   * @param {Pinned} before the statement that it replaces
   */
  async propose(ask, { privateKey, publicKey }, statement, signatures, before) {
    const text = textOf(statement);
    const identity = await signAsIdentity(privateKey, text);
    const next = { privateKey, publicKey, statement: text, signatures: { identity, ...signatures } };
    await this.#around.keep((kept) => ({ ...(kept ?? { privateKey, publicKey }), next }));
    return this.send(ask, next, before);
  }

  /**
   * @param {Ask} ask
   * @param {KeptStatement} next
   * @param {Pinned} before
   * @returns {Promise<Standing>} whose last statement is the one that was sent
   */
  async send(ask, { publicKey, statement, signatures }, before) {
    let found;
    try {
      found = await this.find(ask, before, { publicKey, statement, signatures });
    } catch (error) {
      if (isFinal(error)) await this.drop();
      throw error;
    }
    if (found.chain.at(-1)?.text === statement) return this.adopt(found);
    throw new SecureCallError("refused-answer", "The directory did not take what this browser signed.");
  }

  async drop() {
    await this.#around.keep((kept) => kept && { ...kept, next: undefined });
  }

  /** @param {Standing} found whose last statement is `next` */
  async adopt(found) {
    await this.#around.keep((kept) => {
      if (!kept?.next) return kept;
      const { privateKey, publicKey } = kept.next;
      return { privateKey, publicKey, ...pinnedOf(found) };
    });
    await this.#around.renewed();
    return found;
  }
}
