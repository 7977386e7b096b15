/** The demo page: a call with securecall.js. The address may say who you are and whom to call: ?name=alice&call=bob */

import { SecureCall } from "../securecall.js";
// With the page, and not beside its first connection, which they would keep waiting.
import "../securecall/calls.js";
import "../securecall/keys.js";
import "../securecall/ownership/owner.js";
import "../securecall/record/public-record.js";
import { isName, onCallClick, onClick, onName, onSubmit } from "./acts.js";
import {
  acceptCompared, answer, callChanged, placeCall, receiveAtLeast, remoteChanged, toggleVerified,
} from "./calls.js";
import { messageCame } from "./chat.js";
import { keep, kept } from "./keeping.js";
import {
  allowMove, claim, completeMove, evidenceCame, keepCode, ownershipChanged, requestMove, restore, showCode,
} from "./owning.js";
import { recordChanged } from "./record.js";
import { element, show, write } from "./page.js";
import { mayShowPicture, renderTime } from "./screen.js";
import { openAgain, release, toggleCamera, toggleMicrophone, useDevices } from "./sending.js";
import { demo, notify, update } from "./state.js";
import "./tools.js";

// Of these the page tells otherwise: the server's answer to a message is the end of a call, with its own sentence.
const TOLD_ELSEWHERE = new Set(["TARGET_NOT_FOUND", "CALL_NOT_FOUND", "superseded", "refused-answer", "record-replaced"]);
const ALWAYS_RELAY = "always relay";

// --- Coming and going ---------------------------------------------------------------------------------

async function enter(name, callAtOnce, claimsId) {
  const heartbeatIntervalMs = Number(document.body.dataset.heartbeatIntervalMs);
  const client = new SecureCall("/signal", {
    clientId: name, heartbeatIntervalMs, rtcConfiguration: demo.rtcConfiguration, claimsId, resume: openAgain,
  });
  demo.client = client;
  useDevices(client);
  listen(client);
  remember({ name });
  update();
  try {
    await client.connect();
    if (callAtOnce) placeCall(callAtOnce, true);
  } catch {
    // Superseded or left meanwhile, which the screen says.
  }
}

function leave() {
  demo.client?.disconnect();
  release();
  demo.devices.close();
  demo.client = null;
  demo.ownership = null;
  demo.record = null;
  demo.wantsCode = false;
  demo.opening = null;
  demo.notice = null;
  invite(null);
  remember({});
  update();
}

/** Keep in the address who we are, for a reload; whom to call is meant once. */
function remember(parameters) {
  const query = new URLSearchParams(parameters).toString();
  history.replaceState(null, "", query ? `?${query}` : location.pathname);
}

function listen(client) {
  for (const type of ["signaling", "path", "identity", "peerkey", "peerstate", "verification"]) {
    client.addEventListener(type, update);
  }
  client.addEventListener("ownership", ({ detail }) => ownershipChanged(detail));
  client.addEventListener("evidence", ({ detail }) => evidenceCame(detail));
  client.addEventListener("record", ({ detail }) => recordChanged(detail));
  client.addEventListener("call", ({ detail }) => callChanged(detail));
  client.addEventListener("safetynumber", ({ detail }) => {
    demo.safety = detail;
    update();
  });
  client.addEventListener("peerconnection", ({ detail }) => receiveAtLeast(detail.peerConnection));
  client.addEventListener("remotestream", ({ detail }) => remoteChanged(detail.stream));
  client.addEventListener("peermedia", ({ detail }) => notify(detail.sentence, detail.isStopped ? "warning" : "plain"));
  client.addEventListener("data", ({ detail }) => messageCame(detail));
  client.addEventListener("missedcall", ({ detail }) => {
    notify(`${detail.peerId} called while you were in this call.`, "plain");
  });
  client.addEventListener("error", ({ detail }) => {
    if (!TOLD_ELSEWHERE.has(detail.code)) notify(detail.message, "bad");
  });
}

/** Hide the address behind a relay from the next call on, or not. */
function relay(isWanted) {
  demo.rtcConfiguration.iceTransportPolicy = isWanted ? "relay" : "all";
  element("always-relay").checked = isWanted;
  update();
}

/** Say who is called as soon as a name is chosen; null: nobody. Of a link some may be lost on its way. */
function invite(peerId) {
  demo.inviter = isName(peerId ?? "") ? peerId : null;
  const lost = "This link names nobody who can be called. Ask for it again, or choose a name and call somebody.";
  write("invited", demo.inviter ? `${peerId} invites you. Choose a name, and the call begins.` : lost);
  show("invited", peerId !== null);
}

const asked = new URLSearchParams(location.search);

// --- The page -----------------------------------------------------------------------------------------

onName("name-form", "name", (name) => enter(name, demo.inviter, element("claim").checked));
onName("call-form", "peer", (peerId, button) => placeCall(peerId, button?.value !== "audio"));
onClick("retry", () => demo.client?.retryNow());
onClick("come-back", () => demo.client?.connect().catch(() => {}));
onClick("leave", leave);
onClick("leave-superseded", leave);
onClick("leave-shut-out", leave);
onClick("claim-now", claim);
onClick("make-code", showCode);
onClick("change-code", showCode);
onClick("use-code", () => {
  demo.wantsCode = true;
  update();
});
onClick("later", () => element("recovery").close());
onClick("request-move", requestMove);
onSubmit("code-form", keepCode);
onSubmit("restore-form", restore);
onSubmit("allow-form", allowMove);
onSubmit("answer-form", completeMove);
onCallClick("answer", (call) => answer(call, mayShowPicture(call)));
onCallClick("answer-audio", (call) => answer(call, false));
onCallClick("decline", ({ callId }) => demo.client.reject(undefined, callId));
onCallClick("hang-up", ({ callId }) => demo.client.hangUp(callId));
onCallClick("mute", toggleMicrophone);
onCallClick("camera", toggleCamera);
onCallClick("compared", toggleVerified);
onClick("dismiss", () => {
  demo.notice = null;
  update();
});
onClick("notice-action", () => {
  const run = demo.notice?.action?.run;
  demo.notice = null;
  update();
  run?.();
});
element("incoming").addEventListener("cancel", (event) => {
  event.preventDefault();
  demo.client?.reject();
});
element("always-relay").addEventListener("change", ({ target }) => {
  keep("localStorage", ALWAYS_RELAY, target.checked ? "yes" : "");
  relay(target.checked);
});
element("accept-key-sure").addEventListener("change", update);
element("accept-key-form").addEventListener("submit", (event) => {
  event.preventDefault();
  const { peerId, publicKey } = demo.client.peerKey;
  acceptCompared(peerId, publicKey);
});
setInterval(() => renderTime(demo.client), 1000);

invite(asked.get("call"));
relay(kept("localStorage", ALWAYS_RELAY) === "yes");
if (asked.has("name")) {
  element("name").value = asked.get("name");
  element("peer").value = demo.inviter ?? "";
  // A link makes nobody the owner of a name.
  element("claim").checked = false;
  element("name-form").requestSubmit();
}
