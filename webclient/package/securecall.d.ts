/**
 * A browser client for the SecureCall signaling server: one call at a time, encrypted, peer to peer.
 *
 * ```js
 * import { SecureCall } from "./securecall.js";
 *
 * const client = new SecureCall("/signal", { clientId: "alice" });
 * client.addEventListener("call", ({ detail }) => show(detail.sentence));
 * client.addEventListener("remotestream", ({ detail }) => { video.srcObject = detail.stream; });
 * await client.connect();
 * await client.call("bob", await navigator.mediaDevices.getUserMedia({ audio: true, video: true }));
 * ```
 *
 * Every `sentence` is plain English for the person in front of the screen. Times are milliseconds, sizes bytes.
 * What an application needs: `securecall.js` with `timer-worker.js` and the folder `securecall` beside it, as they are;
 * `devices.js` if it lets people choose microphones and cameras, `qr.js` if it shows a QR code.
 * A content security policy of `script-src 'self'; worker-src 'self'; connect-src 'self'` is enough.
 */
export class SecureCall extends EventTarget {
  /**
   * @param url Where the server listens: `wss://host/signal`, also with http(s), or a path on this host.
   * @throws {SecureCallError} `invalid-client-id` or `invalid-url`.
   */
  constructor(url: string | URL, options: SecureCallOptions);

  readonly clientId: string;
  /** The server's address, ws: or wss:. */
  readonly url: string;

  /** The connection to the server, as the last "signaling" event told it. */
  readonly signaling: SignalingStatus;
  /** Whether the server offers a relay, without which `iceTransportPolicy: "relay"` finds no way; null until it registered. */
  readonly hasRelay: boolean | null;
  /** The call, as the last "call" event told it; null before the first one. An ended call stays here. */
  readonly currentCall: CallStatus | null;
  /** The path of the media, as the last "path" event told it; null without one. */
  readonly path: PathStatus | null;
  /** What the peer sends; null until something comes. */
  readonly remoteStream: MediaStream | null;
  /** This client's identity key; null until it is loaded. */
  readonly identity: Identity | null;
  /** The key of the peer of the current call; null until it was looked up. */
  readonly peerKey: PeerKey | null;
  /** Who the peer of the current call has proved to be; null until a description of the peer has come. */
  readonly verification: Verification | null;
  /** What the peer of the call sends, as the last "peerstate" event told it; null before the first call. */
  readonly peerState: PeerState | null;
  /** For what goes beyond this interface, such as data channels and statistics; null without a call. */
  readonly peerConnection: RTCPeerConnection | null;

  /**
   * Connect, register, load or make the identity key and publish it if the directory has another.
   * Resolves when the client is registered. From then on it reconnects by itself, until `disconnect()` or until
   * another connection registers the same ID ("superseded"); call it again to come back from either.
   *
   * @throws {SecureCallError} `superseded` or `closed` if that happens before the client is registered.
   */
  connect(): Promise<void>;

  /** Hang up and leave; nothing reconnects. */
  disconnect(): void;

  /**
   * Call somebody. The tracks of `stream` are sent; null makes a call with messages alone. Tracks stay the
   * application's: it mutes by `setMuted()`, and stops them when it does not need them any more.
   *
   * @returns The call's ID, when the offer is on its way. How it goes on is told by "call" events.
   * @throws {SecureCallError} `busy` in a call, `offline` unless online, `invalid-client-id` for a bad ID or one's own.
   */
  call(targetId: string, stream?: MediaStream | null): Promise<string>;

  /**
   * Answer the call that rings. Without a stream the callee sees and hears, but sends nothing.
   *
   * @param callId The call that was shown when somebody pressed "Answer". Give it whenever anything was waited for since,
   *   such as the microphone: without it, the answer goes to whoever rings by then.
   * @throws {SecureCallError} `no-call` when that call, or without `callId` any, does not ring, also if it ended meanwhile.
   */
  accept(stream?: MediaStream | null, callId?: string): Promise<void>;

  /**
   * Do not answer the call that rings; without one nothing happens.
   *
   * @param reason Up to 64 characters for the peer, such as "busy".
   * @param callId Only this call.
   */
  reject(reason?: string, callId?: string): void;

