/** Figures as people read them. */

const UNITS = ["bytes", "KB", "MB", "GB"];

/** @param {number} bytes @returns {string} such as "1.2 MB" */
export function size(bytes) {
  const unit = Math.min(Math.floor(Math.log10(Math.max(bytes, 1)) / 3), UNITS.length - 1);
  const amount = bytes / 1000 ** unit;
  return `${unit > 0 && amount < 10 ? amount.toFixed(1) : Math.round(amount)} ${UNITS[unit]}`;
}

/** @param {number | null} bitsPerSecond @returns {string} such as "640 kbit/s" on a line of its own; nothing until it was measured */
export function rate(bitsPerSecond) {
  return bitsPerSecond === null ? "" : `\n${Math.round(bitsPerSecond / 1000)} kbit/s`;
}

/** @param {number} ms @returns {string} such as "4:05" or "1:00:00" */
export function duration(ms) {
  const seconds = Math.max(Math.floor(ms / 1000), 0);
  const parts = [Math.floor(seconds / 60) % 60, seconds % 60];
  const hours = Math.floor(seconds / 3600);
  const [first, ...others] = hours ? [hours, ...parts] : parts;
  return [first, ...others.map((part) => String(part).padStart(2, "0"))].join(":");
}
