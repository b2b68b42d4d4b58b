// Runs in the page of encode.mjs.
const bytes = async (url) => new Uint8Array(await (await fetch(url)).arrayBuffer());
const architecture = await (await fetch("/case/architecture.json")).text();
const config = JSON.parse(architecture);
const input = Float32Array.from({ length: config.in_channels * config.image_size ** 2 }, (_, index) => Math.sin(index * 0.37));

// Only shipped packs have one.
const detector = await fetch("/case/detector.json").then((response) => (response.ok ? response.text() : null));

const engines = {
  async ours() {
    const client = await import("/ours/client_wasm.js");
    await client.default({ module_or_path: "/ours/client_wasm_bg.wasm" });
    const encoder = new client.EncodeBench(architecture, await bytes("/case/weights.safetensors"));
    return { encode: async () => encoder.encode(input) };
  },
  async ort() {
    const ort = await import("/ort/ort.wasm.min.mjs");
    ort.env.wasm.numThreads = 1;
    ort.env.wasm.wasmPaths = "/ort/";
    const session = await ort.InferenceSession.create(await bytes("/case/model.onnx"), { executionProviders: ["wasm"] });
    const image = new ort.Tensor("float32", input, [1, config.in_channels, config.image_size, config.image_size]);
    return { encode: async () => (await session.run({ image })).cls.data };
  },
};

/** Our encoder, and the check for tampering around it: all passes of the detector, and the encoding of the copy. */
async function guarded() {
  const { encode } = await engines.ours();
  const client = await import("/ours/client_wasm.js");
  const guard = new client.DetectBench(detector, await bytes("/case/detector.safetensors"));
  const encoder = new client.EncodeBench(architecture, await bytes("/case/weights.safetensors"));
  return { encode, check: { encode: async () => encoder.encode(guard.examine(input)) } };
}

const median = (numbers) => numbers.toSorted((a, b) => a - b)[Math.floor(numbers.length / 2)];

async function timed(encoder) {
  const start = performance.now();
  const cls = await encoder.encode();
  return [performance.now() - start, cls];
}

/** Loads one engine and encodes twice, for the peak of memory. */
window.encodeTwice = async (name) => {
  const encoder = await engines[name]();
  await encoder.encode();
  await encoder.encode();
};

/** Median of the check, and of the check over the encoding that it comes before; nothing without a detector. */
window.compareDetector = async (runs) => {
  if (!detector) return {};
  const { encode, check } = await guarded();
  const [times, ratios] = [[], []];
  for (let run = -2; run < runs; run++) {
    const [encoding] = await timed({ encode });
    const [checking] = await timed(check);
    if (run < 0) continue;
    times.push(checking);
    ratios.push(checking / encoding);
  }
  return { detector_ms: median(times), detector_ratio: median(ratios) };
};

/** Medians of both engines, run in turn, and how far their CLS tokens are apart. */
window.compare = async (runs) => {
  const [ours, ort] = [await engines.ours(), await engines.ort()];
  const [times, others, ratios] = [[], [], []];
  let difference = 0;
  for (let run = -2; run < runs; run++) {
    const [mine, a] = await timed(ours);
    const [theirs, b] = await timed(ort);
    difference = a.reduce((most, value, index) => Math.max(most, Math.abs(value - b[index])), 0);
    if (run < 0) continue;
    times.push(mine);
    others.push(theirs);
    ratios.push(mine / theirs);
  }
  return { ours_ms: median(times), ort_ms: median(others), ratio: median(ratios), max_difference: difference };
};