  /**
   * End the call in whatever state it is; without one nothing happens. Offline, the peer learns it later.
   *
   * @param callId Only this call.
   */
  hangUp(callId?: string): void;

  /**
   * Send another track, or none (null), of this kind: another microphone, a camera that is switched on later, a
   * shared screen. What was not sent before takes a negotiation, which only a peer with this library knows.
   *
   * @param callId Only in this call: give it whenever the track was waited for.
   * @throws {SecureCallError} `no-call` without a call, or when that one is over.
   */
  replaceTrack(kind: "audio" | "video", track: MediaStreamTrack | null, callId?: string): Promise<void>;

  /**
   * Send silence, or black pictures, of this kind until it is taken back: sets `enabled` of the tracks that are sent, and tells the
   * peer at once. What an application sets by itself is told within `pathIntervalMs`.
   *
   * @param callId Only in this call.
   * @throws {SecureCallError} `no-call` without a call, or when that one is over.
   */
  setMuted(kind: "audio" | "video", isMuted: boolean, callId?: string): Promise<void>;

  /**
   * Send the peer a message, which a "data" event tells there. It goes the way of the media, encrypted with the keys that
   * `verification` is about. Messages arrive in their order; those sent before the way stands, or while it is mended, wait.
   * The peer's library takes them, and nothing says whether its application listens; one that listens may answer.
   *
   * @param data Text or bytes, not empty, and 64 KiB at most.
   * @param callId Only in this call.
   * @returns When the browser has it, which takes a while where more waits than the network carries.
   * @throws {SecureCallError} `no-call` without a call or when it ends meanwhile, `no-data` where the peer's app has no library
   *   that takes messages, `invalid-data` for a longer one, an empty one, and what is neither text nor bytes.
   */
  send(data: string | ArrayBuffer | ArrayBufferView, callId?: string): Promise<void>;

  /** Connect now instead of at the next attempt; when online, ask whether the connection still lives. */
  retryNow(): void;

  /**
   * Look up and judge somebody's key. Without `peerId`, that of the current call. Emits "peerkey".
   *
   * @throws {SecureCallError} `offline` unless online, `no-call` without a peer.
   */
  lookUpPeerKey(peerId?: string): Promise<PeerKey>;

  /**
   * Trust the key that the directory has now in place of the one that was pinned. Until then "changed" stays, in this
   * call and in the next ones. Emits "peerkey" with the status "known" (or "unpublished").
   *
   * @param publicKey The key that was shown; if another one is there by now, it is not accepted, and shown instead.
   * @throws {SecureCallError} `no-call` without a peer or without a changed key.
   */
  acceptPeerKey(peerId?: string, publicKey?: string | null): Promise<PeerKey>;

  /**
   * Remember that both people have compared the safety number, or that they have not. Emits "peerkey".
   *
   * @param publicKey The key whose safety number was compared, as "safetynumber" told it; if another one is there by now,
   *   nothing is remembered.
   */
  setPeerVerified(isVerified: boolean, peerId?: string, publicKey?: string | null): Promise<PeerKey>;

  /**
   * The safety number with somebody: 60 digits, the same for both; null while one of the keys is missing.
   *
   * @throws {SecureCallError} as `lookUpPeerKey`.
   */
  safetyNumber(peerId?: string): Promise<string | null>;

  /**
   * Make a new identity key and publish it: everybody who knows the old one will see that it changed. The owner of the ID
   * signs for the new key with the old one, and others go on without a question.
   */
  replaceIdentity(): Promise<Identity>;

  /**
   * Go on with the public record that the server has now, after a "record" event with the state `replaced`. Keys that are pinned
   * stay pinned, and what the server says of their owners still has to follow.
   *
   * @throws {SecureCallError} `directory-unavailable` if its key cannot be fetched.
   */
  acceptRecord(): Promise<void>;

  /** Load what claims, moves and restores a client ID that belongs to a key. */
  owner(): Promise<Owner>;

