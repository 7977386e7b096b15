/**
 * What people are told of the name that they have, in plain English.
 *
 * @typedef {import("../../securecall.js").OwnerStatus} OwnerStatus
 */

/** @type {Record<OwnerStatus["state"], (id: string) => string>} */
const SENTENCES = {
  unknown: () => "Whether this name belongs to somebody is not known yet.",
  free: (id) => `The name ${id} belongs to nobody: whoever comes can use it.`,
  owner: (id) => `The name ${id} is yours, as long as this browser keeps its data. A recovery code would bring it back after that.`,
  foreign: (id) =>
    `The name ${id} belongs to somebody whose key this browser does not have. If that is you, type your recovery code; ` +
    "otherwise use another name.",
  moved: (id) => `You moved the name ${id} to another device.`,
  changed: () => "Somebody changed your identity. Your recovery code brings your name back, and locks out whoever took it.",
};

/**
 * @param {OwnerStatus["state"]} state
 * @param {{clientId: string, hasRecoveryCode: boolean, releasedAt: number | null, isWithheld: boolean}} details
 */
export function ownerSentence(state, { clientId, hasRecoveryCode, releasedAt, isWithheld }) {
  const isSafe = state === "owner" && hasRecoveryCode;
  const sentences = [isSafe ? `The name ${clientId} is yours, and your recovery code brings it back.` : SENTENCES[state](clientId)];
  if (state === "owner" && isWithheld) sentences.push("An operator of the server withholds your key: nobody can verify your calls.");
  if (releasedAt !== null) sentences.push(releaseSentence(releasedAt));
  return sentences.join(" ");
}

/** @param {number} at unix ms */
function releaseSentence(at) {
  const time = new Date(at).toLocaleString();
  return at > Date.now()
    ? `An operator of the server gives this name free on ${time}.`
    : `An operator of the server gave this name free on ${time}.`;
}
