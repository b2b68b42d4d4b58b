/** Hexadecimal views of bytes. */

export interface HexLine {
  offset: string;
  bytes: string[];
  ascii: string;
}

/** Bytes of a hex string; anything that is not a pair of hex digits ends it. */
export function fromHex(hex: string): Uint8Array {
  const pairs = hex.match(/^(?:[0-9a-f]{2})*/i)?.[0] ?? '';
  return Uint8Array.from({ length: pairs.length / 2 }, (_, i) => Number.parseInt(pairs.slice(2 * i, 2 * i + 2), 16));
}

const printable = (byte: number): string => (byte >= 0x20 && byte < 0x7f ? String.fromCharCode(byte) : '·');

/** The classical dump: offset, hex bytes, printable characters. */
export function hexLines(bytes: Uint8Array, width = 16): HexLine[] {
  const lines: HexLine[] = [];
  for (let at = 0; at < bytes.length; at += width) {
    const row = [...bytes.subarray(at, at + width)];
    lines.push({
      offset: at.toString(16).padStart(4, '0'),
      bytes: row.map((b) => b.toString(16).padStart(2, '0')),
      ascii: row.map(printable).join(''),
    });
  }
  return lines;
}

export interface Field {
  name: string;
  start: number;
  /** One past the last byte. */
  end: number;
  /** Cleartext fields are addressing; sealed ones are ciphertext. */
  sealed: boolean;
}

const ENVELOPE: Field = { name: 'envelope: VEIL, version, kind, parameters, length', start: 0, end: 12, sealed: false };

/** The fields of an InferRequest as docs/WIRE.md lays them out. */
export function requestFields(length: number): Field[] {
  return clip(
    [
      ENVELOPE,
      { name: 'session number', start: 12, end: 28, sealed: false },
      { name: 'encoder fingerprint', start: 28, end: 36, sealed: false },
      { name: 'length of the token', start: 36, end: 38, sealed: false },
      { name: 'sealed token', start: 38, end: length, sealed: true },
    ],
    length,
  );
}

/** The fields of an InferAnswer as docs/WIRE.md lays them out. */
export function answerFields(length: number): Field[] {
  return clip(
    [
      ENVELOPE,
      { name: 'number of classes', start: 12, end: 14, sealed: false },
      { name: 'encrypted logits', start: 14, end: length, sealed: true },
    ],
    length,
  );
}

const clip = (fields: Field[], length: number): Field[] =>
  fields.filter((f) => f.start < length).map((f) => ({ ...f, end: Math.min(f.end, length) }));
