/**
 * Answers of a directory about a client ID, of which nothing is believed before all of it is checked.
 *
 * @typedef {import("./statements.js").Statement} Statement
 * @typedef {{text: string, statement: Statement, kind: number, update?: string}} Link a statement of a chain, and by whose
 *   right it came; `update`: SHA-256 of its update in the public log, in base64url
 *
 * @typedef {object} Standing
 * @property {string} directory
 * @property {"signed" | "unsigned" | "revoked" | "released" | "erased"} status
 * @property {string | null} publicKey
 * @property {Link[]} chain from the statement that was pinned on, or from the first one on; empty for `unsigned` and `erased`
 * @property {number | undefined} releasedAt
 * @property {string} [vkey] of the public log that agrees
 */

import { SecureCallError } from "../errors.js";
import { AFTER_RELEASE, BY_OWNER, brokenRule, kindOf } from "./rules.js";
import { bytesExactly } from "./signatures.js";
import { BadStatement, NOTHING, keyLine, parse } from "./statements.js";

// So many in an answer mean that there may be more.
export const MOST_STATEMENTS = 32;
export const ENDLESS = "The directory has more statements of a client ID than anybody makes.";
// Nobody makes so many: an owner has 20 a day at most, and what is pinned is not asked for again.
export const MOST_ANSWERS = 256;
export const STATUSES = ["signed", "unsigned", "revoked", "released", "erased"];

/** An answer breaks a rule: 1 to 5 are those of statements, 0 is another one. The message is the sentence that names it. */
export class RefusedAnswer extends SecureCallError {
  /** @type {string | undefined} an auditor's, if that is what the answer does not fit */
  checkpoint;
  /** Whether it was signed in another hour than this device's clock shows, which may be wrong. */
  isLate = false;

  /**
   * @param {string} sentence
   * @param {number} [rule]
   */
  constructor(sentence, rule = 0) {
    super("refused-answer", sentence);
    this.rule = rule;
  }
}

/**
 * Read what a directory says of a client ID, page by page.
 *
 * @param {string} clientId
 * @param {string | undefined} directory the name of this server's directory, if it is known
 * @param {string | undefined} pinned the statement that is known
 * @param {(after: number) => Promise<any>} ask gives the answer with the statements from one `seq` on
 * @param {number} [mostAnswers]
 * @returns {Promise<Standing>}
 * @throws {RefusedAnswer}
 */
export async function readAnswers(clientId, directory, pinned, ask, mostAnswers = MOST_ANSWERS) {
  /** @type {Link[]} */
  const chain = pinned === undefined ? [] : [{ text: pinned, statement: parse(pinned), kind: BY_OWNER }];
  for (let left = mostAnswers; left > 0; left -= 1) {
    const answer = await ask(chain.at(-1)?.statement.seq ?? -1);
    checkShape(answer, clientId, directory);
    const { status, statements } = answer;
    if (status === "erased") return standing(answer, []);
    if (status === "unsigned") {
      if (pinned !== undefined || statements.length > 0) refuse("A client ID that belonged to a key belongs to none all of a sudden.");
      return standing(answer, []);
    }
    await extend(chain, statements, clientId, answer.directory);
    if (statements.length < MOST_STATEMENTS) return complete(answer, chain);
  }
  return refuse(ENDLESS);
}

/**
 * @param {string} sentence
 * @param {number} [rule]
 * @returns {never}
 */
function refuse(sentence, rule) {
  throw new RefusedAnswer(sentence, rule);
}

/**
 * @param {any} answer
 * @param {string} clientId
 * @param {string | undefined} directory
 */
function checkShape(answer, clientId, directory) {
  if (answer.directory === undefined) refuse("The server answers as if it had never known whom a client ID belongs to.");
  if (directory !== undefined && answer.directory !== directory) refuse("The server answers in the name of another directory.");
  const isKey = answer.publicKey === null || typeof answer.publicKey === "string";
  const isTime = answer.releasedAt === undefined || typeof answer.releasedAt === "number";
  const isGood = answer.clientId === clientId && isKey && isTime && typeof answer.directory === "string";
  if (!isGood || !STATUSES.includes(answer.status) || !Array.isArray(answer.statements)) {
    refuse("The answer of the directory does not have the form that it should have.");
  }
}

/**
 * Add the statements of an answer to a chain, each by the rules.
 *
 * @param {Link[]} chain
 * @param {any[]} rows
 * @param {string} clientId
 * @param {string} directory
 */
async function extend(chain, rows, clientId, directory) {
  const known = chain.at(-1);
  if (known && rows[0]?.statement !== known.text) refuse("The directory does not have the statement that is known here.", 2);
  for (const row of known ? rows.slice(1) : rows) {
    const link = readRow(row);
    checkAbout(link.statement, clientId, directory);
    await checkNext(link, row.signatures, chain.at(-1)?.statement ?? null);
    chain.push(link);
  }
}

/**
 * @param {Statement} statement
 * @param {string} clientId
 * @param {string} directory
 */
export function checkAbout(statement, clientId, directory) {
  if (statement.id !== clientId || statement.directory !== directory) {
    refuse("A statement is about another client ID, or of another directory.", 2);
  }
}

/**
 * Refuse a statement that does not follow from the one before.
 *
 * @param {Link} link
 * @param {import("./statements.js").Signatures} signatures
 * @param {Statement | null} before
 */
export async function checkNext({ statement, kind }, signatures, before) {
  const proposal = { statement, signatures, before, isReleased: kind === AFTER_RELEASE };
  const rule = await brokenRule(proposal);
  if (rule) refuse(rule[2], rule[0]);
  if (kind !== kindOf(proposal)) refuse("A statement by the owner is told as one after a release.", 5);
}

/** @param {any} row @returns {Link} */
function readRow(row) {
  const { statement: text, signatures, kind = kindIn(row?.update) } = row ?? {};
  const isSigned = typeof signatures === "object" && signatures !== null;
  if (!isSigned || ![BY_OWNER, AFTER_RELEASE].includes(kind)) refuse("A statement comes without its signatures, or its kind.");
  return linkOf(text, kind);
}

/**
 * @param {unknown} text
 * @param {number} kind
 * @returns {Link}
 */
export function linkOf(text, kind) {
  try {
    return { text: String(text), statement: parse(text), kind };
  } catch (error) {
    if (error instanceof BadStatement) refuse(error.message);
    throw error;
  }
}

/**
 * @param {unknown} update of the public log: its version, the kind, and more
 * @returns {number | undefined}
 */
function kindIn(update) {
  return typeof update === "string" ? bytesExactly(update.slice(0, 4), 3)?.[1] : undefined;
}

/**
 * @param {any} answer
 * @param {Link[]} chain
 * @returns {Promise<Standing>}
 */
export async function complete(answer, chain) {
  const last = chain.at(-1)?.statement;
  if (!last) refuse("The directory says that a client ID belongs to a key, and has no statement that says so.", 2);
  const { publicKey, status } = answer;
  if (status === "signed" ? (await keyLine(publicKey)) !== last.key : publicKey !== null) {
    refuse(last.key === NOTHING ? "The directory has a key that its owner withdrew." : "The key is not the one that its owner named.");
  }
  return standing(answer, chain);
}

/**
 * @param {any} answer
 * @param {Link[]} chain
 * @returns {Standing}
 */
export function standing({ directory, status, publicKey, releasedAt }, chain) {
  return { directory, status, publicKey, chain, releasedAt };
}
