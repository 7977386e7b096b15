/**
 * Negotiation that goes on after a call was answered: offers that restart ICE or add a track, and their answers.
 *
 * @typedef {import("./call.js").Call} Call
 */

import { fingerprintsIn, offersData, restartsIce } from "../description.js";
import { localSdp } from "./signing.js";
import { syncRemoteTracks } from "./tracks.js";

/** A call's offers and answers after the first. */
export class Negotiation {
  #offerId = 0;
  /** Whether the browser asked for one before the call was connected, or while the server was away. */
  #isDue = false;
  #call;

  /** @param {Call} call */
  constructor(call) {
    this.#call = call;
  }

  /** The browser has something to negotiate. */
  needed() {
    const { state } = this.#call.status;
    if (state === "connected" || state === "reconnecting") this.#offer(false);
    else this.#isDue = state === "connecting";
  }

  catchUp() {
    if (!this.#isDue || this.#call.status.state !== "connected") return;
    this.#isDue = false;
    this.#offer(false);
  }

  restartIce() {
    this.#offer(true);
  }

  /** @param {boolean} iceRestart */
  #offer(iceRestart) {
    this.#call.step(async () => {
      const { rtc, peer, placing, link, trickle, surroundings } = this.#call;
      if (!rtc || !peer?.negotiates || placing.isForgotten) return;
      if (!surroundings.connection.isOnline) {
        // `Call.online` comes back to it.
        this.#isDue ||= !iceRestart;
        return;
      }
      if (iceRestart) {
        await surroundings.iceServers.refresh();
        link.configure(rtc);
        trickle.restart();
      }
      await rtc.setLocalDescription(await rtc.createOffer({ iceRestart }));
      this.#offerId += 1;
      this.#post("offer", rtc, this.#offerId);
    });
  }

  /**
   * @param {"offer" | "answer"} type
   * @param {RTCPeerConnection} rtc
   * @param {number} id
   */
  #post(type, rtc, id) {
    const description = { type, sdp: localSdp(this.#call, rtc), id };
    this.#call.trickle.post({ candidate: "", sdpMid: "0", description });
  }

  /** @param {{type: string, sdp: string, id: number}} description */
  async received({ type, sdp, id }) {
    const { rtc, peer, role, trickle } = this.#call;
    if (!rtc || !peer || typeof sdp !== "string") return;
    // The media's keys do not change during a call: whoever sends others is not the peer.
    const fingerprints = fingerprintsIn(sdp);
    if (fingerprints === null || fingerprints !== peer.fingerprints) return;
    if (type === "answer") {
      // Not the answer to an offer that gave way, or that a newer one replaced.
      if (rtc.signalingState !== "have-local-offer" || id !== this.#offerId) return;
      await rtc.setRemoteDescription({ type, sdp });
      trickle.postHeld(rtc);
    } else if (type === "offer" && (rtc.signalingState === "stable" || role === "callee")) {
      await this.#answer(rtc, sdp, id);
    }
    syncRemoteTracks(this.#call, rtc);
  }

  /**
   * @param {RTCPeerConnection} rtc
   * @param {string} sdp
   * @param {number} id the offer's
   */
  async #answer(rtc, sdp, id) {
    const { link, surroundings } = this.#call;
    if (restartsIce(sdp, rtc.remoteDescription)) {
      await surroundings.iceServers.refreshIfOld();
      link.configure(rtc);
    }
    if (offersData(sdp)) link.openChannels(rtc);
    // Beside an offer of its own that does not restart ICE, also one that is rolled back, Firefox takes none that does,
    // unless it has been about to restart ICE itself.
    if (rtc.signalingState === "have-local-offer") await rtc.createOffer({ iceRestart: true });
    await rtc.setRemoteDescription({ type: "offer", sdp });
    await rtc.setLocalDescription();
    this.#post("answer", rtc, id);
  }
}
