/** Model packs made for the tests: the shipped encoder and head, with a tiny random detector whose score is set by hand. */

import { createHash } from 'node:crypto';
import { copyFile, mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

/** Flags every image, flags none, and has no detector at all. None says anything about an image: they are about what becomes of a verdict. */
export const FLAGGED = 'brain-flagged';
export const CLEAN = 'brain-clean';
export const UNCHECKED = 'brain-unchecked';
/** Flags every image, and has the shipped purifier for all of them. */
export const PURIFIABLE = 'brain-purifiable';

const THRESHOLD = 1.64;
const SCORES = { [FLAGGED]: 3.1, [CLEAN]: 0.4, [PURIFIABLE]: 3.1 };

const ENCODER = { depth: 1, dim: 16, heads: 1, mlp_dim: 16, layer_norm_eps: 1e-6 };
const DECODER = { decoder_dim: 16, decoder_depth: 1, decoder_heads: 1, decoder_mlp_dim: 16 };

interface Card {
  id: string;
  title: string;
  encoder: { file: string; architecture: { image_size: number; patch_size: number; in_channels: number } };
  training: Record<string, unknown>;
  detector?: unknown;
  purifier?: PurifierCard;
}

/** The part of a card that says how images are purified. */
export interface PurifierCard {
  schedule: 'linear' | 'cosine';
  levels: { from_score: number; t: number }[];
  remote: { tile: number; stride: number; relays: number; min_t: number };
}

/** Names and shapes of a masked autoencoder with the layers above. */
function shapes({ encoder: { architecture } }: Card): Record<string, number[]> {
  const { image_size: size, patch_size: patch, in_channels: channels } = architecture;
  const { dim, mlp_dim: hidden } = ENCODER;
  const tokens = (size / patch) ** 2 + 1;
  const linear = (name: string, to: number, from: number) => ({
    [`${name}.weight`]: [to, from],
    [`${name}.bias`]: [to],
  });
  const norm = (name: string) => ({ [`${name}.weight`]: [dim], [`${name}.bias`]: [dim] });
  const block = (name: string) => ({
    ...norm(`${name}.norm1`),
    ...linear(`${name}.attn.qkv`, 3 * dim, dim),
    ...linear(`${name}.attn.proj`, dim, dim),
    ...norm(`${name}.norm2`),
    ...linear(`${name}.mlp.fc1`, hidden, dim),
    ...linear(`${name}.mlp.fc2`, dim, hidden),
  });
  return {
    cls_token: [1, 1, dim],
    pos_embed: [1, tokens, dim],
    'patch_embed.proj.weight': [dim, channels, patch, patch],
    'patch_embed.proj.bias': [dim],
    ...block('blocks.0'),
    ...norm('norm'),
    ...linear('decoder_embed', dim, dim),
    mask_token: [1, 1, dim],
    decoder_pos_embed: [1, tokens, dim],
    ...block('decoder_blocks.0'),
    ...norm('decoder_norm'),
    ...linear('decoder_pred', channels * patch ** 2, dim),
  };
}

/** A safetensors file: small numbers that are the same in every run. */
function safetensors(tensors: Record<string, number[]>): Buffer {
  let [at, seed] = [0, 1];
  const header: Record<string, unknown> = {};
  for (const [name, shape] of Object.entries(tensors)) {
    const end = at + 4 * shape.reduce((product, side) => product * side, 1);
    header[name] = { dtype: 'F32', shape, data_offsets: [at, end] };
    at = end;
  }
  const values = Float32Array.from({ length: at / 4 }, () => {
    seed = (Math.imul(seed, 1_103_515_245) + 12_345) & 0x7fffffff;
    return (seed / 0x7fffffff - 0.5) * 0.8;
  });
  const json = Buffer.from(JSON.stringify(header).padEnd(Math.ceil(JSON.stringify(header).length / 8) * 8));
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(json.length));
  return Buffer.concat([length, json, Buffer.from(values.buffer)]);
}

const bump = (i: number, grid: number): number =>
  Math.exp(-((Math.floor(i / grid) - 0.4 * grid) ** 2 + ((i % grid) - 0.65 * grid) ** 2) / 2);

/** The card's part of a detector whose score is `score` and a little of the image. */
function detectorCard(card: Card, file: Buffer, score: number): Record<string, unknown> {
  const { image_size, patch_size, in_channels } = card.encoder.architecture;
  const patches = (image_size / patch_size) ** 2;
  const bend = (i: number) => (i / 50 - 1) * (1 + Math.abs(i / 50 - 1));
  return {
    architecture: { encoder: { image_size, patch_size, in_channels, ...ENCODER }, ...DECODER },
    file: 'detector.safetensors',
    sha256: createHash('sha256').update(file).digest('hex'),
    bytes: file.length,
    storage: 'f32',
    masks: { seed: 1, count: 4 },
    // Clean images would be better predicted right of the centre: there the map is hot.
    patch_error: {
      mean: Array.from({ length: patches }, (_, i) => 0.3 - bump(i, image_size / patch_size)),
      std: Array(patches).fill(0.12),
    },
    features: [{ name: 'reconstruction', mean: -1000 * score, std: 1000, weight: 1 }],
    false_positive_rate: 0.05,
    threshold: THRESHOLD,
    clean_quantiles: Array.from({ length: 101 }, (_, i) => bend(i)),
    roc: Array.from({ length: 41 }, (_, i) => ({
      threshold: (i - 20) / 5,
      false_positive_rate: 1 / (1 + Math.exp(((i - 20) / 5) * 1.8)),
      true_positive_rate: 1 / (1 + Math.exp(((i - 20) / 5 - 3) * 1.8)),
    })),
    attack: 'pgd-linf-0.015 (made up for a test)',
    training: { ...card.training, data: 'none: random weights, for tests only' },
  };
}

/** What the shipped pack says of its purifier; null where it has none. */
export async function shippedPurifier(zoo: string): Promise<PurifierCard | null> {
  return (JSON.parse(await readFile(join(zoo, 'brain-mri', 'card.json'), 'utf8')) as Card).purifier ?? null;
}

/** Copies the packs of `zoo` to `folder` and adds those of above to them. */
export async function guardedPacks(zoo: string, folder: string): Promise<void> {
  for (const pack of await readdir(zoo)) await copyPack(join(zoo, pack), join(folder, pack));
  for (const id of [FLAGGED, CLEAN, UNCHECKED, PURIFIABLE] as const) await writePack(zoo, folder, id);
}

async function writePack(zoo: string, folder: string, id: keyof typeof SCORES | typeof UNCHECKED): Promise<void> {
  const pack = join(folder, id);
  await copyPack(join(zoo, 'brain-mri'), pack);
  const shipped = JSON.parse(await readFile(join(pack, 'card.json'), 'utf8')) as Card;
  const { detector: _detector, purifier, ...card } = shipped;
  const changed: Card = { ...card, id, title: `${card.title} (test: ${id})` };
  if (id !== UNCHECKED) {
    const file = safetensors(shapes(card));
    await writeFile(join(pack, 'detector.safetensors'), file);
    changed.detector = detectorCard(card, file, SCORES[id]);
  }
  if (id === PURIFIABLE && purifier) {
    changed.purifier = { ...purifier, levels: [{ from_score: 0, t: purifier.remote.min_t }] };
  }
  await writeFile(join(pack, 'card.json'), JSON.stringify(changed));
}

async function copyPack(from: string, to: string): Promise<void> {
  await mkdir(to, { recursive: true });
  for (const name of await readdir(from)) await copyFile(join(from, name), join(to, name));
}
