/**
 * Hashes and bytes, as proofs have them.
 */

import { bytesExactly } from "../ownership/signatures.js";
import { RefusedAnswer } from "../ownership/answers.js";

export const HASH_BYTES = 32;

/**
 * @param {unknown} isRight
 * @param {string} sentence what is wrong otherwise
 * @returns {asserts isRight}
 */
export function require(isRight, sentence) {
  if (!isRight) throw new RefusedAnswer(sentence);
}

/** @param {Uint8Array[]} parts @returns {Uint8Array<ArrayBuffer>} one behind the other */
export function joined(...parts) {
  const all = new Uint8Array(parts.reduce((length, part) => length + part.length, 0));
  let at = 0;
  for (const part of parts) {
    all.set(part, at);
    at += part.length;
  }
  return all;
}

/** @param {Uint8Array[]} parts */
export async function sha256(...parts) {
  return new Uint8Array(await crypto.subtle.digest("SHA-256", joined(...parts)));
}

/** @param {Uint8Array[]} parts */
export async function sha512(...parts) {
  return new Uint8Array(await crypto.subtle.digest("SHA-512", joined(...parts)));
}

/**
 * @param {Uint8Array} one
 * @param {Uint8Array} other
 */
export function isSame(one, other) {
  return one.length === other.length && one.every((byte, at) => byte === other[at]);
}

/**
 * Read bytes from base64url in its one spelling.
 *
 * @param {unknown} text
 * @param {number} length
 */
export function bytesFrom(text, length) {
  const bytes = bytesExactly(text, length);
  require(bytes, `The answer has something else where ${length} bytes in base64url belong.`);
  return bytes;
}

/**
 * Read hashes that stand one behind the other.
 *
 * @param {string} text
 */
export function hashesFrom(text) {
  const count = Math.floor((text.length * 3) / 4 / HASH_BYTES);
  const bytes = bytesFrom(text, count * HASH_BYTES);
  return Array.from({ length: count }, (_, at) => bytes.subarray(at * HASH_BYTES, (at + 1) * HASH_BYTES));
}
