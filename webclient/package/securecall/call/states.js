/**
 * The states of a call, and what moves it from one to the next.
 *
 * ```
 *   calling --ACCEPTED--> connecting --CONNECTED--> connected --BROKE--> reconnecting
 *   incoming --ANSWERED------^                          ^----CONNECTED-------'
 * ```
 *
 * FINISHED ends it in every state.
 *
 * @typedef {import("../../securecall.js").CallStatus} CallStatus
 * @typedef {CallStatus["state"]} State
 * @typedef {"ACCEPTED" | "ANSWERED" | "CONNECTED" | "BROKE" | "FINISHED"} Event
 */

import { offersToSend } from "../description.js";

/** @type {Record<State, Partial<Record<Event, State>>>} */
const TABLE = {
  calling: { ACCEPTED: "connecting", FINISHED: "ended" },
  incoming: { ANSWERED: "connecting", FINISHED: "ended" },
  connecting: { CONNECTED: "connected", FINISHED: "ended" },
  connected: { BROKE: "reconnecting", FINISHED: "ended" },
  reconnecting: { CONNECTED: "connected", FINISHED: "ended" },
  ended: {},
};

/**
 * @param {State} state
 * @param {Event} event
 * @returns {State | undefined} undefined: the event means nothing in this state
 */
export function following(state, event) {
  return TABLE[state][event];
}

/** @type {State[]} somebody waits for something that comes by the server */
const WAITING = ["calling", "incoming", "connecting", "reconnecting"];

/** @param {State | undefined} state */
export function waitsForServer(state) {
  return state !== undefined && WAITING.includes(state);
}

/**
 * @param {string} callId
 * @param {string} peerId
 * @param {string | undefined} offer the peer's; undefined: the call is ours
 * @returns {CallStatus}
 */
export function firstStatus(callId, peerId, offer) {
  return Object.freeze({
    state: offer === undefined ? "calling" : "incoming",
    sentence: "",
    callId,
    peerId,
    role: offer === undefined ? "caller" : "callee",
    since: Date.now(),
    connectedAt: null,
    offers: { audio: offersToSend(offer ?? "", "audio"), video: offersToSend(offer ?? "", "video") },
  });
}
