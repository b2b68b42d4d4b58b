import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { test } from 'node:test';
import { halfToNumber, leaks, Scanner, type Secrets } from '../e2e/support/scanner.ts';

/** Bytes that look random and are the same in every run. */
const noise = (seed: string, length: number): Uint8Array =>
  Uint8Array.from(
    Array.from({ length: Math.ceil(length / 32) }, (_, i) => [...createHash('sha256').update(`${seed}${i}`).digest()])
      .flat()
      .slice(0, length),
  );

const cls = Array.from(noise('cls', 192), (b) => (b - 127) / 12);
const secrets: Secrets = {
  file: noise('file', 3_000),
  grey: [noise('pixels', 4_000), noise('original', 4_000)],
  cls,
  quantised: cls.map((v) => Math.round(v * 22)),
};

const scanner = new Scanner(secrets);

test('random_traffic_holds_no_secret', () => {
  assert.deepEqual(scanner.find(noise('traffic', 40_000)), []);
});

test('zeros_and_constant_runs_are_no_finding', () => {
  const dull: Secrets = { file: new Uint8Array(500), grey: [new Uint8Array(500)], cls, quantised: cls.map(() => 0) };
  assert.deepEqual(new Scanner(dull).find(new Uint8Array(2_000)), []);
});

for (const { name, bytes } of leaks(secrets)) {
  test(`the_scanner_finds: ${name}`, () => {
    const traffic = noise('traffic', 6_001);
    traffic.set(bytes.subarray(0, 2_500), 3_001);
    assert.notDeepEqual(scanner.find(traffic), []);
  });
}

test('half_precision_is_read_as_ieee_754_says', () => {
  const cases: [number, number][] = [
    [0x3c00, 1],
    [0xc000, -2],
    [0x0001, 2 ** -24],
    [0x7bff, 65_504],
  ];
  for (const [half, value] of cases) assert.equal(halfToNumber(half), value);
});
