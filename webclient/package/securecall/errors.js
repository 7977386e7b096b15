/**
 * What can go wrong, as an application sees it.
 *
 * @typedef {import("../securecall.js").ErrorCode} ErrorCode
 */

/**
 * What to tell people about the server's codes, as its own message is for developers, and about what it should not send.
 *
 * @type {Record<string, string>}
 */
export const ERROR_SENTENCES = {
  INVALID_MESSAGE: "The server did not understand this. Reload the page, and try again.",
  NOT_REGISTERED: "The server does not know you yet. Try again in a moment.",
  TARGET_NOT_FOUND: "The person you called is not online.",
  CALL_NOT_FOUND: "This call is over.",
  RATE_LIMITED: "That was too much at once. It is tried again in a moment.",
  "invalid-call":
    "A call was not shown: the server gave its ID or its caller's in a form that the protocol does not allow. " +
    "The server is broken, or somebody tries to forge calls.",
};

export const NO_CALL_TO_SEND_IN = "There is no call to send this in.";

export const WORKER_SENTENCE =
  "The worker for timers did not start, so a hidden page may lose its connection: serve timer-worker.js from the page's origin.";

/**
 * The server's refusal of something that is not sent again.
 *
 * @param {{code: ErrorCode, message?: string}} error
 * @param {string | undefined} request
 * @param {string} [callId]
 */
export function refusal({ code, message }, request, callId) {
  const sentence = code === "RATE_LIMITED" && message ? `The server does not do that now. It says: “${message}”` : ERROR_SENTENCES[code];
  return new SecureCallError(code, sentence ?? code, { request, callId, serverMessage: message });
}

/** @param {string} peer */
export function unreadable(peer) {
  return `${peer}'s app sent an ICE candidate in a form that cannot be read, so it was left out; the call goes on with others.`;
}

export class SecureCallError extends Error {
  /**
   * @param {ErrorCode} code
   * @param {string} message
   * @param {{request?: string, callId?: string, serverMessage?: string}} [details]
   */
  constructor(code, message, { request, callId, serverMessage } = {}) {
    super(message);
    this.name = "SecureCallError";
    this.code = code;
    this.request = request;
    this.callId = callId;
    this.serverMessage = serverMessage;
  }
}
