// One encoder in headless Chromium: our CPU engine and onnxruntime-web, one thread each, in turn, in the same page.
// Usage: node encode.mjs RUNS FOLDER_OF_OUR_BUILD CASE_FOLDER CHROMIUM ; CASE_FOLDER holds architecture.json, weights.safetensors, model.onnx,
// and for a model with a detector detector.json and detector.safetensors.
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
  // Cross-origin isolation gives the page precise clocks.
  response.setHeader("cross-origin-opener-policy", "same-origin");
  response.setHeader("cross-origin-embedder-policy", "require-corp");
  response.setHeader("content-type", types[path.extname(file)] ?? "application/octet-stream");
  response.writeHead(known?.isFile() ? 200 : 404);
  if (known?.isFile()) createReadStream(file).pipe(response);
  else response.end();
});
await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));

const profiles = [];

async function launch() {
  const profile = await mkdtemp(path.join(tmpdir(), "veilsight-bench-"));
  profiles.push(profile);
  return chromium.launchPersistentContext(profile, {
    executablePath: browserPath,
    ignoreDefaultArgs: ["--headless"],
    args: ["--headless=new", "--no-sandbox", "--disable-quic", "--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync"],
  });
}

async function open(browser) {
  const page = await browser.newPage();
  await page.goto(`http://127.0.0.1:${server.address().port}/encode.html`);
  await page.waitForFunction(() => window.compare);
  return page;
}

/** Peak resident bytes of the largest renderer, as the operating system counts them (Linux). */
async function peak(browser) {
  const session = await browser.browser().newBrowserCDPSession();
  const { processInfo } = await session.send("SystemInfo.getProcessInfo");
  const renderers = processInfo.filter((process) => process.type === "renderer");
  const kilobytes = renderers.map(({ id }) => Number(/VmHWM:\s+(\d+)/.exec(readFileSync(`/proc/${id}/status`, "utf8"))?.[1]));
  return 1024 * Math.max(...kilobytes);
}

/** Peak memory of a browser of its own that loads one engine, or none, and encodes twice. */
async function memory(engine) {
  const browser = await launch();
  try {
    const page = await open(browser);
    if (engine) await page.evaluate((engine) => window.encodeTwice(engine), engine);
    return await peak(browser);
  } finally {
    await browser.close();
  }
}

const result = {};
try {
  const empty = await memory(null);
  for (const engine of ["ours", "ort"]) result[`${engine}_memory_bytes`] = (await memory(engine)) - empty;
  const browser = await launch();
  const page = await open(browser);
  Object.assign(result, await page.evaluate((runs) => window.compare(runs), Number(runs)));
  Object.assign(result, await page.evaluate((runs) => window.compareDetector(runs), Number(runs)));
  result.browser = browser.browser()?.version() ?? "";
  result.onnxruntime_web = JSON.parse(readFileSync(path.join(here, "node_modules/onnxruntime-web/package.json"), "utf8")).version;
  await browser.close();
  console.log(JSON.stringify(result));
} finally {
  server.close();
  for (const profile of profiles) await rm(profile, { recursive: true, force: true });
}
