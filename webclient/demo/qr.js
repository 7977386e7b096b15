/** QR codes (ISO/IEC 18004), level M: of safety numbers, in numeric mode and hence always version 2, and of links, in byte mode. */

const QUIET_ZONE = 4;
const DIGITS = 60;
const LEVEL_M = 0b00;
const NUMERIC = 0b0001;
const BYTES = 0b0100;

/**
 * Tables 9 and E.1, versions 1 to 9 at level M: codewords of data, blocks, correction codewords of each block, and where the
 * centres of alignment patterns are, in both directions.
 *
 * @type {[data: number, blocks: number, correction: number, centres: number[]][]}
 */
const VERSIONS = [
  [16, 1, 10, []],
  [28, 1, 16, [6, 18]],
  [44, 1, 26, [6, 22]],
  [64, 2, 18, [6, 26]],
  [86, 2, 24, [6, 30]],
  [108, 4, 16, [6, 34]],
  [124, 4, 18, [6, 22, 38]],
  [154, 4, 22, [6, 24, 42]],
  [182, 5, 22, [6, 26, 46]],
];

/**
 * What each mask inverts, by its number (table 10); `y` is the row.
 *
 * @type {((x: number, y: number) => boolean)[]}
 */
const MASKS = [
  (x, y) => (x + y) % 2 === 0,
  (_x, y) => y % 2 === 0,
  (x) => x % 3 === 0,
  (x, y) => (x + y) % 3 === 0,
  (x, y) => (Math.floor(y / 2) + Math.floor(x / 3)) % 2 === 0,
  (x, y) => ((x * y) % 2) + ((x * y) % 3) === 0,
  (x, y) => (((x * y) % 2) + ((x * y) % 3)) % 2 === 0,
  (x, y) => (((x + y) % 2) + ((x * y) % 3)) % 2 === 0,
];

/**
 * @param {string} digits
 * @returns {boolean[][]}
 */
export function qrModules(digits) {
  if (!/^[0-9]{60}$/.test(digits)) throw new RangeError("A safety number has 60 digits.");
  const bits = [...bitsOf(NUMERIC, 4), ...bitsOf(DIGITS, 10)];
  // Section 7.4.3: groups of three digits in ten bits.
  for (let i = 0; i < DIGITS; i += 3) bits.push(...bitsOf(Number(digits.slice(i, i + 3)), 10));
  return symbol(bits);
}

/**
 * @param {string} link
 * @returns {boolean[][]}
 */
export function qrModulesOfLink(link) {
  const bytes = [...new TextEncoder().encode(link)];
  return symbol([...bitsOf(BYTES, 4), ...bitsOf(bytes.length, 8), ...bytes.flatMap((byte) => bitsOf(byte, 8))]);
}

/**
 * @param {string} digits
 * @returns {string}
 */
export function qrPath(digits) {
  return pathOf(qrModules(digits));
}

/**
 * @param {string} link
 * @returns {{path: string, size: number}}
 */
export function qrPathOfLink(link) {
  const rows = qrModulesOfLink(link);
  return { path: pathOf(rows), size: rows.length + 2 * QUIET_ZONE };
}

/** @param {boolean[][]} rows */
function pathOf(rows) {
  const dark = rows.flatMap((row, y) => row.flatMap((isDark, x) => (isDark ? [[x, y]] : [])));
  return dark.map(([x, y]) => `M${x + QUIET_ZONE} ${y + QUIET_ZONE}h1v1h-1z`).join("");
}

/**
 * Draw a symbol of the smallest version, with the mask that makes it read best.
 *
 * @param {number[]} bits
 */
function symbol(bits) {
  const version = 1 + VERSIONS.findIndex(([data]) => bits.length <= data * 8);
  if (version === 0) throw new RangeError("It is too long for a QR code of version 9.");
  const codewords = withCorrection(dataCodewords(bits, VERSIONS[version - 1][0]), version);
  const all = codewords.flatMap((codeword) => bitsOf(codeword, 8));
  const candidates = MASKS.map((_, mask) => draw(all, version, mask));
  const penalties = candidates.map(penalty);
  return candidates[penalties.indexOf(Math.min(...penalties))];
}

/**
 * Sections 7.4.9 and 7.4.10: terminator and padding.
 *
 * @param {number[]} given
 * @param {number} length
 */
