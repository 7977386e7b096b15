/**
 * A QR code (ISO/IEC 18004) of exactly 60 digits: version 2, error correction M, numeric mode.
 *
 * @param digits What `SecureCall.safetyNumber()` returns.
 * @returns 25 rows of 25 modules, dark ones true, without the quiet zone of 4 modules.
 * @throws {RangeError} For anything but 60 digits.
 */
export function qrModules(digits: string): boolean[][];

/**
 * The same as the `d` of one SVG path in a `viewBox="0 0 33 33"`, with the quiet zone. Dark on light:
 * draw it black on white in dark themes too, many readers need that.
 */
export function qrPath(digits: string): string;

/**
 * A QR code of a link: level M, byte mode, and the smallest version that has room.
 *
 * @throws {RangeError} For more than 180 bytes.
 */
export function qrModulesOfLink(link: string): boolean[][];

/** The same as the `d` of one SVG path in a square `viewBox` of `size`, with the quiet zone. */
export function qrPathOfLink(link: string): { path: string; size: number };
