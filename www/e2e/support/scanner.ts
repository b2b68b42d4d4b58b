/** Looks for an image, its pixels and its CLS token in recorded traffic, in every form they could have left the device. */

export interface Secrets {
  file: Uint8Array;
  /** Grey pixels of the letterboxed picture, and of the picture as it was. */
  grey: Uint8Array[];
  /** The CLS token. */
  cls: number[];
  /** Its quantised values. */
  quantised: number[];
}

export interface Finding {
  what: string;
  /** Byte position in the traffic. */
  at: number;
}

const FILE_WINDOW = 16;
const PIXEL_WINDOW = 24;
const CLS_WINDOW = 12;
const QUANTISED_WINDOW = 16;
const CLS_TOLERANCE = 1e-3;

const latin1 = (bytes: Uint8Array): string =>
  Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('latin1');

interface Traffic {
  bytes: Uint8Array;
  text: string;
}

type Finder = (traffic: Traffic) => Finding | null;

/** Windows that could stand anywhere by chance (runs of one byte, short cycles) prove nothing. */
const isTelling = (window: string): boolean => new Set(window).size >= 6;

/** Looks for any window of the needle; the windows are cut once, for many traffics. */
function windowFinder(what: string, needle: Uint8Array, size: number): Finder {
  const text = latin1(needle);
  const windows = new Set<string>();
  for (let i = 0; i + size <= text.length; i++) {
    const window = text.slice(i, i + size);
    if (isTelling(window)) windows.add(window);
  }
  return ({ text: traffic }) => {
    for (let at = 0; at + size <= traffic.length; at++) {
      if (windows.has(traffic.slice(at, at + size))) return { what, at };
    }
    return null;
  };
}

const encodings = (bytes: Uint8Array): [string, Uint8Array][] => {
  const buffer = Buffer.from(bytes);
  const base64 = [0, 1, 2].map((shift): [string, Uint8Array] => [
    `base64 from byte ${shift}`,
    Buffer.from(buffer.subarray(shift).toString('base64').replace(/=+$/, '')),
  ]);
  return [['raw', bytes], ['hex', Buffer.from(buffer.toString('hex'))], ...base64];
};

const fileFinders = ({ file }: Secrets): Finder[] =>
  encodings(file).map(([name, bytes]) =>
    windowFinder(`file bytes (${name})`, bytes, name === 'raw' ? FILE_WINDOW : 2 * FILE_WINDOW),
  );

const repeated = (grey: Uint8Array, channels: number, alpha: boolean): Uint8Array =>
  Uint8Array.from([...grey].flatMap((v) => [...Array(channels).fill(v), ...(alpha ? [255] : [])]));

const asFloats = (values: ArrayLike<number>): Uint8Array => new Uint8Array(Float32Array.from(values).buffer);

const pixelFinders = ({ grey }: Secrets): Finder[] =>
  grey.flatMap((pixels) => [
    windowFinder('pixels (grey)', pixels, PIXEL_WINDOW),
    windowFinder('pixels (RGB)', repeated(pixels, 3, false), 3 * PIXEL_WINDOW),
    windowFinder('pixels (RGBA)', repeated(pixels, 3, true), 4 * PIXEL_WINDOW),
    windowFinder('pixels (f32 of 0…255)', asFloats(pixels), 4 * PIXEL_WINDOW),
    windowFinder('pixels (f32 of 0…1)', asFloats([...pixels].map((v) => v / 255)), 4 * PIXEL_WINDOW),
  ]);

export function halfToNumber(half: number): number {
  const sign = half & 0x8000 ? -1 : 1;
  const exponent = (half >> 10) & 31;
  const fraction = half & 1023;
  if (exponent === 0) return sign * 2 ** -24 * fraction;
  if (exponent === 31) return fraction ? Number.NaN : sign * Number.POSITIVE_INFINITY;
  return sign * 2 ** (exponent - 25) * (1024 + fraction);
}

interface Decoding {
  name: string;
  width: number;
  /** What rounding to this format may add to the tolerance, as a share of the value. */
  rounding: number;
  read: (view: DataView, at: number) => number;
}

