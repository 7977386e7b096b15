/**
 * Ed25519 signatures (RFC 8032, 5.1.7): by WebCrypto, and where a browser's does not know them, by our own arithmetic.
 */

import { BASE, POINT_BYTES, Q, decode, encode, minus, numberOf, sumOf } from "./curve.js";
import { isSame, sha512 } from "./hashes.js";

const SIGNATURE_BYTES = 64;

/**
 * @param {Uint8Array<ArrayBuffer>} key
 * @param {Uint8Array<ArrayBuffer>} signature
 * @param {Uint8Array<ArrayBuffer>} message
 * @returns {Promise<boolean>}
 */
export async function isSignedBy(key, signature, message) {
  if (signature.length !== SIGNATURE_BYTES) return false;
  try {
    const imported = await crypto.subtle.importKey("raw", key, "Ed25519", true, ["verify"]);
    return await crypto.subtle.verify("Ed25519", imported, signature, message);
  } catch (error) {
    return /** @type {Error} */ (error).name === "NotSupportedError" && verify(key, signature, message);
  }
}

/**
 * The same without WebCrypto's Ed25519.
 *
 * @param {Uint8Array} key
 * @param {Uint8Array} signature
 * @param {Uint8Array} message
 */
export async function verify(key, signature, message) {
  if (signature.length !== SIGNATURE_BYTES) return false;
  const [start, s] = [signature.subarray(0, POINT_BYTES), numberOf(signature.subarray(POINT_BYTES))];
  const point = decode(key);
  if (!point || s >= Q) return false;
  const k = numberOf(await sha512(start, key, message)) % Q;
  const [found] = encode(sumOf([s, BASE], [k, minus(point)]));
  return isSame(found, start);
}
