/**
 * Bundles the page, the embedding module and the worker to `dist/`, with integrity attributes and compressed copies.
 * The WASM builds must lie in `dist/wasm/{cpu,webgpu}` before: `cargo xtask build-wasm`.
 */

import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { brotliCompress, constants, gzip } from 'node:zlib';
import { build as bundle } from 'esbuild';

const HERE = dirname(fileURLToPath(import.meta.url));
const COMPRESSIBLE = /\.(?:js|css|html|svg|wasm|json)$/;

const integrity = (bytes) => `sha384-${createHash('sha384').update(bytes).digest('base64')}`;
const shortHash = (bytes) => createHash('sha256').update(bytes).digest('hex').slice(0, 12);

/** The shared settings of every bundle; one place decides what browsers we write for. */
const settings = (defines) => ({
  bundle: true,
  format: 'esm',
  target: ['es2022'],
  minify: true,
  legalComments: 'none',
  write: false,
  absWorkingDir: HERE,
  logLevel: 'warning',
  define: Object.fromEntries(Object.entries(defines).map(([name, value]) => [name, JSON.stringify(value)])),
});

async function bundleOne(entry, defines, plugins = []) {
  const { outputFiles } = await bundle({ ...settings(defines), entryPoints: [entry], plugins, outdir: 'unwritten' });
  return Buffer.from(outputFiles[0].contents);
}

/** `@wasm/cpu` and `@wasm/webgpu` are the glue that wasm-bindgen wrote. */
const wasmGlue = (wasmDir) => ({
  name: 'wasm-glue',
  setup({ onResolve }) {
    onResolve({ filter: /^@wasm\/(cpu|webgpu)$/ }, ({ path }) => ({
      path: join(wasmDir, path.slice('@wasm/'.length), 'client_wasm.js'),
    }));
  },
});

async function wasmManifest(wasmDir) {
  const entries = ['cpu', 'webgpu'].map(async (name) => {
    const file = join(wasmDir, name, 'client_wasm_bg.wasm');
    if (!existsSync(file)) throw new Error(`${file} is missing: run \`cargo xtask build-wasm\` first.`);
    return [name, { path: `wasm/${name}/client_wasm_bg.wasm`, integrity: integrity(await readFile(file)) }];
  });
  return Object.fromEntries(await Promise.all(entries));
}

/** Writes a file only when its bytes change, so that a second build leaves times and compressed copies alone. */
async function put(outDir, path, content) {
  const file = join(outDir, path);
  const bytes = Buffer.from(content);
  await mkdir(dirname(file), { recursive: true });
  if (existsSync(file) && (await readFile(file)).equals(bytes)) return;
  await writeFile(file, bytes);
}

async function files(dir) {
  const entries = await readdir(dir, { withFileTypes: true, recursive: true });
  return entries.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name));
}

const compressors = {
  br: (bytes) =>
    promisify(brotliCompress)(bytes, {
      params: {
        // The highest quality takes a minute for the GPU build and makes it a tenth smaller.
        [constants.BROTLI_PARAM_QUALITY]: bytes.length > 8_000_000 ? 9 : 11,
        [constants.BROTLI_PARAM_LGWIN]: constants.BROTLI_MAX_WINDOW_BITS,
        [constants.BROTLI_PARAM_SIZE_HINT]: bytes.length,
      },
    }),
  gz: (bytes) => promisify(gzip)(bytes, { level: 9 }),
};

/** Compresses what changed. `.compressed.json` remembers the hash of each source. */
async function compress(outDir) {
  const record = join(outDir, '.compressed.json');
  const known = existsSync(record) ? JSON.parse(await readFile(record, 'utf8')) : {};
  const now = {};
  for (const file of (await files(outDir)).filter((name) => COMPRESSIBLE.test(name) && name !== record)) {
    const bytes = await readFile(file);
    const name = file.slice(outDir.length + 1);
    now[name] = shortHash(bytes);
    const fresh = known[name] === now[name] && existsSync(`${file}.br`) && existsSync(`${file}.gz`);
    if (fresh) continue;
    for (const [suffix, compressor] of Object.entries(compressors)) {
      await writeFile(`${file}.${suffix}`, await compressor(bytes));
    }
  }
  await writeFile(record, JSON.stringify(now, null, 1));
}

/** Removes hashed files of earlier builds, so that the folder holds this build alone. */
async function sweepAssets(outDir, keep) {
  const assets = join(outDir, 'assets');
  if (!existsSync(assets)) return;
  for (const name of await readdir(assets)) {
    if (!keep.includes(`assets/${name.replace(/\.(?:br|gz)$/, '')}`)) await rm(join(assets, name));
  }
}

/** A page of `public/` with its script and its style, each pinned by name and by hash. */
async function pageOf(name, bytes, style) {
  const script = `assets/${name === 'index.html' ? 'page' : 'site'}-${shortHash(bytes)}.js`;
  const html = (await readFile(join(HERE, 'public', name), 'utf8'))
    .replace('{{js}}', `/${script}`)
    .replace('{{js-integrity}}', integrity(bytes))
    .replace('{{css}}', `/${style.path}`)
    .replace('{{css-integrity}}', integrity(style.bytes));
  return { name, script, bytes, html };
}

export async function build({ outDir = join(HERE, 'dist'), wasmDir = join(outDir, 'wasm') } = {}) {
  const worker = await bundleOne('src/worker/worker.ts', { __WASM__: await wasmManifest(wasmDir) }, [
    wasmGlue(wasmDir),
  ]);
  const workerFile = { path: `worker.js?v=${shortHash(worker)}`, integrity: integrity(worker) };

  const element = (entry, assetBase) => bundleOne(entry, { __ASSET_BASE__: assetBase, __WORKER__: workerFile });
  const css = await bundleOne('public/page.css', {});
  const style = { path: `assets/page-${shortHash(css)}.css`, bytes: css };
  const scan = await pageOf('index.html', await element('src/veilsight.ts', '../'), style);
  const site = await pageOf('site.html', await element('src/site.ts', '../'), style);

  await put(outDir, 'worker.js', worker);
  await put(outDir, 'veilsight.js', await element('src/veilsight.ts', './'));
  await put(outDir, 'site.js', await element('src/site.ts', './'));
  await put(outDir, style.path, style.bytes);
  for (const page of [scan, site]) {
    await put(outDir, page.script, page.bytes);
    await put(outDir, page.name, page.html);
  }
  for (const name of ['embed.html', 'favicon.svg']) await put(outDir, name, await readFile(join(HERE, 'public', name)));
  const names = { css: style.path, scan: scan.script, site: site.script };
  await sweepAssets(outDir, Object.values(names));
  await compress(outDir);
  return { names, workerFile };
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const { names } = await build().catch((error) => {
    console.error(error.message);
    process.exit(1);
  });
  console.log(
    `www/dist: index.html (${names.scan}), site.html (${names.site}), ${names.css}, veilsight.js, site.js, worker.js, embed.html`,
  );
}