const DECODINGS: Decoding[] = [true, false].flatMap((little) => {
  const order = little ? 'LE' : 'BE';
  return [
    { name: `f32 ${order}`, width: 4, rounding: 0, read: (v, at) => v.getFloat32(at, little) },
    { name: `f64 ${order}`, width: 8, rounding: 0, read: (v, at) => v.getFloat64(at, little) },
    { name: `f16 ${order}`, width: 2, rounding: 2 ** -11, read: (v, at) => halfToNumber(v.getUint16(at, little)) },
  ];
});

/** Whether `window` values from some place of the CLS token stand at a byte position, each within the tolerance. */
const clsFinders = ({ cls }: Secrets): Finder[] =>
  DECODINGS.map(({ name, width, rounding, read }) => ({ bytes }) => {
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
    const within = cls.map((v) => CLS_TOLERANCE + Math.abs(v) * rounding);
    const near = (at: number, i: number) => Math.abs(read(view, at) - (cls[i] ?? Number.NaN)) <= (within[i] ?? 0);
    const whole = (at: number, i: number) => {
      for (let k = 0; k < CLS_WINDOW; k++) if (!near(at + k * width, i + k)) return false;
      return true;
    };
    for (let at = 0; at + CLS_WINDOW * width <= bytes.length; at++) {
      for (let i = 0; i + CLS_WINDOW <= cls.length; i++) if (whole(at, i)) return { what: `CLS token as ${name}`, at };
    }
    return null;
  });

const byteForms = (values: number[]): [string, Uint8Array, number][] => {
  const shorts = (little: boolean) => {
    const view = new DataView(new ArrayBuffer(values.length * 2));
    for (const [i, v] of values.entries()) view.setInt16(i * 2, v, little);
    return new Uint8Array(view.buffer);
  };
  const words = (little: boolean) => {
    const view = new DataView(new ArrayBuffer(values.length * 4));
    for (const [i, v] of values.entries()) view.setInt32(i * 4, v, little);
    return new Uint8Array(view.buffer);
  };
  return [
    ['i8', Uint8Array.from(values, (v) => v & 255), 1],
    ['upper 8 of 9 bits', Uint8Array.from(values, (v) => (v >> 1) & 255), 1],
    ['i16 LE', shorts(true), 2],
    ['i16 BE', shorts(false), 2],
    ['i32 LE', words(true), 4],
    ['i32 BE', words(false), 4],
  ];
};

const bitsOf = (bytes: Uint8Array, leastFirst: boolean): string =>
  Array.from(bytes, (b) => {
    const bits = b.toString(2).padStart(8, '0');
    return leastFirst ? [...bits].reverse().join('') : bits;
  }).join('');

const nineBits = (value: number, leastFirst: boolean): string => {
  const bits = (value & 511).toString(2).padStart(9, '0');
  return leastFirst ? [...bits].reverse().join('') : bits;
};

/** Values packed in 9 bits each, as two's complement or shifted to be positive, at any bit position. */
const packedFinders = ({ quantised }: Secrets): Finder[] =>
  [true, false].flatMap((leastFirst) =>
    [0, 256].map((shift): Finder => {
      const packed = quantised.map((v) => nineBits(v + shift, leastFirst));
      const what = `quantised CLS, 9 bits packed, ${leastFirst ? 'least' : 'most'} bit first`;
      return ({ bytes }) => {
        const haystack = bitsOf(bytes, leastFirst);
        for (let i = 0; i + QUANTISED_WINDOW <= packed.length; i++) {
          const values = packed.slice(i, i + QUANTISED_WINDOW);
          const at = new Set(values).size < 6 ? -1 : haystack.indexOf(values.join(''));
          if (at >= 0) return { what, at: at >> 3 };
        }
        return null;
      };
    }),
  );

const quantisedFinders = ({ quantised }: Secrets): Finder[] =>
  byteForms(quantised).map(([name, bytes, width]) =>
    windowFinder(`quantised CLS as ${name}`, bytes, width * QUANTISED_WINDOW),
  );

/** Knows the secrets of one image and finds them in any traffic. */
export class Scanner {
  readonly #finders: Finder[];