function dataCodewords(given, length) {
  const bits = [...given, 0, 0, 0, 0].slice(0, length * 8);
  while (bits.length % 8 !== 0) bits.push(0);
  const codewords = [];
  for (let i = 0; i < bits.length; i += 8) codewords.push(parseInt(bits.slice(i, i + 8).join(""), 2));
  for (let pad = 0xec; codewords.length < length; pad ^= 0xec ^ 0x11) codewords.push(pad);
  return codewords;
}

/**
 * Section 7.6: the codewords of all blocks, the first of each, then the second; the last blocks are one longer.
 *
 * @param {number[]} data
 * @param {number} version
 */
function withCorrection(data, version) {
  const [, count, correction] = VERSIONS[version - 1];
  const starts = Array.from({ length: count + 1 }, (_, i) => i * Math.floor(data.length / count) + Math.max(0, i - count + (data.length % count)));
  const blocks = starts.slice(0, -1).map((start, i) => data.slice(start, starts[i + 1]));
  return [...interleaved(blocks), ...interleaved(blocks.map((block) => correctionCodewords(block, correction)))];
}

/** @param {number[][]} blocks */
function interleaved(blocks) {
  const longest = Math.max(...blocks.map(({ length }) => length));
  return Array.from({ length: longest }, (_, i) => blocks.flatMap((block) => block.slice(i, i + 1))).flat();
}

/**
 * Section 7.5: the remainder of the data, as a polynomial over GF(256), by the generator polynomial.
 *
 * @param {number[]} data
 * @param {number} count
 */
function correctionCodewords(data, count) {
  let generator = [1];
  for (let i = 0, root = 1; i < count; i += 1, root = multiply(root, 2)) {
    const shifted = [...generator, 0];
    generator = shifted.map((coefficient, j) => coefficient ^ (j > 0 ? multiply(generator[j - 1], root) : 0));
  }
  const remainder = [...data, ...Array(count).fill(0)];
  for (let i = 0; i < data.length; i += 1) {
    const factor = remainder[i];
    generator.forEach((coefficient, j) => {
      remainder[i + j] ^= multiply(coefficient, factor);
    });
  }
  return remainder.slice(data.length);
}

/**
 * In GF(256) with the polynomial x⁸ + x⁴ + x³ + x² + 1.
 *
 * @param {number} a
 * @param {number} b
 */
function multiply(a, b) {
  let product = 0;
  for (let bit = 7; bit >= 0; bit -= 1) {
    product = (product << 1) ^ (product & 0x80 ? 0x11d : 0);
    if ((b >> bit) & 1) product ^= a;
  }
  return product;
}

/**
 * @param {number} value
 * @param {number} length
 */
function bitsOf(value, length) {
  return Array.from({ length }, (_, i) => (value >> (length - 1 - i)) & 1);
}

/**
 * @param {number[]} bits
 * @param {number} version
 * @param {number} mask
 * @returns {boolean[][]}
 */
function draw(bits, version, mask) {
  const pattern = functionPatterns(version, mask);
  let next = 0;
  for (const [x, y] of dataPositions(pattern.length)) {
    if (pattern[y][x] !== null) continue;
    // A bit that is missing at the end is a remainder bit: 0.
    pattern[y][x] = Boolean(bits[next] ?? 0) !== MASKS[mask](x, y);
    next += 1;
  }
  return /** @type {boolean[][]} */ (pattern);
}

/**
 * Section 7.7.3: two columns at a time from the right, up and down, past the timing column.
 *
 * @param {number} size
 */
function* dataPositions(size) {
  let isUpward = true;
  for (let right = size - 1; right > 0; right -= 2) {
    if (right === 6) right = 5;
    for (let i = 0; i < size; i += 1) {
      const y = isUpward ? size - 1 - i : i;
      yield [right, y];
      yield [right - 1, y];
    }
    isUpward = !isUpward;
  }
}

/**
 * Everything but data; null where data goes.
 *
 * @param {number} version
 * @param {number} mask
 */
