/**
 * Statements: the whole state of a client ID, signed by its owner (docs/protocol.md, "Client IDs that belong to a key").
 *
 * `parse` reads the eight lines, each by its row of `LINES`; `rules.js` says which statement may replace which.
 *
 * @typedef {object} Statement the fields as they are written; "-" is nothing
 * @property {string} directory
 * @property {string} id
 * @property {number} seq
 * @property {string} previous
 * @property {string} identity
 * @property {string} recovery
 * @property {string} key
 *
 * @typedef {{identity: string, previous?: string, recovery?: string}} Signatures in base64url
 * @typedef {[name: keyof Statement, isGood: (value: string) => boolean, form: string]} Line
 */

import { digest, isDigest, isIdentity, isRecovery } from "./signatures.js";

const HEAD = "securecall-statement-v2";
export const NOTHING = "-";
// `seq` is an unsigned number of 32 bits.
const SEQ_END = 2 ** 32;

/** A statement breaks a rule; the message is the sentence that names it. */
export class BadStatement extends Error {}

/** @param {(value: string) => boolean} isGood */
function orNothing(isGood) {
  return (/** @type {string} */ value) => value === NOTHING || isGood(value);
}

/** @type {Line[]} in the order of the lines */
export const LINES = [
  ["directory", (value) => /^[a-z0-9.-]{1,253}$/.test(value), "a name of a-z, 0-9, dots and hyphens"],
  ["id", (value) => /^[a-zA-Z0-9_-]{1,64}$/.test(value), "a client ID"],
  [
    "seq",
    (value) => /^(0|[1-9][0-9]{0,9})$/.test(value) && Number(value) < SEQ_END,
    "a decimal number below 2^32 without leading zeros",
  ],
  ["previous", orNothing(isDigest), "the SHA-256 of the statement before in base64url, or -"],
  ["identity", isIdentity, "a P-256 key: 91 bytes of SubjectPublicKeyInfo in base64url"],
  ["recovery", orNothing(isRecovery), "an Ed25519 key of 32 bytes in base64url, not of small order, or -"],
  ["key", orNothing(isDigest), "the SHA-256 of publicKey in base64url, or -"],
];

/** @param {Statement} statement @returns {string} the eight lines */
export function textOf(statement) {
  return `${[HEAD, ...LINES.map(([name]) => `${name} ${statement[name]}`)].join("\n")}\n`;
}

/**
 * @param {unknown} text
 * @param {Line[]} lines
 * @returns {Statement}
 * @throws {BadStatement} for any text but the one that `textOf` gives
 */
export function parse(text, lines = LINES) {
  const [head, ...rest] = String(text).split("\n");
  // A last line end leaves nothing behind it.
  if (typeof text !== "string" || head !== HEAD || rest.length !== lines.length + 1 || rest.pop() !== "") {
    throw new BadStatement(`A statement has eight lines, ${HEAD} first, each ended by LF alone.`);
  }
  const fields = rest.map((line, at) => {
    const [name, isGood, form] = lines[at];
    const value = line.slice(name.length + 1);
    if (!line.startsWith(`${name} `) || !isGood(value)) {
      throw new BadStatement(`The line '${name}' of a statement is its name, one space, and ${form}.`);
    }
    return [name, name === "seq" ? Number(value) : value];
  });
  return Object.fromEntries(fields);
}

/**
 * @param {Statement} statement
 * @returns {Promise<string>} the SHA-256 by which the next statement names this one
 */
export function digestOf(statement) {
  return digest(textOf(statement));
}

/** @param {string | null} publicKey null: nothing */
export async function keyLine(publicKey) {
  return publicKey === null ? NOTHING : digest(publicKey);
}

/**
 * Make the statement that claims a client ID.
 *
 * @param {string} directory
 * @param {string} id
 * @param {string} identity which is published, too: older clients verify with what is published
 * @param {string} [recovery] a public recovery key
 * @returns {Promise<Statement>}
 */
export async function firstStatement(directory, id, identity, recovery = NOTHING) {
  return { directory, id, seq: 0, previous: NOTHING, identity, recovery, key: await keyLine(identity) };
}

/**
 * Make the statement after another one.
 *
 * @param {Statement} before
 * @param {Partial<Pick<Statement, "identity" | "recovery" | "key">>} changes
 * @returns {Promise<Statement>}
 */
export async function following(before, changes) {
  return { ...before, seq: before.seq + 1, previous: await digestOf(before), ...changes };
}

/**
 * Write what an identity signs to register.
 *
 * @param {string} server the host of the URL that was opened, never one that a server told
 * @param {string} id
 * @param {string} challenge
 */
export function registration(server, id, challenge) {
  return `securecall-register-v2\nserver ${server}\nid ${id}\nchallenge ${challenge}\n`;
}
