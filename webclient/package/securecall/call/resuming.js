/**
 * A call that goes on after one of its pages was loaded anew.
 *
 * The page has another peer connection then, with other keys: it makes an offer, and the peer answers with another peer
 * connection of its own. Both are signed like the first ones. A call's peer connections are counted, so that an offer which is
 * sent again on a later connection is known; where both pages were loaded anew, the callee's offer gives way.
 *
 * @typedef {import("./call.js").Call} Call
 * @typedef {import("../kept.js").Kept} Kept
 */

import { offersData, readDescription } from "../description.js";
import { Control } from "./control.js";
import { Link } from "./link.js";
import { describedBy } from "./opening.js";
import { localSdp, sign, verify } from "./signing.js";
import { isScreen, offerTracks, syncRemoteTracks, watchTracks } from "./tracks.js";
import { Trickle } from "./trickle.js";

/** A call whose page, or whose peer's page, was loaded anew. */
export class Resumption {
  /** How often a page of the call was loaded anew. */
  generation = 0;
  /** Whether an offer is to be answered. */
  #isOffering = false;
  /** Whether the peer has signed a description: then it signs each. */
  #isSigned = false;
  #call;

  /** @param {Call} call */
  constructor(call) {
    this.#call = call;
  }

  /** @param {Kept} kept by the page before this one */
  begin(kept) {
    this.generation = kept.generation;
    this.#call.placing.listed();
    this.#call.mending.expect();
    this.#call.step(() => this.#takeUp(kept));
  }

  /** @param {Kept} kept */
  async #takeUp({ sends, verification }) {
    const call = this.#call;
    this.#isSigned = verification === "verified";
    try {
      call.stream = await this.#open(sends);
      watchTracks(call, call.stream?.getTracks() ?? []);
      if (call.isOver) return;
      const rtc = await this.#link();
      call.link.openChannels(rtc);
      // Also room for what is received.
      offerTracks(rtc, call.stream ?? new MediaStream());
      this.#isOffering = true;
      await this.#describe(rtc, "offer");
    } catch (error) {
      call.finish("failed", "you", { say: true, words: `The call with ${call.peerId} could not be taken up again.` });
      throw error;
    }
  }

  /**
   * @param {{type: string, sdp: unknown, anew: number}} description the peer's
   */
  async received({ type, sdp: given, anew }) {
    const call = this.#call;
    // Before somebody has answered, it would let who calls connect, and who is called hear.
    if (["calling", "incoming"].includes(call.status.state) || !this.#isMeant(type, anew)) return;
    const sdp = readDescription(given);
    this.#isSigned ||= call.verification?.status === "verified";
    await verify(call, sdp);
    if (this.#isSigned && call.verification?.status !== "verified") call.finish("forged", "you", { say: true });
    if (call.isOver) return;
    this.#isOffering = false;
    this.generation = anew;
    const rtc = type === "answer" ? await this.#answered(sdp) : await this.#answer(sdp);
    await call.trickle.settle();
    syncRemoteTracks(call, rtc);
  }

  /**
   * @param {string} type
   * @param {number} anew
   */
  #isMeant(type, anew) {
    const isOurs = anew === this.generation && this.#isOffering;
    if (type === "answer") return isOurs;
    return type === "offer" && (anew > this.generation || (isOurs && this.#call.role === "callee"));
  }

  /** @param {string} sdp */
  async #answered(sdp) {
    const { rtc, trickle } = this.#call;
    if (!rtc) throw new Error("there is no peer connection");
    // Those that came before are of the peer's old one.
    trickle.forgetEarly();
    await describedBy(this.#call, rtc, { type: "answer", sdp });
    trickle.answered(rtc);
    return rtc;
  }

  /** @param {string} sdp */
  async #answer(sdp) {
    const call = this.#call;
    const senders = call.rtc?.getSenders() ?? [];
    call.mending.broke();
    call.timers.clear("restart");
    call.link.close(null);
    const rtc = await this.#link();
    if (offersData(sdp)) call.link.openChannels(rtc);
    await describedBy(call, rtc, { type: "offer", sdp });
    for (const { track } of senders) if (track) rtc.addTrack(track, ...(call.stream ? [call.stream] : []));
    await this.#describe(rtc, "answer");
    return rtc;
  }

  /** @param {{audio: boolean, video: boolean}} sends */
  async #open(sends) {
    const { status, surroundings } = this.#call;
    if (!sends.audio && !sends.video) return null;
    const stream = (await surroundings.options.resume?.(sends, status)) ?? null;
    // Nobody else knows of it.
    if (this.#call.isOver) for (const track of stream?.getTracks() ?? []) track.stop();
    return stream;
  }

  /** Make another peer connection; its candidates follow its description. */
  async #link() {
    const call = this.#call;
    await call.surroundings.iceServers.refreshIfOld();
    call.link = new Link(call);
    call.control = new Control(call);
    call.trickle = new Trickle(call, true);
    return call.link.open();
  }

  /**
   * @param {RTCPeerConnection} rtc
   * @param {"offer" | "answer"} type
   */
  async #describe(rtc, type) {
    const call = this.#call;
    call.surroundings.tell("peerconnection", { callId: call.callId, peerConnection: rtc });
    await rtc.setLocalDescription();
    call.attributes = await sign(call, /** @type {RTCSessionDescription} */ (rtc.localDescription).sdp);
    if (call.isOver) return;
    call.trickle.post({ candidate: "", sdpMid: "0", description: { type, sdp: localSdp(call, rtc), anew: this.generation } });
    call.trickle.release();
  }
}

/**
 * Say what a page that is loaded anew has to know of a call.
 *
 * @param {Call} call
 * @returns {Kept | null} null: not now, or the peer could not take it up
 */
export function keptOf({ status, verification, peer, rtc, resumption: { generation } }) {
  if (status.connectedAt === null || !peer?.resumes || !rtc) return null;
  // What was shown of a screen went with the page: a camera that is off beside it stays off.
  /** @param {string} kind */
  const isSent = (kind) => rtc.getSenders().some(({ track }) => track?.kind === kind && !isScreen(track));
  return { status, verification: verification?.status, generation, sends: { audio: isSent("audio"), video: isSent("video") } };
}
