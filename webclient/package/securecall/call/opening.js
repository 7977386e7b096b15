/**
 * The first offer and its answer: how a call is placed, accepted and agreed on.
 *
 * @typedef {import("./call.js").Call} Call
 */

import { DATA_ATTRIBUTE, NEGOTIATES_ATTRIBUTE, RESUMES_ATTRIBUTE } from "../attributes.js";
import { attributeValues, fingerprintsIn, offersData, readDescription } from "../description.js";
import { SecureCallError } from "../errors.js";
import { sign, verify } from "./signing.js";
import { answerTracks, offerTracks, syncRemoteTracks, watchTracks } from "./tracks.js";

/** The first offer of a call, and its answer. */
export class Opening {
  #call;

  /** @param {Call} call */
  constructor(call) {
    this.#call = call;
  }

  /**
   * @param {MediaStream | null} stream
   * @returns {Promise<void>} when the offer is on its way
   */
  place(stream) {
    const call = this.#call;
    call.stream = stream;
    watchTracks(call, stream?.getTracks() ?? []);
    return call.step(async () => {
      await call.surroundings.iceServers.refreshIfOld();
      const rtc = call.link.open();
      offerTracks(rtc, stream);
      await this.#describe(rtc);
    });
  }

  /**
   * @param {MediaStream | null} stream
   * @throws {SecureCallError} `no-call`
   */
  async accept(stream) {
    const call = this.#call;
    const { sdpOffer: sdp, iceServers } = call.incoming;
    call.stream = stream;
    watchTracks(call, stream?.getTracks() ?? []);
    call.timers.clear("ring");
    call.change("ANSWERED");
    call.mending.start();
    await call.step(async () => {
      call.surroundings.iceServers.use(iceServers);
      await call.surroundings.iceServers.refreshIfOld();
      const rtc = call.link.open();
      if (offersData(sdp)) call.link.openChannels(rtc);
      await describedBy(call, rtc, { type: "offer", sdp });
      answerTracks(rtc, stream);
      await this.#describe(rtc);
      await this.#settle(rtc);
    });
    if (call.isOver && !call.placing.isPlaced) throw new SecureCallError("no-call", call.status.sentence);
  }

  /** @param {any} payload of CALL_ACCEPTED */
  accepted({ sdpAnswer, iceServers }) {
    const call = this.#call;
    call.step(async () => {
      const { rtc } = call;
      if (call.status.state !== "calling" || !rtc) return;
      call.timers.clear("ring", "find");
      const sdp = readDescription(sdpAnswer);
      await verify(call, sdp);
      if (!call.change("ACCEPTED")) return;
      call.mending.start();
      // For the next ICE restart: see `Link.configure`.
      call.surroundings.iceServers.use(iceServers);
      await describedBy(call, rtc, { type: "answer", sdp });
      // Negotiated when the call is connected: of a peer that is not known nobody knows what it makes of an offer with data.
      if (call.peer?.takesData) call.link.openChannels(rtc);
      call.trickle.answered(rtc);
      await this.#settle(rtc);
    });
  }

  /** @param {RTCPeerConnection} rtc whose own description is made, signed and sent */
  async #describe(rtc) {
    const call = this.#call;
    call.surroundings.tell("peerconnection", { callId: call.callId, peerConnection: rtc });
    // An offer describes something.
    if (rtc.getTransceivers().length === 0) call.link.openChannels(rtc);
    await rtc.setLocalDescription();
    call.attributes = await sign(call, /** @type {RTCSessionDescription} */ (rtc.localDescription).sdp);
    if (!call.isOver) call.placing.place(rtc);
  }

  /** @param {RTCPeerConnection} rtc */
  async #settle(rtc) {
    await this.#call.trickle.settle();
    syncRemoteTracks(this.#call, rtc);
  }
}

/**
 * @param {Call} call
 * @param {RTCPeerConnection} rtc
 * @param {{type: "offer" | "answer", sdp: string}} description the peer's first for this peer connection
 */
export async function describedBy(call, rtc, description) {
  await rtc.setRemoteDescription(description);
  /** @param {string} attribute */
  const has = (attribute) => attributeValues(description.sdp, attribute).length > 0;
  call.peer = {
    fingerprints: fingerprintsIn(description.sdp),
    negotiates: has(NEGOTIATES_ATTRIBUTE),
    resumes: has(RESUMES_ATTRIBUTE),
    takesData: has(DATA_ATTRIBUTE),
  };
  call.data.look();
}
