/** Huffman codes of deflate (RFC 1951, 3.2.2): built from the lengths of their codes, decoded bit by bit or by a table of short ones. */

const TABLE_BITS = 10;
const CODE_BITS_MAX = 15;

export class HuffmanCode {
  /** By the next ten bits: symbol × 16 + length of its code; 0 where the code is longer. */
  private readonly table = new Uint16Array(1 << TABLE_BITS);
  /** Symbols in the order of their codes, and how many codes there are of each length. */
  private readonly symbols: Uint16Array;
  private readonly counts = new Uint16Array(CODE_BITS_MAX + 1);
  private longestBits = 0;

  private constructor(symbolCount: number) {
    this.symbols = new Uint16Array(symbolCount);
  }

  /** Undefined where the lengths make no code. A single code may be incomplete, as encoders write it for one distance alone. */
  static of(lengths: Uint8Array): HuffmanCode | undefined {
    const code = new HuffmanCode(lengths.length);
    const { counts, symbols } = code;
    for (const length of lengths) counts[length]!++;
    const usedCount = lengths.length - counts[0]!;
    counts[0] = 0;
    let free = 1;
    for (let length = 1; length <= CODE_BITS_MAX; length++) {
      free = free * 2 - counts[length]!;
      if (free < 0) return undefined;
    }
    if (free > 0 && usedCount > 1) return undefined;
    const places = new Uint16Array(CODE_BITS_MAX + 2);
    for (let length = 1; length <= CODE_BITS_MAX; length++) places[length + 1] = places[length]! + counts[length]!;
    lengths.forEach((length, symbol) => {
      if (length > 0) symbols[places[length]!++] = symbol;
    });
    code.longestBits = Math.max(...lengths);
    code.fillTable();
    return code;
  }

  /** Symbol × 16 + length of the code that the lowest of `bitCount` bits of `bits` begin with; 0 where more bits are needed, -1 where there is none. */
  decode(bits: number, bitCount: number): number {
    const found = this.table[bits & ((1 << TABLE_BITS) - 1)]!;
    if (found !== 0 && (found & 15) <= bitCount) return found;
    return this.walk(bits, bitCount);
  }

  private walk(bits: number, bitCount: number): number {
    let value = 0;
    let first = 0;
    let index = 0;
    for (let length = 1; length <= this.longestBits; length++) {
      if (length > bitCount) return 0;
      value |= (bits >>> (length - 1)) & 1;
      const count = this.counts[length]!;
      if (value - first < count) return this.symbols[index + value - first]! * 16 + length;
      index += count;
      first = (first + count) << 1;
      value <<= 1;
    }
    return -1;
  }

  /** Codes come with their highest bit first, in bits that are taken from the lowest on. */
  private fillTable(): void {
    let value = 0;
    let index = 0;
    for (let length = 1; length <= TABLE_BITS; length++) {
      for (let i = 0; i < this.counts[length]!; i++, value++) {
        const entry = this.symbols[index++]! * 16 + length;
        for (let place = reversed(value, length); place < this.table.length; place += 1 << length) this.table[place] = entry;
      }
      value <<= 1;
    }
  }
}

function reversed(value: number, bitCount: number): number {
  let out = 0;
  for (let i = 0; i < bitCount; i++) out |= ((value >> i) & 1) << (bitCount - 1 - i);
  return out;
}
