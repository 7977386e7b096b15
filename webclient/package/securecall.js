/**
 * A browser client for the SecureCall signaling server. What it offers is described in securecall.d.ts.
 *
 * This is the module to import; it needs `timer-worker.js` and the folder `securecall/` beside it, and nothing else.
 *
 * Beyond the server's protocol two clients with this library agree on the following. Each is additive: a client that
 * knows only the protocol ignores it.
 *
 * - **The identity signs the media.** Descriptions carry, before their first m-line, `a=x-securecall-identity:` and a
 *   signature (ECDSA P-256 with SHA-256, r and s, base64url) by the key in the directory over the lines
 *   `securecall-identity-v1`, callId, caller's ID, callee's ID, `caller` or `callee`, and the values of all
 *   `a=fingerprint:` lines, sorted. A relay that swaps fingerprints to listen in cannot sign them. Nothing is signed
 *   or verified unless the IDs keep to the protocol's alphabets and the word `fingerprint`, in whatever case, stands in
 *   the description only where `a=fingerprint:` begins a line, and once at least.
 * - **Negotiation goes on after the call is answered.** `a=x-securecall:negotiates` says that a client can. An
 *   `ICE_CANDIDATE` whose candidate is `{"candidate": "", "sdpMid": "0", "description": {"type", "sdp", "id"}}` carries
 *   an offer, to restart ICE or to add a track, or the answer with the offer's `id`. Others take it for the end of the
 *   candidates. When offers meet, the callee gives way.
 * - **A hang-up takes the media's way too**: `{"type": "bye", "reason"?}` on data channel 255, negotiated in advance.
 *   It arrives also while a server is away, or when it came back without its memory.
 * - **Whoever is still there says so**: `{"type": "ask"}` on the same channel is answered with `{"type": "here"}`. A newer call
 *   from the peer takes the place of this one if it does not come.
 *
 * @typedef {import("./securecall.js").SignalingStatus} SignalingStatus
 * @typedef {import("./securecall.js").CallStatus} CallStatus
 * @typedef {import("./securecall.js").PathStatus} PathStatus
 * @typedef {import("./securecall.js").Identity} Identity
 * @typedef {import("./securecall.js").PeerKey} PeerKey
 * @typedef {import("./securecall.js").Verification} Verification
 * @typedef {import("./securecall.js").ErrorCode} ErrorCode
 * @typedef {import("./securecall.js").EndReason} EndReason
 * @typedef {import("./securecall.js").SecureCallOptions} SecureCallOptions
 */

import { base64url } from "./securecall/bytes.js";
import { Call } from "./securecall/call/call.js";
import { peerEnded } from "./securecall/call/ends.js";
import { waitsForServer } from "./securecall/call/states.js";
import { replaceTrack } from "./securecall/call/tracks.js";
import { Connection } from "./securecall/connection.js";
import { readDescription } from "./securecall/description.js";
import { ERROR_SENTENCES, NO_CALL_TO_SEND_IN, SecureCallError, WORKER_SENTENCE } from "./securecall/errors.js";
import { IceServers } from "./securecall/ice-servers.js";
import { isCallId, isClientId } from "./securecall/ids.js";
import { KeyRing } from "./securecall/key-ring.js";
import { Timers, bounded } from "./securecall/timers.js";

export { SecureCallError } from "./securecall/errors.js";
export { inGroups } from "./securecall/groups.js";

// The protocol's.
const HEARTBEAT_MS = 30_000;
const LEAST_HEARTBEAT_MS = 100;

/** @implements {Pick<import("./securecall.js").SecureCall, keyof import("./securecall.js").SecureCall>} */
export class SecureCall extends EventTarget {
  #connection;
  #keys;
  #timers;
  #iceServers;
  #surroundings;
  /** @type {Call | null} */
  #call = null;
  /** @type {PeerKey | null} */
  #peerKey = null;
  /** @type {Map<string, Call>} calls that are over, to know what still comes for them */
  #past = new Map();

