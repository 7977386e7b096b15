/**
 * The protocol's alphabets: what comes from a server is not trusted to keep to them.
 */

const CLIENT_ID = /^[a-zA-Z0-9_-]{1,64}$/;
const CALL_ID = /^[a-zA-Z0-9_-]{16,64}$/;

/** @param {unknown} id */
export function isClientId(id) {
  return typeof id === "string" && CLIENT_ID.test(id);
}

/** @param {unknown} id */
export function isCallId(id) {
  return typeof id === "string" && CALL_ID.test(id);
}
