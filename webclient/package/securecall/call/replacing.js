/**
 * Another microphone, another camera, or none.
 */

import { NO_CALL_TO_SEND_IN, SecureCallError } from "../errors.js";
import { watchTracks } from "./tracks.js";

/**
 * Send another track of a kind, or none.
 *
 * @param {import("./call.js").Call} call
 * @param {"audio" | "video"} kind
 * @param {MediaStreamTrack | null} track
 */
export async function replaceTrack(call, kind, track) {
  const { rtc, stream, callId } = call;
  if (track) watchTracks(call, [track]);
  if (!rtc) throw new SecureCallError("no-call", NO_CALL_TO_SEND_IN, { callId });
  const transceiver = rtc.getTransceivers().find((it) => it.receiver.track.kind === kind && it.mid !== null);
  if (!transceiver) {
    if (track) rtc.addTransceiver(track, { direction: "sendrecv", streams: stream ? [stream] : [] });
    return;
  }
  await replace(call, transceiver.sender, track);
  if (call.isOver) throw new SecureCallError("no-call", call.status.sentence, { callId });
  if (track) call.control.sends(kind);
  if (track && stream) transceiver.sender.setStreams(stream);
  // The peer learns from it whether anything is to be seen or heard.
  const direction = track ? "sendrecv" : "recvonly";
  if (transceiver.direction !== direction) transceiver.direction = direction;
  call.shown.tell();
}

/**
 * @param {import("./call.js").Call} call
 * @param {RTCRtpSender} sender
 * @param {MediaStreamTrack | null} track which is muted with its kind from now on
 */
async function replace({ shown: { coming } }, sender, track) {
  if (track) coming.add(track);
  try {
    await sender.replaceTrack(track);
  } finally {
    if (track) coming.delete(track);
  }
}
