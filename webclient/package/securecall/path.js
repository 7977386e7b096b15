/**
 * Where the media of a call goes, from the browser's statistics (W3C webrtc-stats).
 *
 * @typedef {import("../securecall.js").PathStatus} PathStatus
 * @typedef {{status: PathStatus, seenAt: number}} SeenPath
 */

/**
 * @param {RTCStatsReport} report
 * @param {string | undefined} sdp the peer's description, with the candidates that were added to it
 * @param {string} callId
 * @param {SeenPath | null} before for the rates
 * @returns {SeenPath | null} null while no candidate pair is selected
 */
export function pathIn(report, sdp, callId, before) {
  /** @type {any[]} */
  const stats = [...report.values()];
  const transport = stats.find(({ type, selectedCandidatePairId: id }) => type === "transport" && id);
  const pair = report.get(transport?.selectedCandidatePairId);
  const local = report.get(pair?.localCandidateId);
  const remote = report.get(pair?.remoteCandidateId);
  if (!local || !remote) return null;
  const remoteType = signaledType(sdp, remote) ?? remote.candidateType;
  const isRelayed = [local.candidateType, remoteType].includes("relay");
  const roundTripMs = pair.currentRoundTripTime === undefined ? null : Math.round(pair.currentRoundTripTime * 1000);
  const seconds = before ? (transport.timestamp - before.seenAt) / 1000 : 0;
  // Firefox counts them for the pair alone.
  const { bytesSent, bytesReceived } = transport.bytesSent === undefined ? pair : transport;
  /** @type {PathStatus} */
  const status = {
    callId,
    kind: isRelayed ? "relayed" : "direct",
    localType: local.candidateType,
    remoteType,
    protocol: local.relayProtocol ?? local.protocol,
    roundTripMs,
    bytesSent,
    bytesReceived,
    sentBitsPerSecond: before && bitsPerSecond(bytesSent - before.status.bytesSent, seconds),
    receivedBitsPerSecond: before && bitsPerSecond(bytesReceived - before.status.bytesReceived, seconds),
    sentence:
      (isRelayed ? "Through a relay server" : "Directly to the other device") +
      (roundTripMs === null ? "." : `, ${roundTripMs} ms there and back.`),
  };
  return { status: Object.freeze(status), seenAt: transport.timestamp };
}

/**
 * The type that the peer gave its candidate. A candidate whose check arrived first is peer reflexive until it is
 * signaled (RFC 8445 section 7.3.1.3); in Firefox it stays so.
 *
 * @param {string | undefined} sdp
 * @param {any} candidate
 */
function signaledType(sdp, { address, port }) {
  const [, type] = sdp?.split(` ${address} ${port} typ `) ?? [];
  return /** @type {RTCIceCandidateType | undefined} */ (type?.match(/^\w+/)?.[0]);
}

/**
 * @param {number} bytes
 * @param {number} seconds
 */
function bitsPerSecond(bytes, seconds) {
  // A pair that was selected just now has carried less than the one before.
  return seconds > 0 && bytes >= 0 ? Math.round((bytes * 8) / seconds) : null;
}
