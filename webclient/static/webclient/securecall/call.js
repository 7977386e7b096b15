/**
 * One call, from its first ring to its end.
 *
 * @typedef {import("../securecall.js").CallStatus} CallStatus
 * @typedef {import("../securecall.js").EndReason} EndReason
 * @typedef {import("../securecall.js").ErrorCode} ErrorCode
 * @typedef {import("../securecall.js").PathStatus} PathStatus
 * @typedef {import("../securecall.js").PeerKey} PeerKey
 * @typedef {import("../securecall.js").SecureCallOptions} SecureCallOptions
 * @typedef {import("../securecall.js").Verification} Verification
 * @typedef {import("./connection.js").Connection} Connection
 * @typedef {import("./ice-servers.js").IceServers} IceServers
 * @typedef {import("./keys.js").Keys} Keys
 * @typedef {import("./timers.js").Timers} Timers
 */

import { candidateInit, readCandidate } from "./candidates.js";
import {
  IDENTITY_ATTRIBUTE, NEGOTIATES_ATTRIBUTE, attributeValues, fingerprintsIn, linesWithTransport, offersData,
  offersToSend, readDescription, restartsIce, signedText, withAttributes,
} from "./description.js";
import { ERROR_SENTENCES, NO_CALL_TO_SEND_IN, SecureCallError, unreadable } from "./errors.js";
import { pathIn } from "./path.js";
import { readSdp } from "./sdp.js";
import { CALL_SENTENCES, END_SENTENCES, VERIFICATION_SENTENCES } from "./sentences.js";
import { LONGEST_MS, bounded } from "./timers.js";

// Longer than the server lets it ring (60 s), and answers by then.
const RING_MS = 75_000;
const CONNECT_MS = 30_000;
// As long as the server holds a call (30 s), and the longest wait for a connection to it, nearly.
const MEND_MS = 45_000;
const RESTART_EVERY_MS = 8_000;
// "disconnected" often mends by itself. The callee waits longer, so that offers seldom meet.
const RESTART_AFTER_MS = { caller: 1_000, callee: 2_500 };
// A callee that the server does not find right after both lost it may be on its way back.
const FIND_AGAIN_MS = 2_000;
const FIND_AGAIN_TIMES = 15;
// A caller that lost its server too has come back by then, most of the time.
const RING_AGAIN_MS = 10_000;
const PUBLISH_MS = 3_000;
const BYE_MS = 500;
const BYE_ALONE_MS = 3_000;
const PATH_MS = 2_000;
const LEAST_PATH_MS = 100;

const CONTROL_CHANNEL = { negotiated: true, id: 255 };

/**
 * What a call needs of the client.
 *
 * @typedef {object} Surroundings
 * @property {string} clientId
 * @property {Connection} connection
 * @property {Keys} keys
 * @property {Timers} timers
 * @property {IceServers} iceServers
 * @property {SecureCallOptions} options
 * @property {(type: string, detail: unknown) => void} tell
 * @property {(peerKey: PeerKey) => void} judged
 */

/** One call, from its first ring to its end. */
export class Call {
  /** @type {CallStatus} */
  status;
  /** @type {RTCPeerConnection | null} */
  rtc = null;
  /** @type {MediaStream | null} */
  stream = null;
  remoteStream = new MediaStream();
  /** @type {PathStatus | null} */
  path = null;
  /** @type {Verification | null} */
  verification = null;
  /** @type {Promise<PeerKey | null>} */
  peerKey;
  /** One step at a time: everything that touches the peer connection waits for what came before. */
  #steps = Promise.resolve();
  /** Settled when the call is over: what a closed peer connection was asked for is never answered. */
  #over;
  #end = () => {};
  /** @type {import("./candidates.js").Candidate[]} candidates that came before the description that they belong to */
  #early = [];
  #isDescribed = false;
  /** @type {string | null} */
  #peerFingerprints = null;
  #peerNegotiates = false;
  /** Whether the peer has told the end of its own candidates. */
  #peerTellsEnd = false;
  #isCandidateUnread = false;
  /** @type {string[]} */
  #attributes = [];
  /** @type {RTCIceCandidate[]} what has been gathered so far */
  #candidates = [];
  /** @type {RTCIceCandidate[]} of later m-lines, which are bundled with the first by most answers */
  #held = [];
  #isPlaced = false;
  #isForgotten = false;
  /** Whether the client has registered since the call began, perhaps at a server that does not know it. */
  #isElsewhere = false;
  #needsNegotiation = false;
  #offerId = 0;
  #findings = 0;
  #relayRefused = false;
  /** @type {RTCDataChannel | null} */
  #control = null;
  /** @type {Map<string, number>} */
  #timers = new Map();
  #pathTimer = 0;
  /** @type {import("./path.js").SeenPath | null} */
  #pathSeen = null;
  #surroundings;
  /** @type {any} */
  #incoming;

