/** What is done with a name that belongs to a key: made one's own, brought back, moved. */

import { element, show } from "./page.js";
import { demo, notify, update } from "./state.js";

// Where the name cannot be used before somebody does something about it.
const SHUT_OUT = new Set(["foreign", "moved", "changed"]);

/** @returns {boolean} whether the name is somebody's else by now, or moved */
export function isShutOut({ client, ownership, wantsCode }) {
  return wantsCode || (SHUT_OUT.has(ownership?.state) && client?.signaling.state !== "online");
}

/** Follow what the client tells of its name. */
export function ownershipChanged(ownership) {
  demo.ownership = ownership;
  if (ownership.state === "owner") demo.wantsCode = false;
  update();
}

/** Somebody may want to show what the server said. */
export function evidenceCame(evidence) {
  const lie = `The server said something about ${evidence.clientId} that cannot be true. ${evidence.sentence}`;
  const text = demo.record?.state === "split" ? demo.record.sentence : lie;
  notify(text, "bad", { label: "Keep the evidence", run: () => save(evidence) });
}

function save(evidence) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([JSON.stringify(evidence, null, 2)], { type: "application/json" }));
  link.download = `evidence-${evidence.clientId}-${evidence.at}.json`;
  link.click();
  URL.revokeObjectURL(link.href);
}

/** Do something as the owner; what cannot be done is told beside the form. */
async function act(errorId, run) {
  element(errorId).textContent = "";
  try {
    return await run(await demo.client.owner());
  } catch (error) {
    element(errorId).textContent = error.serverMessage ? `${error.message} (${error.serverMessage})` : error.message;
    return undefined;
  }
}

/** Make the name this browser's. */
export function claim() {
  return act("owner-error", (owner) => owner.claim());
}

/** Show a new recovery code until it was typed again, and only then use it; one that is there already signs for it. */
export async function showCode() {
  const isChange = demo.ownership.hasRecoveryCode;
  show("old-code-field", isChange);
  element("old-code").required = isChange;
  element("old-code").value = element("code-again").value = "";
  element("code-error").textContent = "";
  element("code").textContent = await act("owner-error", (owner) => owner.newRecoveryCode());
  element("recovery").showModal();
}

export async function keepCode() {
  const code = element("code").textContent;
  const isKept = await act("code-error", async (owner) => {
    if (await owner.isSameCode(code, element("code-again").value)) return owner.setRecoveryCode(code, element("old-code").value);
    element("code-error").textContent = "This is another code than the one above.";
    return undefined;
  });
  if (isKept) element("recovery").close();
}

/** Bring the name back to this browser, and come online with it. */
export async function restore() {
  const isBack = await act("restore-error", (owner) => owner.restore(element("restore-code").value));
  if (isBack) await comeBack();
}

/** Show what the other device is to be told. */
export async function requestMove() {
  element("move-request").value = (await act("move-error", (owner) => owner.requestMove())) ?? "";
  update();
}

/** Sign for another device. */
export async function allowMove() {
  element("move-allowed").value = (await act("allow-error", (owner) => owner.allowMove(element("move-to").value))) ?? "";
  update();
}

export async function completeMove() {
  const isHere = await act("move-error", (owner) => owner.completeMove(element("move-answer").value));
  if (isHere) await comeBack();
}

async function comeBack() {
  element("restore-code").value = "";
  demo.wantsCode = false;
  await demo.client.connect().catch(() => undefined);
  update();
}
