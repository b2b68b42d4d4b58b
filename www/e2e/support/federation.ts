/** A consortium as its administrator runs it, and folders of phantoms for its sites. */

import { copyFile, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { MODEL, runLab, type Stage } from './stage.ts';

export const NAMES = ['North', 'East', 'South'];

export interface Found {
  id: string;
  /** One invitation for each site, in the order of `NAMES`. */
  invitations: string[];
}

let founded = 0;

/** Founds a consortium of three sites and invites them. */
export async function found(stage: Stage): Promise<Found> {
  const id = `e2e-${++founded}`;
  const consortium = { id, title: 'Three hospitals', model: MODEL, classes: ['no', 'yes'], sites: 3, clip_norm: 2000 };
  await stage.admin('POST', '/v1/consortia', consortium);
  const invitations: string[] = [];
  for (const name of NAMES) {
    const made = await stage.admin('POST', `/v1/consortia/${id}/invitations`, { name, role: 'site' });
    invitations.push((made as { invitation: string }).invitation);
  }
  return { id, invitations };
}

export const beginRound = (stage: Stage, id: string, publish: 'lda' | null = 'lda', seconds = 600): Promise<unknown> =>
  stage.admin('POST', `/v1/consortia/${id}/rounds`, {
    purpose: 'statistics',
    contribute_s: seconds,
    confirm_s: seconds,
    open_s: seconds,
    publish,
  });

/** A folder with one sub-folder of phantoms for each class; `unreadable` adds files that no site can use. */
export async function phantomFolder(
  site: number,
  perClass: number,
  unreadable = false,
): Promise<{ folder: string; remove: () => Promise<void> }> {
  const folder = join(await mkdtemp(join(tmpdir(), 'veilsight-site-')), 'scans');
  for (const [label, name] of ['no', 'yes'].entries()) {
    await mkdir(join(folder, name), { recursive: true });
    for (let i = 0; i < perClass; i++) {
      const seed = String(1000 * (site + 1) + 100 * label + i);
      await runLab('phantom', '--seed', seed, ...(label ? ['--lesion'] : []), join(folder, name, `${i}.png`));
    }
  }
  if (unreadable) {
    await writeFile(join(folder, 'yes', 'report.txt'), 'words');
    await copyFile(join(folder, 'yes', '0.png'), join(folder, 'yes', 'again.png'));
    await writeFile(join(folder, 'loose.png'), 'in no folder');
  }
  return { folder, remove: () => rm(join(folder, '..'), { recursive: true, force: true }) };
}
