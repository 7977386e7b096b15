/** What of the page's layout CSS cannot know: whether the panel beside a call is folded, and the shape of a picture. */

import { keep, kept } from "./keeping.js";
import { element, show } from "./page.js";

const PANEL = "panel";
const OPEN = "open";
const FOLDED = "folded";
// Beside the picture, or below it; on a phone that lies on its side it would take a third of the picture.
const HAS_ROOM = matchMedia("(min-height: 30rem)");
// Of a picture's height. What is cut off at the sides of somebody in the middle is mostly wall.
const LEAST_SHOWN = 0.6;

/** Fold the panel, or not; what was chosen last is kept, and until then it is open where there is room. */
function followPanel() {
  element("panel-toggle").addEventListener("click", () => {
    const isOpened = element("panel").hidden;
    if (!document.fullscreenElement) keep("localStorage", PANEL, isOpened ? OPEN : FOLDED);
    renderPanel(isOpened);
  });
  const chosen = () => kept("localStorage", PANEL);
  HAS_ROOM.addEventListener("change", () => {
    // What an alarm asks to compare stays where it is.
    if (!chosen() && !document.fullscreenElement && element("alarm").hidden) follow();
  });
  const follow = () => renderPanel(!document.fullscreenElement && (chosen() ? chosen() === OPEN : HAS_ROOM.matches));
  // Who wants the picture large has it to the edges, and opens the panel for what else there is.
  document.addEventListener("fullscreenchange", follow);
  follow();
}

/** Open the panel for now, whatever was chosen, at its top: something in it has to be looked at. */
export function unfoldPanel() {
  renderPanel(true);
  element("panel").scrollTop = 0;
}

function renderPanel(isShown) {
  show("panel", isShown);
  element("call").dataset.panel = isShown ? OPEN : FOLDED;
  element("panel-toggle").setAttribute("aria-expanded", String(isShown));
}

/** Show the whole of the other person's picture where filling the stage would cut off much of its height. */
function followPicture() {
  const picture = element("remote");
  const stage = element("stage");
  const fit = () => {
    const { videoWidth, videoHeight } = picture;
    const shown = ((videoWidth / videoHeight) * stage.clientHeight) / stage.clientWidth;
    stage.dataset.fit = shown < LEAST_SHOWN ? "whole" : "filling";
  };
  picture.addEventListener("resize", fit);
  new ResizeObserver(fit).observe(stage);
}

followPanel();
followPicture();
