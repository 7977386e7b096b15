/** Messages in a call, between two people whose apps carry them. */

import { unfoldPanel } from "./layout.js";
import { element, show } from "./page.js";
import { demo, notify } from "./state.js";

/** Show a message of the peer, and tell of it where the list is folded away or scrolled to. What is not text is of another app. */
export function messageCame({ peerId, data }) {
  if (typeof data !== "string") return;
  add(peerId, data);
  // What else is told may have to be acted on.
  const isNoticeFree = !demo.notice || demo.notice.tone === "plain";
  if (!isInView() && isNoticeFree) notify(`${peerId} wrote to you.`, "plain", { label: "Read it", run: showMessages });
}

/** Whether who looks at the call sees where messages stand; in a wide window the panel scrolls for itself. */
function isInView() {
  const { top, bottom } = element("message-form").getBoundingClientRect();
  const panel = element("panel").getBoundingClientRect();
  return bottom > Math.max(panel.top, 0) && top < Math.min(panel.bottom, innerHeight);
}

/** Bring the messages into view, ready for an answer. */
function showMessages() {
  unfoldPanel();
  element("messages").scrollIntoView({ block: "nearest" });
  element("message-list").scrollTop = element("message-list").scrollHeight;
  element("message").focus();
}

/** Send what is typed. */
export async function sendMessage() {
  const field = element("message");
  const text = field.value.trim();
  const { client } = demo;
  const callId = client.currentCall?.callId;
  if (!text) return;
  field.value = "";
  try {
    await client.send(text, callId);
    if (client.currentCall?.callId === callId) add("You", text);
  } catch (error) {
    if (client.currentCall?.callId === callId) field.value = text;
    if (error.code !== "no-call") notify(error.message, "bad");
  }
}

/** Show the messages of the call, where the peer's app takes them. */
export function renderMessages({ client }, call) {
  const list = element("message-list");
  // What was said in one call, or typed and not sent, is for nobody in the next.
  if (list.dataset.call !== call.callId) {
    list.replaceChildren();
    element("message").value = "";
  }
  list.dataset.call = call.callId;
  show("messages", Boolean(client.peerState?.takesData));
}

function add(who, text) {
  const item = document.createElement("p");
  const name = document.createElement("strong");
  name.textContent = who;
  item.append(name, ` ${text}`);
  const list = element("message-list");
  list.append(item);
  list.scrollTop = list.scrollHeight;
}