  addEventListener<K extends keyof SecureCallEventMap>(
    type: K,
    listener: (event: SecureCallEventMap[K]) => void,
    options?: boolean | AddEventListenerOptions,
  ): void;
  addEventListener(
    type: string,
    listener: EventListenerOrEventListenerObject | null,
    options?: boolean | AddEventListenerOptions,
  ): void;
  removeEventListener<K extends keyof SecureCallEventMap>(
    type: K,
    listener: (event: SecureCallEventMap[K]) => void,
    options?: boolean | EventListenerOptions,
  ): void;
  removeEventListener(
    type: string,
    listener: EventListenerOrEventListenerObject | null,
    options?: boolean | EventListenerOptions,
  ): void;
}

export interface SecureCallOptions {
  /** `^[a-zA-Z0-9_-]{1,64}$`. */
  clientId: string;
  /**
   * Goes into every peer connection, such as `{iceTransportPolicy: "relay"}`, which hides the address from the peer.
   * Its `iceServers` are used beside those of the server. Read when a call begins, so it may be changed between calls.
   */
  rtcConfiguration?: RTCConfiguration;
  /**
   * Opens what was sent before this page was loaded anew during a call, such as
   * `(sends) => navigator.mediaDevices.getUserMedia(sends)`. With it such a page takes its call up again, as long as the server
   * holds it (5 s) and the peer has this library, and keeps in `sessionStorage` what it has to know for that. Without it, or
   * where it fails, that call ends. The call is `reconnecting` meanwhile; a stream that comes after its end is stopped.
   */
  resume?: (sends: { audio: boolean; video: boolean }, call: CallStatus) => Promise<MediaStream | null>;
  /** Where `timer-worker.js` is, if not beside this module; it must come from the page's own origin. */
  workerUrl?: string | URL;
  /** How often "path" is told during a call; 2,000 by default, at least 100. */
  pathIntervalMs?: number;
  /** How often the server hears that this client lives; 30,000 by default, at least 100. A server gives up after 60 s. */
  heartbeatIntervalMs?: number;
  /**
   * Make the ID this browser's own at once, if it is nobody's and the server knows owners: then nobody else registers it. With
   * this browser's data it would be lost: show a recovery code soon (`Owner.setRecoveryCode`). False by default.
   */
  claimsId?: boolean;
  /**
   * The name of the server's directory (`DIRECTORY_NAME`), which its statements bear. With it no answer is believed that comes in
   * another name, or in none, as of a server that says it knows no owners; without it the first answer says the name.
   */
  directory?: string;
  /**
   * The key of the server's public record, one line as `/log/key` shows it, by another way than from that server. Without it the
   * first one that the server shows is kept, which takes a policy that lets the page fetch from the server (`connect-src`). With
   * it an answer that the record does not prove is refused from the first one on.
   */
  logKey?: string;
  /**
   * Where an auditor of the public record publishes the checkpoint that it saw last. It is fetched once a day, and the server
   * has to show the same record here.
   */
  auditorUrl?: string;
}

/**
 * A client ID that belongs to a key. Each act is a statement that the key signs; it is kept before it is sent, and sent again
 * after a lost answer. Acts resolve when the directory has taken them, with `status.state`.
 */
export interface Owner {
  /** As the last "ownership" event told it. */
  readonly status: OwnerStatus;
  /** Make a code to write down, in seven groups of four. Nothing is kept or sent. */
  newRecoveryCode(): Promise<string>;
  /**
   * Tell whether somebody typed the code again as it was shown, in whatever spelling.
   *
   * @throws {SecureCallError} `bad-recovery-code` for one with a mistake.
   */
  isSameCode(code: string, typed: string): Promise<boolean>;
  /**
   * Make the ID this browser's own, with a recovery code or without. Takes a connection.
   *
   * @throws {SecureCallError} `NOT_REGISTERED` if it is somebody's, or if this browser's key is in the directory for less than
   *   a day; `not-owner` where the server knows no owners.
   */
  claim(code?: string): Promise<OwnerStatus["state"]>;
  /** Set the first recovery code, or another one, which takes the old one. Takes a connection. */
  setRecoveryCode(code: string, oldCode?: string): Promise<OwnerStatus["state"]>;
  /**
   * Get the ID back with a new key, in a browser that lost the old one, or lock out whoever took it. Takes no connection;
   * `connect()` afterwards.
   *
   * @param newCode From now on in place of `code`.
   * @throws {SecureCallError} `bad-recovery-code`.
   */
  restore(code: string, newCode?: string): Promise<OwnerStatus["state"]>;
  /** Move here from a device that has the ID, 1: make a key; what is returned goes to that device. */
  requestMove(): Promise<string>;
  /** 2, on the device that has the ID: sign for the new one; what is returned goes back. */
  allowMove(request: string): Promise<string>;
  /** 3, on the new device; `connect()` afterwards. */
  completeMove(allowed: string): Promise<OwnerStatus["state"]>;
}

