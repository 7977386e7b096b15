/** The page's elements, and the small things that are done to them. */

/** @param {string} id @returns {any} the element, which the template must have */
export function element(id) {
  const found = document.getElementById(id);
  if (!found) throw new Error(`The page has no element #${id}`);
  return found;
}

/** Write a text; the same text again is no news, which a screen reader would read out. */
export function write(id, text) {
  const target = element(id);
  if (target.textContent !== text) target.textContent = text;
}

/** Show the element, or not. */
export function show(id, isShown) {
  element(id).hidden = !isShown;
}

/** Write a text that is good, bad, a warning or plain; nothing hides it. */
export function state(id, text, tone) {
  write(id, text ?? "");
  show(id, Boolean(text));
  element(id).dataset.tone = tone;
}

/** Let a video element play a stream, or stop. */
export function play(id, stream) {
  const video = element(id);
  if (video.srcObject !== stream) video.srcObject = stream;
}

/** Put a person's first letter into a coloured circle; a name has the same colour everywhere. */
export function avatar(id, name) {
  write(id, name.slice(0, 1).toUpperCase());
  const sum = [...name].reduce((total, letter) => total + letter.codePointAt(0), 0);
  element(id).dataset.hue = String(sum % 6);
}
