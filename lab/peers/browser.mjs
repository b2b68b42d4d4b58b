// A page of this folder in headless Chromium, with precise clocks.
import { createReadStream } from "node:fs";
import { mkdtemp, rm, stat } from "node:fs/promises";
import http from "node:http";
import { tmpdir } from "node:os";
import path from "node:path";
import { chromium } from "playwright-core";

const types = { ".html": "text/html", ".mjs": "text/javascript", ".js": "text/javascript", ".wasm": "application/wasm", ".json": "application/json" };

/** Serves folders by their prefixes, and this one below everything else. Answers `origin` and `close()`. */
export async function serve(folders) {
  const roots = { ...folders, "/": import.meta.dirname };
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
  return { origin: `http://127.0.0.1:${server.address().port}`, close: () => server.close() };
}

/** A browser with a profile of its own. Answers its `context` and `close()`. */
export async function launch(executablePath) {
  const profile = await mkdtemp(path.join(tmpdir(), "veilsight-bench-"));
  const context = await chromium.launchPersistentContext(profile, {
    executablePath,
    ignoreDefaultArgs: ["--headless"],
    args: ["--headless=new", "--no-sandbox", "--disable-quic", "--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync"],
  });
  const close = async () => {
    await context.close();
    await rm(profile, { recursive: true, force: true });
  };
  return { context, close };
}