export interface OwnerStatus {
  /**
   * - `unknown`: not looked up yet, or the server knows no owners.
   * - `free`: the ID belongs to nobody.
   * - `owner`: it belongs to this browser's key.
   * - `foreign`: it belongs to a key that this browser does not have. Not registered; `restore()` or another ID.
   * - `moved`: this browser moved it to another device.
   * - `changed`: it belonged to this browser's key, and somebody changed that. Deserves to be loud; `restore()`.
   */
  state: "unknown" | "free" | "owner" | "foreign" | "moved" | "changed";
  sentence: string;
  clientId: string;
  /** The name of the server's directory, which is part of each statement; null until it told one. */
  directory: string | null;
  hasRecoveryCode: boolean;
  /** When an operator's release takes, or took, effect, as `Date.now()` counts; null without one. */
  releasedAt: number | null;
}

/** What is known of the server's public record of client IDs that belong to a key. */
export interface RecordStatus {
  /**
   * - `checked`: what the server says of IDs agrees with it, and it grew from what this browser saw of it before.
   * - `audited`: and the auditor sees the same one.
   * - `replaced`: there is another one. Nothing that the server says is believed until `acceptRecord()`.
   * - `split`: the auditor sees another one: the server lies to one of the two. Deserves to be loud.
   * - `unaudited`: the auditor has been out of reach for two days.
   */
  state: "checked" | "audited" | "replaced" | "split" | "unaudited";
  sentence: string;
  /** The key of the record that this browser keeps to. */
  logKey: string | null;
  /** How many entries it had; null where that is not known. */
  size: number | null;
  /** When the record that the auditor saw was signed, as `Date.now()` counts; null before. */
  auditedAt: number | null;
}

/** An answer that was refused, to be kept: it may prove that a server lied. */
export interface Evidence {
  /** About whom. */
  clientId: string;
  /** Of docs/protocol.md, "Client IDs that belong to a key"; 0: another one. */
  rule: number;
  sentence: string;
  /** The payloads of `PKD_RESULT`, as they came. */
  answers: unknown[];
  /** The statement that was known before; null without one. */
  pinned: string | null;
  directory: string | null;
  /** The public record that the answers were held to, `root` in base64url; null without one. */
  log: { vkey: string; size: number; root: string } | null;
  /** The auditor's checkpoint, if that is what the answers do not fit. */
  checkpoint: string | null;
  at: number;
}

/** Something that could not be done. `message` is a sentence for people. */
export class SecureCallError extends Error {
  constructor(code: ErrorCode, message: string, details?: { request?: string; callId?: string; serverMessage?: string });
  readonly code: ErrorCode;
  /** The type of the message that the server refused. */
  readonly request?: string;
  readonly callId?: string;
  /** The server's own words, for developers. */
  readonly serverMessage?: string;
}