  constructor(secrets: Secrets) {
    this.#finders = [fileFinders, pixelFinders, clsFinders, quantisedFinders, packedFinders].flatMap((make) =>
      make(secrets),
    );
  }

  find(bytes: Uint8Array): Finding[] {
    const traffic = { bytes, text: latin1(bytes) };
    return this.#finders.map((find) => find(traffic)).filter((finding) => finding !== null);
  }
}

const packed9 = (values: number[], leastFirst: boolean): Uint8Array => {
  const bits = values.map((v) => nineBits(v, leastFirst)).join('');
  return Uint8Array.from(bits.match(/.{8}/g) ?? [], (byte) =>
    Number.parseInt(leastFirst ? [...byte].reverse().join('') : byte, 2),
  );
};

const halves = (values: number[], little: boolean): Uint8Array => {
  const view = new DataView(new ArrayBuffer(values.length * 2));
  for (const [i, v] of values.entries()) view.setUint16(i * 2, numberToHalf(v), little);
  return new Uint8Array(view.buffer);
};

/** Nearest half-precision number, by trying all: exact, and quick enough for a test. */
function numberToHalf(value: number): number {
  let best = 0;
  for (let half = 0; half < 65_536; half++) {
    if (Math.abs(halfToNumber(half) - value) < Math.abs(halfToNumber(best) - value)) best = half;
  }
  return best;
}

const floats = (values: number[], little: boolean): Uint8Array => {
  const view = new DataView(new ArrayBuffer(values.length * 4));
  for (const [i, v] of values.entries()) view.setFloat32(i * 4, v, little);
  return new Uint8Array(view.buffer);
};

/** Leaks that the scanner must find: a piece of each secret in each form, from its most varied part. */
export function leaks(secrets: Secrets): { name: string; bytes: Uint8Array }[] {
  const { file, grey, cls, quantised } = secrets;
  const middle = Math.floor(file.length / 2);
  const pixels = grey.map((g) => {
    const best = mostVaried(g, PIXEL_WINDOW);
    return g.subarray(best, best + PIXEL_WINDOW);
  });
  const some = cls.slice(5, 5 + CLS_WINDOW);
  const start = mostVaried(quantised, QUANTISED_WINDOW);
  const whole = quantised.slice(start, start + QUANTISED_WINDOW);
  return [
    { name: '16 bytes of the file', bytes: file.subarray(middle, middle + FILE_WINDOW) },
    { name: 'file in base64', bytes: Buffer.from(Buffer.from(file).toString('base64')) },
    { name: 'file in hex', bytes: Buffer.from(Buffer.from(file).toString('hex')) },
    ...pixels.map((bytes, i) => ({ name: `24 grey pixels of picture ${i}`, bytes })),
    ...pixels.map((p, i) => ({ name: `24 RGB pixels of picture ${i}`, bytes: repeated(p, 3, false) })),
    ...pixels.map((p, i) => ({
      name: `24 pixels of picture ${i} as f32`,
      bytes: asFloats([...p].map((v) => v / 255)),
    })),
    { name: 'CLS as f32 LE', bytes: floats(some, true) },
    { name: 'CLS as f32 BE', bytes: floats(some, false) },
    {
      name: 'CLS as f32 LE, a little noisy',
      bytes: floats(
        some.map((v, i) => v + (i % 2 ? 8e-4 : -8e-4)),
        true,
      ),
    },
    { name: 'CLS as f16 LE', bytes: halves(some, true) },
    { name: 'CLS as f16 BE', bytes: halves(some, false) },
    ...byteForms(whole).map(([name, bytes]) => ({ name: `quantised CLS as ${name}`, bytes })),
    { name: 'quantised CLS, 9 bits, least first', bytes: packed9([...quantised], true) },
    { name: 'quantised CLS, 9 bits, most first', bytes: packed9([...quantised], false) },
  ];
}

function mostVaried(values: ArrayLike<number>, size: number): number {
  let best = { at: 0, kinds: 0 };
  for (let at = 0; at + size <= values.length; at++) {
    const kinds = new Set(Array.from({ length: size }, (_, i) => values[at + i])).size;
    if (kinds > best.kinds) best = { at, kinds };
  }
  return best.at;
}
