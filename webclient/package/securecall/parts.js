/**
 * The parts of a client, and what each of them tells the others.
 *
 * @typedef {import("../securecall.js").SignalingStatus} SignalingStatus
 */

import { CallRing } from "./call-ring.js";
import { Connection } from "./connection.js";
import { SecureCallError, WORKER_SENTENCE } from "./errors.js";
import { IceServers } from "./ice-servers.js";
import { KeyRing } from "./key-ring.js";
import { PeerView } from "./peer-view.js";
import { Timers, bounded } from "./timers.js";

// The protocol's.
const HEARTBEAT_MS = 30_000;
const LEAST_HEARTBEAT_MS = 100;

export class Parts {
  #tell;

  /**
   * @param {string} url
   * @param {import("../securecall.js").SecureCallOptions} options
   * @param {(type: string, detail: unknown) => void} tell the application
   */
  constructor(url, options, tell) {
    const { clientId, workerUrl, heartbeatIntervalMs } = options;
    this.#tell = tell;
    const tellOfCalls = this.#tellOfCalls.bind(this);
    this.timers = new Timers(workerUrl, () => tell("warning", new SecureCallError("worker-unavailable", WORKER_SENTENCE)));
    this.connection = new Connection(url, clientId, bounded(heartbeatIntervalMs, LEAST_HEARTBEAT_MS, HEARTBEAT_MS), this.timers, {
      changed: (status) => this.#signalingChanged(status),
      isInCall: () => this.ongoing !== null,
      registered: (payload) => this.#registered(payload),
      received: (type, payload) => this.calls.later((calls) => calls.received(type, payload)),
      refused: (error, isRepeated) => this.#refused(error, isRepeated),
    });
    this.iceServers = new IceServers(this.connection, (error) => tell("error", error));
    this.keys = new KeyRing(this.connection, options, tell);
    /** @type {CallRing} */
    this.calls = new CallRing({
      clientId,
      connection: this.connection,
      keys: this.keys,
      timers: this.timers,
      iceServers: this.iceServers,
      options,
      tell: tellOfCalls,
      began: () => this.peers.began(),
      judged: (peerKey) => this.peers.judged(peerKey),
    });
    this.peers = new PeerView({ clientId, connection: this.connection, keys: this.keys, calls: this.calls, tell });
  }

  /** The call that is not over, if there is one. */
  get ongoing() {
    return this.calls.known?.ongoing ?? null;
  }

  /** The newest call, also when it is over. */
  get call() {
    return this.calls.known?.current ?? null;
  }

  /** @param {SignalingStatus} status */
  #signalingChanged(status) {
    this.#tell("signaling", status);
    if (status.state !== "superseded") return;
    this.call?.finish("superseded", "server", { say: true });
    this.keys.run((keys) => keys.superseded());
  }

  /** @param {any} payload of REGISTERED */
  #registered({ iceServers, calls: standing }) {
    this.iceServers.use(iceServers);
    this.keys.publish({ isUnsigned: !this.connection.proof });
    this.calls.later((calls) => calls.registered(Array.isArray(standing) ? standing : []));
  }

  /**
   * @param {import("./connection.js").ServerError} error
   * @param {boolean} isRepeated
   */
  #refused(error, isRepeated) {
    const { code, request, challenge, message } = error;
    if (request === "REGISTER" && code === "NOT_REGISTERED") this.keys.run((keys) => keys.challenged(challenge, message));
    else this.calls.later((calls) => calls.refused(error, isRepeated));
  }

  /**
   * @param {string} type
   * @param {unknown} detail
   */
  #tellOfCalls(type, detail) {
    if (type === "call" || type === "peerconnection") this.calls.known?.changed();
    this.#tell(type, detail);
  }
}
