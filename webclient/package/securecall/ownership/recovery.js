/**
 * The code on paper that restores a client ID, and the key that it stands for
 * (docs/protocol.md, "Client IDs that belong to a key").
 */

import { base64url, encoder } from "../bytes.js";
import { SecureCallError } from "../errors.js";

// Crockford's base32; I and L are read as 1, O as 0.
const ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";
const CODE_BYTES = 16;
const CODE_CHARACTERS = 28;
// The PKCS #8 form of an Ed25519 key (RFC 8410) begins with these bytes; the seed follows.
const PRIVATE_KEY_HEAD = [0x30, 0x2e, 2, 1, 0, 0x30, 5, 6, 3, 0x2b, 0x65, 0x70, 4, 0x22, 4, 0x20];

/** @returns {Promise<string>} a code that nobody has */
export function newRecoveryCode() {
  return recoveryCode(crypto.getRandomValues(new Uint8Array(CODE_BYTES)));
}

/**
 * @param {Uint8Array<ArrayBuffer>} secret 16 bytes
 * @returns {Promise<string>} seven groups of four
 */
export async function recoveryCode(secret) {
  let rest = [...secret, await checkByte(secret)].reduce((sum, byte) => (sum << 8n) | BigInt(byte), 0n) << 4n;
  let text = "";
  for (; text.length < CODE_CHARACTERS; rest >>= 5n) text = ALPHABET[Number(rest & 31n)] + text;
  return /** @type {string[]} */ (text.match(/.{4}/g)).join("-");
}

/**
 * Read a code as people write it: in whatever case, with blanks or hyphens or without.
 *
 * @param {string} code
 * @returns {Promise<Uint8Array<ArrayBuffer>>} 16 bytes
 * @throws {SecureCallError} `bad-recovery-code` for a code with a mistake
 */
export async function readRecoveryCode(code) {
  const text = code.toUpperCase().replaceAll(/[\s-]/g, "").replaceAll("O", "0").replaceAll(/[IL]/g, "1");
  const digits = [...text].map((character) => ALPHABET.indexOf(character));
  if (digits.length !== CODE_CHARACTERS || digits.includes(-1)) {
    throw new SecureCallError("bad-recovery-code", "A recovery code has 28 letters and digits, in seven groups of four.");
  }
  const number = digits.reduce((sum, digit) => (sum << 5n) | BigInt(digit), 0n);
  const bytes = Uint8Array.from({ length: CODE_BYTES + 1 }, (_, at) => Number((number >> BigInt(132 - 8 * at)) & 255n));
  const secret = bytes.slice(0, CODE_BYTES);
  if ((number & 15n) !== 0n || bytes[CODE_BYTES] !== (await checkByte(secret))) {
    const sentence = "There is a mistake in this recovery code; compare it with the one that you wrote down.";
    throw new SecureCallError("bad-recovery-code", sentence);
  }
  return secret;
}

/**
 * @param {Uint8Array<ArrayBuffer>} secret
 * @param {string} directory
 * @param {string} clientId
 * @returns {Promise<Uint8Array<ArrayBuffer>>} the seed of the Ed25519 key, which is another for each client ID
 */
export async function recoverySeed(secret, directory, clientId) {
  const lines = encoder.encode(`securecall-recovery-v2\n${directory}\n${clientId}\n`);
  return new Uint8Array(await crypto.subtle.digest("SHA-256", new Uint8Array([...lines, ...secret])));
}

/**
 * Make the key that a seed stands for.
 *
 * @param {Uint8Array<ArrayBuffer>} seed
 * @returns {Promise<{publicKey: string, sign: (text: string) => Promise<string>}>} texts in base64url
 * @throws {SecureCallError} `keys-unavailable` where the browser has no Ed25519
 */
export async function recoveryKey(seed) {
  const form = new Uint8Array([...PRIVATE_KEY_HEAD, ...seed]);
  let privateKey;
  try {
    privateKey = await crypto.subtle.importKey("pkcs8", form, "Ed25519", true, ["sign"]);
  } catch {
    throw new SecureCallError("keys-unavailable", "This browser knows no Ed25519, which recovery codes need; use a newer one.");
  }
  // No other export gives the public key of a private one; it is base64url there, too.
  const { x } = await crypto.subtle.exportKey("jwk", privateKey);
  return {
    publicKey: String(x),
    sign: async (text) => base64url(await crypto.subtle.sign("Ed25519", privateKey, encoder.encode(text))),
  };
}

/** @param {Uint8Array<ArrayBuffer>} secret */
async function checkByte(secret) {
  const hash = await crypto.subtle.digest("SHA-256", new Uint8Array([...encoder.encode("securecall-recovery-check-v2"), ...secret]));
  return new Uint8Array(hash)[0];
}