function functionPatterns(version, mask) {
  const size = 17 + 4 * version;
  /** @type {(boolean | null)[][]} */
  const modules = Array.from({ length: size }, () => Array(size).fill(null));
  for (let i = 0; i < size; i += 1) modules[6][i] = modules[i][6] = i % 2 === 0;
  // Dark rings around a centre; a finder's light separator is the ring at distance 4.
  /** @type {(cx: number, cy: number, reach: number, isDark: (distance: number) => boolean) => void} */
  const square = (cx, cy, reach, isDark) => {
    for (let y = Math.max(0, cy - reach); y <= Math.min(size - 1, cy + reach); y += 1) {
      for (let x = Math.max(0, cx - reach); x <= Math.min(size - 1, cx + reach); x += 1) {
        modules[y][x] = isDark(Math.max(Math.abs(x - cx), Math.abs(y - cy)));
      }
    }
  };
  for (const [cx, cy] of [[3, 3], [size - 4, 3], [3, size - 4]]) square(cx, cy, 4, (d) => d !== 2 && d !== 4);
  for (const [cx, cy] of alignments(version)) square(cx, cy, 2, (d) => d !== 1);
  const format = formatBits(mask);
  format.forEach((isDark, i) => {
    const [first, second] = formatPositions(i, size);
    modules[first[1]][first[0]] = modules[second[1]][second[0]] = isDark;
  });
  modules[size - 8][8] = true;
  if (version < 7) return modules;
  versionBits(version).forEach((isDark, i) => {
    const [near, far] = [Math.floor(i / 3), size - 11 + (i % 3)];
    modules[near][far] = modules[far][near] = isDark;
  });
  return modules;
}

/**
 * Annex E: every pair of centres but those that are finders.
 *
 * @param {number} version
 */
function alignments(version) {
  const [, , , centres] = VERSIONS[version - 1];
  const last = centres.at(-1);
  const pairs = centres.flatMap((x) => centres.map((y) => [x, y]));
  return pairs.filter(([x, y]) => !(x === 6 && y === 6) && !(x === 6 && y === last) && !(x === last && y === 6));
}

/**
 * Section 7.10: the version, protected by a BCH (18, 6) code; bit 0 first.
 *
 * @param {number} version
 */
function versionBits(version) {
  let remainder = version << 12;
  for (let bit = 17; bit >= 12; bit -= 1) if ((remainder >> bit) & 1) remainder ^= 0b1111100100101 << (bit - 12);
  return Array.from({ length: 18 }, (_, i) => Boolean((((version << 12) | remainder) >> i) & 1));
}

/**
 * Section 7.9: level and mask, protected by a BCH (15, 5) code; bit 0 first.
 *
 * @param {number} mask
 */
function formatBits(mask) {
  const value = (LEVEL_M << 3) | mask;
  let remainder = value << 10;
  for (let bit = 14; bit >= 10; bit -= 1) if ((remainder >> bit) & 1) remainder ^= 0b10100110111 << (bit - 10);
  const format = ((value << 10) | remainder) ^ 0b101010000010010;
  return Array.from({ length: 15 }, (_, i) => Boolean((format >> i) & 1));
}

/**
 * Figure 25: where bit `i` stands, `[x, y]` twice.
 *
 * @param {number} i
 * @param {number} size
 */
function formatPositions(i, size) {
  const first = i < 6 ? [8, i] : i < 8 ? [8, i + 1] : i === 8 ? [7, 8] : [14 - i, 8];
  const second = i < 8 ? [size - 1 - i, 8] : [8, size - 15 + i];
  return [first, second];
}

/**
 * Section 7.8.3: how badly a symbol can be read.
 *
 * @param {boolean[][]} modules
 */
function penalty(modules) {
  const lines = [...modules, ...modules[0].map((_, x) => modules.map((row) => row[x]))];
  const texts = lines.map((line) => line.map((isDark) => (isDark ? "1" : "0")).join(""));
  let points = 0;
  for (const text of texts) {
    for (const run of text.match(/0{5,}|1{5,}/g) ?? []) points += run.length - 2;
    // A finder's 1:1:3:1:1, with four light modules before or after.
    points += 40 * (text.match(/(?=00001011101|10111010000)/g) ?? []).length;
  }
  for (let y = 1; y < modules.length; y += 1) {
    for (let x = 1; x < modules.length; x += 1) {
      const block = [modules[y][x], modules[y][x - 1], modules[y - 1][x], modules[y - 1][x - 1]];
      if (block.every((isDark) => isDark === block[0])) points += 3;
    }
  }
  const share = modules.flat().filter(Boolean).length / modules.length ** 2;
  return points + 10 * Math.floor(Math.abs(share - 0.5) / 0.05);
}
