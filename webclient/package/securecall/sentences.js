/**
 * What people are told, in plain English.
 */

/** @type {Record<string, (peer: string, by: "you" | "peer" | "server", role: "caller" | "callee") => string>} */
export const END_SENTENCES = {
  "hung-up": (peer, by) => (by === "you" ? "You hung up." : `${peer} hung up.`),
  cancelled: (peer, by) => (by === "you" ? "You stopped calling." : `${peer} stopped calling.`),
  rejected: (peer, by) => (by === "you" ? `You declined the call from ${peer}.` : `${peer} declined the call.`),
  busy: (peer, by) => (by === "you" ? `You were busy when ${peer} called.` : `${peer} is in another call.`),
  "no-answer": (peer, _by, role) => (role === "callee" ? `You did not answer ${peer}.` : `${peer} did not answer.`),
  "not-connected": (peer) => `${peer} is not online. Try again later.`,
  "peer-disconnected": (peer) => `${peer} left, or lost the connection.`,
  "media-failed": (peer) => `No way to ${peer} was found through the network. Try again, or try another network.`,
  superseded: (peer, by) =>
    by === "peer"
      ? `The call ended because ${peer}'s app was opened anew, or in another window or device.`
      : "The call ended here because your name was registered in another window or device.",
  forged: (peer, by) =>
    by === "peer"
      ? `${peer}'s app stopped the call: it was not signed by your key. Somebody may be in between, trying to listen.`
      : `The call was stopped: it was not signed by ${peer}'s key. Somebody may be in between, trying to listen.`,
  gone: (peer) => `The call from ${peer} was over before it was answered.`,
  operator: () => "The operator of the server ended the call.",
  failed: () => "The call could not be made.",
};

/** @type {Record<string, (peer: string) => string>} */
export const CALL_SENTENCES = {
  calling: (peer) => `Calling ${peer} …`,
  incoming: (peer) => `${peer} is calling.`,
  connecting: (peer) => `Connecting to ${peer} …`,
  connected: (peer) => `In a call with ${peer}.`,
  reconnecting: (peer) => `The way to ${peer} broke; looking for another one …`,
  resuming: (peer) => `Taking up the call with ${peer} again …`,
};

/**
 * @param {import("../securecall.js").PeerState} peer
 * @param {boolean} hadCamera whether its camera was on before in this call
 * @returns {string} empty: nothing to say
 */
export function peerStateSentence({ peerId, audio, video }, hadCamera) {
  const said = [];
  if (audio === "off") said.push("is muted");
  if (audio === "none") said.push("has no microphone");
  if (video === "screen") said.push("shows a screen");
  if (video === "off" || (video === "none" && hadCamera)) said.push("has the camera off");
  return said.length ? `${peerId} ${said.join(" and ")}.` : "";
}

const DEVICES = { audio: "microphone", video: "camera" };

/** @type {Record<string, (peer: string, kind: "audio" | "video") => string>} */
export const MEDIA_SENTENCES = {
  stopped: (peer, kind) => `${peer}'s ${DEVICES[kind]} stopped.`,
  sends: (peer, kind) => `${peer}'s ${DEVICES[kind]} works again.`,
};
