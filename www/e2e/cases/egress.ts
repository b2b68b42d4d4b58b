import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ownPixels, phantom, realImage } from '../support/images.ts';
import { nativeEncode } from '../support/native.ts';
import { encoderView, prepareAndScan, type Upload } from '../support/scan-page.ts';
import { leaks, Scanner, type Secrets } from '../support/scanner.ts';
import type { Stage } from '../support/stage.ts';

/** Chromium calls its maker by itself, whatever the page; all are refused here, and no page request goes there (see `visit`). */
const BROWSERS_OWN = new Set(['update.googleapis.com', 'accounts.google.com', 'android.clients.google.com']);

const VEIL = Buffer.from('VEIL');

/** All bytes that left during one whole visit, and what must not be among them. */
export async function visit(
  stage: Stage,
  upload: Upload,
  url?: string,
): Promise<{ traffic: Uint8Array; secrets: Secrets }> {
  const native = await nativeEncode(upload);
  let secrets: Secrets | undefined;
  let traffic: Uint8Array = new Uint8Array();
  const foreign = new Set<string>();
  stage.recorder.reset();
  await stage.with(async (page) => {
    page.context().on('request', (request) => foreign.add(new URL(request.url()).origin));
    await prepareAndScan(page, upload);
    // Whatever is sent late, on leaving, is sent now.
    const grey = [await encoderView(page), await ownPixels(page, upload)];
    secrets = { file: upload.bytes, grey, cls: native.cls, quantised: native.quantised };
    await page.goto('about:blank');
    traffic = stage.recorder.upwards();
  }, url);
  foreign.delete(stage.recorder.origin);
  foreign.delete(stage.allowed.origin);
  assert.deepEqual(
    [...foreign].filter((origin) => origin !== 'null'),
    [],
    'requests to other hosts',
  );
  assert.ok(secrets);
  return { traffic, secrets };
}

/** The recording holds the public key and the sealed token, so it would hold a leak too. */
export function assertRecorded(traffic: Uint8Array): void {
  const messages = Buffer.from(traffic);
  const first = messages.indexOf(VEIL);
  assert.ok(first >= 0 && messages.indexOf(VEIL, first + 1) > first, 'a session key and a sealed token were recorded');
  assert.ok(messages.includes('POST /v1/models/brain-mri/infer'));
}

export function egressCases(stage: () => Stage): void {
  const nothingLeaves = async (upload: Upload) => {
    const { traffic, secrets } = await visit(stage(), upload);
    assertRecorded(traffic);
    const scanner = new Scanner(secrets);
    assert.deepEqual(scanner.find(traffic), []);
    // The same scanner finds each secret in this very traffic once it is put there.
    for (const { name, bytes } of leaks(secrets)) {
      const at = Math.floor(traffic.length / 2) + 1;
      const leaky = Buffer.concat([traffic.subarray(at - 1_500, at), bytes, traffic.subarray(at, at + 1_500)]);
      assert.notDeepEqual(scanner.find(new Uint8Array(leaky)), [], `a leak of ${name} would be noticed`);
    }
  };

  test('no_file_pixel_or_cls_byte_of_a_phantom_is_in_any_request', async () => {
    await nothingLeaves(await phantom(stage(), 21, true));
  });

  test('no_file_pixel_or_cls_byte_of_a_real_image_is_in_any_request', async (t) => {
    const image = await realImage('yes');
    if (!image) return t.skip('the shared data (br35h) is not here');
    await nothingLeaves(image);
  });

  test('two_seals_of_one_image_share_no_ciphertext', async () => {
    const upload = await phantom(stage(), 22, true);
    const bodies: Buffer[] = [];
    await stage().with(async (page) => {
      for (let round = 0; round < 2; round++) {
        stage().recorder.reset();
        await prepareAndScan(page, upload);
        const sent = Buffer.from(stage().recorder.upwards());
        bodies.push(sent.subarray(sent.lastIndexOf(VEIL) + 38));
      }
    });
    const [one, two] = bodies.map((body) => new Uint8Array(body));
    assert.ok(one && two && one.length > 500 && one.length === two.length);
    const none: Secrets = { file: one, grey: [], cls: [], quantised: [] };
    assert.deepEqual(new Scanner(none).find(two), []);
  });
}

/** Comes last: it speaks of all cases before it. */
export function otherHostCases(stage: () => Stage): void {
  test('no_other_host_was_ever_contacted', () => {
    const hosts = stage().foreignHosts.map((address) =>
      address.includes('//') ? new URL(address).hostname : address.split(':')[0],
    );
    assert.deepEqual(
      hosts.filter((host) => !BROWSERS_OWN.has(host ?? '')),
      [],
    );
  });
}
