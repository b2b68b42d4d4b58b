import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { phantom } from '../support/images.ts';
import { DIST } from '../support/paths.ts';
import { prepareAndScan } from '../support/scan-page.ts';
import type { Stage } from '../support/stage.ts';

const MB = 1_000_000;

export function sizeCases(stage: () => Stage): void {
  test('a_first_visit_is_small_enough', async (t) => {
    const upload = await phantom(stage(), 61, true);
    const browserSees = new Map<string, number>();
    stage().recorder.reset();
    await stage().with(async (page) => {
      const session = await page.context().newCDPSession(page);
      const paths = new Map<string, string>();
      session.on('Network.requestWillBeSent', (e) => paths.set(e.requestId, new URL(e.request.url).pathname));
      session.on('Network.loadingFinished', (e) => browserSees.set(paths.get(e.requestId) ?? '', e.encodedDataLength));
      await session.send('Network.enable');
      await page.reload();
      await prepareAndScan(page, upload);
    });
    const downloads = stage().recorder.downloads();
    const wire = (matches: (path: string) => boolean) =>
      downloads.filter((d) => matches(d.path)).reduce((total, d) => total + d.bytes, 0);
    const all = wire(() => true);
    const code = wire((path) => path === '/' || /\.(js|css|wasm|svg)(\?|$)/.test(path));
    const gpu = (await readFile(join(DIST, 'wasm/webgpu/client_wasm_bg.wasm.br'))).length;
    t.diagnostic(`first visit on the CPU: ${all} bytes, of these code ${code}; the WebGPU build adds ${gpu}`);
    // Two clocks on one thing: the page's own bundle as the browser counts it and as it crossed the wire.
    const bundle = [...browserSees].find(([path]) => path.startsWith('/assets/page-') && path.endsWith('.js'));
    assert.ok(bundle, 'the browser reports its bundle');
    assert.ok(code > 100_000, 'the code was really downloaded');
    assert.ok(code <= MB, `code path of the CPU: ${code} bytes`);
    assert.ok(all + gpu <= 12 * MB, `whole first visit: ${all + gpu} bytes`);
  });
}
