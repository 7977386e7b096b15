/**
 * Proofs of the log's two trees: that an entry is the last one, that a tree extends an earlier one, and what an index has.
 *
 * @typedef {{size: number, root: Uint8Array}} Tree
 */

import { HASH_BYTES, isSame, require, sha256 } from "./hashes.js";

/** In place of a subtree without an index; so is the root of a prefix tree without any. */
export const EMPTY = new Uint8Array(HASH_BYTES);
const BITS = 8 * HASH_BYTES;
const [LEAF, NODE, INDEX_LEAF, INDEX_NODE] = [0, 1, 2, 3].map((byte) => Uint8Array.of(byte));

/** @param {Uint8Array} entry */
export function leafHash(entry) {
  return sha256(LEAF, entry);
}

/** @returns {Promise<Tree>} */
export async function emptyTree() {
  return { size: 0, root: await sha256() };
}

/** @param {number} number @returns {number} how many of its bits are set */
function bitCount(number) {
  return number.toString(2).replaceAll("0", "").length;
}

/**
 * Refuse the path of a leaf that is not the last one of a tree: each sibling is a complete subtree on its left.
 *
 * @param {Uint8Array} leaf
 * @param {Tree} tree
 * @param {Uint8Array[]} path
 */
export async function checkLast(leaf, { size, root }, path) {
  require(path.length === bitCount(size - 1), "The inclusion path has another length.");
  let above = leaf;
  for (const sibling of path) above = await sha256(NODE, sibling, above);
  require(isSame(above, root), "The entry is not the last one of the public record.");
}

/**
 * Refuse a proof that does not show that a tree extends an earlier one (RFC 9162, 2.1.4.2).
 *
 * @param {Tree} before
 * @param {Tree} after
 * @param {Uint8Array[]} path
 */
export async function checkConsistent(before, after, path) {
  require(after.size >= before.size, "The public record shrank.");
  if (before.size === 0 || before.size === after.size) {
    require(path.length === 0, "The consistency proof is too long.");
    require(before.size === 0 || isSame(before.root, after.root), "The public record forked: it shows two trees of one size.");
    return;
  }
  const isWhole = bitCount(before.size) === 1;
  const [start, ...siblings] = isWhole ? [before.root, ...path] : path;
  require(start, "The consistency proof is missing.");
  const [old, now, last] = await climb(start, siblings, before.size - 1, after.size - 1);
  const isExtended = isSame(old, before.root) && isSame(now, after.root) && last === 0;
  require(isExtended, "The public record forked: its tree does not extend the one that is known.");
}

/**
 * @param {Uint8Array} start
 * @param {Uint8Array[]} siblings
 * @param {number} first number of the last leaf of the earlier tree
 * @param {number} last of the later one
 * @returns {Promise<[old: Uint8Array, now: Uint8Array, last: number]>} both roots, and what of `last` is left
 */
async function climb(start, siblings, first, last) {
  const half = (/** @type {number} */ number) => Math.floor(number / 2);
  while (first % 2 === 1) [first, last] = [half(first), half(last)];
  let [old, now] = [start, start];
  for (const sibling of siblings) {
    require(last > 0, "The consistency proof is too long.");
    if (first % 2 === 1 || first === last) {
      [old, now] = [await sha256(NODE, sibling, old), await sha256(NODE, sibling, now)];
      while (first > 0 && first % 2 === 0) [first, last] = [half(first), half(last)];
    } else {
      now = await sha256(NODE, now, sibling);
    }
    [first, last] = [half(first), half(last)];
  }
  return [old, now, last];
}

/** @param {Uint8Array} index @param {number} at from the most significant on */
function bitOf(index, at) {
  return (index[at >> 3] >> (7 - (at & 7))) & 1;
}

/**
 * Refuse a path in the prefix tree under which an index does not have a value.
 *
 * @param {Uint8Array} root
 * @param {Uint8Array} index
 * @param {Uint8Array | null} value null: the index is absent
 * @param {Uint8Array[]} siblings from the root on
 * @param {Uint8Array | null} met index and value of the leaf in place of an absent one; null: its place is empty
 */
export async function checkPrefix(root, index, value, siblings, met) {
  require(siblings.length <= BITS, "The path in the prefix tree is too long.");
  require(value === null || met === null, "The path in the prefix tree meets another index.");
  let above = value ? await sha256(INDEX_LEAF, index, value) : EMPTY;
  if (met) {
    const isOnTheWay = siblings.every((_, at) => bitOf(met, at) === bitOf(index, at));
    require(isOnTheWay && !isSame(met.subarray(0, HASH_BYTES), index), "The leaf in place of the index is not on its way.");
    above = await sha256(INDEX_LEAF, met);
  }
  for (let at = siblings.length - 1; at >= 0; at -= 1) {
    const pair = bitOf(index, at) ? [siblings[at], above] : [above, siblings[at]];
    above = await sha256(INDEX_NODE, ...pair);
  }
  require(isSame(above, root), "The public record says otherwise of this name.");
}
