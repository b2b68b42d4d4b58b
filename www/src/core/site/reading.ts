/** From files to labelled pictures: which class each has, and which cannot be taken, with the reason. */

import { checkFile, checkSize } from '../file-check.ts';
import { type ClassName, classOf } from './classes.ts';
import { belowTop, type Found } from './collect.ts';
import { type Labels, parseLabels } from './csv.ts';

export interface LabelledFile {
  path: string;
  file: File;
  /** Folder or label as it was found. */
  group: string;
}

export interface LabelledPicture extends LabelledFile {
  /** SHA-256 of the bytes, in hexadecimal. */
  hash: string;
}

export interface Problem {
  path: string;
  reason: string;
}

/** A folder or a label, the pictures it has, and the class it stands for; -1 leaves them out. */
export interface Group {
  name: string;
  label: number;
  pictures: LabelledPicture[];
}

export interface Reading {
  /** `folders`, or the name of the CSV that gave the labels. */
  source: string;
  groups: Group[];
  problems: Problem[];
}

const isCsv = ({ path }: Found): boolean => /\.(csv|tsv)$/i.test(path);

/** Gives each file its label: from a CSV among the files, where there is one, else from its folders. */
export async function labelFiles(
  found: Found[],
  classes: readonly ClassName[],
): Promise<{ source: string; files: LabelledFile[]; problems: Problem[] }> {
  const paths = belowTop(found.map(({ path }) => path));
  const all = found.map(({ file }, i) => ({ path: paths[i] ?? '', file }));
  // Browsers list folders in any order; which of two equal pictures counts should not depend on it.
  all.sort((a, b) => (a.path < b.path ? -1 : 1));
  const images = all.filter((entry) => !isCsv(entry));
  for (const table of all.filter(isCsv)) {
    const labels = parseLabels(await table.file.text());
    if (labels) return { source: table.path, ...byTable(images, labels) };
  }
  return { source: 'folders', ...byFolder(images, classes) };
}

function byFolder(images: Found[], classes: readonly ClassName[]): { files: LabelledFile[]; problems: Problem[] } {
  const files: LabelledFile[] = [];
  const problems: Problem[] = [];
  for (const { path, file } of images) {
    const folders = path.split('/').slice(0, -1);
    const group = folders.findLast((name) => classOf(name, classes) >= 0) ?? folders.at(-1);
    if (group === undefined) problems.push({ path, reason: 'It lies in no folder, so it has no class.' });
    else files.push({ path, file, group });
  }
  return { files, problems };
}

function byTable(images: Found[], labels: Labels): { files: LabelledFile[]; problems: Problem[] } {
  const byPath = new Map(images.map((image) => [image.path, image]));
  const byName = new Map<string, Found[]>();
  for (const image of images) {
    const name = image.path.split('/').at(-1) ?? '';
    byName.set(name, [...(byName.get(name) ?? []), image]);
  }
  const files: LabelledFile[] = [];
  const problems: Problem[] = [];
  const named = new Set<Found>();
  for (const row of labels.rows) {
    const path = row.file.replaceAll('\\', '/').replace(/^\.?\//, '');
    const sameName = byName.get(path.split('/').at(-1) ?? '') ?? [];
    const image = byPath.get(path) ?? (sameName.length === 1 ? sameName[0] : undefined);
    if (!image) {
      const reason = sameName.length > 1 ? 'Several files have this name.' : 'The list names it, but it is not there.';
      problems.push({ path: row.file, reason });
      continue;
    }
    const again = named.has(image);
    named.add(image);
    if (again) problems.push({ path: row.file, reason: 'The list names it more than once.' });
    else if (row.label === '') problems.push({ path: row.file, reason: 'The list gives it no label.' });
    else files.push({ path: image.path, file: image.file, group: row.label });
  }
  for (const image of images) {
    if (!named.has(image)) problems.push({ path: image.path, reason: 'The list does not name it.' });
  }
  return { files, problems };
}

export interface ReadHooks {
  onProgress: (done: number, total: number) => void;
  signal: AbortSignal;
}

/** Reads every file once: what is no whole picture is named, and the same picture counts once. */
export async function readPictures(
  files: LabelledFile[],
  { onProgress, signal }: ReadHooks,
): Promise<{ pictures: LabelledPicture[]; problems: Problem[] }> {
  const pictures: LabelledPicture[] = [];
  const problems: Problem[] = [];
  const known = new Map<string, LabelledPicture>();
  for (const [i, entry] of files.entries()) {
    signal.throwIfAborted();
    onProgress(i, files.length);
    const outcome = await readOne(entry);
    if (typeof outcome === 'string') {
      problems.push({ path: entry.path, reason: outcome });
      continue;
    }
    const twin = known.get(outcome.hash);
    if (twin) problems.push({ path: entry.path, reason: twinReason(twin, outcome) });
    else {
      known.set(outcome.hash, outcome);
      pictures.push(outcome);
    }
  }
  onProgress(files.length, files.length);
  return { pictures, problems };
}

const twinReason = (first: LabelledPicture, second: LabelledPicture): string =>
  first.group === second.group
    ? `The same picture as ${first.path}: it counts once.`
    : `The same picture as ${first.path}, but with another label: only the first is taken.`;

async function readOne(entry: LabelledFile): Promise<LabelledPicture | string> {
  const { file, path } = entry;
  const name = path.split('/').at(-1) ?? path;
  const tooLarge = checkSize(file.size, name);
  if (tooLarge) return tooLarge.message;
  const bytes = await file.arrayBuffer().catch(() => null);
  if (!bytes) return 'The browser may not read it.';
  const refused = checkFile(new Uint8Array(bytes), name);
  if (refused) return refused.message;
  return { ...entry, hash: hexOf(await crypto.subtle.digest('SHA-256', bytes)) };
}

const hexOf = (digest: ArrayBuffer): string =>
  Array.from(new Uint8Array(digest), (byte) => byte.toString(16).padStart(2, '0')).join('');

/** Pictures by folder or label, each with the class that its name means. */
export function groupPictures(pictures: LabelledPicture[], classes: readonly ClassName[]): Group[] {
  const groups = new Map<string, LabelledPicture[]>();
  for (const picture of pictures) {
    const members = groups.get(picture.group);
    if (members) members.push(picture);
    else groups.set(picture.group, [picture]);
  }
  return [...groups]
    .map(([name, members]) => ({ name, label: classOf(name, classes), pictures: members }))
    .sort((a, b) => a.name.localeCompare(b.name));
}
