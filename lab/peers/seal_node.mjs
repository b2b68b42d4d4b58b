// Sealing 768 values in WebAssembly, in Node: node-seal's CKKS and our client's build, one after the other.
// Usage: node seal_node.mjs RUNS FOLDER_OF_OUR_BUILD ; prints one JSON object.
import { readFile } from "node:fs/promises";
import path from "node:path";
import { pathToFileURL } from "node:url";
import SEAL from "node-seal";

const VALUES = 768;
const [runs, folder] = [Number(process.argv[2]), process.argv[3]];

const median = (numbers) => numbers.toSorted((a, b) => a - b)[Math.floor(numbers.length / 2)];

function time(operation) {
  operation();
  const times = [];
  for (let run = 0; run < runs; run++) {
    const start = performance.now();
    operation();
    times.push(performance.now() - start);
  }
  return median(times);
}

async function ours() {
  const client = await import(pathToFileURL(path.join(folder, "client_wasm.js")));
  const bytes = await readFile(path.join(folder, "client_wasm_bg.wasm"));
  client.initSync({ module: bytes });
  const bench = new client.SealBench(VALUES);
  return { ms: time(() => bench.seal()), bytes: bench.seal() };
}

// The paper's sizes: N = 8192, moduli of 60, 40, 40 and 60 bits.
async function nodeSeal() {
  const seal = await SEAL();
  const parameters = seal.EncryptionParameters(seal.SchemeType.ckks);
  parameters.setPolyModulusDegree(8192);
  parameters.setCoeffModulus(seal.CoeffModulus.Create(8192, Int32Array.from([60, 40, 40, 60])));
  const context = seal.Context(parameters, true, seal.SecurityLevel.tc128);
  const encryptor = seal.Encryptor(context, seal.KeyGenerator(context).createPublicKey());
  const encoder = seal.CKKSEncoder(context);
  const values = Float64Array.from({ length: VALUES }, (_, index) => Math.sin(index));
  const encrypt = () => {
    const plain = encoder.encode(values, 2 ** 40);
    const cipher = encryptor.encrypt(plain);
    const bytes = cipher.saveArray(seal.ComprModeType.none).length;
    plain.delete();
    cipher.delete();
    return bytes;
  };
  return { ms: time(encrypt), bytes: encrypt() };
}

console.log(JSON.stringify({ wasm: await ours(), node_seal: await nodeSeal() }));
