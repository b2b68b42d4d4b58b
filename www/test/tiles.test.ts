/** The end-to-end tests' own eyes: what they read in a relay's record, and what they would notice. */

import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { test } from 'node:test';
import { inflateSync } from 'node:zlib';
import { requestsIn } from '../e2e/support/recorder.ts';
import { texture } from '../e2e/support/texture.ts';
import { purifyRequests, TileMap, tilesOf } from '../e2e/support/tiles.ts';

const SIDE = 128;
const REMOTE = { tile: 24, stride: 22, relays: 3, min_t: 75 };

/** The pixels of the texture, taken from its PNG. */
function pixels(): Uint8Array {
  const png = Buffer.from(texture('texture.png', SIDE).bytes);
  const at = png.indexOf('IDAT');
  const rows = inflateSync(png.subarray(at + 4, at + 4 + png.readUInt32BE(at - 4)));
  return Uint8Array.from({ length: SIDE * SIDE }, (_, i) => rows[i + Math.floor(i / SIDE) + 1] ?? 0);
}

const map = new TileMap(pixels(), REMOTE);

const vector = async (name: string): Promise<Record<string, unknown> & { hex: string }> => {
  const { valid } = JSON.parse(await readFile(new URL('../../wire/vectors/messages.json', import.meta.url), 'utf8'));
  return valid.find((entry: { name: string }) => entry.name === name);
};

test('a_purify_request_is_read_as_the_vectors_of_the_wire_have_it', async () => {
  const { hex, t, side, tiles } = await vector('purify request');
  const read = tilesOf(Buffer.from(hex, 'hex'));
  assert.deepEqual([read.t, read.side], [t, side]);
  assert.deepEqual(
    read.tiles.map(({ id, values }) => ({ id, values: [...values].map((value) => Math.round(value * 2048)) })),
    tiles,
  );
  const colour = await vector('purify request in colour, highest level, most steps, largest values');
  assert.throws(() => tilesOf(Buffer.from(colour.hex, 'hex')), /3 channels/);
  assert.throws(() => tilesOf(Buffer.from('not a message at all, but long enough')), /no purify request/);
});

test('requests_are_found_whole_in_what_a_connection_has_sent', async () => {
  const body = Buffer.from((await vector('purify request')).hex, 'hex');
  const head = `POST /v1/purifications HTTP/1.1\r\nHost: relay\r\nContent-Length: ${body.length}\r\n\r\n`;
  const get = 'GET /v1/purifications/ab/events HTTP/1.1\r\nHost: relay\r\n\r\n';
  const stream = Buffer.concat([Buffer.from(get), Buffer.from(head), body, Buffer.from(get)]);
  const sent = requestsIn(stream);
  assert.deepEqual(
    sent.map(({ method, path, body }) => [method, path, body.length]),
    [
      ['GET', '/v1/purifications/ab/events', 0],
      ['POST', '/v1/purifications', body.length],
      ['GET', '/v1/purifications/ab/events', 0],
    ],
  );
  assert.equal(purifyRequests(sent).length, 1);
  assert.equal(
    requestsIn(stream.subarray(0, stream.length - get.length - 1)).length,
    1,
    'a body cut short is no request',
  );
});

test('every_tile_of_the_texture_is_known_again_under_noise_and_turned', () => {
  // Noise with a variance like that of a high level, the same in every run.
  const noise = (i: number) => [1, 2, 3].reduce((sum, k) => sum + Math.sin(i * 12.9898 * k + k) * 0.55, 0);
  for (let place = 0; place < map.places; place++) {
    const cut = map.cut(place);
    const mirrored = cut.map((_, i) => cut[i + REMOTE.tile - 1 - 2 * (i % REMOTE.tile)] ?? 0);
    const values = mirrored.map((value, i) => 0.8 * (value / 127.5 - 1) + 0.6 * noise(i + 977 * place));
    assert.equal(map.placeOf({ id: '', values }), place);
  }
});

test('tiles_that_no_relay_should_have_together_are_noticed', () => {
  assert.equal(map.places, 36);
  assert.deepEqual(map.breaches([0, 7, 14], 0.4, false), []);
  assert.match(map.breaches([0, 7], 0.4, true).join(), /0 and 7 are neighbours/);
  assert.match(map.breaches([14, 15], 0.4, false).join(), /neighbours/);
  assert.match(map.breaches([14, 20], 0.4, false).join(), /neighbours/);
  assert.deepEqual(map.breaches([5, 6], 0.4, false), [], 'the end of one row is far from the start of the next');
  const checkered = Array.from({ length: 36 }, (_, i) => i).filter((i) => (Math.floor(i / 6) + i) % 2 === 0);
  assert.match(map.breaches(checkered, 0.4, false).join(), /of the image/);
  assert.ok(Math.abs(map.share([...Array(36).keys()]) - 1) < 1e-9);
});
