/** What the page knows, and showing it. */

import { render } from "./screen.js";

/** What the client does not know of: everything else is shown as the client tells it. */
export const demo = {
  /** @type {SecureCall | null} */
  client: null,
  /** @type {import("../devices.js").Devices | null} */
  devices: null,
  /** @type {MediaStream | null} what we send of microphone and camera */
  media: null,
  /** @type {{callId: string | null} | null} what is waited for microphone and camera with: a call that rings, or one to place */
  opening: null,
  /** @type {string | null} the call whose camera is being switched */
  switching: null,
  /** @type {string | null} who is called as soon as a name is chosen, by a link */
  inviter: null,
  seesPeer: false,
  /** Read by the client at each call: whether a relay hides the address. @type {RTCConfiguration} */
  rtcConfiguration: { iceTransportPolicy: "all" },
  /** @type {{peerId: string, publicKey: string, digits: string} | null} the safety number, and with whose key */
  safety: null,
  /** @type {import("../securecall.js").OwnerStatus | null} whose the name is; null: not known, or names are nobody's here */
  ownership: null,
  /** @type {import("../securecall.js").RecordStatus | null} how the server's public record is; null: not known, or there is none */
  record: null,
  /** Whether somebody wants to type the recovery code although there is a connection. */
  wantsCode: false,
  /** @type {{text: string, tone: string, action?: {label: string, run: () => void}} | null} */
  notice: null,
};

/** Tell something once, until it is dismissed. */
export function notify(text, tone, action) {
  demo.notice = { text, tone, action };
  update();
}

/** Show what may have changed. */
export function update() {
  render(demo);
}
