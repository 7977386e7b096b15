/**
 * What a call needs of the client.
 *
 * @typedef {object} Surroundings
 * @property {string} clientId
 * @property {import("../connection.js").Connection} connection
 * @property {import("../key-ring.js").KeyRing} keys
 * @property {import("../timers.js").Timers} timers
 * @property {import("../ice-servers.js").IceServers} iceServers
 * @property {import("../../securecall.js").SecureCallOptions} options
 * @property {(type: string, detail: unknown) => void} tell
 * @property {() => void} began another call
 * @property {(peerKey: import("../../securecall.js").PeerKey) => void} judged
 */

export {};
