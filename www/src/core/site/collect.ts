/** Files of a chosen or dropped folder, with their paths. */

export interface Found {
  /** Below the chosen folder, with slashes: `train/yes/1.png`. */
  path: string;
  file: File;
}

/** What operating systems leave in folders. */
const LITTER = /^(?:\.|Thumbs\.db$|desktop\.ini$|__MACOSX$)/i;

const isLitter = (path: string): boolean => path.split('/').some((part) => LITTER.test(part));

/** Without the name of the chosen folder itself, which says nothing about a single image. */
export const belowTop = (paths: string[]): string[] => {
  const top = paths[0]?.split('/')[0];
  const shared = top !== undefined && paths.every((path) => path.startsWith(`${top}/`));
  return shared ? paths.map((path) => path.slice(top.length + 1)) : paths;
};

/** Files of an `<input webkitdirectory>`, or of one without folders. */
export function fromInput(files: Iterable<File>): Found[] {
  const found = [...files].map((file) => ({ path: file.webkitRelativePath || file.name, file }));
  return found.filter(({ path }) => !isLitter(path));
}

/** Files of a drop, folders walked to their ends. */
export async function fromDrop(items: Iterable<DataTransferItem>): Promise<Found[]> {
  // The items are gone after the first wait, so the entries are taken at once.
  const entries = [...items].map((item) => item.webkitGetAsEntry()).filter((entry) => entry !== null);
  const found = (await Promise.all(entries.map(walk))).flat();
  return found.filter(({ path }) => !isLitter(path));
}

async function walk(entry: FileSystemEntry): Promise<Found[]> {
  if (entry.isFile) {
    const file = await new Promise<File>((done, fail) => (entry as FileSystemFileEntry).file(done, fail));
    return [{ path: entry.fullPath.replace(/^\//, ''), file }];
  }
  const reader = (entry as FileSystemDirectoryEntry).createReader();
  const found: Found[] = [];
  for (;;) {
    // A reader gives at most a hundred entries at a time.
    const some = await new Promise<FileSystemEntry[]>((done, fail) => reader.readEntries(done, fail));
    if (some.length === 0) return found;
    for (const child of some) found.push(...(await walk(child)));
  }
}
