// Encoder and purifier of a pack in headless Chromium, on our CPU engine, one thread, in turn in the same page.
// Usage: node purify.mjs RUNS FOLDER_OF_OUR_BUILD CASE_FOLDER CHROMIUM ; CASE_FOLDER holds card.json, encoder.safetensors and
// purifier.safetensors. Prints one JSON object.
import { serve, launch } from "./browser.mjs";

const [runs, ours, folder, chromium] = process.argv.slice(2);
const server = await serve({ "/ours/": ours, "/case/": folder });
const browser = await launch(chromium);
try {
  const page = await browser.context.newPage();
  await page.goto(`${server.origin}/purify.html`);
  await page.waitForFunction(() => window.measure);
  const result = await page.evaluate((runs) => window.measure(runs), Number(runs));
  console.log(JSON.stringify({ ...result, browser: browser.context.browser()?.version() ?? "" }));
} finally {
  await browser.close();
  server.close();
}
