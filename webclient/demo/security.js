/** What a call's two keys say: who the peer is, and whether anybody may be in between. */

import { inGroups } from "../securecall.js";
import { qrPath } from "./qr.js";
import { unfoldPanel } from "./layout.js";
import { element, show, state, write } from "./page.js";

const KEY_TONES = {
  new: "plain", known: "good", moved: "warning", changed: "bad", refused: "bad", withheld: "bad", unpublished: "warning",
  unavailable: "warning",
};
const MEDIA_TONES = { verified: "good", unsigned: "warning", stripped: "bad", unknown: "warning", forged: "bad" };

/** @param {object} demo of demo.js @param {object} call the call that is shown */
export function renderSecurity({ client, safety }, call) {
  const { peerKey, verification } = client;
  // Not the number with the key before, while that with this one is being made.
  const digits = safety?.publicKey === peerKey?.publicKey ? safety?.digits : null;
  const tone = peerKey?.isVerified ? "good" : KEY_TONES[peerKey?.status];
  state("key-fact", keyStory(peerKey, call.peerId), tone ?? "plain");
  renderRecord(peerKey, call.peerId);
  state("media-fact", verification?.sentence, MEDIA_TONES[verification?.status] ?? "plain");
  renderSafetyNumber(digits, peerKey, call.peerId);
  renderAlarm(peerKey, verification, call.peerId);
}

/** Say whether everybody is told this key; never who the person is, which no server knows. */
function renderRecord(peerKey, peerId) {
  const agrees = `The public record agrees: everybody who asks for ${peerId} is given this key.`;
  state("record-fact", peerKey?.isRecorded ? agrees : "", "good");
}

function keyStory(peerKey, peerId) {
  if (!peerKey) return `Looking up ${peerId}’s key…`;
  if (peerKey.status === "changed") return "The key is not the one you knew; see above.";
  return peerKey.isVerified ? `You have compared the safety number with ${peerId}.` : peerKey.sentence;
}

function renderSafetyNumber(digits, peerKey, peerId) {
  show("safety", Boolean(digits));
  show("compared", peerKey?.status !== "changed");
  if (!digits) return;
  const hint = `Read it to ${peerId}, or compare the QR codes. If all 60 digits are the same, nobody is in between.`;
  write("safety-hint", hint);
  write("compared", peerKey?.isVerified ? "We have not compared it after all" : "We compared it: it is the same");
  const groups = element("safety-groups");
  if (groups.dataset.digits === digits) return;
  groups.dataset.digits = digits;
  groups.replaceChildren(...inGroups(digits).split(" ").map(item));
  element("qr-path").setAttribute("d", qrPath(digits));
}

function item(text) {
  const made = document.createElement("li");
  made.textContent = text;
  return made;
}

function renderAlarm(peerKey, verification, peerId) {
  const isChanged = peerKey?.status === "changed";
  const isStripped = verification?.status === "stripped";
  const isRefused = peerKey?.status === "refused";
  const isAlarming = isChanged || isStripped || isRefused;
  // The safety number, which is to be compared now, stands there.
  if (isAlarming && element("alarm").hidden) unfoldPanel();
  show("alarm", isAlarming);
  show("alarm-keys", isChanged);
  show("accept-key-form", isChanged);
  if (isStripped) warn(`This may not be ${peerId}`, verification.sentence);
  if (isRefused) warn("The server may lie", peerKey.sentence);
  if (!isChanged) return;
  warn(`This may not be ${peerId}`, peerKey.sentence);
  write("alarm-old", peerKey.pinnedFingerprint ?? "none");
  write("alarm-new", peerKey.fingerprint ?? "withdrawn");
  write("accept-key-label", `I have compared the safety number with ${peerId}, and it is the same.`);
  const sure = element("accept-key-sure");
  // What was ticked for one person's key says nothing of the next one.
  const shown = `${peerId} ${peerKey.publicKey}`;
  if (sure.dataset.key !== shown) sure.checked = false;
  sure.dataset.key = shown;
  element("accept-key").disabled = !sure.checked;
}

function warn(title, text) {
  write("alarm-title", title);
  write("alarm-text", text);
}
