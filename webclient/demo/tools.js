/** The buttons beside a call, and the dialogs behind them. */

import { onCallClick, onClick, onSubmit } from "./acts.js";
import { sendMessage } from "./chat.js";
import { askForSpeaker, chooseDevice, devicesClosed, showDevices } from "./choosing.js";
import { keepAwake, toggleFullScreen, togglePicture } from "./comfort.js";
import { copyInvitation, shareInvitation, showInvitation } from "./inviting.js";
import { element } from "./page.js";
import { allow as allowRinging } from "./ringing.js";
import { toggleScreen } from "./sending.js";
import { update } from "./state.js";

onCallClick("share-screen", toggleScreen);
onClick("try-devices", showDevices);
onClick("change-devices", showDevices);
onClick("devices-done", () => element("devices").close());
element("devices").addEventListener("close", devicesClosed);
for (const kind of ["microphone", "camera", "speaker"]) {
  element(`device-${kind}`).addEventListener("change", ({ target }) => chooseDevice(kind, target.value));
}
onClick("ask-speaker", askForSpeaker);
onClick("full-screen", toggleFullScreen);
onClick("picture", togglePicture);
onClick("invite", showInvitation);
onClick("copy-link", copyInvitation);
onClick("share-link", shareInvitation);
onClick("invitation-done", () => element("invitation").close());
onSubmit("message-form", sendMessage);
document.addEventListener("fullscreenchange", update);
document.addEventListener("visibilitychange", keepAwake);
for (const type of ["pointerdown", "keydown"]) document.addEventListener(type, allowRinging);
