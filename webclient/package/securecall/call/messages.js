/**
 * What the server's messages do to a call.
 *
 * @typedef {import("./call.js").Call} Call
 */

import { serverEnded } from "./ends.js";

/**
 * @param {Call} call
 * @param {string} type
 * @param {any} payload
 */
export function received(call, type, payload) {
  if (call.isOver) {
    if (type === "CALL_ENDED") call.placing.forget();
  } else if (type === "CALL_ACCEPTED") call.opening.accepted(payload);
  else if (type === "ICE_CANDIDATE") call.step(() => candidate(call, payload.candidate));
  else if (type === "CALL_ENDED") call.finish(...serverEnded(call.status.state, payload.reason));
  else if (type === "CALL_REJECTED" && payload.reason === "busy") call.finish("busy", "peer");
  else if (type === "CALL_REJECTED") call.finish(...serverEnded("calling", payload.reason));
}

/**
 * @param {Call} call
 * @param {any} given a candidate, or a description in one
 */
async function candidate({ resumption, negotiation, trickle }, given) {
  const { description } = given ?? {};
  if (description?.anew) await resumption.received(description);
  else if (description) await negotiation.received(description);
  else await trickle.received(given);
}