export type ErrorCode =
  // The server's (`ERROR`), for a message of this client. RATE_LIMITED is sent again by the library, as long as somebody waits.
  | "INVALID_MESSAGE"
  | "NOT_REGISTERED"
  | "TARGET_NOT_FOUND"
  | "CALL_NOT_FOUND"
  | "RATE_LIMITED"
  // The library's.
  | "invalid-client-id"
  | "invalid-url"
  | "offline"
  | "busy"
  | "no-call"
  /** The peer's app takes no messages: it has another library, or an older one. */
  | "no-data"
  /** A message that is empty, longer than 64 KiB, or neither text nor bytes. */
  | "invalid-data"
  | "closed"
  | "superseded"
  /** The server told of a call whose `callId`, caller or offer breaks the protocol's rules; it does not ring. */
  | "invalid-call"
  /** A recovery code with a mistake in it, or that of another client ID. */
  | "bad-recovery-code"
  /** What was copied from another device to move an ID here is not what that device showed, or is for another ID. */
  | "bad-move"
  /** The ID does not belong to this browser, or the server knows no owners. */
  | "not-owner"
  /** The directory's answer does not follow from what is known; an "evidence" event has it. */
  | "refused-answer"
  /** The server shows another public record than the one that this browser knows; a "record" event asks what to do. */
  | "record-replaced"
  /** The browser could not be made to send or receive: description, tracks or codecs. */
  | "media"
  /** The peer's app sent an ICE candidate in a form that cannot be read; it is left out. Told once in a call. */
  | "unreadable-candidate"
  /** A relay (TURN server) refused the credentials. */
  | "relay-refused"
  /** This browser refuses the address of a STUN or TURN server, which is left out; told once for each address. */
  | "ice-server-refused"
  /** No WebCrypto, because the page is neither https nor localhost: calls work, keys do not. */
  | "keys-unavailable"
  /** The browser keeps nothing (IndexedDB): keys and pins live as long as the page. */
  | "storage-unavailable"
  /**
   * The directory did not take this client's key: an operator froze or reserved the ID, or revoked the key. The identity is
   * kept, and signs no calls; after a revocation `replaceIdentity()` makes another one.
   */
  | "key-refused"
  /** The directory could not be asked. */
  | "directory-unavailable"
  /** The part of the library that knows calls could not be loaded; it is tried again when it is needed. */
  | "calls-unavailable"
  /** The worker whose timers go on in hidden pages could not be started; told by "warning". */
  | "worker-unavailable"
  /**
   * The key of the server's public record cannot be fetched, so nothing is checked against it; told by "warning". Let the page's
   * policy allow it, or give `logKey`.
   */
  | "record-unavailable";

export interface SecureCallEventMap {
  /** The connection to the server changed. */
  signaling: CustomEvent<SignalingStatus>;
  /** The call changed. */
  call: CustomEvent<CallStatus>;
  /**
   * A call came during another one, and was rejected with "busy". A newer call of the peer itself is none: it takes the place
   * of the older one, unless the peer is still at the other end of that.
   */
  missedcall: CustomEvent<MissedCall>;
  /** A call's peer connection was made; data channels and transceivers added now are part of the first offer. */
  peerconnection: CustomEvent<{ callId: string; peerConnection: RTCPeerConnection }>;
  /** A track came or went. `stream` is one and the same during a call. */
  remotestream: CustomEvent<{ callId: string; stream: MediaStream; hasAudio: boolean; hasVideo: boolean }>;
  /** Where the media goes and how well; every `pathIntervalMs`. */
  path: CustomEvent<PathStatus>;
  /** This client's key was loaded, made, published or replaced. */
  identity: CustomEvent<Identity>;
  /** A peer's key was looked up, accepted or verified. `status: "changed"` deserves to be loud. */
  peerkey: CustomEvent<PeerKey>;
  /** Whom this client's ID belongs to was looked up, or changed. `state: "changed"` deserves to be loud. */
  ownership: CustomEvent<OwnerStatus>;
  /** An answer about a client ID, perhaps this client's, was refused. */
  evidence: CustomEvent<Evidence>;
  /** The server's public record was checked for the first time, or is not as it was. */
  record: CustomEvent<RecordStatus>;
  /** A microphone or a camera of the peer ended by itself, such as one that was unplugged, or another one took its place. */
  peermedia: CustomEvent<PeerMedia>;
  /** The peer muted its microphone, shows a screen, can be sent messages …, or not any more. */
  peerstate: CustomEvent<PeerState>;
  /** The peer sent a message. */
  data: CustomEvent<Message>;
  /** The peer's description came, and its signature was checked. */
  verification: CustomEvent<Verification>;
  /** The current call's safety number is known, and the peer's key that it is made of. */
  safetynumber: CustomEvent<{ peerId: string; publicKey: string; digits: string }>;
  /** Something that a developer should mend, and that people do not notice at once: `worker-unavailable`, `record-unavailable`. */
  warning: CustomEvent<SecureCallError>;
  /** Something went wrong that no promise told of. */
  error: CustomEvent<SecureCallError>;
}

