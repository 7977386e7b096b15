/**
 * A reader of session descriptions (RFC 8866): the lines of the session, then those of each m-line, as a call needs them.
 *
 * Browsers, native SDKs and telephone systems spell the same thing differently: CRLF or LF; attributes of the session that
 * hold for every m-line without its own; `m=video 0` with `a=bundle-only`; names in upper case. The reader knows all of it,
 * and says what the description means. It changes nothing: what is signed and what the browser gets is the text.
 *
 * @typedef {object} MediaSection one m-line with the attributes below it
 * @property {string} kind "audio", "video" or "application", mostly
 * @property {string | undefined} mid
 * @property {string | undefined} ufrag
 * @property {boolean} isRejected
 * @property {string} direction seen from whoever wrote it
 *
 * @typedef {object} SessionDescription
 * @property {MediaSection[]} media
 * @property {string[][]} bundles the mids of each BUNDLE group
 *
 * @typedef {{name: string, value: string}} Attribute
 */

const DIRECTIONS = ["sendrecv", "sendonly", "recvonly", "inactive"];

/**
 * @param {string} text
 * @returns {string[][]} the session's lines, then those of each m-line; none is empty
 */
export function sectionsOf(text) {
  /** @type {string[][]} */
  const sections = [[]];
  for (const line of text.split(/\r?\n/)) {
    if (line.startsWith("m=")) sections.push([]);
    if (line) sections.at(-1)?.push(line);
  }
  return sections;
}

/** @param {string} text @returns {SessionDescription} */
export function readSdp(text) {
  const [session, ...sections] = sectionsOf(text);
  const shared = attributesOf(session);
  const groups = valuesOf(shared, "group").map((value) => value.split(/\s+/));
  return {
    media: sections.map((lines) => mediaSection(lines, shared)),
    bundles: groups.filter(([semantics]) => semantics.toUpperCase() === "BUNDLE").map(([, ...mids]) => mids),
  };
}

/**
 * @param {string[]} lines
 * @param {Attribute[]} shared the session's
 * @returns {MediaSection}
 */
function mediaSection([first, ...lines], shared) {
  const [kind, port] = first.slice("m=".length).trim().split(/\s+/);
  const own = attributesOf(lines);
  // RFC 8866, section 6.7: what the session says holds where an m-line says nothing.
  const direction = lastDirection(own) ?? lastDirection(shared) ?? "sendrecv";
  return {
    kind: kind.toLowerCase(),
    mid: valuesOf(own, "mid")[0],
    ufrag: valuesOf(own, "ice-ufrag")[0] ?? valuesOf(shared, "ice-ufrag")[0],
    // RFC 9143, section 6: with a=bundle-only, port 0 offers what has no transport of its own. Firefox writes it.
    isRejected: Number.parseInt(port, 10) === 0 && valuesOf(own, "bundle-only").length === 0,
    direction,
  };
}

/** @param {string[]} lines @returns {Attribute[]} */
function attributesOf(lines) {
  return lines.filter((line) => line.startsWith("a=")).map((line) => {
    const [name, ...rest] = line.slice("a=".length).split(":");
    return { name: name.trim().toLowerCase(), value: rest.join(":").trim() };
  });
}

/**
 * @param {Attribute[]} attributes
 * @param {string} name
 */
function valuesOf(attributes, name) {
  return attributes.filter((it) => it.name === name).map(({ value }) => value);
}

/** @param {Attribute[]} attributes */
function lastDirection(attributes) {
  return attributes.findLast(({ name }) => DIRECTIONS.includes(name))?.name;
}
