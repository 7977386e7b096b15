/**
 * The verifiable random function that turns a client ID into its index: ECVRF-EDWARDS25519-SHA512-TAI (RFC 9381, suite 3).
 *
 * @typedef {import("./curve.js").Point} Point
 */

import { RefusedAnswer } from "../ownership/answers.js";
import { BASE, POINT_BYTES, Q, decode, doubled, encode, isNeutral, minus, numberOf, sumOf } from "./curve.js";
import { isSame, joined, require, sha512 } from "./hashes.js";

export const PROOF_BYTES = 80;
const SUITE = 3;
const CHALLENGE_BYTES = 16;
// The cofactor is 8: three doublings.
const DOUBLINGS = 3;
const MOST_TRIES = 256;
const MOST_KEPT = 1_000;

/** @type {Map<string, Point>} keys that were found to be good */
const keys = new Map();
/** @type {Map<string, Uint8Array>} outputs, by all that they follow from: an ID has the same proof in every answer */
const outputs = new Map();

/**
 * Verify a proof (5.3, with `validate_key`).
 *
 * @param {Uint8Array} key
 * @param {Uint8Array} alpha
 * @param {Uint8Array} proof
 * @returns {Promise<Uint8Array>} the output, 64 bytes
 * @throws {import("../ownership/answers.js").RefusedAnswer}
 */
export async function verify(key, alpha, proof) {
  require(proof.length === PROOF_BYTES, `The proof of an index has ${PROOF_BYTES} bytes.`);
  const name = [key, proof, alpha].join(" ");
  const known = outputs.get(name);
  if (known) return known;
  const output = await outputOf(key, alpha, proof);
  if (outputs.size >= MOST_KEPT) outputs.clear();
  outputs.set(name, output);
  return output;
}

/** @param {Uint8Array} key @param {Uint8Array} alpha @param {Uint8Array} proof */
async function outputOf(key, alpha, proof) {
  const [gammaBytes, challenge] = [proof.subarray(0, POINT_BYTES), proof.subarray(POINT_BYTES, POINT_BYTES + CHALLENGE_BYTES)];
  const [c, s] = [numberOf(challenge), numberOf(proof.subarray(POINT_BYTES + CHALLENGE_BYTES))];
  const [publicKey, gamma] = [keyOf(key), decode(gammaBytes)];
  require(gamma, "The proof of an index has no point of the curve in it.");
  require(s < Q, "The proof of an index has another spelling.");
  const start = await encodedToCurve(key, alpha);
  const u = sumOf([s, BASE], [c, minus(publicKey)]);
  const v = sumOf([s, start], [c, minus(gamma)]);
  const [startBytes, uBytes, vBytes, image] = encode(start, u, v, doubled(gamma, DOUBLINGS));
  const expected = await sha512(Uint8Array.of(SUITE, 2), key, startBytes, gammaBytes, uBytes, vBytes, Uint8Array.of(0));
  require(isSame(expected.subarray(0, CHALLENGE_BYTES), challenge), "The index is not that of the client ID.");
  // Of 8·Gamma: one output for all Gamma that differ outside the subgroup (5.2).
  return sha512(Uint8Array.of(SUITE, 3), image, Uint8Array.of(0));
}

/** @param {Uint8Array} bytes @returns {Point} */
function keyOf(bytes) {
  const name = bytes.join();
  const known = keys.get(name);
  if (known) return known;
  const point = decode(bytes);
  require(point && !isNeutral(doubled(point, DOUBLINGS)), "The public record's key for indexes is no point, or of small order.");
  keys.clear();
  keys.set(name, point);
  return point;
}

/**
 * Find a point of the subgroup by try and increment (5.4.1.1).
 *
 * @param {Uint8Array} salt
 * @param {Uint8Array} alpha
 * @returns {Promise<Point>}
 */
async function encodedToCurve(salt, alpha) {
  const text = joined(Uint8Array.of(SUITE, 1), salt, alpha);
  for (let counter = 0; counter < MOST_TRIES; counter += 1) {
    const hash = await sha512(text, Uint8Array.of(counter, 0));
    const met = decode(hash.subarray(0, POINT_BYTES));
    const point = met && doubled(met, DOUBLINGS);
    if (point && !isNeutral(point)) return point;
  }
  throw new RefusedAnswer("The client ID has no index.");
}
