/** Noised tiles as relays receive them, and where in an image they come from. */

import type { PurifierCard } from './packs.ts';
import type { Sent } from './recorder.ts';

export interface SentTile {
  id: string;
  /** In diffusion units: pixels from −1 to 1 under noise. */
  values: Float64Array;
}

export interface SentTiles {
  t: number;
  side: number;
  tiles: SentTile[];
}

/** As docs/WIRE.md lays it out. */
const KIND = 4;
const [HEAD, ID] = [28, 8];
const FIXED = 2048;

/** A purify request of one channel. */
export function tilesOf(body: Buffer): SentTiles {
  if (body.toString('latin1', 0, 4) !== 'VEIL' || body[5] !== KIND) throw new Error('This is no purify request.');
  const [t, channels, side, count] = [body.readUInt16LE(20), body[23], body.readUInt16LE(24), body.readUInt16LE(26)];
  if (channels !== 1) throw new Error(`Tiles of ${channels} channels are not read here.`);
  const size = ID + 2 * side * side;
  const tiles = Array.from({ length: count }, (_, i): SentTile => {
    const at = HEAD + i * size;
    const values = Float64Array.from({ length: side * side }, (_, k) => body.readInt16LE(at + ID + 2 * k) / FIXED);
    return { id: body.toString('hex', at, at + ID), values };
  });
  if (HEAD + count * size !== body.length) throw new Error('This purify request has bytes to spare.');
  return { t, side, tiles };
}

/** All that a relay was sent to purify. */
export const purifyRequests = (requests: Sent[]): SentTiles[] =>
  requests
    .filter(({ method, path }) => method === 'POST' && path === '/v1/purifications')
    .map(({ body }) => tilesOf(body));

/** The grid of tiles over an image of `side` pixels a side, for one who knows the image and looks for tiles in it. */
export class TileMap {
  readonly #grey: Uint8Array;
  readonly #side: number;
  readonly #tile: number;
  readonly #stride: number;
  readonly #across: number;
  /** Each place in each turn. */
  readonly #turned: Float64Array[][];

  /** `grey` is what the encoder sees, row by row. */
  constructor(grey: Uint8Array, { tile, stride }: PurifierCard['remote']) {
    this.#grey = grey;
    this.#side = Math.sqrt(grey.length);
    this.#tile = tile;
    this.#stride = stride;
    this.#across = Math.ceil((this.#side - tile) / stride) + 1;
    this.#turned = Array.from({ length: this.places }, (_, place) =>
      TURNS.map((turn) => turned(this.cut(place), tile, turn)),
    );
  }

  get places(): number {
    return this.#across ** 2;
  }

  /** The place whose pixels, turned in some way, a noised tile is most like; places without any pattern are like nothing. */
  placeOf({ values }: SentTile): number {
    const likeness = this.#turned.map((ways) => Math.max(...ways.map((way) => correlation(values, way))));
    return likeness.indexOf(Math.max(...likeness));
  }

  /** What is wrong with one relay having seen these places: neighbours among them, or more of the image than `most`. */
  breaches(places: number[], most: number, cornersCount: boolean): string[] {
    const pairs = places.flatMap((one, i) => places.slice(i + 1).map((other) => [one, other] as const));
    const beside = pairs.filter(([one, other]) => this.#areNeighbours(one, other, cornersCount));
    const share = this.share(places);
    return [
      ...beside.map(([one, other]) => `places ${one} and ${other} are neighbours`),
      ...(share > most ? [`${share} of the image`] : []),
    ];
  }

  #areNeighbours(one: number, other: number, cornersCount: boolean): boolean {
    const rows = Math.abs(Math.floor(one / this.#across) - Math.floor(other / this.#across));
    const columns = Math.abs((one % this.#across) - (other % this.#across));
    return rows + columns === 1 || (cornersCount && rows === 1 && columns === 1);
  }

  /** Part of the image's area that these places cover together. */
  share(places: number[]): number {
    const seen = new Set(places.flatMap((place) => this.#pixels(place).filter(isInside(this.#side)).map(String)));
    return seen.size / this.#side ** 2;
  }

  /** The grey values of a place, as they are cut out of the image. */
  cut(place: number): Float64Array {
    const last = this.#side - 1;
    const mirrored = (at: number) => last - Math.abs(last - Math.abs(at));
    return Float64Array.from(
      this.#pixels(place),
      ([row, column]) => this.#grey[mirrored(row) * this.#side + mirrored(column)] ?? 0,
    );
  }

  /** Row and column of each pixel of a place; those of border tiles can lie beyond the image. */
  #pixels(place: number): Point[] {
    const overhang = Math.floor(((this.#across - 1) * this.#stride + this.#tile - this.#side) / 2);
    const [top, left] = [Math.floor(place / this.#across), place % this.#across].map(
      (i) => i * this.#stride - overhang,
    );
    return Array.from({ length: this.#tile ** 2 }, (_, k) => [
      (top ?? 0) + Math.floor(k / this.#tile),
      (left ?? 0) + (k % this.#tile),
    ]);
  }
}

type Point = [row: number, column: number];

const isInside =
  (side: number) =>
  ([row, column]: Point): boolean =>
    row >= 0 && column >= 0 && row < side && column < side;

/** The eight flips and rotations of a square, as what they do to a point of it. */
const TURNS = [0, 1, 2, 3, 4, 5, 6, 7].map((turn) => ([row, column]: Point, last: number): Point => {
  const [y, x] = turn & 1 ? [column, row] : [row, column];
  return [turn & 2 ? last - y : y, turn & 4 ? last - x : x];
});

function turned(tile: Float64Array, side: number, turn: (typeof TURNS)[number]): Float64Array {
  return tile.map((_, k) => {
    const [row, column] = turn([Math.floor(k / side), k % side], side - 1);
    return tile[row * side + column] ?? 0;
  });
}

/** Pearson's correlation; 0 where one of the two does not vary. */
function correlation(one: Float64Array, other: Float64Array): number {
  const mean = (values: Float64Array) => values.reduce((sum, value) => sum + value, 0) / values.length;
  const [m, n] = [mean(one), mean(other)];
  let [both, left, right] = [0, 0, 0];
  for (let i = 0; i < one.length; i++) {
    const [a, b] = [(one[i] ?? 0) - m, (other[i] ?? 0) - n];
    both += a * b;
    left += a * a;
    right += b * b;
  }
  return left > 0 && right > 0 ? both / Math.sqrt(left * right) : 0;
}
