/**
 * The shape of an answer with a proof; none of it is optional but `releasedAt`.
 *
 * @typedef {{update: string, statement?: string, signatures?: import("../ownership/statements.js").Signatures}} Listed
 *
 * @typedef {object} Proof in base64url; hashes stand one behind the other
 * @property {string} checkpoint
 * @property {string} entry
 * @property {string} inclusion
 * @property {string} consistency
 * @property {string} vrfProof
 * @property {string} siblings
 * @property {string | null} nonInclusionLeaf
 *
 * @typedef {object} Answer
 * @property {string} clientId
 * @property {string | null} publicKey
 * @property {string} directory
 * @property {import("../ownership/answers.js").Standing["status"]} status
 * @property {Listed[]} statements
 * @property {Proof} proof
 * @property {number} [releasedAt]
 */

import { STATUSES } from "../ownership/answers.js";
import { require } from "./hashes.js";

const isText = (/** @type {unknown} */ it) => typeof it === "string";
const isTextOrNull = (/** @type {unknown} */ it) => it === null || isText(it);
const isTextOrNone = (/** @type {unknown} */ it) => it === undefined || isText(it);

/** @param {unknown} it @returns {it is Record<string, unknown>} */
function isObject(it) {
  return typeof it === "object" && it !== null && !Array.isArray(it);
}

/** @param {unknown} it @param {Record<string, (it: unknown) => boolean>} fields */
function has(it, fields) {
  return isObject(it) && Object.entries(fields).every(([name, isRight]) => isRight(it[name]));
}

const SIGNATURES = { identity: isTextOrNone, previous: isTextOrNone, recovery: isTextOrNone };
const LISTED = {
  update: isText,
  statement: isTextOrNone,
  signatures: (/** @type {unknown} */ it) => it === undefined || has(it, SIGNATURES),
};
const PROOF = {
  checkpoint: isText, entry: isText, inclusion: isText, consistency: isText, vrfProof: isText, siblings: isText,
  nonInclusionLeaf: isTextOrNull,
};
const ANSWER = {
  clientId: isText,
  // Half of a surrogate pair, which JSON can spell, is no text: it would have the SHA-256 of another one.
  publicKey: (/** @type {unknown} */ it) => isTextOrNull(it) && !/\p{Cs}/u.test(String(it)),
  directory: isText,
  status: (/** @type {unknown} */ it) => STATUSES.includes(String(it)),
  statements: (/** @type {unknown} */ it) => Array.isArray(it) && it.every((row) => has(row, LISTED)),
  proof: (/** @type {unknown} */ it) => has(it, PROOF),
  releasedAt: (/** @type {unknown} */ it) => it === undefined || Number.isSafeInteger(it),
};

/**
 * @param {any} payload
 * @returns {Answer}
 * @throws {import("../ownership/answers.js").RefusedAnswer}
 */
export function readAnswer(payload) {
  const missing = Object.entries(ANSWER).find(([name, isRight]) => !isObject(payload) || !isRight(payload[name]));
  require(!missing, `The answer is not what a server with a public record sends: ${missing?.[0]} is missing, or has another form.`);
  return payload;
}
