/** How buttons and forms come to their acts. */

import { element } from "./page.js";
import { ongoing } from "./screen.js";
import { demo } from "./state.js";

const NAME_RULE = "A name has 1 to 64 letters, digits, hyphens or underscores, without spaces.";

/** @param {string} name @returns {boolean} whether somebody can have it */
export function isName(name) {
  return /^[a-zA-Z0-9_-]{1,64}$/.test(name);
}

/** Run `use(name)` with a good name, or say beside the field what is wrong. */
export function onName(formId, inputId, use) {
  element(formId).addEventListener("submit", (event) => {
    event.preventDefault();
    const input = element(inputId);
    input.value = input.value.trim();
    const problem = isName(input.value) ? refusal(inputId, input.value) : NAME_RULE;
    element(`${inputId}-error`).textContent = problem;
    input.setAttribute("aria-invalid", String(Boolean(problem)));
    if (problem) input.focus();
    else use(input.value, event.submitter);
  });
}

function refusal(inputId, name) {
  if (inputId === "peer") return name === demo.client?.clientId ? "That is you. Enter somebody else’s name." : "";
  // Who took it would put the other one out.
  return name === demo.inviter ? "That is the name of who invites you. Choose one of your own." : "";
}

export function onSubmit(id, run) {
  element(id).addEventListener("submit", (event) => {
    event.preventDefault();
    run();
  });
}

export function onClick(id, run) {
  element(id).addEventListener("click", run);
}

/** Run `run(call)` when a button is clicked, unless another call was there when the pointer pressed it. */
export function onCallClick(id, run) {
  let pressedIn = null;
  element(id).addEventListener("pointerdown", () => {
    pressedIn = ongoing(demo.client)?.callId;
  });
  element(id).addEventListener("click", ({ detail: presses }) => {
    const call = ongoing(demo.client);
    // A keyboard, or an aid, presses nothing before.
    if (call && (presses === 0 || pressedIn === call.callId)) run(call);
  });
}