export interface SignalingStatus {
  /**
   * - `idle`: never connected.
   * - `connecting`: opening the connection or registering.
   * - `online`: registered; calls can be made and come in.
   * - `waiting`: the connection was lost or refused; the next attempt is at `retryAt`.
   * - `superseded`: this ID was registered elsewhere. Does not reconnect by itself.
   * - `closed`: by `disconnect()`.
   */
  state: "idle" | "connecting" | "online" | "waiting" | "superseded" | "closed";
  sentence: string;
  /** Only `waiting`: when the next attempt is, as `Date.now()` counts, and how long that was when the event came. */
  retryAt?: number;
  retryInMs?: number;
  /**
   * Only `waiting`: the server can be reached, but refused the connection. Browsers do not say why; most often it does not
   * allow pages from where this one came. Not told where the page's policy forbids to ask, as it mostly does on another host.
   */
  isRefused?: boolean;
  /** How many attempts have failed since the last success. */
  attempts: number;
  /** The code that closed the last connection (RFC 6455; the server's own are 4408, 4409, 4429, 4503, 4507). */
  closeCode?: number;
}

export interface CallStatus {
  /**
   * - `calling`: the caller waits for an answer.
   * - `incoming`: the callee's turn: `accept()` or `reject()`.
   * - `connecting`: answered; a path is being looked for.
   * - `connected`: media flows.
   * - `reconnecting`: the path broke and another one is being looked for.
   * - `ended`: why is in `reason`.
   */
  state: "calling" | "incoming" | "connecting" | "connected" | "reconnecting" | "ended";
  sentence: string;
  callId: string;
  peerId: string;
  role: "caller" | "callee";
  /** When this state began, and when the call was first connected, as `Date.now()` counts. */
  since: number;
  connectedAt: number | null;
  /** What the caller offers to send: for an incoming call before it is accepted. */
  offers: { audio: boolean; video: boolean };
  /** Only `ended`. */
  reason?: EndReason;
  /** Only `ended`: who ended it. */
  endedBy?: "you" | "peer" | "server";
  /** Only `ended`: the peer's own words, if it gave any. */
  peerReason?: string;
}

export type EndReason =
  /** Either person hung up (`endedBy`). */
  | "hung-up"
  /** The caller hung up while it rang. */
  | "cancelled"
  /** The callee did not want the call. */
  | "rejected"
  /** The callee is in another call. */
  | "busy"
  /** Nobody answered in time. */
  | "no-answer"
  /** The callee is not connected to the server. */
  | "not-connected"
  /** The peer left without hanging up, or lost the connection and did not come back: the server does not say which. */
  | "peer-disconnected"
  /** No path could be found, or it broke and could not be mended. */
  | "media-failed"
  /** This ID was registered elsewhere, or the peer's was (`endedBy`), perhaps by its page that was loaded anew. */
  | "superseded"
  /** The peer's description was not signed by the peer's key: somebody may be in between. */
  | "forged"
  /** The call was gone when it was accepted. */
  | "gone"
  /** An operator of the server ended it. */
  | "operator"
  /** The server or the browser refused it; an "error" event says why. */
  | "failed";

export interface MissedCall {
  callId: string;
  peerId: string;
  at: number;
}

export interface PeerMedia {
  callId: string;
  peerId: string;
  kind: "audio" | "video";
  /** Nothing comes from it any more; otherwise another one took its place. */
  isStopped: boolean;
  sentence: string;
}

/** What the peer of a call says that it sends. It is the peer's word: a microphone that is "off" sends silence. */
export interface PeerState {
  callId: string;
  peerId: string;
  /**
   * - `on`: a microphone, or a camera.
   * - `screen`, in place of a camera: a display, or a track with the `contentHint` of one, `detail` or `text`.
   * - `off`: muted.
   * - `none`: nothing.
   *
   * Null until it is known, and for a peer whose app does not tell.
   */
  audio: "on" | "off" | "none" | null;
  video: "on" | "screen" | "off" | "none" | null;
  /** Whether `send()` reaches the peer's library. What its application does with messages it does not tell. */
  takesData: boolean;
  /** Who is muted, has no microphone or shows a screen; empty where there is nothing to say. */
  sentence: string;
}

