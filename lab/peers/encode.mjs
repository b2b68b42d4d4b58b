// One encoder in headless Chromium: our CPU engine and onnxruntime-web, one thread each, in turn, in the same page.
// Usage: node encode.mjs RUNS FOLDER_OF_OUR_BUILD CASE_FOLDER CHROMIUM ; CASE_FOLDER holds architecture.json, weights.safetensors, model.onnx,
// and for a model with a detector detector.json and detector.safetensors.
// Prints one JSON object.
import { readFileSync } from "node:fs";
import path from "node:path";
import { launch as launchAt, serve } from "./browser.mjs";

const [runs, ours, folder, browserPath] = process.argv.slice(2);
const here = import.meta.dirname;
const server = await serve({ "/ours/": ours, "/case/": folder, "/ort/": path.join(here, "node_modules/onnxruntime-web/dist") });
const launch = () => launchAt(browserPath);

async function open({ context }) {
  const page = await context.newPage();
  await page.goto(`${server.origin}/encode.html`);
  await page.waitForFunction(() => window.compare);
  return page;
}

/** Peak resident bytes of the largest renderer, as the operating system counts them (Linux). */
async function peak({ context }) {
  const session = await context.browser().newBrowserCDPSession();
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
  result.browser = browser.context.browser()?.version() ?? "";
  result.onnxruntime_web = JSON.parse(readFileSync(path.join(here, "node_modules/onnxruntime-web/package.json"), "utf8")).version;
  await browser.close();
  console.log(JSON.stringify(result));
} finally {
  server.close();
}
