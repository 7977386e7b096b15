/** What is shown of the name: whose it is, and what can be done about that. */

import { element, show, state, write } from "./page.js";

const TONES = { free: "warning", foreign: "bad", moved: "plain", changed: "bad" };
const TITLES = { foreign: "This name is taken", moved: "This name has moved", changed: "Somebody took this name" };

/** @param {object} demo of demo.js */
export function renderOwner({ ownership }) {
  const { state: whose, hasRecoveryCode } = ownership ?? {};
  const isSafe = whose === "owner" && hasRecoveryCode;
  show("owner", Boolean(ownership));
  state("owner-text", ownership?.sentence, whose === "owner" ? (isSafe ? "good" : "warning") : (TONES[whose] ?? "plain"));
  show("claim-now", whose === "free");
  show("make-code", whose === "owner" && !hasRecoveryCode);
  show("change-code", isSafe);
  show("use-code", whose === "changed");
  show("move", whose === "owner");
  show("move-allowed-label", Boolean(element("move-allowed").value));
}

/** @param {object} demo of demo.js */
export function renderShutOut({ ownership }) {
  write("shut-out-title", TITLES[ownership?.state] ?? "Bring it back");
  write("shut-out-text", ownership?.sentence ?? "");
  show("move-steps", Boolean(element("move-request").value));
}
