// One encoder in headless Chromium: our CPU engine and onnxruntime-web, one thread each, in turn, in the same page.
// Usage: node encode.mjs RUNS FOLDER_OF_OUR_BUILD CASE_FOLDER CHROMIUM ; CASE_FOLDER holds architecture.json, weights.safetensors, model.onnx.
// Prints one JSON object.
import { createReadStream, readFileSync } from "node:fs";
import { mkdtemp, rm, stat } from "node:fs/promises";
import http from "node:http";
import { tmpdir } from "node:os";
import path from "node:path";
import { chromium } from "playwright-core";

const [runs, ours, folder, browserPath] = process.argv.slice(2);
const here = import.meta.dirname;
const roots = { "/ours/": ours, "/case/": folder, "/ort/": path.join(here, "node_modules/onnxruntime-web/dist"), "/": here };
const types = { ".html": "text/html", ".mjs": "text/javascript", ".js": "text/javascript", ".wasm": "application/wasm", ".json": "application/json" };

const server = http.createServer(async (request, response) => {
  const url = new URL(request.url, "http://localhost").pathname;
  const [prefix, root] = Object.entries(roots).find(([prefix]) => url.startsWith(prefix));
  const file = path.join(root, path.normalize(url.slice(prefix.length)));
  const known = await stat(file).catch(() => null);
  // Cross-origin isolation lets the page measure its own memory.
  response.setHeader("cross-origin-opener-policy", "same-origin");
  response.setHeader("cross-origin-embedder-policy", "require-corp");
  response.setHeader("content-type", types[path.extname(file)] ?? "application/octet-stream");
  response.writeHead(known?.isFile() ? 200 : 404);
  if (known?.isFile()) createReadStream(file).pipe(response);
  else response.end();
});
await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));

const profile = await mkdtemp(path.join(tmpdir(), "veilsight-bench-"));
const browser = await chromium.launchPersistentContext(profile, {
  executablePath: browserPath,
  ignoreDefaultArgs: ["--headless"],
  args: ["--headless=new", "--no-sandbox", "--disable-quic", "--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync", "--enable-blink-features=ForceEagerMeasureMemory"],
});
try {
  const page = await browser.newPage();
  const result = {};
  // Each engine alone in a fresh page first, for its memory; then both in one page, in turn, for the times.
  const open = async () => {
    await page.goto(`http://127.0.0.1:${server.address().port}/encode.html`);
    await page.waitForFunction(() => window.compare);
  };
  for (const engine of ["ours", "ort"]) {
    await open();
    result[`${engine}_memory_bytes`] = await page.evaluate((engine) => window.memory(engine), engine);
  }
  await open();
  Object.assign(result, await page.evaluate((runs) => window.compare(runs), Number(runs)));
  result.browser = browser.browser()?.version() ?? "";
  result.onnxruntime_web = JSON.parse(readFileSync(path.join(here, "node_modules/onnxruntime-web/package.json"), "utf8")).version;
  console.log(JSON.stringify(result));
} finally {
  await browser.close();
  server.close();
  await rm(profile, { recursive: true, force: true });
}
