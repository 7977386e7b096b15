/** QR codes (ISO/IEC 18004) of safety numbers: always 60 digits, hence always version 2, level M, numeric mode. */

const SIZE = 25; // version 2: 17 + 4 × 2
const QUIET_ZONE = 4;
const DIGITS = 60;
const DATA_CODEWORDS = 28; // version 2-M: 28 + 16 in one block
const CORRECTION_CODEWORDS = 16;
const ALIGNMENT = 18; // the centre of version 2's one alignment pattern, in both directions
const LEVEL_M = 0b00;

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
  const data = dataCodewords(digits);
  const bits = [...data, ...correctionCodewords(data)].flatMap((codeword) => bitsOf(codeword, 8));
  const candidates = MASKS.map((_, mask) => draw(bits, mask));
  const penalties = candidates.map(penalty);
  return candidates[penalties.indexOf(Math.min(...penalties))];
}

/**
 * @param {string} digits
 * @returns {string}
 */
export function qrPath(digits) {
  const rows = qrModules(digits);
  const dark = rows.flatMap((row, y) => row.flatMap((isDark, x) => (isDark ? [[x, y]] : [])));
  return dark.map(([x, y]) => `M${x + QUIET_ZONE} ${y + QUIET_ZONE}h1v1h-1z`).join("");
}

/**
 * Section 7.4: mode, count, groups of three digits in ten bits, terminator, padding.
 *
 * @param {string} digits
 */
function dataCodewords(digits) {
  const bits = [...bitsOf(0b0001, 4), ...bitsOf(DIGITS, 10)];
  for (let i = 0; i < DIGITS; i += 3) bits.push(...bitsOf(Number(digits.slice(i, i + 3)), 10));
  bits.push(0, 0, 0, 0);
  while (bits.length % 8 !== 0) bits.push(0);
  const codewords = [];
  for (let i = 0; i < bits.length; i += 8) codewords.push(parseInt(bits.slice(i, i + 8).join(""), 2));
  for (let pad = 0xec; codewords.length < DATA_CODEWORDS; pad ^= 0xec ^ 0x11) codewords.push(pad);
  return codewords;
}

/**
 * Section 7.5: the remainder of the data, as a polynomial over GF(256), by the generator polynomial.
 *
 * @param {number[]} data
 */
function correctionCodewords(data) {
  let generator = [1];
  for (let i = 0, root = 1; i < CORRECTION_CODEWORDS; i += 1, root = multiply(root, 2)) {
    const shifted = [...generator, 0];
    generator = shifted.map((coefficient, j) => coefficient ^ (j > 0 ? multiply(generator[j - 1], root) : 0));
  }
  const remainder = [...data, ...Array(CORRECTION_CODEWORDS).fill(0)];
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
 * @param {number} mask
 * @returns {boolean[][]}
 */
function draw(bits, mask) {
  const pattern = functionPatterns(mask);
  let next = 0;
  for (const [x, y] of dataPositions()) {
    if (pattern[y][x] !== null) continue;
    // A bit that is missing at the end is a remainder bit: 0.
    pattern[y][x] = Boolean(bits[next] ?? 0) !== MASKS[mask](x, y);
    next += 1;
  }
  return /** @type {boolean[][]} */ (pattern);
}

/** Section 7.7.3: two columns at a time from the right, up and down, past the timing column. */
function* dataPositions() {
  let isUpward = true;
  for (let right = SIZE - 1; right > 0; right -= 2) {
    if (right === 6) right = 5;
    for (let i = 0; i < SIZE; i += 1) {
      const y = isUpward ? SIZE - 1 - i : i;
      yield [right, y];
      yield [right - 1, y];
    }
    isUpward = !isUpward;
  }
}

/**
 * Everything but data; null where data goes.
 *
 * @param {number} mask
 */
function functionPatterns(mask) {
  /** @type {(boolean | null)[][]} */
  const modules = Array.from({ length: SIZE }, () => Array(SIZE).fill(null));
  for (let i = 0; i < SIZE; i += 1) modules[6][i] = modules[i][6] = i % 2 === 0;
  // Dark rings around a centre; a finder's light separator is the ring at distance 4.
  /** @type {(cx: number, cy: number, reach: number, isDark: (distance: number) => boolean) => void} */
  const square = (cx, cy, reach, isDark) => {
    for (let y = Math.max(0, cy - reach); y <= Math.min(SIZE - 1, cy + reach); y += 1) {
      for (let x = Math.max(0, cx - reach); x <= Math.min(SIZE - 1, cx + reach); x += 1) {
        modules[y][x] = isDark(Math.max(Math.abs(x - cx), Math.abs(y - cy)));
      }
    }
  };
  for (const [cx, cy] of [[3, 3], [SIZE - 4, 3], [3, SIZE - 4]]) square(cx, cy, 4, (d) => d !== 2 && d !== 4);
  square(ALIGNMENT, ALIGNMENT, 2, (d) => d !== 1);
  const format = formatBits(mask);
  format.forEach((isDark, i) => {
    const [first, second] = formatPositions(i);
    modules[first[1]][first[0]] = modules[second[1]][second[0]] = isDark;
  });
  modules[SIZE - 8][8] = true;
  return modules;
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
 */
function formatPositions(i) {
  const first = i < 6 ? [8, i] : i < 8 ? [8, i + 1] : i === 8 ? [7, 8] : [14 - i, 8];
  const second = i < 8 ? [SIZE - 1 - i, 8] : [8, SIZE - 15 + i];
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
  for (let y = 1; y < SIZE; y += 1) {
    for (let x = 1; x < SIZE; x += 1) {
      const block = [modules[y][x], modules[y][x - 1], modules[y - 1][x], modules[y - 1][x - 1]];
      if (block.every((isDark) => isDark === block[0])) points += 3;
    }
  }
  const share = modules.flat().filter(Boolean).length / (SIZE * SIZE);
  return points + 10 * Math.floor(Math.abs(share - 0.5) / 0.05);
}
