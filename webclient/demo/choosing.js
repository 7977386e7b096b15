/** The dialog that chooses microphone, camera and speaker, with a preview: before a call and in one. */

import { follow as followLevel } from "./level.js";
import { explain, openMedia } from "./media.js";
import { element, play, show, write } from "./page.js";
import { ongoing } from "./screen.js";
import { hold, release, stop } from "./sending.js";
import { demo, update } from "./state.js";

const KINDS = ["microphone", "camera", "speaker"];
const OWN_CHOICE = "As the browser chooses";

/** Show the dialog; outside of a call microphone and camera are opened for the preview, and nothing is sent. */
export async function showDevices() {
  const { devices, client } = demo;
  write("devices-error", "");
  element("devices").showModal();
  if (!ongoing(client)) {
    const { stream, problem } = await openMedia(true);
    // Closed meanwhile, or a call came and was answered.
    if (!element("devices").open || demo.devices !== devices || demo.media) {
      stop(stream);
      return;
    }
    write("devices-error", problem ?? "");
    hold(stream);
  }
  update();
}

/** The dialog is closed: the preview of no call is given back. */
export function devicesClosed() {
  const call = ongoing(demo.client);
  if (!call || call.state === "incoming") release();
}

/** Take another device; where the browser does not open it, the one before stays. */
export async function chooseDevice(kind, id) {
  write("devices-error", "");
  try {
    await demo.devices.choose(kind, id || null);
  } catch (error) {
    if (error.name !== "AbortError") write("devices-error", `Not this ${kind}. ${explain(error)}`);
  }
  update();
}

/** Let Firefox ask for a speaker. */
export async function askForSpeaker() {
  try {
    await demo.devices.askForSpeaker();
  } catch (error) {
    if (error.name !== "NotAllowedError") write("devices-error", `No other speaker. ${explain(error)}`);
  }
}

/** Show what there is and what is chosen, if anybody looks. */
export async function renderDevices({ devices, media }) {
  if (!element("devices").open) return;
  play("preview", media);
  show("preview", Boolean(media?.getVideoTracks().length));
  followLevel(media);
  if (!navigator.mediaDevices) return;
  const all = await devices.list();
  for (const kind of KINDS) renderChoice(kind, all.filter((it) => it.kind === kind), devices.chosen[kind]);
  const canBeAsked = "selectAudioOutput" in navigator.mediaDevices;
  show("ask-speaker", canBeAsked);
  show("device-speaker-field", !canBeAsked && "setSinkId" in HTMLMediaElement.prototype);
}

function renderChoice(kind, all, chosen) {
  const select = element(`device-${kind}`);
  const options = [new Option(OWN_CHOICE, ""), ...all.map(({ id, label }) => new Option(label, id))];
  const shown = JSON.stringify(options.map(({ text, value }) => [text, value]));
  // Not while somebody goes through them.
  if (select.dataset.shown !== shown) select.replaceChildren(...options);
  select.dataset.shown = shown;
  select.value = all.some(({ id }) => id === chosen) ? chosen : "";
}
