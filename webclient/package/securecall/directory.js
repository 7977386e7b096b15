/**
 * The directory of a server: what it says of a client ID, and whether that follows from what is known.
 *
 * @typedef {import("./key-store.js").KeyStore} KeyStore
 * @typedef {import("./ownership/answers.js").RefusedAnswer} RefusedAnswer
 * @typedef {import("./ownership/answers.js").Standing} Standing
 * @typedef {import("./record/check.js").Pinned} Pinned
 * @typedef {import("./record/public-record.js").PublicRecord} PublicRecord
 * @typedef {{directory: undefined, publicKey: string | null}} Unchecked the answer of a server where no ID belongs to a key
 * @typedef {import("./questions.js").Ask} Ask
 *
 * @typedef {{vkey: string, size: number, root: string}} KeptLog `root`: in base64url
 * @typedef {{directory: string, log?: KeptLog, replaced?: KeptLog[], auditedAt?: number, auditedSince?: number,
 *   comparedAt?: number}} KeptRecord what is kept of a server: the name by which its statements call its directory; the log that
 *   agreed, and those before; when the log signed the auditor's checkpoint, since when there is none, and when it was compared
 */

import { SecureCallError } from "./errors.js";
import { Once } from "./once.js";
import { Answers, Turns } from "./questions.js";

const KEYLESS =
  "The key of the server's public record cannot be fetched, so nothing is checked against it: " +
  "let the page's policy allow the server's address (connect-src), or give logKey.";

/** Looks client IDs up. */
export class Directory {
  #store;
  #host;
  #options;
  #tell;
  #url;
  #record = new Once(async () => {
    const { PublicRecord } = await import("./record/public-record.js");
    return new PublicRecord({ ...this.#options, url: this.#url, tell: this.#tell, keep: (change) => this.#keep(change) });
  });
  #turns = new Turns();
  /** Whether the key of the log could not be fetched: a page's policy stays as it is. */
  #isKeyless = false;

  /**
   * @param {KeyStore} store
   * @param {string} url of the server
   * @param {{directory?: string, logKey?: string, auditorUrl?: string}} options `directory`: its name, if the application knows it
   * @param {(type: string, detail: unknown) => void} tell
   */
  constructor(store, url, { directory, logKey, auditorUrl }, tell) {
    this.#store = store;
    this.#url = url;
    this.#host = new URL(url).host;
    this.#options = { directory, logKey, auditorUrl };
    this.#tell = tell;
  }

  /**
   * Look a client ID up.
   *
   * @param {Ask} ask
   * @param {string} clientId
   * @param {Pinned} [pinned] what is known
   * @param {Record<string, unknown>} [statement] what is sent in place of the first question: its answer is one to that, too
   * @returns {Promise<Standing | Unchecked>}
   * @throws {SecureCallError} `refused-answer`, after an "evidence" event, and what `ask` throws
   */
  find(ask, clientId, pinned = {}, statement) {
    return this.#turns.run(ask, clientId, () => this.#find(ask, clientId, pinned, statement));
  }

  /**
   * @param {Ask} ask
   * @param {string} clientId
   * @param {Pinned} pinned
   * @param {Record<string, unknown>} [statement]
   * @returns {Promise<Standing | Unchecked>}
   */
  async #find(ask, clientId, pinned, statement) {
    const kept = await this.#keep((before) => before);
    const answers = new Answers(ask, clientId, statement);
    const hasLog = kept?.log !== undefined || this.#options.logKey !== undefined;
    const isKnown = hasLog || kept !== null || this.#options.directory !== undefined || pinned.statement !== undefined;
    const after = Number(/^seq (\d+)$/m.exec(pinned.statement ?? "")?.[1] ?? -1);
    const first = await answers.ask(after, hasLog ? (kept?.log?.size ?? 0) : undefined);
    if (first.directory === undefined && !isKnown) return { directory: undefined, publicKey: first.publicKey };
    return this.#refusing(clientId, pinned, kept, answers, async () => {
      const proved = hasLog || first.proof !== undefined ? await this.#findProved(kept, { clientId, pinned }, answers) : null;
      return proved ?? this.#findListed(kept, clientId, pinned, answers);
    });
  }

  /**
   * @param {KeptRecord | null} kept
   * @param {{clientId: string, pinned: Pinned}} question
   * @param {Answers} answers
   * @returns {Promise<Standing | null>} null: the log's key is not known
   */
  async #findProved(kept, question, answers) {
    if (this.#isKeyless && !kept?.log) return null;
    const record = await this.record();
    const log = await record.log(kept);
    if (log) return record.find({ ...question, log, directory: this.#nameOf(kept) }, answers.again());
    this.#isKeyless = true;
    this.#tell("warning", new SecureCallError("record-unavailable", KEYLESS));
    return null;
  }

  /**
   * @param {KeptRecord | null} kept
   * @param {string} clientId
   * @param {Pinned} pinned
   * @param {Answers} answers
   */
  async #findListed(kept, clientId, pinned, answers) {
    const { readAnswers } = await import("./ownership/answers.js");
    const found = await readAnswers(clientId, this.#nameOf(kept), pinned.statement, answers.again());
    await this.#keep((before) => before ?? { directory: found.directory });
    return found;
  }

  /**
   * Compare the public record with the auditor's, if there are both, once a day.
   *
   * @param {Ask} ask
   * @param {string} clientId of this client
   * @param {Pinned} pinned
   */
  async audit(ask, clientId, pinned) {
    if (this.#options.auditorUrl === undefined) return;
    const kept = await this.#keep((before) => before);
    const answers = new Answers(ask, clientId);
    const record = await this.record();
    // Nobody waits for the auditor, who may be slow.
    const asks = (/** @type {number} */ after, /** @type {number} */ size) =>
      this.#turns.run(ask, clientId, () => answers.ask(after, size));
    await this.#refusing(clientId, pinned, kept, answers, () => record.audit({ clientId, pinned, directory: this.#nameOf(kept) }, asks));
  }

  /** @param {KeptRecord | null} kept @returns {string | undefined} the name of the directory, if it is known */
  #nameOf(kept) {
    return this.#options.directory ?? kept?.directory;
  }

  /** @returns {Promise<PublicRecord>} */
  record() {
    return this.#record.get();
  }

  /**
   * Read answers; those that are refused are told as evidence.
   *
   * @template T
   * @param {string} clientId
   * @param {Pinned} pinned
   * @param {KeptRecord | null} kept
   * @param {Answers} answers
   * @param {() => Promise<T>} read
   * @returns {Promise<T>}
   */
  async #refusing(clientId, pinned, kept, answers, read) {
    try {
      return await read();
    } catch (error) {
      if (!(error instanceof SecureCallError) || error.code !== "refused-answer") throw error;
      const { message: sentence, rule, checkpoint = null } = /** @type {RefusedAnswer} */ (error);
      const known = { checkpoint, pinned: pinned.statement ?? null, directory: kept?.directory ?? null, log: kept?.log ?? null };
      this.#tell("evidence", Object.freeze({ clientId, rule, sentence, answers: answers.all, ...known, at: Date.now() }));
      throw error;
    }
  }

  /**
   * @param {(before: KeptRecord | null) => KeptRecord | null} change
   * @returns {Promise<KeptRecord | null>}
   */
  #keep(change) {
    // Beside the pins, whose places have the IDs of two clients in them.
    return this.#store.update("pins", this.#host, change);
  }
}
