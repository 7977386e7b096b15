/**
 * The keys and signatures of statements, in their one spelling (docs/protocol.md, "Client IDs that belong to a key").
 */

import { base64url, bytesOf, encoder } from "../bytes.js";

const ECDSA = { name: "ECDSA", namedCurve: "P-256", hash: "SHA-256" };
const DIGEST_BYTES = 32;
const RECOVERY_BYTES = 32;
const SIGNATURE_BYTES = 64;
const IDENTITY_BYTES = 91;
// The SubjectPublicKeyInfo of a P-256 key that is not compressed (RFC 5480) begins with these bytes; x and y follow.
const IDENTITY_HEAD = "3059301306072a8648ce3d020106082a8648ce3d03010703420004";
const P256_PRIME = 2n ** 256n - 2n ** 224n + 2n ** 192n + 2n ** 96n - 1n;
const P256_B = 0x5ac635d8aa3a93e7b3ebbd55769886bc651d06b0cc53b0f63bce3c3e27d2604bn;
const CURVE25519_PRIME = 2n ** 255n - 19n;
// The y of the eight points whose order divides 8, whatever the sign of their x.
const SMALL_ORDER_Y = [
  0n,
  1n,
  CURVE25519_PRIME - 1n,
  0x05fc536d880238b13933c6d305acdfd5f098eff289f4c345b027b2c28f95e826n,
  0x7a03ac9277fdc74ec6cc392cfa53202a0f67100d760b3cba4fd84d3d706a17c7n,
];

/** @param {Uint8Array} bytes */
function hex(bytes) {
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

/** @param {Uint8Array} bytes big-endian */
function number(bytes) {
  return BigInt(`0x${hex(bytes)}`);
}

/**
 * Decode base64url. Browsers' decoder takes padding, blanks, and bits behind the last byte; one spelling is left.
 *
 * @param {unknown} text
 * @param {number} length in bytes
 * @returns {Uint8Array<ArrayBuffer> | null} null for any spelling but the one that `base64url` gives
 */
export function bytesExactly(text, length) {
  if (typeof text !== "string" || text.length !== Math.ceil((length * 4) / 3) || !/^[A-Za-z0-9_-]*$/.test(text)) return null;
  try {
    const bytes = bytesOf(text);
    return base64url(bytes.buffer) === text ? bytes : null;
  } catch {
    return null;
  }
}

/** @param {string} text */
export function isDigest(text) {
  return bytesExactly(text, DIGEST_BYTES) !== null;
}

/**
 * Tell whether a text is a P-256 key as statements have it; browsers do not all look whether the point is on the curve.
 *
 * @param {string} text
 */
export function isIdentity(text) {
  const bytes = bytesExactly(text, IDENTITY_BYTES);
  if (!bytes || !hex(bytes).startsWith(IDENTITY_HEAD)) return false;
  const [x, y] = [number(bytes.slice(27, 59)), number(bytes.slice(59))];
  return x < P256_PRIME && y < P256_PRIME && (y * y - (x * x * x - 3n * x + P256_B)) % P256_PRIME === 0n;
}

/**
 * Tell whether a text is an Ed25519 key that may restore. Under one of small order there are signatures that are right for
 * every message.
 *
 * @param {string} text
 */
export function isRecovery(text) {
  const bytes = bytesExactly(text, RECOVERY_BYTES);
  if (!bytes) return false;
  const y = (number(bytes.reverse()) & ((1n << 255n) - 1n)) % CURVE25519_PRIME;
  return !SMALL_ORDER_Y.includes(y);
}

/**
 * @param {string} text
 * @param {unknown} signature r and s, in base64url
 * @param {string} identity
 * @returns {Promise<boolean>}
 */
export async function isSignedByIdentity(text, signature, identity) {
  const bytes = bytesExactly(signature, SIGNATURE_BYTES);
  if (!bytes || !isIdentity(identity)) return false;
  const key = await crypto.subtle.importKey("spki", bytesOf(identity), ECDSA, true, ["verify"]);
  return crypto.subtle.verify(ECDSA, key, bytes, encoder.encode(text));
}

/**
 * @param {string} text
 * @param {unknown} signature in base64url
 * @param {string} recovery
 * @returns {Promise<boolean>}
 */
export async function isSignedByRecovery(text, signature, recovery) {
  const bytes = bytesExactly(signature, SIGNATURE_BYTES);
  if (!bytes || !isRecovery(recovery)) return false;
  try {
    const key = await crypto.subtle.importKey("raw", bytesOf(recovery), "Ed25519", true, ["verify"]);
    return await crypto.subtle.verify("Ed25519", key, bytes, encoder.encode(text));
  } catch (error) {
    // Some browsers refuse bytes that are no point when the key is made, others when it is used.
    if (/** @type {Error} */ (error).name === "NotSupportedError") throw error;
    return false;
  }
}

/**
 * @param {CryptoKey} privateKey an identity's
 * @param {string} text
 * @returns {Promise<string>} r and s, in base64url
 */
export async function signAsIdentity(privateKey, text) {
  return base64url(await crypto.subtle.sign(ECDSA, privateKey, encoder.encode(text)));
}

/**
 * @param {string} text
 * @returns {Promise<string>} its SHA-256, in base64url
 */
export async function digest(text) {
  return base64url(await crypto.subtle.digest("SHA-256", encoder.encode(text)));
}
