/**
 * What people are told of keys, in plain English.
 */

import { END_SENTENCES } from "./sentences.js";

/** @type {Record<string, (peer: string) => string>} */
export const KEY_SENTENCES = {
  new: (peer) => `This is the first time you see ${peer}'s key. Compare the safety number to be sure.`,
  known: (peer) => `${peer} has the same key as before.`,
  changed: (peer) =>
    `${peer}'s key has changed. Either ${peer} uses a new browser or device, or somebody pretends to be ${peer}. ` +
    "Compare the safety number before you trust it.",
  unpublished: (peer) => `${peer} has not published a key, so nobody can tell whether it is really ${peer}.`,
  unavailable: () => "The directory of keys cannot be asked right now.",
  free: (peer) =>
    `This is the first time you see ${peer}'s key. The name belongs to no key, so the server could lie: compare the safety number.`,
  moved: (peer) => `${peer} moved to a new key, for which the one before or the recovery code signed.`,
  released: (peer) => `An operator gave this name to a new owner. It may be another person than the ${peer} you knew.`,
  refused: (peer) => `What the server says of ${peer}'s key does not follow from what you know, so it is not believed.`,
};

export const UNKEPT_SENTENCE = "This browser keeps no data for this page: it will forget your key, and those of others.";

/** @type {Record<string, (peer: string) => string>} */
export const WITHHELD_SENTENCES = {
  revoked: (peer) => `An operator withholds ${peer}'s key, so there is no key to call with.`,
  released: (peer) => `An operator gave the name ${peer} free, and nobody owns it yet. There is no key to call with.`,
  erased: (peer) => `The name ${peer} was erased and is closed. There is no key to call with.`,
};

/** @type {Record<string, (peer: string) => string>} */
export const VERIFICATION_SENTENCES = {
  verified: (peer) => `This call's encryption is signed by ${peer}'s key.`,
  unsigned: (peer) => `${peer}'s app does not sign its calls; the safety number does not cover this one.`,
  stripped: (peer) => `This call is not signed, though ${peer} has signed calls before. Somebody may be in between.`,
  unknown: (peer) => `This call is signed, but there is no key of ${peer} to check it with.`,
  forged: (peer) => END_SENTENCES.forged(peer, "you", "caller"),
};

/** @param {string | undefined} serverMessage why, in the server's words */
export function refusalSentence(serverMessage) {
  const why = serverMessage ? ` The server says: “${serverMessage}”` : "";
  return `The directory did not take your key, so nobody can verify your calls; you keep it.${why}`;
}
