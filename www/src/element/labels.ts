/** The words for steps, in the order in which they happen. */

import type { StepKey } from '../core/scan-state.ts';

export interface StepLabel {
  key: StepKey;
  label: string;
  /** Unit of done/total while it runs. */
  unit?: 'bytes';
}

export const PREPARATION: StepLabel[] = [
  { key: 'code', label: 'Load the program' },
  { key: 'models', label: 'Ask which models there are' },
  { key: 'card', label: 'Read the model card' },
  { key: 'encoder', label: 'Fetch the encoder', unit: 'bytes' },
  { key: 'detector', label: 'Fetch the detector', unit: 'bytes' },
  { key: 'purifier', label: 'Fetch the purifier', unit: 'bytes' },
  { key: 'key', label: 'Make a key on this device' },
  { key: 'session', label: 'Open a session' },
];

export const SCAN: StepLabel[] = [
  { key: 'decode', label: 'Decode the image, here' },
  { key: 'detect', label: 'Check it for tampering, here' },
  { key: 'encode', label: 'Encode it to a CLS token, here' },
  { key: 'purify', label: 'Restore it' },
  { key: 'seal', label: 'Seal the token, here' },
  { key: 'send', label: 'Relay computes on ciphertext' },
  { key: 'open', label: 'Open the answer, here' },
];

export const NATURE = {
  ciphertext: { label: 'Ciphertext', text: 'Sealed: only this device can open it' },
  tiles: { label: 'Noised tiles', text: 'Pieces of an image under noise: not ciphertext' },
  key: { label: 'Public key', text: 'Lets the relay hide its weights; opens nothing' },
  part: { label: 'Signed part', text: 'A check or a sum of key shares: opens nothing but the sum of all' },
  question: { label: 'Question', text: 'Asks how things stand; carries the token of a site or of a job' },
  public: { label: 'Public download', text: 'The same for everybody' },
  code: { label: 'Program', text: 'The same for everybody' },
} as const;