  /**
   * @param {string | URL} url
   * @param {SecureCallOptions} options
   */
  constructor(url, options) {
    super();
    const { clientId, heartbeatIntervalMs } = options;
    const heartbeatMs = bounded(heartbeatIntervalMs, LEAST_HEARTBEAT_MS, HEARTBEAT_MS);
    checkClientId(clientId);
    this.clientId = clientId;
    this.#timers = new Timers(options.workerUrl, () => {
      this.#tell("warning", new SecureCallError("worker-unavailable", WORKER_SENTENCE));
    });
    this.#connection = new Connection(webSocketUrl(url), clientId, heartbeatMs, this.#timers, {
      changed: (status) => this.#signalingChanged(status),
      isInCall: () => this.#ongoing !== null,
      registered: (payload) => this.#registered(payload),
      received: (type, payload) => this.#received(type, payload),
      refused: (error, isRepeated) => this.#refused(error, isRepeated),
    });
    this.#iceServers = new IceServers(this.#connection, (error) => this.#tell("error", error));
    this.#keys = new KeyRing(this.#connection, clientId, {
      identity: (identity) => this.#tell("identity", identity),
      error: (error) => this.#tell("error", error),
    });
    this.#surroundings = {
      clientId,
      connection: this.#connection,
      keys: this.#keys,
      timers: this.#timers,
      iceServers: this.#iceServers,
      options,
      tell: this.#tell.bind(this),
      judged: this.#judged.bind(this),
    };
  }

  get url() {
    return this.#connection.url;
  }

  get signaling() {
    return this.#connection.status;
  }

  get currentCall() {
    return this.#call?.status ?? null;
  }

  get path() {
    return this.#call?.path ?? null;
  }

  get remoteStream() {
    const stream = this.#call?.remoteStream;
    return stream?.getTracks().length ? stream : null;
  }

  get identity() {
    return this.#keys.identity;
  }

  get peerKey() {
    return this.#peerKey;
  }

  get verification() {
    return this.#call?.verification ?? null;
  }

  get peerConnection() {
    return this.#ongoing?.rtc ?? null;
  }

  async connect() {
    const { state } = this.signaling;
    if (state === "online") return;
    if (["idle", "superseded", "closed"].includes(state)) this.#keys.doubt();
    const registered = new Promise((/** @type {(value: void) => void} */ resolve, reject) => {
      const settle = () => {
        const { state: now, sentence } = this.signaling;
        if (now === "connecting" || now === "waiting") return;
        this.removeEventListener("signaling", settle);
        if (now === "superseded" || now === "closed") reject(new SecureCallError(now, sentence));
        else resolve();
      };
      try {
        this.#connection.start();
      } catch {
        // A page that came by https may not connect without encryption.
        reject(new SecureCallError("invalid-url", `This page may not connect to ${this.url}; use a wss: address.`));
      }
      this.addEventListener("signaling", settle);
    });
    await registered;
  }

  disconnect() {
    this.hangUp();
    this.#connection.stop();
    this.#timers.stop();
  }

  /**
   * @param {string} targetId
   * @param {MediaStream | null} [stream]
   */
  async call(targetId, stream = null) {
    checkClientId(targetId);
    if (targetId === this.clientId) throw new SecureCallError("invalid-client-id", "You cannot call yourself.");
    if (this.#ongoing) throw new SecureCallError("busy", "You are in a call already. Hang up first.");
    if (!this.#connection.isOnline) {
      throw new SecureCallError("offline", "There is no connection to the server. Try again when it is back.");
    }
    const call = this.#begin(new Call(this.#surroundings, targetId, newCallId()));
    await call.opening.place(stream);
    return call.callId;
  }

  /**
   * @param {MediaStream | null} [stream]
   * @param {string} [callId]
   */
  async accept(stream = null, callId) {
    const call = this.#meant(callId);
    if (call?.status.state !== "incoming") throw this.#noCall(callId, "Nobody is calling.");
    await call.opening.accept(stream);
  }

  /**
   * @param {string} [reason]
   * @param {string} [callId]
   */
  reject(reason, callId) {
    const call = this.#meant(callId);
    if (call?.status.state !== "incoming") return;
    call.finish("rejected", "you", { say: true, rejectWith: reason?.slice(0, 64) });
  }

  /** @param {string} [callId] */
  hangUp(callId) {
    const call = this.#meant(callId);
    if (!call) return;
    const { state } = call.status;
    if (state === "incoming") this.reject();
    else call.finish(state === "calling" ? "cancelled" : "hung-up", "you", { say: true });
  }

  /**
   * @param {"audio" | "video"} kind
   * @param {MediaStreamTrack | null} track
   * @param {string} [callId]
   */
  async replaceTrack(kind, track, callId) {
    const call = this.#meant(callId);
    if (!call) throw this.#noCall(callId, NO_CALL_TO_SEND_IN);
    await replaceTrack(call, kind, track);
  }

  retryNow() {
    this.#connection.retryNow();
  }

  /** @param {string} [peerId] */
  async lookUpPeerKey(peerId) {
    const peerKey = await this.#keys.judge(this.#peerOr(peerId));
    this.#judged(peerKey);
    return peerKey;
  }

  /**
   * @param {string} [peerId]
   * @param {string | null} [publicKey]
   */
  async acceptPeerKey(peerId, publicKey) {
    const peerKey = await this.#keys.accept(this.#peerOr(peerId), publicKey);
    this.#judged(peerKey);
    return peerKey;
  }

  /**
   * @param {boolean} isVerified
   * @param {string} [peerId]
   * @param {string | null} [publicKey]
   */
  async setPeerVerified(isVerified, peerId, publicKey) {
    const id = this.#peerOr(peerId);
    const found = this.#peerKey?.peerId === id ? this.#peerKey : await this.#keys.judge(id);
    const isMeant = publicKey === undefined || publicKey === found.publicKey;
    const peerKey = isMeant ? await this.#keys.setVerified(found, isVerified) : found;
    this.#judged(peerKey);
    return peerKey;
  }

  /** @param {string} [peerId] */
  async safetyNumber(peerId) {
    const id = this.#peerOr(peerId);
    return this.#safetyNumberFor(this.#peerKey?.peerId === id ? this.#peerKey : await this.#keys.judge(id));
  }

  replaceIdentity() {
    return this.#keys.replace();
  }

  /** The call that is not over, if there is one. */
  get #ongoing() {
    return this.#call?.isOver ? null : this.#call;
  }

  /**
   * The call that is not over, if it is the one that an act was meant for: while the browser asked for a microphone,
   * that one may have ended and another one come in.
   *
   * @param {string | undefined} callId undefined: whichever there is
   */
  #meant(callId) {
    return callId === undefined || callId === this.#call?.callId ? this.#ongoing : null;
  }

  /**
   * @param {string | undefined} callId
   * @param {string} sentence unless it is known how that call ended
   */
  #noCall(callId, sentence) {
    const past = callId === undefined ? undefined : this.#past.get(callId);
    return new SecureCallError("no-call", past?.isOver ? past.status.sentence : sentence, { callId });
  }

  /** @param {string | undefined} peerId */
  #peerOr(peerId) {
    const id = peerId ?? this.#call?.peerId;
    if (id === undefined) throw new SecureCallError("no-call", "There is no call; say whose key you mean.");
    if (!this.#connection.isOnline) throw new SecureCallError("offline", "There is no connection to the server.");
    return id;
  }

  /** @param {PeerKey} peerKey */
  async #safetyNumberFor({ peerId, publicKey }) {
    const own = this.identity?.publicKey;
    if (publicKey === null || own === undefined) return null;
    return safetyNumber({ clientId: this.clientId, publicKey: own }, { clientId: peerId, publicKey });
  }

  /** @param {PeerKey} peerKey */
  async #judged(peerKey) {
    const isCurrent = this.#call?.peerId === peerKey.peerId;
    if (isCurrent) this.#peerKey = peerKey;
    this.#tell("peerkey", peerKey);
    if (!isCurrent) return;
    const digits = await this.#safetyNumberFor(peerKey);
    const { peerId, publicKey } = peerKey;
    if (digits && this.#peerKey === peerKey) this.#tell("safetynumber", { peerId, publicKey, digits });
  }

  /**
   * @param {Call} call
   * @param {boolean} [rings]
   */
  #begin(call, rings = true) {
    this.#call = call;
    this.#peerKey = null;
    this.#keep(call);
    call.announce(rings);
    return call;
  }

  /** @param {Call} call whose messages are for it from now on, also when it is over */
  #keep(call) {
    this.#past.set(call.callId, call);
    if (this.#past.size > 32) this.#past.delete(this.#past.keys().next().value ?? "");
  }

  /** @param {SignalingStatus} status */
  #signalingChanged(status) {
    this.#tell("signaling", status);
    if (status.state === "superseded") this.#call?.finish("superseded", "server", { say: true });
  }

  /** @param {any} payload of REGISTERED */
  #registered({ iceServers, calls }) {
    this.#iceServers.use(iceServers);
    this.#keys.publish();
    /** @type {{callId: string, role: string, state: string}[]} */
    const standing = Array.isArray(calls) ? calls : [];
    this.#call?.online(standing.some(({ callId }) => callId === this.#call?.callId));
    for (const { callId, role, state } of standing) {
      // Its media went with the page that it was in before. One that rings here can still be answered.
      const canBeAnswered = role === "callee" && state === "ringing";
      if (!this.#past.has(callId) && !canBeAnswered) this.#connection.post("CALL_END", { callId }, callId);
    }
  }

  /**
   * @param {string} type
   * @param {any} payload
   */
  #received(type, payload) {
    if (type === "INCOMING_CALL") {
      this.#incoming(payload);
      return;
    }
    const call = this.#past.get(payload.callId);
    if (!call) return;
    if (call.isOver) {
      if (type === "CALL_ENDED") call.placing.forget();
    } else if (call !== this.#call) {
      // It waits to ring.
      if (type === "ICE_CANDIDATE") call.candidate(payload.candidate);
      else call.finish("cancelled", "peer", { isQuiet: true });
    } else if (type === "CALL_ACCEPTED") call.opening.accepted(payload);
    else if (type === "ICE_CANDIDATE") call.candidate(payload.candidate);
    else if (type === "CALL_ENDED") call.finish(...peerEnded(call.status.state, payload.reason));
    else if (type === "CALL_REJECTED" && payload.reason === "busy") call.finish("busy", "peer");
    else if (type === "CALL_REJECTED") call.finish(...peerEnded("calling", payload.reason));
  }

  /** @param {any} payload of INCOMING_CALL */
  #incoming(payload) {
    const { callId, callerId: peerId } = payload;
    if (!isCallId(callId) || !isClientId(peerId) || typeof payload.sdpOffer !== "string") {
      this.#tell("error", new SecureCallError("invalid-call", ERROR_SENTENCES["invalid-call"]));
      return;
    }
    const incoming = { ...payload, sdpOffer: readDescription(payload.sdpOffer) };
    const known = this.#past.get(callId);
    // Placed again, because its caller did not know whether the server still had it.
    if (known && !known.isOver) {
      known.placing.rangAgain();
      return;
    }
    const call = this.#ongoing;
    // One that is over here rings because the server was not told so yet.
    if (known) this.#connection.post("CALL_REJECT", { callId }, callId);
    else if (!call) this.#begin(new Call(this.#surroundings, peerId, callId, incoming));
    else if (call.peerId !== peerId) this.#miss(callId, peerId);
    else if (call.status.state === "calling") this.#meet(call, incoming);
    else this.#renew(call, new Call(this.#surroundings, peerId, callId, incoming));
  }

  /**
   * Whoever calls anew has lost the old call, or given it up: it rings. Where the old one is well, its peer is asked first.
   *
   * @param {Call} old
   * @param {Call} call
   */
  async #renew(old, call) {
    const { callId, peerId } = call;
    const { state } = old.status;
    // Its candidates may come, or its end, before it is known whether it rings.
    this.#keep(call);
    if (state === "connected" && (await old.mending.isPeerThere())) {
      const isWaiting = !call.isOver;
      call.finish("busy", "you", { isQuiet: true });
      if (isWaiting) this.#miss(callId, peerId);
      return;
    }
    if (call.isOver || (this.#ongoing ?? old) !== old) return;
    if (state === "incoming") old.finish("cancelled", "peer", { say: true, isQuiet: true });
    else old.finish("peer-disconnected", "peer", { say: true });
    this.#begin(call);
  }

  /**
   * @param {string} callId
   * @param {string} peerId
   */
  #miss(callId, peerId) {
    this.#rejectBusy(callId);
    this.#tell("missedcall", { callId, peerId, at: Date.now() });
  }

  /** @param {string} callId */
  #rejectBusy(callId) {
    this.#connection.post("CALL_REJECT", { callId, reason: "busy" }, callId);
  }

  /**
   * Both called each other. Both want to talk, so nobody has to answer: the call with the smaller ID wins on
   * both sides, without another word.
   *
   * @param {Call} own
   * @param {any} payload of INCOMING_CALL
   */
  #meet(own, payload) {
    const { callId, callerId } = payload;
    // One that the server has not taken is as if it had never been: the peer could not tell that it lost.
    if (own.placing.isStanding && own.callId < callId) {
      this.#rejectBusy(callId);
      return;
    }
    own.finish("cancelled", "you", { say: true, isQuiet: true });
    const call = this.#begin(new Call(this.#surroundings, callerId, callId, payload), false);
    // How that goes is told by events.
    call.opening.accept(own.stream).catch(() => undefined);
  }

  /**
   * @param {{code: ErrorCode, request?: string, callId?: string}} error
   * @param {boolean} isRepeated
   */
  #refused({ code, request, callId }, isRepeated) {
    const call = callId === undefined ? undefined : this.#past.get(callId);
    if (call) {
      if (!call.isOver) call.placing.refused(code, request, isRepeated);
      return;
    }
    // An end that arrived twice, or after the peer's.
    if (code === "CALL_NOT_FOUND") return;
    this.#tell("error", new SecureCallError(code, ERROR_SENTENCES[code] ?? code, { request, callId }));
  }

  /**
   * @param {string} type
   * @param {unknown} detail
   */
  #tell(type, detail) {
    if (type === "call") this.#connection.watchClosely(waitsForServer(this.#ongoing?.status.state));
    this.dispatchEvent(new CustomEvent(type, { detail }));
  }
}

