/** Veilsight as others take it: built with stand-ins for the two WASM files, which are not built here. */

import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { cp, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { brotliDecompressSync, gunzipSync } from 'node:zlib';
import { build as bundle } from 'esbuild';
// @ts-expect-error: plain JavaScript
import { build } from '../build.mjs';

let dir = '';
let dist = '';
const read = (path: string) => readFile(join(dist, path));
const sri = (bytes: Uint8Array) => `sha384-${createHash('sha384').update(bytes).digest('base64')}`;

before(async () => {
  dir = await mkdtemp(join(tmpdir(), 'veilsight-packaging-'));
  dist = join(dir, 'dist');
  await cp(join(import.meta.dirname, 'fixtures/wasm'), join(dist, 'wasm'), { recursive: true });
  await build({ outDir: dist });
});
after(() => rm(dir, { recursive: true, force: true }));

const PAGES = ['index.html', 'site.html'];

test('each_page_pins_its_script_and_its_style', async () => {
  for (const page of PAGES) {
    const html = (await read(page)).toString();
    const pinned = [...html.matchAll(/(?:src|href)="\/(assets\/[^"]+)" integrity="([^"]+)"/g)];
    assert.equal(pinned.length, 2, page);
    for (const [, path, integrity] of pinned) assert.equal(integrity, sri(await read(path ?? '')), page);
  }
});

test('no_page_has_an_inline_script_or_style', async () => {
  for (const page of PAGES) {
    const html = (await read(page)).toString();
    assert.doesNotMatch(html, /<style|\sstyle=|\son\w+=|<script(?![^>]*\ssrc=)|\{\{/, page);
  }
});

test('the_pages_and_their_bundles_name_no_third_party', async () => {
  for (const path of [...PAGES, 'veilsight.js', 'site.js', 'worker.js']) {
    const hosts = [...(await read(path)).toString().matchAll(/https?:\/\/([\w.-]+)/g)].map(([, host]) => host);
    assert.deepEqual(
      hosts.filter((host) => host !== 'www.w3.org'),
      [],
      path,
    );
  }
});

test('the_elements_pin_the_worker_and_the_worker_pins_the_wasm', async () => {
  const worker = await read('worker.js');
  for (const module of ['veilsight.js', 'site.js']) assert.ok((await read(module)).includes(sri(worker)), module);
  for (const name of ['cpu', 'webgpu']) assert.ok(worker.includes(sri(await read(`wasm/${name}/client_wasm_bg.wasm`))));
});

test('compressed_copies_are_equal_and_smaller', async () => {
  for (const path of ['veilsight.js', 'site.js', 'worker.js', ...PAGES]) {
    const [plain, br, gz] = await Promise.all([read(path), read(`${path}.br`), read(`${path}.gz`)]);
    assert.deepEqual(brotliDecompressSync(br), plain);
    assert.deepEqual(gunzipSync(gz), plain);
    assert.ok(br.length < plain.length && gz.length < plain.length);
  }
});

test('a_second_build_writes_nothing', async () => {
  const times = async () =>
    Promise.all(
      (await readdir(dist))
        .filter((n) => n !== '.compressed.json')
        .map(async (n) => [n, (await stat(join(dist, n))).mtimeMs]),
    );
  const first = await times();
  await build({ outDir: dist });
  assert.deepEqual(await times(), first);
});

test('a_build_without_wasm_says_what_to_run', async () => {
  await assert.rejects(build({ outDir: join(dir, 'empty') }), /cargo xtask build-wasm/);
});

/** Runs a module as a browser would: a page needs a custom element registry, and nothing else of it, to import it. */
async function definesElement(file: string, name = 'veilsight-scan'): Promise<boolean> {
  const defined: string[] = [];
  const known = Object.getOwnPropertyDescriptors(globalThis);
  const stage = {
    HTMLElement: class {},
    customElements: { get: () => undefined, define: (name: string) => defined.push(name) },
    document: { createTreeWalker: () => ({}), createComment: () => ({}), baseURI: 'http://page.test/' },
    CSSStyleSheet: class {
      replaceSync() {}
    },
  };
  Object.assign(globalThis, stage);
  try {
    await import(file);
  } finally {
    for (const name of Object.keys(stage)) {
      const before = known[name];
      if (before) Object.defineProperty(globalThis, name, before);
      else Reflect.deleteProperty(globalThis, name);
    }
  }
  return defined.includes(name);
}

test('a_plain_script_module_registers_the_element', async () => {
  await cp(join(dist, 'veilsight.js'), join(dir, 'plain.mjs'));
  assert.ok(await definesElement(join(dir, 'plain.mjs')));
  await cp(join(dist, 'site.js'), join(dir, 'plain-site.mjs'));
  assert.ok(await definesElement(join(dir, 'plain-site.mjs'), 'veilsight-site'));
});

test('a_consumer_that_bundles_it_gets_the_element_too', async () => {
  await writeFile(
    join(dir, 'app.js'),
    `import { VeilsightScan } from './dist/veilsight.js';\nglobalThis.taken = VeilsightScan.name;\n`,
  );
  const outfile = join(dir, 'bundled.mjs');
  await bundle({
    entryPoints: [join(dir, 'app.js')],
    bundle: true,
    format: 'esm',
    minify: true,
    outfile,
    logLevel: 'error',
  });
  assert.ok(await definesElement(outfile));
});

test('a_consumer_that_splits_its_bundle_as_vite_does_gets_the_element_too', async () => {
  await writeFile(join(dir, 'lazy.js'), `export const load = () => import('./dist/veilsight.js');\nawait load();\n`);
  const outdir = join(dir, 'split');
  await bundle({
    entryPoints: [join(dir, 'lazy.js')],
    bundle: true,
    format: 'esm',
    splitting: true,
    outdir,
    outExtension: { '.js': '.mjs' },
    target: 'es2022',
    logLevel: 'error',
  });
  assert.ok((await readdir(outdir)).length > 1);
  assert.ok(await definesElement(join(outdir, 'lazy.mjs')));
});
