/**
 * The curve edwards25519 (RFC 8032, 5.1), in whole numbers of any size, for verifying.
 *
 * What is verified is public, so nothing here has to take the same time for every input. Coordinates may be negative
 * on their way: products are reduced, and sums are not.
 *
 * @typedef {{x: bigint, y: bigint, z: bigint, t: bigint}} Point in extended coordinates: x = X/Z, y = Y/Z, xy = T/Z
 * @typedef {{plus: bigint, minus: bigint, z: bigint, t: bigint}} Addend Y + X, Y - X, 2·Z, 2·d·T
 */

import { P, inverse, positive, power250, squared } from "./field.js";

export const POINT_BYTES = 32;
/** The order of the base point. */
export const Q = 2n ** 252n + 27742317777372353535851937790883648493n;
const D = 37095705934669439343138083508754565189542113879843219016388785533085940283555n;
const SQUARE_ROOT_OF_MINUS_1 = 19681161376707505956807079304988542015446066515923890162744021073123829784752n;
const SIGN = 1n << 255n;
// Digits of five bits, odd and of either sign (wNAF): a third as many additions as bits.
const WIDTH = 5;
const MULTIPLES = 2 ** (WIDTH - 2);

/** @type {Point} */
export const NEUTRAL = { x: 0n, y: 1n, z: 1n, t: 0n };
/** @type {WeakMap<Point, Addend[]>} the odd multiples of points that come again */
const tables = new WeakMap();

/** @param {Uint8Array} bytes little-endian */
export function numberOf(bytes) {
  return BigInt(`0x${Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).reverse().join("")}`);
}

/**
 * Read a point (RFC 8032, 5.1.3).
 *
 * @param {Uint8Array} bytes
 * @returns {Point | null} null also for y ≥ p, and for x = 0 with the sign bit
 */
export function decode(bytes) {
  if (bytes.length !== POINT_BYTES) return null;
  const number = numberOf(bytes);
  const isOdd = number >= SIGN;
  const y = isOdd ? number - SIGN : number;
  if (y >= P) return null;
  const u = (y * y - 1n) % P;
  const v = (D * ((y * y) % P) + 1n) % P;
  const v3 = (((v * v) % P) * v) % P;
  const uv7 = (((u * v3) % P) * ((v3 * v) % P)) % P;
  let x = (((u * v3) % P) * ((squared(power250(uv7), 2) * uv7) % P)) % P;
  const square = positive(v * ((x * x) % P));
  if (square !== positive(u)) {
    if (square !== positive(-u)) return null;
    x = (x * SQUARE_ROOT_OF_MINUS_1) % P;
  }
  x = positive(x);
  if (x === 0n && isOdd) return null;
  if ((x & 1n) === 1n !== isOdd) x = P - x;
  return { x, y, z: 1n, t: (x * y) % P };
}

/**
 * Write points (RFC 8032, 5.1.2), with one inversion for all of them.
 *
 * @param {Point[]} points
 */
export function encode(...points) {
  const products = points.reduce((before, { z }) => [...before, (before[before.length - 1] * z) % P], [1n]);
  let inverted = inverse(products[points.length]);
  return points
    .map(({ x, y, z }, at) => ({ x, y, z, before: products[at] }))
    .reverse()
    .map(({ x, y, z, before }) => {
      const own = (inverted * before) % P;
      inverted = (inverted * z) % P;
      return bytesOfPoint(positive(x * own), positive(y * own));
    })
    .reverse();
}

/** @param {bigint} x @param {bigint} y */
function bytesOfPoint(x, y) {
  const digits = (y | ((x & 1n) << 255n)).toString(16).padStart(2 * POINT_BYTES, "0");
  return Uint8Array.from({ length: POINT_BYTES }, (_, at) => parseInt(digits.slice(62 - 2 * at, 64 - 2 * at), 16));
}

/** @param {Point} point */
export function isNeutral({ x, y, z }) {
  return positive(x) === 0n && positive(y - z) === 0n;
}

/** @param {Point} point @returns {Point} */
export function minus({ x, y, z, t }) {
  return { x: -x, y, z, t: -t };
}

/** @param {Point} point @param {number} times @returns {Point} */
export function doubled({ x, y, z, t }, times = 1) {
  for (let i = 1; i <= times; i += 1) {
    const a = (x * x) % P;
    const b = (y * y) % P;
    const h = a + b;
    const e = h - (x + y) * (x + y);
    const g = a - b;
    const f = (2n * z * z + g) % P;
    const rest = e % P;
    x = (rest * f) % P;
    y = (g * h) % P;
    z = (f * g) % P;
    // The next doubling does not read it.
    if (i === times) t = (rest * h) % P;
  }
  return { x, y, z, t };
}

/** @param {Point} point @param {Addend} addend @returns {Point} */
function plus({ x, y, z, t }, addend) {
  const a = ((y - x) * addend.minus) % P;
  const b = ((y + x) * addend.plus) % P;
  const c = (t * addend.t) % P;
  const d = (z * addend.z) % P;
  const [e, f, g, h] = [b - a, d - c, d + c, b + a];
  return { x: (e * f) % P, y: (g * h) % P, z: (f * g) % P, t: (e * h) % P };
}

/** @param {Point} point @returns {Addend} */
function addendOf({ x, y, z, t }) {
  return { plus: (y + x) % P, minus: (y - x) % P, z: 2n * z, t: (2n * D * t) % P };
}

/** @param {Addend} addend @returns {Addend} */
function opposite(addend) {
  return { plus: addend.minus, minus: addend.plus, z: addend.z, t: -addend.t };
}

/** @param {Point} point @returns {Addend[]} 1, 3, 5 … 15 times the point */
function oddMultiples(point) {
  const known = tables.get(point);
  if (known) return known;
  const two = addendOf(doubled(point));
  const multiples = [point];
  while (multiples.length < MULTIPLES) multiples.push(plus(multiples[multiples.length - 1], two));
  const table = multiples.map(addendOf);
  tables.set(point, table);
  return table;
}

/** @param {bigint} number @returns {number[]} its digits, the lowest first: zero, or odd and below 16, of either sign */
function digitsOf(number) {
  const digits = [];
  for (let rest = number; rest > 0n; rest >>= 1n) {
    const digit = (rest & 1n) === 1n ? Number(BigInt.asIntN(WIDTH, rest)) : 0;
    rest -= BigInt(digit);
    digits.push(digit);
  }
  return digits;
}

/**
 * Multiply points by numbers, and add the products up.
 *
 * @param {[number: bigint, point: Point][]} terms
 * @returns {Point}
 */
export function sumOf(...terms) {
  const rows = terms.map(([number, point]) => ({ digits: digitsOf(number), table: oddMultiples(point) }));
  let sum = NEUTRAL;
  let waiting = 0;
  for (let at = Math.max(...rows.map(({ digits }) => digits.length)) - 1; at >= 0; at -= 1) {
    waiting += 1;
    for (const { digits, table } of rows) {
      const digit = digits[at] ?? 0;
      if (digit === 0) continue;
      if (waiting > 0) sum = doubled(sum, waiting);
      waiting = 0;
      const addend = table[(Math.abs(digit) - 1) / 2];
      sum = plus(sum, digit > 0 ? addend : opposite(addend));
    }
  }
  return waiting > 0 ? doubled(sum, waiting) : sum;
}

/** The base point. */
export const BASE = /** @type {Point} */ (decode(Uint8Array.from({ length: POINT_BYTES }, (_, at) => (at === 0 ? 0x58 : 0x66))));
