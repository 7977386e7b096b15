/**
 * A connection for a question or two, registered as nobody: for who cannot register as a client ID, or is not any more.
 */

import { SecureCallError, refusal } from "../errors.js";

const ANSWER_MS = 10_000;
const NORMAL = 1000;

/**
 * Open a connection, ask on it, and close it.
 *
 * @template T
 * @param {string} url
 * @param {(ask: import("../directory.js").Ask) => Promise<T>} run asks one thing after the other
 * @returns {Promise<T>}
 */
export async function runErrand(url, run) {
  const socket = new WebSocket(url);
  try {
    const opened = new Promise((resolve) => {
      socket.onopen = resolve;
    });
    await answered(socket, "", () => opened);
    return await run((type, payload, answerType, matches) =>
      answered(socket, type, () => {
        const answer = nextAnswer(socket, type, answerType, matches);
        socket.send(JSON.stringify({ type, payload }));
        return answer;
      }),
    );
  } finally {
    socket.close(NORMAL);
  }
}

/**
 * Wait for something, for as long as the connection lives, and not for ever.
 *
 * @param {WebSocket} socket
 * @param {string} request
 * @param {() => Promise<any>} wait
 * @returns {Promise<any>}
 */
function answered(socket, request, wait) {
  return new Promise((resolve, reject) => {
    const giveUp = () => reject(new SecureCallError("offline", "The server did not answer.", { request }));
    socket.onclose = giveUp;
    const timer = setTimeout(giveUp, ANSWER_MS);
    wait().then(resolve, reject).finally(() => clearTimeout(timer));
  });
}

/**
 * @param {WebSocket} socket
 * @param {string} request
 * @param {string} answerType
 * @param {(payload: any) => boolean} matches
 */
function nextAnswer(socket, request, answerType, matches) {
  return new Promise((resolve, reject) => {
    socket.onmessage = ({ data }) => {
      const { type, payload } = JSON.parse(data);
      if (type === answerType && matches(payload)) resolve(payload);
      if (type === "ERROR") reject(refusal(payload, request));
    };
  });
}
