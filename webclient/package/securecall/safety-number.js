/**
 * What people compare to know that nobody is in between.
 */

import { encoder } from "./bytes.js";

/**
 * @param {string} publicKey
 * @returns {Promise<string>}
 */
export async function fingerprint(publicKey) {
  const hash = new Uint8Array(await crypto.subtle.digest("SHA-256", encoder.encode(publicKey)));
  const hex = Array.from(hash, (byte) => byte.toString(16).padStart(2, "0")).join("");
  return /** @type {string[]} */ (hex.match(/.{4}/g)).join(" ");
}

/** @param {string | null} publicKey */
export async function fingerprintOrNull(publicKey) {
  // Without WebCrypto (no https) keys can still be compared.
  return publicKey === null || !globalThis.crypto?.subtle ? null : fingerprint(publicKey);
}

/**
 * The recipe is Signal's NumericFingerprint with version 0 and 5,200 rounds. With K the public key as text in the
 * directory and I the client ID, both UTF-8:
 *
 *     h = SHA-512(00 00 ‖ K ‖ I ‖ K), then 5,199 times h = SHA-512(h ‖ K)
 *
 * The first 30 bytes of h are six big-endian numbers of 5 bytes, each modulo 100,000 and written with five digits: 30
 * digits for each client. Both, the smaller one first, are the safety number. Guessing a key with the same digits is
 * 5,200 times as much work as hashing it, for each try.
 *
 * @param {{clientId: string, publicKey: string}} one
 * @param {{clientId: string, publicKey: string}} other
 * @returns {Promise<string>}
 */
export async function safetyNumber(one, other) {
  const halves = await Promise.all([halfOfSafetyNumber(one), halfOfSafetyNumber(other)]);
  return halves.sort().join("");
}

/** @param {{clientId: string, publicKey: string}} client */
async function halfOfSafetyNumber({ clientId, publicKey }) {
  const key = encoder.encode(publicKey);
  const first = new Uint8Array([0, 0, ...key, ...encoder.encode(clientId), ...key]);
  let hash = await crypto.subtle.digest("SHA-512", first);
  const again = new Uint8Array(64 + key.length);
  again.set(key, 64);
  for (let round = 1; round < 5_200; round += 1) {
    again.set(new Uint8Array(hash));
    hash = await crypto.subtle.digest("SHA-512", again);
  }
  const view = new DataView(hash);
  const chunks = [0, 5, 10, 15, 20, 25].map((at) => (view.getUint8(at) * 2 ** 32 + view.getUint32(at + 1)) % 100_000);
  return chunks.map((chunk) => String(chunk).padStart(5, "0")).join("");
}