export interface Message {
  callId: string;
  peerId: string;
  data: string | ArrayBuffer;
}

export interface PathStatus {
  callId: string;
  /** `relayed`: through a TURN server, on this side or on the peer's. */
  kind: "direct" | "relayed";
  /** RFC 8445's types of the candidates in use. */
  localType: RTCIceCandidateType;
  remoteType: RTCIceCandidateType;
  /** Between this side and the peer, or this side and its relay. */
  protocol: "udp" | "tcp" | "tls";
  /** Null until it was measured. */
  roundTripMs: number | null;
  bytesSent: number;
  bytesReceived: number;
  /** Since the last event; null in the first. */
  sentBitsPerSecond: number | null;
  receivedBitsPerSecond: number | null;
  sentence: string;
}

export interface Identity {
  clientId: string;
  /** As it is in the directory: the SPKI of a P-256 key, base64url without padding. */
  publicKey: string;
  /** SHA-256 of `publicKey`'s characters: hex in groups of 4, as operators see it. */
  fingerprint: string;
  /** Made just now; otherwise it was kept by this browser. */
  isNew: boolean;
  /** Whether the directory has it. */
  isPublished: boolean;
  /** Whether publishing it replaced another key: of another browser, or of this one before its data was cleared. */
  replacedAnother: boolean;
}

export interface PeerKey {
  peerId: string;
  /**
   * - `new`: seen for the first time, and pinned.
   * - `known`: the one that was pinned.
   * - `changed`: not the one that was pinned, or withdrawn. Either the peer has a new browser, or somebody
   *   pretends to be the peer. Stays until `acceptPeerKey()`. Also after an operator gave the ID to a new owner.
   * - `moved`: told once; the peer's ID belongs to another key now, for which the one before or the recovery code signed.
   * - `unpublished`: the peer has no key, and never had one.
   * - `withheld`: an operator withholds the key, gave the ID free or closed it; `sentence` says which.
   * - `refused`: the answer does not follow from what is pinned, which stays. An "evidence" event has it.
   * - `unavailable`: the directory could not be asked.
   */
  status: "new" | "known" | "changed" | "moved" | "unpublished" | "withheld" | "refused" | "unavailable";
  sentence: string;
  /** What the directory says, and its fingerprint; null if nothing. Where the ID belongs to a key it is that one. */
  publicKey: string | null;
  fingerprint: string | null;
  /** What was pinned before, if that differs. */
  pinnedKey: string | null;
  pinnedFingerprint: string | null;
  /** When the pinned key was first seen, as `Date.now()` counts. */
  pinnedAt: number | null;
  /** Whether the safety number with the pinned key was compared (`setPeerVerified`). Never for a changed key. */
  isVerified: boolean;
  /**
   * Whether the server's public record has this key for the ID, so that everybody who asks is told the same. It does not say
   * who the person is: compare the safety number for that.
   */
  isRecorded: boolean;
}

export interface Verification {
  callId: string;
  peerId: string;
  /**
   * Whether the media's own key (the DTLS fingerprint) is signed by the peer's identity key, which makes the safety
   * number cover the media:
   * - `verified`: it is.
   * - `unsigned`: the peer's client does not sign.
   * - `stripped`: not signed, although this peer's key has signed before. Deserves to be loud.
   * - `unknown`: signed, but there is no key to check it with.
   * - `forged`: signed by another key, or for something else; or the description names the media's key in a way that
   *   browsers read differently, or not at all. The library ends the call.
   */
  status: "verified" | "unsigned" | "stripped" | "unknown" | "forged";
  sentence: string;
}

/**
 * The safety number of two clients: 60 digits, whichever comes first. `publicKey` is the text in the directory.
 * The recipe is at the function.
 */
export function safetyNumber(
  one: { clientId: string; publicKey: string },
  other: { clientId: string; publicKey: string },
): Promise<string>;

/** Groups of five digits, separated by spaces, as people read them to each other. */
export function inGroups(digits: string): string;

/** SHA-256 of a public key's characters (UTF-8), hex in groups of 4, as operators see it. */
export function fingerprint(publicKey: string): Promise<string>;
