/**
 * The rules by which one statement replaces another (docs/protocol.md, "Client IDs that belong to a key", 1 to 5).
 *
 * `brokenRule` goes through the rows of `RULES` in order; the first one that is broken is the one that a refusal names.
 *
 * @typedef {import("./statements.js").Statement} Statement
 * @typedef {import("./statements.js").Signatures} Signatures
 *
 * @typedef {object} Proposal
 * @property {Statement} statement
 * @property {Signatures} signatures
 * @property {Statement | null} before the statement that it would replace
 * @property {boolean} isReleased whether the server says that a release was in effect
 *
 * @typedef {[number: number, isBrokenBy: (proposal: Proposal) => boolean | Promise<boolean>, sentence: string]} Rule
 */

import { isSignedByIdentity, isSignedByRecovery } from "./signatures.js";
import { NOTHING, digestOf, textOf } from "./statements.js";

/** By whose right a statement came. */
export const BY_OWNER = 1;
export const AFTER_RELEASE = 2;

/** @param {Proposal} proposal */
function isIdentityTaken({ statement, signatures, before }) {
  if (!before || statement.identity === before.identity) return false;
  return signatures.previous === undefined && signatures.recovery === undefined;
}

/** @param {Proposal} proposal */
function isRecoveryTaken({ statement, signatures, before }) {
  if (!before || [NOTHING, statement.recovery].includes(before.recovery)) return false;
  return signatures.recovery === undefined;
}

/** @param {Proposal} proposal whether rules 3 and 4 are kept: whoever had the ID before agrees to what changes */
function keepsItsOwner(proposal) {
  return !isIdentityTaken(proposal) && !isRecoveryTaken(proposal);
}

/** @type {Rule[]} */
export const RULES = [
  [
    1,
    async ({ statement, signatures }) => !(await isSignedByIdentity(textOf(statement), signatures.identity, statement.identity)),
    "signatures.identity has to be by the statement's own identity, over its text.",
  ],
  [
    1,
    async ({ statement, signatures: { previous }, before }) =>
      previous !== undefined && !(before && (await isSignedByIdentity(textOf(statement), previous, before.identity))),
    "signatures.previous has to be by the identity before, or be left out.",
  ],
  [
    1,
    async ({ statement, signatures: { recovery }, before }) =>
      recovery !== undefined && !(before && (await isSignedByRecovery(textOf(statement), recovery, before.recovery))),
    "signatures.recovery has to be by the recovery key before, or be left out.",
  ],
  [
    2,
    ({ statement, before }) => before === null && (statement.seq !== 0 || statement.previous !== NOTHING),
    "The first statement of a client ID has seq 0 and previous -.",
  ],
  [
    2,
    ({ statement, before }) => before !== null && statement.seq !== before.seq + 1,
    "A statement has the seq of the one before, plus 1.",
  ],
  [
    2,
    async ({ statement, before }) => before !== null && statement.previous !== (await digestOf(before)),
    "A statement names the SHA-256 of the one before as previous.",
  ],
  [
    2,
    ({ statement, before }) => before !== null && (statement.directory !== before.directory || statement.id !== before.id),
    "A statement has the directory and the id of the one before.",
  ],
  [
    3,
    (proposal) => !proposal.isReleased && isIdentityTaken(proposal),
    "Another identity needs signatures.previous by the one before, or signatures.recovery.",
  ],
  [
    4,
    (proposal) => !proposal.isReleased && isRecoveryTaken(proposal),
    "Another recovery key needs signatures.recovery by the one before.",
  ],
  [
    5,
    (proposal) => {
      const { isReleased, signatures } = proposal;
      const isSignedByOthers = signatures.previous !== undefined || signatures.recovery !== undefined;
      return isReleased && !keepsItsOwner(proposal) && isSignedByOthers;
    },
    "After a release a new owner signs with the new identity alone.",
  ],
];

/**
 * @param {Proposal} proposal
 * @param {Rule[]} rules
 * @returns {Promise<Rule | null>} the first one that is broken
 */
export async function brokenRule(proposal, rules = RULES) {
  for (const rule of rules) if (await rule[1](proposal)) return rule;
  return null;
}

/** @param {Proposal} proposal one that breaks no rule */
export function kindOf(proposal) {
  return keepsItsOwner(proposal) ? BY_OWNER : AFTER_RELEASE;
}
