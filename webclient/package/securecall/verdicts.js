/**
 * What a chain of statements, each of which is right, means to somebody who knew its owner.
 *
 * @typedef {import("./key-store.js").Pin} Pin
 * @typedef {import("./ownership/answers.js").Link} Link
 * @typedef {import("./ownership/answers.js").Standing} Standing
 * @typedef {import("./record/check.js").Pinned} Pinned
 */

const AFTER_RELEASE = 2;

/**
 * @param {Pin | null} pin
 * @param {Link[]} chain
 * @returns {"new" | "known" | "moved" | "released" | "changed"} `moved`: to a key for which the owner signed; `released`: to an
 *   owner whom an operator let in; `changed`: the key that was pinned, before the ID belonged to one, is none of these
 */
export function verdictOn(pin, chain) {
  if (pin === null) return "new";
  const isPinned = (/** @type {Link} */ { text, statement }) =>
    pin.statement === undefined ? statement.identity === pin.publicKey : text === pin.statement;
  const at = chain.findIndex(isPinned);
  if (at < 0) return "changed";
  const later = chain.slice(at + 1);
  if (later.some(({ kind }) => kind === AFTER_RELEASE)) return "released";
  return chain.at(-1)?.statement.identity === pin.publicKey ? "known" : "moved";
}

/** @param {Standing} found @returns {Pinned} what is pinned of its last statement */
export function pinnedOf({ chain, vkey }) {
  const last = chain.at(-1);
  return last ? { statement: last.text, update: last.update, vkey } : {};
}

/**
 * @param {string} publicKey
 * @param {Pinned} [known] the statement by which the ID belongs to it, and the update of that
 * @returns {Pin}
 */
export function newPin(publicKey, known = {}) {
  return { publicKey, pinnedAt: Date.now(), isVerified: false, hasSigned: false, ...known };
}

/**
 * Return whether an error says that the server lies: a line that was lost, or a clock that is wrong, is nobody's attack.
 *
 * @param {any} error
 * @returns {boolean}
 */
export function isLie(error) {
  return error.code === "refused-answer" && !error.isLate;
}
