/**
 * @param {string} digits
 * @returns {string}
 */
export function inGroups(digits) {
  return (digits.match(/.{1,5}/g) ?? []).join(" ");
}
