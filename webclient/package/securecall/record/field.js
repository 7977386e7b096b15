/**
 * The field of edwards25519: whole numbers modulo 2^255 - 19.
 */

export const P = 2n ** 255n - 19n;

/** @param {bigint} number @returns {bigint} what is left of it, from 0 on */
export function positive(number) {
  const rest = number % P;
  return rest < 0n ? rest + P : rest;
}

/** @param {bigint} number @param {number} times @returns {bigint} number^(2^times) */
export function squared(number, times) {
  let power = number;
  for (let i = 0; i < times; i += 1) power = (power * power) % P;
  return power;
}

/** @param {bigint} number @returns {bigint} number^(2^250 - 1) */
export function power250(number) {
  const p2 = (squared(number, 1) * number) % P;
  const p4 = (squared(p2, 2) * p2) % P;
  const p5 = (squared(p4, 1) * number) % P;
  const p10 = (squared(p5, 5) * p5) % P;
  const p20 = (squared(p10, 10) * p10) % P;
  const p40 = (squared(p20, 20) * p20) % P;
  const p50 = (squared(p40, 10) * p10) % P;
  const p100 = (squared(p50, 50) * p50) % P;
  const p200 = (squared(p100, 100) * p100) % P;
  return (squared(p200, 50) * p50) % P;
}

/** @param {bigint} number @returns {bigint} number^(P - 2), by which it is divided */
export function inverse(number) {
  const p2 = squared(number, 1);
  const p9 = (squared(p2, 2) * number) % P;
  const p11 = (p9 * p2) % P;
  return (squared(power250(number), 5) * p11) % P;
}
