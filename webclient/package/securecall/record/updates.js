/**
 * Updates: what the log says of a statement, 110 bytes, big-endian. An entry is an update, and the prefix root after it.
 *
 * @typedef {object} Update
 * @property {number} kind
 * @property {number} seq
 * @property {number} acceptedAt in unix ms
 * @property {Uint8Array} index
 * @property {Uint8Array} before SHA-256 of the update before, or zeros
 * @property {string} statement SHA-256 of the statement, in base64url
 * @property {Uint8Array<ArrayBuffer>} hash SHA-256 of the update
 */

import { base64url } from "../bytes.js";
import { AFTER_RELEASE, BY_OWNER } from "../ownership/rules.js";
import { HASH_BYTES, bytesFrom, require, sha256 } from "./hashes.js";

export const UPDATE_BYTES = 110;
export const ENTRY_BYTES = UPDATE_BYTES + HASH_BYTES;
const VERSION = 1;
const [INDEX_AT, BEFORE_AT, STATEMENT_AT] = [14, 46, 78];

/**
 * @param {string} text
 * @returns {Promise<Update>}
 * @throws {import("../ownership/answers.js").RefusedAnswer}
 */
export async function readUpdate(text) {
  const bytes = bytesFrom(text, UPDATE_BYTES);
  const view = new DataView(bytes.buffer);
  const [version, kind] = bytes;
  require(version === VERSION && [BY_OWNER, AFTER_RELEASE].includes(kind), "An update is of a version that is not known.");
  return {
    kind,
    seq: view.getUint32(2),
    acceptedAt: Number(view.getBigUint64(6)),
    index: bytes.subarray(INDEX_AT, BEFORE_AT),
    before: bytes.subarray(BEFORE_AT, STATEMENT_AT),
    statement: base64url(bytes.slice(STATEMENT_AT).buffer),
    hash: await sha256(bytes),
  };
}
