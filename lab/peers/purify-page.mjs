// Runs in the page of purify.mjs.
const bytes = async (name) => new Uint8Array(await (await fetch(`/case/${name}`)).arrayBuffer());
const card = await (await fetch("/case/card.json")).json();
const client = await import("/ours/client_wasm.js");
await client.default({ module_or_path: "/ours/client_wasm_bg.wasm" });
const encoder = new client.EncodeBench(JSON.stringify(card.encoder.architecture), await bytes("encoder.safetensors"));
const purifier = new client.PurifyBench(JSON.stringify(card.purifier), await bytes("purifier.safetensors"));

const { in_channels: channels, image_size: size } = card.encoder.architecture;
const pixels = Float32Array.from({ length: channels * size ** 2 }, (_, index) => 0.5 + 0.4 * Math.sin(index * 0.37));
// Sums of twelve uniform numbers are near enough to normal for a clock.
const noise = pixels.map(() => Array.from({ length: 12 }, Math.random).reduce((sum, value) => sum + value, -6));
const level = card.purifier.levels.at(-1).t;

const median = (numbers) => numbers.toSorted((a, b) => a - b)[Math.floor(numbers.length / 2)];

/** Medians of the encoder, of one step and of ten, run in turn. */
window.measure = async (runs) => {
  const work = {
    encoder_ms: () => encoder.encode(pixels),
    one_step_ms: () => purifier.purify(pixels, noise, level, 1),
    ten_steps_ms: () => purifier.purify(pixels, noise, level, 10),
  };
  const times = Object.fromEntries(Object.keys(work).map((name) => [name, []]));
  for (let run = -1; run < runs; run++) {
    for (const [name, once] of Object.entries(work)) {
      const start = performance.now();
      once();
      if (run >= 0) times[name].push(performance.now() - start);
    }
  }
  const medians = Object.fromEntries(Object.entries(times).map(([name, list]) => [name, median(list)]));
  return { ...medians, values: purifier.purify(pixels, noise, level, 1).length };
};