/** @type {typeof import("./securecall.js").safetyNumber} */
export async function safetyNumber(one, other) {
  return (await import("./securecall/safety-number.js")).safetyNumber(one, other);
}

/** @type {typeof import("./securecall.js").fingerprint} */
export async function fingerprint(publicKey) {
  return (await import("./securecall/safety-number.js")).fingerprint(publicKey);
}

/** @param {unknown} clientId */
function checkClientId(clientId) {
  if (isClientId(clientId)) return;
  const sentence = "A name has 1 to 64 letters, digits, hyphens or underscores, without spaces.";
  throw new SecureCallError("invalid-client-id", sentence);
}

/**
 * @param {string | URL} url
 * @returns {string}
 */
function webSocketUrl(url) {
  try {
    const absolute = new URL(url, location.href);
    absolute.protocol = absolute.protocol.replace(/^http/, "ws");
    absolute.hash = "";
    if (/^wss?:$/.test(absolute.protocol)) return absolute.href;
  } catch {
    // Told below.
  }
  throw new SecureCallError("invalid-url", `${url} is not the address of a server; it looks like wss://host/signal.`);
}

/** 128 random bits, in the alphabet that the protocol has for call IDs. */
function newCallId() {
  return base64url(crypto.getRandomValues(new Uint8Array(16)).buffer);
}
