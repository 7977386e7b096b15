/**
 * The fields of what other apps send: each SDK spells names as its language does, `sdpMid`, `SdpMid` or `sdp_mid`.
 */

/**
 * @param {object} given
 * @returns {Map<string, any>} by name, in lower case and without underscores and hyphens
 */
export function fieldsOf(given) {
  return new Map(Object.entries(given).map(([name, value]) => [name.replace(/[_-]/g, "").toLowerCase(), value]));
}

/**
 * @param {Map<string, any>} fields
 * @param {string[]} names as `fieldsOf` writes them
 * @returns {any} the first that is there, perhaps null
 */
export function firstOf(fields, names) {
  return names.map((name) => fields.get(name)).find((value) => value !== undefined);
}
