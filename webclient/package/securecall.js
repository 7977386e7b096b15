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
 * - **A page that is loaded anew takes its call up again.** `a=x-securecall:resumes` says that a client can. The description of such
 *   an `ICE_CANDIDATE` has `anew`, how often that happened in this call, in place of `id`: it comes from another peer connection, signed like
 *   the first one where that was, and is answered from another one, too.
 * - **A hang-up takes the media's way too**: `{"type": "bye", "reason"?}` on data channel 255, negotiated in advance.
 *   It arrives also while a server is away, or when it came back without its memory.
 * - **Whoever is still there says so**: `{"type": "ask"}` on the same channel is answered with `{"type": "here"}`. A newer call
 *   from the peer takes the place of this one if it does not come.
 * - **Media that ends by itself is told**: `{"type": "stopped", "kind": "audio" | "video"}` on it, and `{"type": "sends", "kind"}` when
 *   another microphone or camera took its place.
 *
 * @typedef {import("./securecall.js").SignalingStatus} SignalingStatus
 * @typedef {import("./securecall.js").Identity} Identity
 * @typedef {import("./securecall.js").PeerKey} PeerKey
 * @typedef {import("./securecall.js").SecureCallOptions} SecureCallOptions
 */

import { CallRing } from "./securecall/call-ring.js";
import { Connection } from "./securecall/connection.js";
import { SecureCallError, WORKER_SENTENCE } from "./securecall/errors.js";
import { IceServers } from "./securecall/ice-servers.js";
import { isClientId } from "./securecall/ids.js";
import { KeyRing } from "./securecall/key-ring.js";
import { Timers, bounded } from "./securecall/timers.js";

export { SecureCallError } from "./securecall/errors.js";
export { inGroups } from "./securecall/groups.js";

// The protocol's.
const HEARTBEAT_MS = 30_000;
const LEAST_HEARTBEAT_MS = 100;

/** @implements {Pick<import("./securecall.js").SecureCall, keyof import("./securecall.js").SecureCall>} */
export class SecureCall extends EventTarget {
  /** @type {Connection} */
  #connection;
  #keys;
  #timers;
  #iceServers;
  /** @type {CallRing} */
  #calls;
  /** @type {PeerKey | null} */
  #peerKey = null;

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
      received: (type, payload) => this.#calls.later((calls) => calls.received(type, payload)),
      refused: (error, isRepeated) => this.#refused(error, isRepeated),
    });
    const tell = this.#tell.bind(this);
    this.#iceServers = new IceServers(this.#connection, (error) => tell("error", error));
    this.#keys = new KeyRing(this.#connection, options, tell);
    this.#calls = new CallRing({
      clientId,
      connection: this.#connection,
      keys: this.#keys,
      timers: this.#timers,
      iceServers: this.#iceServers,
      options,
      tell,
      began: () => (this.#peerKey = null),
      judged: this.#judged.bind(this),
    });
  }

  get url() {
    return this.#connection.url;
  }

  get signaling() {
    return this.#connection.status;
  }

  get hasRelay() {
    return this.#iceServers.hasRelay;
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
    this.#calls.load().catch(() => undefined);
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
    if (!this.#connection.isOnline) {
      throw new SecureCallError("offline", "There is no connection to the server. Try again when it is back.");
    }
    return (await this.#calls.load()).place(targetId, stream);
  }

  /**
   * @param {MediaStream | null} [stream]
   * @param {string} [callId]
   */
  async accept(stream = null, callId) {
    await (await this.#calls.load()).accept(stream, callId);
  }

  /**
   * @param {string} [reason]
   * @param {string} [callId]
   */
  reject(reason, callId) {
    this.#calls.known?.reject(reason, callId);
  }

  /** @param {string} [callId] */
  hangUp(callId) {
    this.#calls.known?.hangUp(callId);
  }

  /**
   * @param {"audio" | "video"} kind
   * @param {MediaStreamTrack | null} track
   * @param {string} [callId]
   */
  async replaceTrack(kind, track, callId) {
    await (await this.#calls.load()).replaceTrack(kind, track, callId);
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
    const peerKey = await (await this.#keys.loaded()).peers.accept(this.#peerOr(peerId), publicKey);
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
    const peerKey = isMeant ? await (await this.#keys.loaded()).peers.setVerified(found, isVerified) : found;
    this.#judged(peerKey);
    return peerKey;
  }

  /** @param {string} [peerId] */
  async safetyNumber(peerId) {
    const id = this.#peerOr(peerId);
    return this.#safetyNumberFor(this.#peerKey?.peerId === id ? this.#peerKey : await this.#keys.judge(id));
  }

  async replaceIdentity() {
    return (await this.#keys.loaded()).replace();
  }

  async acceptRecord() {
    await (await this.#keys.loaded()).acceptRecord();
  }

  async owner() {
    return (await this.#keys.loaded()).owner();
  }

  /** The call that is not over, if there is one. */
  get #ongoing() {
    return this.#calls.known?.ongoing ?? null;
  }

  /** The newest call, also when it is over. */
  get #call() {
    return this.#calls.known?.current ?? null;
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

  /** @param {SignalingStatus} status */
  #signalingChanged(status) {
    this.#tell("signaling", status);
    if (status.state !== "superseded") return;
    this.#call?.finish("superseded", "server", { say: true });
    this.#keys.run((keys) => keys.superseded());
  }

  /** @param {any} payload of REGISTERED */
  #registered({ iceServers, calls: standing }) {
    this.#iceServers.use(iceServers);
    this.#keys.publish({ isUnsigned: !this.#connection.proof });
    this.#calls.later((calls) => calls.registered(Array.isArray(standing) ? standing : []));
  }

  /**
   * @param {import("./securecall/connection.js").ServerError} error
   * @param {boolean} isRepeated
   */
  #refused(error, isRepeated) {
    const { code, request, challenge, message } = error;
    if (request === "REGISTER" && code === "NOT_REGISTERED") this.#keys.run((keys) => keys.challenged(challenge, message));
    else this.#calls.later((calls) => calls.refused(error, isRepeated));
  }

  /**
   * @param {string} type
   * @param {unknown} detail
   */
  #tell(type, detail) {
    if (type === "call" || type === "peerconnection") this.#calls.known?.changed();
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
