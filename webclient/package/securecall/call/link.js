/**
 * The peer connection of a call: how it is made, with which relays, and where its media goes.
 *
 * @typedef {import("./call.js").Call} Call
 */

import { pathIn } from "../path.js";
import { LONGEST_MS, bounded } from "../timers.js";

const PATH_MS = 2_000;
const LEAST_PATH_MS = 100;

/** A call's peer connection. */
export class Link {
  /** @type {RTCPeerConnection | null} */
  rtc = null;
  #hasChannels = false;
  #pathTimer = 0;
  /** @type {import("../path.js").SeenPath | null} */
  #pathSeen = null;
  #call;

  /** @param {Call} call */
  constructor(call) {
    this.#call = call;
  }

  /** Make the peer connection. */
  open() {
    const { trickle, mending, negotiation, surroundings } = this.#call;
    const { iceServers, options } = surroundings;
    const rtc = iceServers.configure(this.#configuration(), (configuration) => new RTCPeerConnection(configuration));
    this.rtc = rtc;
    rtc.onicecandidate = ({ candidate }) => trickle.gathered(candidate);
    rtc.onicecandidateerror = (event) => mending.noteRelay(event);
    rtc.onconnectionstatechange = () => mending.connectionChanged(rtc);
    rtc.onnegotiationneeded = () => negotiation.needed();
    const everyMs = Math.min(bounded(options.pathIntervalMs, LEAST_PATH_MS, PATH_MS), LONGEST_MS);
    this.#pathTimer = setInterval(() => this.#lookAtPath(rtc), everyMs);
    return rtc;
  }

  /**
   * Open the channels for the client's and for the application's messages, unless they are.
   *
   * @param {RTCPeerConnection} rtc
   */
  openChannels(rtc) {
    if (this.#hasChannels) return;
    this.#hasChannels = true;
    this.#call.control.open(rtc);
    this.#call.data.open(rtc);
  }

  /** @param {string | null} bye the reason to tell the peer, perhaps empty; null to say nothing */
  close(bye) {
    clearInterval(this.#pathTimer);
    if (this.rtc) this.#call.control.leave(this.rtc, bye);
  }

  /**
   * Use the newest credentials, for an ICE restart that comes next: browsers restart ICE with the next description after a
   * change, and Firefox at once where it comes before the browser is done with an answer.
   *
   * @param {RTCPeerConnection} rtc
   */
  configure(rtc) {
    const { iceServers } = this.#call.surroundings;
    iceServers.configure(this.#configuration(), (configuration) => rtc.setConfiguration(configuration));
  }

  /** Renew the credentials before they expire, again and again; while an answer is awaited, for the next ICE restart. */
  keepCredentials() {
    const { iceServers } = this.#call.surroundings;
    const delayMs = iceServers.refreshInMs;
    if (delayMs === null || this.#call.isOver) return;
    this.#call.timers.after("credentials", delayMs, async () => {
      await iceServers.refresh();
      if (this.rtc?.signalingState === "stable") this.configure(this.rtc);
      this.keepCredentials();
    });
  }

  /** @returns {RTCConfiguration} */
  #configuration() {
    const { iceServers, options } = this.#call.surroundings;
    const given = options.rtcConfiguration ?? {};
    // With the standard's bundlePolicy, "balanced": "max-bundle" refuses peers that do not bundle.
    return { ...given, iceServers: [...iceServers.list, ...(given.iceServers ?? [])] };
  }

  /** @param {RTCPeerConnection} rtc */
  async #lookAtPath(rtc) {
    const call = this.#call;
    // What an application mutes by itself changes without a word.
    call.shown.tell();
    if (call.status.state !== "connected") return;
    const path = pathIn(await rtc.getStats(), rtc.remoteDescription?.sdp, call.callId, this.#pathSeen);
    if (!path || call.status.state !== "connected") return;
    this.#pathSeen = path;
    call.path = path.status;
    call.surroundings.tell("path", call.path);
  }
}
