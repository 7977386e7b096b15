/**
 * What a call sends and receives.
 */

/**
 * Make room in an offer for what is sent, and for what can be received: the callee may have a camera that the caller lacks.
 *
 * @param {RTCPeerConnection} rtc
 * @param {MediaStream | null} stream null: no media
 */
export function offerTracks(rtc, stream) {
  if (!stream) return;
  for (const kind of ["audio", "video"]) {
    const [track] = stream.getTracks().filter((it) => it.kind === kind);
    rtc.addTransceiver(track ?? kind, { direction: track ? "sendrecv" : "recvonly", streams: [stream] });
  }
}

/**
 * The callee's tracks go where the offer has room for them.
 *
 * @param {RTCPeerConnection} rtc
 * @param {MediaStream | null} stream
 */
export function answerTracks(rtc, stream) {
  // Answers in the transceiver of the offer if there is one, and needs a negotiation afterwards if not.
  for (const track of stream?.getTracks() ?? []) rtc.addTrack(track, /** @type {MediaStream} */ (stream));
}

/**
 * Put into the call's stream what the peer sends, take out of it what it does not send any more, and tell of it.
 *
 * @param {import("./call.js").Call} call
 * @param {RTCPeerConnection} rtc
 */
export function syncRemoteTracks({ callId, remoteStream: stream, surroundings }, rtc) {
  const receiving = rtc.getTransceivers().filter(({ currentDirection }) => /recv/.test(currentDirection ?? ""));
  const tracks = receiving.map(({ receiver }) => receiver.track);
  const gone = stream.getTracks().filter((track) => !tracks.includes(track));
  const come = tracks.filter((track) => !stream.getTracks().includes(track));
  for (const track of gone) stream.removeTrack(track);
  for (const track of come) stream.addTrack(track);
  if (gone.length + come.length === 0) return;
  const [hasAudio, hasVideo] = [stream.getAudioTracks().length > 0, stream.getVideoTracks().length > 0];
  surroundings.tell("remotestream", { callId, stream, hasAudio, hasVideo });
}

/**
 * Tell the peer when what is sent ends by itself: a microphone that is unplugged falls silent like one that is muted.
 *
 * @param {import("./call.js").Call} call
 * @param {MediaStreamTrack[]} tracks
 */
export function watchTracks(call, tracks) {
  for (const track of tracks) {
    track.addEventListener("ended", () => {
      const isSent = call.rtc?.getSenders().some((sender) => sender.track === track);
      // A screen is ended by the person who shows it.
      if (isSent && !call.isOver && !isScreen(track)) call.control.stopped(track.kind);
    });
  }
}

// Of what is sent so, people read.
const HINTS_OF_SCREENS = ["detail", "text"];

/** @param {MediaStreamTrack} track */
export function isScreen(track) {
  return HINTS_OF_SCREENS.includes(track.contentHint) || "displaySurface" in track.getSettings();
}
