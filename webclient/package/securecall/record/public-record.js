/**
 * The public record of a server, as this browser knows it: kept, checked with, asked about when it is another one, and
 * compared with an auditor's.
 *
 * @typedef {import("../../securecall.js").RecordStatus} RecordStatus
 * @typedef {import("../directory.js").KeptRecord} KeptRecord
 * @typedef {import("../ownership/answers.js").Standing} Standing
 * @typedef {import("./check.js").Log} Log
 * @typedef {import("./check.js").Question} Question
 *
 * @typedef {object} Surroundings
 * @property {string} url of the server
 * @property {string} [logKey] the vkey that the application knows
 * @property {string} [auditorUrl]
 * @property {(change: (kept: KeptRecord | null) => KeptRecord | null) => Promise<KeptRecord | null>} keep
 * @property {(type: string, detail: unknown) => void} tell
 */

import { base64url, bytesOf } from "../bytes.js";
import { SecureCallError } from "../errors.js";
import { isLie } from "../verdicts.js";
import { auditedTree } from "./auditor.js";
import { readProved } from "./check.js";
import { fetchedText } from "./fetching.js";
import { require } from "./hashes.js";
import { OtherRecord, readLogKey } from "./notes.js";
import { RECORD_SENTENCES } from "./record-sentences.js";
import { emptyTree } from "./trees.js";

const DAY_MS = 86_400_000;
// An auditor that is away for longer, or whose own copy is older, audits nothing.
const UNAUDITED_MS = 2 * DAY_MS;

export class PublicRecord {
  #around;
  /** @type {RecordStatus | null} */
  #told = null;

  /** @param {Surroundings} surroundings */
  constructor(surroundings) {
    this.#around = surroundings;
  }

  /**
   * @param {KeptRecord | null} kept
   * @returns {Promise<Log | null>} the log to check with; null: its key is not known, and could not be fetched
   * @throws {OtherRecord} if the application knows another one than this browser
   */
  async log(kept) {
    const { logKey } = this.#around;
    if (kept?.log) {
      const { vkey, size, root } = kept.log;
      if (logKey !== undefined && logKey !== vkey) {
        this.#tell("replaced", null, vkey);
        throw new OtherRecord(RECORD_SENTENCES.replaced);
      }
      return { vkey, tree: { size, root: bytesOf(root) } };
    }
    const vkey = logKey ?? (await this.#fetchedKey());
    return vkey === null ? null : { vkey, tree: await emptyTree() };
  }

  /**
   * Look a client ID up, verify the answers, and keep the tree that they show.
   *
   * @param {Omit<Question, "now">} question
   * @param {(after: number, size: number) => Promise<any>} ask
   * @returns {Promise<Standing>}
   */
  async find(question, ask) {
    const { standing, log } = await readProved({ ...question, now: Date.now() }, ask).catch((error) => {
      if (error instanceof OtherRecord) this.#tell("replaced", null, question.log.vkey);
      throw error;
    });
    await this.#keepLog(standing.directory, log);
    if (this.#told?.state !== "unaudited" && this.#told?.state !== "split") this.#tell("checked", log);
    return standing;
  }

  /**
   * Go on with the record that there is now: the one before stays as evidence, and pins stay.
   *
   * @returns {Promise<void>}
   */
  async accept() {
    const vkey = this.#around.logKey ?? (await this.#fetchedKey());
    if (vkey === null) throw new SecureCallError("directory-unavailable", RECORD_SENTENCES.keyless);
    const [{ directory }, { size, root }] = await Promise.all([readLogKey(vkey), emptyTree()]);
    // Thrown within the change it would be the store's to tell.
    let isAnothers = false;
    await this.#around.keep((kept) => {
      isAnothers = kept !== null && kept.directory !== directory;
      if (isAnothers || kept?.log?.vkey === vkey) return kept;
      const replaced = [...(kept?.replaced ?? []), ...(kept?.log ? [kept.log] : [])];
      return { directory, log: { vkey, size, root: base64url(root.slice().buffer) }, replaced };
    });
    require(!isAnothers, "The new public record is that of another directory.");
    this.#told = null;
  }

  /**
   * Compare the record with the auditor's, once a day.
   *
   * @param {Omit<Question, "now" | "log">} question about this client
   * @param {(after: number, size: number) => Promise<any>} ask
   */
  async audit(question, ask) {
    const kept = await this.#around.keep((before) => before);
    const { auditorUrl } = this.#around;
    const now = Date.now();
    const { auditedAt, comparedAt = 0 } = kept ?? {};
    if (auditorUrl === undefined || !kept?.log || now - comparedAt < DAY_MS) return;
    const log = /** @type {Log} */ (await this.log(kept));
    const told = await auditedTree(auditorUrl, { ...question, log, now }, ask).catch((error) => {
      if (isLie(error)) this.#tell("split", log);
      throw error;
    });
    if (told && now - told.signedAt <= UNAUDITED_MS) {
      await this.#keepLog(kept.directory, told.log);
      await this.#around.keep((before) => before && { ...before, auditedAt: told.signedAt, comparedAt: now });
      this.#tell("audited", told.log, told.log.vkey, told.signedAt);
      return;
    }
    const since = auditedAt ?? kept.auditedSince ?? now;
    await this.#around.keep((before) => before && { ...before, auditedSince: since });
    if (now - since > UNAUDITED_MS) this.#tell("unaudited", log, log.vkey, auditedAt ?? null);
  }

  /** @param {string} directory @param {Log} log */
  async #keepLog(directory, { vkey, tree }) {
    const root = base64url(tree.root.slice().buffer);
    const log = { vkey, size: tree.size, root };
    let isForked = false;
    await this.#around.keep((before) => {
      const known = before?.log;
      isForked = known?.vkey === vkey && known.size === tree.size && known.root !== root;
      const isBehind = known !== undefined && (known.vkey !== vkey || known.size >= tree.size);
      return isBehind ? before : { ...before, directory, log };
    });
    require(!isForked, "The public record forked: it shows two trees of one size.");
  }

  /** @returns {Promise<string | null>} what the server says that its log's key is; null also for what is none */
  async #fetchedKey() {
    const text = (await fetchedText(new URL("log/key", this.#around.url.replace(/^ws/, "http"))))?.trim();
    return readLogKey(text).then(() => text ?? null, () => null);
  }

  /**
   * Tell how the record is, if it is otherwise than it was.
   *
   * @param {RecordStatus["state"]} state
   * @param {Log | null} log
   * @param {string} [logKey]
   * @param {number | null} [auditedAt]
   */
  #tell(state, log, logKey = log?.vkey, auditedAt = this.#told?.auditedAt ?? null) {
    const isNews = this.#told?.state !== state || this.#told.auditedAt !== auditedAt;
    const isLess = state === "checked" && this.#told?.state === "audited";
    if (!isNews || isLess) return;
    this.#told = Object.freeze({ state, sentence: RECORD_SENTENCES[state], logKey: logKey ?? null, size: log?.tree.size ?? null, auditedAt });
    this.#around.tell("record", this.#told);
  }
}
