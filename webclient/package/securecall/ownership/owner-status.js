/**
 * Whether an ID is still its owner's, and what that is called.
 *
 * @typedef {import("../../securecall.js").OwnerStatus} OwnerStatus
 * @typedef {import("../key-store.js").KeptIdentity} KeptIdentity
 * @typedef {import("./answers.js").Standing} Standing
 */

import { ownerSentence } from "./owner-sentences.js";
import { NOTHING } from "./statements.js";

/**
 * @param {OwnerStatus["state"]} state
 * @param {string} clientId
 * @param {Standing | null} found null: nothing that could be believed
 * @returns {OwnerStatus}
 */
export function statusOf(state, clientId, found) {
  const hasRecoveryCode = (found?.chain.at(-1)?.statement.recovery ?? NOTHING) !== NOTHING;
  const releasedAt = found?.releasedAt ?? null;
  const isWithheld = found?.status === "revoked";
  const sentence = ownerSentence(state, { clientId, hasRecoveryCode, releasedAt, isWithheld });
  return Object.freeze({ state, sentence, clientId, directory: found?.directory ?? null, hasRecoveryCode, releasedAt });
}

/**
 * @param {KeptIdentity} kept with a statement
 * @param {Standing | null} found
 * @returns {OwnerStatus["state"]}
 */
export function stateOf(kept, found) {
  const texts = found?.chain.map(({ text }) => text) ?? [];
  const last = texts.at(-1);
  if (last !== undefined && [kept.statement, kept.next?.statement].includes(last)) return "owner";
  return kept.allowed !== undefined && texts.includes(kept.allowed) ? "moved" : "changed";
}