  /**
   * @param {Surroundings} surroundings
   * @param {string} peerId
   * @param {string} callId
   * @param {any} [incoming] the payload of INCOMING_CALL
   */
  constructor(surroundings, peerId, callId, incoming) {
    this.#surroundings = surroundings;
    this.#incoming = incoming;
    this.#over = new Promise((/** @type {(value: void) => void} */ resolve) => (this.#end = resolve));
    this.clientId = surroundings.clientId;
    const sdp = incoming?.sdpOffer ?? "";
    this.status = Object.freeze({
      state: incoming ? "incoming" : "calling",
      sentence: "",
      callId,
      peerId,
      role: incoming ? "callee" : "caller",
      since: Date.now(),
      connectedAt: null,
      offers: { audio: offersToSend(sdp, "audio"), video: offersToSend(sdp, "video") },
    });
    this.peerKey = surroundings.keys.judge(peerId).catch(() => null);
  }

  get callId() {
    return this.status.callId;
  }

  get peerId() {
    return this.status.peerId;
  }

  get role() {
    return this.status.role;
  }

  /** Whether the offer, or the answer, has been sent. */
  get isPlaced() {
    return this.#isPlaced;
  }

  get isOver() {
    return this.status.state === "ended";
  }

  /**
   * Begin: the caller's `place` follows, or the callee's `accept`.
   *
   * @param {boolean} [rings] whether anybody has to be told
   */
  announce(rings = true) {
    if (rings) this.#change(this.status.state);
    const silent = this.role === "caller" ? "peer" : "you";
    this.#after("ring", RING_MS, () => this.finish("no-answer", silent, { say: true }));
    this.peerKey.then((peerKey) => peerKey && !this.isOver && this.#surroundings.judged(peerKey));
    if (this.role === "callee") this.#step(() => this.#verify(this.#incoming.sdpOffer));
  }

  /**
   * @param {MediaStream | null} stream
   * @returns {Promise<void>} when the offer is on its way
   */
  place(stream) {
    this.stream = stream;
    return this.#step(async () => {
      await this.#surroundings.iceServers.refreshIfOld();
      const rtc = this.#connect();
      this.#openControl(rtc);
      // Also what is not sent can be received: the callee may have a camera that the caller lacks.
      for (const kind of stream ? ["audio", "video"] : []) {
        const [track] = stream?.getTracks().filter((it) => it.kind === kind) ?? [];
        const streams = stream ? [stream] : [];
        rtc.addTransceiver(track ?? kind, { direction: track ? "sendrecv" : "recvonly", streams });
      }
      this.#surroundings.tell("peerconnection", { callId: this.callId, peerConnection: rtc });
      await rtc.setLocalDescription();
      await this.#sign(rtc);
      if (this.isOver) return;
      this.#post("CALL_INITIATE", () => this.#initiation(rtc));
      this.#placed(rtc);
    });
  }

  /**
   * @param {MediaStream | null} stream
   * @throws {SecureCallError} `no-call`
   */
  async accept(stream) {
    this.stream = stream;
    this.#clear("ring");
    this.#change("connecting");
    this.#after("connect", CONNECT_MS, () => this.#noPath());
    const { sdpOffer, iceServers } = this.#incoming;
    await this.#step(async () => {
      this.#surroundings.iceServers.use(iceServers);
      await this.#surroundings.iceServers.refreshIfOld();
      const rtc = this.#connect();
      if (offersData(sdpOffer)) this.#openControl(rtc);
      await rtc.setRemoteDescription({ type: "offer", sdp: sdpOffer });
      this.#describedBy(sdpOffer);
      this.#attach(rtc, stream);
      this.#surroundings.tell("peerconnection", { callId: this.callId, peerConnection: rtc });
      await rtc.setLocalDescription();
      await this.#sign(rtc);
      if (this.isOver) return;
      this.#post("CALL_ACCEPT", () => this.#acceptance(rtc));
      this.#placed(rtc);
      await this.#settle(rtc);
    });
    if (this.isOver && !this.#isPlaced) throw new SecureCallError("no-call", this.status.sentence);
  }

  /** @param {any} payload of CALL_ACCEPTED */
  accepted({ sdpAnswer, iceServers }) {
    this.#step(async () => {
      if (this.status.state !== "calling" || !this.rtc) return;
      this.#clear("ring");
      this.#clear("find");
      const sdp = readDescription(sdpAnswer);
      await this.#verify(sdp);
      if (this.isOver) return;
      this.#change("connecting");
      this.#after("connect", CONNECT_MS, () => this.#noPath());
      // For the next ICE restart: see `#configure`.
      this.#surroundings.iceServers.use(iceServers);
      await this.rtc.setRemoteDescription({ type: "answer", sdp });
      this.#describedBy(sdp);
      // A client that could not take them while it rang, because it has no queue, has them now.
      if (!this.#peerNegotiates) this.#candidates.filter(isOfFirstLine).forEach((it) => this.#postCandidate(it.candidate));
      this.#postHeld(this.rtc);
      this.#postEnd(this.rtc);
      await this.#settle(this.rtc);
    });
  }

  /** @param {any} given */
  candidate(given) {
    this.#step(async () => {
      if (given?.description) {
        await this.#negotiated(given.description);
        return;
      }
      const candidate = readCandidate(given);
      if (!candidate) this.#noteUnread();
      else if (this.#isDescribed) await this.#add(candidate);
      else this.#early.push(candidate);
      if (candidate?.line === "") this.#peerTellsEnd = true;
    });
  }

  /**
   * The server refused one of this call's messages.
   *
   * @param {ErrorCode} code
   * @param {string | undefined} request
   * @param {boolean} isRepeated
   */
  refused(code, request, isRepeated) {
    const { state } = this.status;
    if (request === "CALL_INITIATE" && state === "calling") this.#notPlaced(code, isRepeated);
    else if (request === "CALL_ACCEPT" && !isRepeated) this.#notAccepted(code);
    else if (request === "ICE_CANDIDATE" && code === "CALL_NOT_FOUND" && state !== "calling") {
      // The server came back without its memory. Media needs no server; but nothing can be mended any more.
      this.#isForgotten = true;
      if (state === "reconnecting") this.#noPath();
    }
  }

  /**
   * Registered, perhaps again.
   *
   * @param {boolean} isListed whether the server says that it knows the call
   */
  online(isListed) {
    const { state } = this.status;
    this.#isElsewhere = true;
    // A server that came back without its memory does not ring there any more, and does not list the call.
    if (state === "calling" && this.#isPlaced && this.rtc && !isListed) this.#placeAgain(this.rtc);
    if (state === "reconnecting") this.#mend(0);
  }

  /** INCOMING_CALL came again: a server that had forgotten the call has been told of it by the caller. */
  rangAgain() {
    const rtc = this.rtc;
    if (this.status.state !== "connecting" || !this.#isPlaced || !rtc) return;
    this.#clear("find");
    this.#isForgotten = false;
    this.#surroundings.connection.postAgain("CALL_ACCEPT", () => this.#acceptance(rtc), this.callId);
  }

  /**
   * @param {"audio" | "video"} kind
   * @param {MediaStreamTrack | null} track
   */
  async replaceTrack(kind, track) {
    const rtc = this.rtc;
    if (!rtc) throw new SecureCallError("no-call", NO_CALL_TO_SEND_IN, { callId: this.callId });
    const transceiver = rtc.getTransceivers().find((it) => it.receiver.track.kind === kind && it.mid !== null);
    if (!transceiver) {
      if (track) rtc.addTransceiver(track, { direction: "sendrecv", streams: this.stream ? [this.stream] : [] });
      return;
    }
    await transceiver.sender.replaceTrack(track);
    if (this.isOver) throw new SecureCallError("no-call", this.status.sentence, { callId: this.callId });
    if (track && this.stream) transceiver.sender.setStreams(this.stream);
    // The peer learns from it whether anything is to be seen or heard.
    const direction = track ? "sendrecv" : "recvonly";
    if (transceiver.direction !== direction) transceiver.direction = direction;
  }

  /**
   * @param {EndReason} reason
   * @param {"you" | "peer" | "server"} endedBy
   * @param {{say?: boolean, peerReason?: string, words?: string, rejectWith?: string, isQuiet?: boolean}} [how] `say`:
   *   tell the peer; `isQuiet`: not the application
   */
  finish(reason, endedBy, { say = false, peerReason, words, rejectWith, isQuiet = false } = {}) {
    if (this.isOver) return;
    const isIncoming = this.status.state === "incoming";
    for (const name of [...this.#timers.keys()]) this.#clear(name);
    clearInterval(this.#pathTimer);
    this.#surroundings.connection.forget(this.callId);
    const given = rejectWith ?? (SAID_REASONS.includes(reason) ? reason : undefined);
    // One that was never placed is unknown to the server.
    if (say && (this.role === "callee" || this.#isPlaced)) {
      this.#post(isIncoming ? "CALL_REJECT" : "CALL_END", { callId: this.callId, ...(given && { reason: given }) });
    }
    this.#leave(say ? given ?? "" : null);
    this.path = null;
    const sentence = words ?? END_SENTENCES[reason](this.peerId, endedBy, this.role);
    this.#change("ended", { sentence, reason, endedBy, ...(peerReason && { peerReason }) }, isQuiet);
    this.#end();
  }

  // - The peer connection -

  #connect() {
    const { iceServers, options } = this.#surroundings;
    const rtc = iceServers.configure(this.#configuration(), (configuration) => new RTCPeerConnection(configuration));
    this.rtc = rtc;
    rtc.onicecandidate = ({ candidate }) => this.#gathered(candidate);
    rtc.onicecandidateerror = (event) => this.#noteRelay(event);
    rtc.onconnectionstatechange = () => this.#connectionChanged(rtc);
    rtc.onnegotiationneeded = () => this.#negotiationNeeded();
    const everyMs = Math.min(bounded(options.pathIntervalMs, LEAST_PATH_MS, PATH_MS), LONGEST_MS);
    this.#pathTimer = setInterval(() => this.#lookAtPath(rtc), everyMs);
    return rtc;
  }

  /** @returns {RTCConfiguration} */
  #configuration() {
    const given = this.#surroundings.options.rtcConfiguration ?? {};
    const iceServers = [...this.#surroundings.iceServers.list, ...(given.iceServers ?? [])];
    // With the standard's bundlePolicy, "balanced": "max-bundle" refuses peers that do not bundle.
    return { ...given, iceServers };
  }

  /**
   * Use the newest credentials, for an ICE restart that comes next: browsers restart ICE with the next description after a
   * change, and Firefox at once where it comes before the browser is done with an answer.
   *
   * @param {RTCPeerConnection} rtc
   */
  #configure(rtc) {
    const { iceServers } = this.#surroundings;
    iceServers.configure(this.#configuration(), (configuration) => rtc.setConfiguration(configuration));
  }

  /** Renew the credentials before they expire, again and again; while an answer is awaited, for the next ICE restart. */
  #keepCredentials() {
    const { iceServers } = this.#surroundings;
    const delayMs = iceServers.refreshInMs;
    if (delayMs === null || this.isOver) return;
    this.#after("credentials", delayMs, async () => {
      await iceServers.refresh();
      if (this.rtc?.signalingState === "stable") this.#configure(this.rtc);
      this.#keepCredentials();
    });
  }

  /** @param {RTCPeerConnection} rtc */
  #openControl(rtc) {
    const channel = (this.#control = rtc.createDataChannel("securecall-control", CONTROL_CHANNEL));
    channel.onmessage = ({ data }) => this.#controlled(String(data));
  }

  /** @param {string} text */
  #controlled(text) {
    /** @type {any} */
    let message = null;
    try {
      message = JSON.parse(text);
    } catch {
      // Nothing that this version knows.
    }
    if (message?.type !== "bye") return;
    this.finish(...peerEnded("connected", message.reason));
    // A server that did not hear of it would keep the call.
    this.#surroundings.timers.after(BYE_ALONE_MS, () => {
      if (!this.#isForgotten) this.#post("CALL_END", { callId: this.callId });
    });
  }

  /** CALL_ENDED for a call that is over here: the server has heard of it. */
  closedByServer() {
    this.#isForgotten = true;
  }

  /**
   * The callee's tracks go where the offer has room for them.
   *
   * @param {RTCPeerConnection} rtc
   * @param {MediaStream | null} stream
   */
  #attach(rtc, stream) {
    if (!stream) return;
    for (const track of stream.getTracks()) {
      // Answers in the transceiver of the offer if there is one, and needs a negotiation afterwards if not.
      rtc.addTrack(track, stream);
    }
  }

  /** @param {RTCPeerConnection} rtc */
  async #sign(rtc) {
    const { keys } = this.#surroundings;
    const sdp = /** @type {RTCSessionDescription} */ (rtc.localDescription).sdp;
    // The peer looks the key up when it sees the signature.
    await Promise.race([keys.publish(), new Promise((resolve) => setTimeout(resolve, PUBLISH_MS))]);
    this.#attributes = [NEGOTIATES_ATTRIBUTE, ...(await keys.sign(signedText(this, this.role, sdp)))];
  }

  /** @param {RTCPeerConnection} rtc */
  #localSdp(rtc) {
    return withAttributes(/** @type {RTCSessionDescription} */ (rtc.localDescription).sdp, this.#attributes);
  }

  /**
   * @param {string} sdp the peer's description
   */
  async #verify(sdp) {
    const { keys, tell, judged } = this.#surroundings;
    const role = this.role === "caller" ? "callee" : "caller";
    const [signature] = attributeValues(sdp, IDENTITY_ATTRIBUTE);
    const text = signedText(this, role, sdp);
    let status = await keys.verify(await this.peerKey, this.peerId, text, signature);
    if (status === "forged") {
      // Unless the peer published a new key just after it was looked up.
      const peerKey = await keys.judge(this.peerId);
      this.peerKey = Promise.resolve(peerKey);
      if (this.isOver) return;
      judged(peerKey);
      status = await keys.verify(peerKey, this.peerId, text, signature);
    }
    if (this.isOver) return;
    const sentence = VERIFICATION_SENTENCES[status](this.peerId);
    this.verification = Object.freeze({ callId: this.callId, peerId: this.peerId, status, sentence });
    tell("verification", this.verification);
    if (status === "forged") this.finish("forged", "you", { say: true });
  }

  /** @param {string} sdp the peer's first description, which the browser has taken */
  #describedBy(sdp) {
    this.#isDescribed = true;
    this.#peerFingerprints = fingerprintsIn(sdp);
    this.#peerNegotiates = attributeValues(sdp, NEGOTIATES_ATTRIBUTE).length > 0;
  }

  /** @param {RTCPeerConnection} rtc */
  async #settle(rtc) {
    const early = this.#early;
    this.#early = [];
    for (const candidate of early) await this.#add(candidate);
    this.#syncRemoteTracks(rtc);
  }

  /** @param {RTCPeerConnection} rtc */
  #syncRemoteTracks(rtc) {
    const receiving = rtc.getTransceivers().filter(({ currentDirection }) => /recv/.test(currentDirection ?? ""));
    const tracks = receiving.map(({ receiver }) => receiver.track);
    const gone = this.remoteStream.getTracks().filter((track) => !tracks.includes(track));
    const come = tracks.filter((track) => !this.remoteStream.getTracks().includes(track));
    for (const track of gone) this.remoteStream.removeTrack(track);
    for (const track of come) this.remoteStream.addTrack(track);
    if (gone.length + come.length === 0) return;
    const stream = this.remoteStream;
    const [hasAudio, hasVideo] = [stream.getAudioTracks().length > 0, stream.getVideoTracks().length > 0];
    this.#surroundings.tell("remotestream", { callId: this.callId, stream, hasAudio, hasVideo });
  }

  // - Candidates -

  /** @param {RTCIceCandidate | null} candidate */
  #gathered(candidate) {
    if (this.isOver) return;
    if (candidate?.candidate) this.#candidates.push(candidate);
    else if (candidate === null && this.#candidates.length === 0 && this.status.connectedAt === null) {
      // Not one candidate: nobody has to wait for that to fail.
      this.#noPath();
      return;
    }
    // What is gathered before the description is sent goes with it.
    if (!this.#isPlaced || candidate?.candidate === "") return;
    if (candidate === null) this.#postEnd(this.rtc);
    else if (isOfFirstLine(candidate)) this.#postCandidate(candidate.candidate);
    else {
      this.#held.push(candidate);
      if (this.rtc?.signalingState === "stable") this.#postHeld(this.rtc);
    }
  }

  /**
   * Send the candidates of later m-lines that the answer has not bundled with another one.
   *
   * @param {RTCPeerConnection} rtc which has an answer
   */
  #postHeld(rtc) {
    const answer = [rtc.currentLocalDescription, rtc.currentRemoteDescription].find((it) => it?.type === "answer");
    const lines = linesWithTransport(answer?.sdp ?? "");
    for (const candidate of this.#held) {
      // Clients that know only the reference expect a string: its m-line is said where it is not the first.
      if (lines.includes(candidate.sdpMLineIndex ?? 0)) this.#postCandidate(candidate.toJSON());
    }
    this.#held = [];
  }

  /** @param {RTCPeerConnection} rtc whose description was just sent */
  #placed(rtc) {
    this.#isPlaced = true;
    this.#postEnd(rtc);
  }

  /**
   * Tell the end of the candidates to a peer that takes it: native SDKs read every string as a candidate, and throw.
   *
   * @param {RTCPeerConnection | null} rtc
   */
  #postEnd(rtc) {
    const isTaken = this.#peerNegotiates || this.#peerTellsEnd;
    if (isTaken && rtc?.iceGatheringState === "complete") this.#postCandidate("");
  }

  /** @param {unknown} candidate a line, `""` for the end of them, or an `RTCIceCandidateInit` */
  #postCandidate(candidate) {
    this.#post("ICE_CANDIDATE", { callId: this.callId, candidate });
  }

  /** @param {import("./candidates.js").Candidate} candidate */
  async #add(candidate) {
    try {
      await this.rtc?.addIceCandidate(candidateInit(candidate, readSdp(this.rtc.remoteDescription?.sdp ?? "")));
    } catch {
      // One that the browser does not understand, or of an offer that gave way; others are on their way.
    }
  }

  #noteUnread() {
    if (this.#isCandidateUnread) return;
    this.#isCandidateUnread = true;
    this.#fault("unreadable-candidate", unreadable(this.peerId), "ICE_CANDIDATE");
  }

  /** @param {RTCPeerConnectionIceErrorEvent} event */
  #noteRelay({ errorCode, url }) {
    if (![401, 403, 438, 441].includes(errorCode) || this.#relayRefused) return;
    this.#relayRefused = true;
    const sentence = "The relay server refused the credentials of the signaling server. Its operator can mend that.";
    this.#fault("relay-refused", sentence, url);
  }

  #noPath() {
    const words = this.#relayRefused
      ? `No way to ${this.peerId} was found: the relay server refused the credentials. Its operator can mend that.`
      : undefined;
    this.finish("media-failed", "you", { say: true, words });
  }

  // - Placing -

  /**
   * @param {ErrorCode} code
   * @param {boolean} isRepeated
   */
  #notPlaced(code, isRepeated) {
    if (code === "TARGET_NOT_FOUND" && isRepeated && this.#findings < FIND_AGAIN_TIMES) {
      this.#findings += 1;
      this.#after("find", FIND_AGAIN_MS, () => this.rtc && this.#placeAgain(this.rtc));
    } else if (code === "TARGET_NOT_FOUND") {
      this.finish("not-connected", "server");
    } else if (!(code === "INVALID_MESSAGE" && isRepeated)) {
      // Repeated, it says that the callId is known: it rings there still.
      this.#fault(code, ERROR_SENTENCES[code] ?? code, "CALL_INITIATE");
      this.finish("failed", "server");
    }
  }

  /** @param {ErrorCode} code */
  #notAccepted(code) {
    const gone = () => this.finish("gone", "peer");
    // The caller may be on its way to the server that does not know the call.
    if (code === "CALL_NOT_FOUND" && this.#isElsewhere) this.#after("find", RING_AGAIN_MS, gone);
    else gone();
  }

  /** @param {RTCPeerConnection} rtc */
  #placeAgain(rtc) {
    this.#surroundings.connection.postAgain("CALL_INITIATE", () => this.#initiation(rtc), this.callId);
  }

  /**
   * @param {RTCPeerConnection} rtc
   * @returns {Record<string, unknown>} with the candidates that have been gathered by then
   */
  #initiation(rtc) {
    return { targetId: this.peerId, sdpOffer: this.#localSdp(rtc), callId: this.callId };
  }

  /**
   * @param {RTCPeerConnection} rtc
   * @returns {Record<string, unknown>} likewise
   */
  #acceptance(rtc) {
    return { callId: this.callId, sdpAnswer: this.#localSdp(rtc) };
  }

  // - Negotiation after the answer -

  #negotiationNeeded() {
    if (["connected", "reconnecting"].includes(this.status.state)) this.#negotiate(false);
    else this.#needsNegotiation = this.status.state === "connecting";
  }

  /** @param {boolean} iceRestart */
  #negotiate(iceRestart) {
    this.#step(async () => {
      const { connection, iceServers } = this.#surroundings;
      const rtc = this.rtc;
      // Offline: `online` comes back to it.
      if (!rtc || !this.#peerNegotiates || this.#isForgotten || !connection.isOnline) return;
      if (iceRestart) {
        await iceServers.refresh();
        this.#configure(rtc);
        this.#candidates = [];
      }
      await rtc.setLocalDescription(await rtc.createOffer({ iceRestart }));
      this.#offerId += 1;
      this.#postDescription("offer", rtc, this.#offerId);
    });
  }

  /**
   * @param {"offer" | "answer"} type
   * @param {RTCPeerConnection} rtc
   * @param {number} id
   */
  #postDescription(type, rtc, id) {
    this.#postCandidate({ candidate: "", sdpMid: "0", description: { type, sdp: this.#localSdp(rtc), id } });
  }

  /** @param {{type: string, sdp: string, id: number}} description */
  async #negotiated({ type, sdp, id }) {
    const rtc = this.rtc;
    if (!rtc || !this.#isDescribed || typeof sdp !== "string") return;
    // The media's keys do not change during a call: whoever sends others is not the peer.
    const fingerprints = fingerprintsIn(sdp);
    if (fingerprints === null || fingerprints !== this.#peerFingerprints) return;
    if (type === "answer") {
      // Not the answer to an offer that gave way, or that a newer one replaced.
      if (rtc.signalingState !== "have-local-offer" || id !== this.#offerId) return;
      await rtc.setRemoteDescription({ type, sdp });
      this.#postHeld(rtc);
    } else if (type === "offer" && (rtc.signalingState === "stable" || this.role === "callee")) {
      if (restartsIce(sdp, rtc.remoteDescription)) {
        await this.#surroundings.iceServers.refreshIfOld();
        this.#configure(rtc);
      }
      // Beside an offer of its own that does not restart ICE, also one that is rolled back, Firefox takes none that does,
      // unless it has been about to restart ICE itself.
      if (rtc.signalingState === "have-local-offer") await rtc.createOffer({ iceRestart: true });
      await rtc.setRemoteDescription({ type, sdp });
      await rtc.setLocalDescription();
      this.#postDescription("answer", rtc, id);
    }
    this.#syncRemoteTracks(rtc);
  }

  // - The path -

  /** @param {RTCPeerConnection} rtc */
  #connectionChanged(rtc) {
    const { state } = this.status;
    if (rtc.connectionState === "connected") this.#connected();
    else if (!["disconnected", "failed"].includes(rtc.connectionState)) return;
    else if (state === "connected") {
      this.#change("reconnecting");
      this.#after("deadline", MEND_MS, () => this.#noPath());
      this.#mend(rtc.connectionState === "failed" ? 0 : RESTART_AFTER_MS[this.role]);
    } else if (rtc.connectionState === "failed") {
      if (this.#peerNegotiates && !this.#isForgotten) this.#mend(0);
      else this.#noPath();
    }
  }

  #connected() {
    for (const name of ["connect", "deadline", "find", "restart"]) this.#clear(name);
    if (this.status.state === "connected") return;
    this.#change("connected", { connectedAt: this.status.connectedAt ?? Date.now() });
    this.#keepCredentials();
    if (this.#needsNegotiation) this.#negotiate(false);
    this.#needsNegotiation = false;
  }

  /** @param {number} delayMs */
  #mend(delayMs) {
    this.#after("restart", delayMs, () => {
      this.#negotiate(true);
      this.#mend(RESTART_EVERY_MS);
    });
  }

  /** @param {RTCPeerConnection} rtc */
  async #lookAtPath(rtc) {
    if (this.status.state !== "connected") return;
    const path = pathIn(await rtc.getStats(), this.callId, this.#pathSeen);
    if (!path || this.status.state !== "connected") return;
    this.#pathSeen = path;
    this.path = path.status;
    this.#surroundings.tell("path", this.path);
  }

  // - Odds and ends -

  /**
   * @param {string | null} bye the reason to tell the peer, perhaps empty; null to say nothing
   */
  #leave(bye) {
    const rtc = this.rtc;
    if (!rtc) return;
    if (bye === null || this.#control?.readyState !== "open") {
      rtc.close();
      return;
    }
    // Nothing is sent from now on; but a connection that is closed at once would take the message with it.
    for (const sender of rtc.getSenders()) sender.replaceTrack(null).catch(() => undefined);
    for (const track of this.remoteStream.getTracks()) track.enabled = false;
    this.#control.send(JSON.stringify({ type: "bye", ...(bye && { reason: bye }) }));
    this.#control.onclose = () => rtc.close();
    setTimeout(() => rtc.close(), BYE_MS);
  }

  /**
   * @param {() => Promise<void>} run
   * @returns {Promise<void>}
   */
  #step(run) {
    this.#steps = this.#steps.then(async () => {
      if (this.isOver) return;
      try {
        await Promise.race([run(), this.#over]);
      } catch (error) {
        this.#failed(error);
      }
    });
    return this.#steps;
  }

  /** @param {unknown} error */
  #failed(error) {
    // Closed while it was at work.
    if (this.isOver) return;
    const sentence = `The browser could not do what the call needs: ${error instanceof Error ? error.message : error}`;
    this.#fault("media", sentence);
    // What was agreed on before a negotiation that failed goes on.
    if (this.status.connectedAt === null) this.finish("failed", "you", { say: true });
  }

  /**
   * @param {ErrorCode} code
   * @param {string} sentence
   * @param {string} [request]
   */
  #fault(code, sentence, request) {
    this.#surroundings.tell("error", new SecureCallError(code, sentence, { request, callId: this.callId }));
  }

  /**
   * @param {string} type
   * @param {Record<string, unknown> | (() => Record<string, unknown>)} payload
   */
  #post(type, payload) {
    this.#surroundings.connection.post(type, payload, this.callId);
  }

  /**
   * @param {CallStatus["state"]} state
   * @param {Partial<CallStatus>} [more]
   * @param {boolean} [isQuiet]
   */
  #change(state, more = {}, isQuiet = false) {
    const sentence = CALL_SENTENCES[state]?.(this.peerId) ?? "";
    this.status = Object.freeze({ ...this.status, state, sentence, since: Date.now(), ...more });
    if (!isQuiet) this.#surroundings.tell("call", this.status);
  }

  /**
   * @param {string} name one timer each
   * @param {number} delayMs
   * @param {() => void} run
   */
  #after(name, delayMs, run) {
    this.#clear(name);
    this.#timers.set(name, this.#surroundings.timers.after(delayMs, run));
  }

  /** @param {string} name */
  #clear(name) {
    const timer = this.#timers.get(name);
    if (timer !== undefined) this.#surroundings.timers.clear(timer);
    this.#timers.delete(name);
  }
}

/** @param {RTCIceCandidate} candidate */
function isOfFirstLine({ sdpMLineIndex }) {
  return !sdpMLineIndex;
}

// What the peer should know of an end, as the reason of CALL_END.
/** @type {EndReason[]} */
const SAID_REASONS = ["media-failed", "forged"];

/**
 * How a call ended that the peer, or the server, ended.
 *
 * @param {CallStatus["state"]} state
 * @param {unknown} reason as it came
 * @returns {[EndReason, "peer" | "server", {peerReason?: string}]}
 */
export function peerEnded(state, reason) {
  if (reason === "timeout") return ["no-answer", "server", {}];
  if (reason === "peer_disconnected") return ["peer-disconnected", "server", {}];
  if (reason === "operator") return ["operator", "server", {}];
  const peerReason = typeof reason === "string" ? { peerReason: reason } : {};
  for (const said of SAID_REASONS) if (reason === said) return [said, "peer", {}];
  if (state === "calling") return ["rejected", "peer", peerReason];
  return [state === "incoming" ? "cancelled" : "hung-up", "peer", peerReason];
}
