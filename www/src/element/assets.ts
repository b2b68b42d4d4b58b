/** Where the files of the build lie. */

import type { WorkerFile } from '../core/spawn.ts';

/** Written by build.mjs: from this bundle to the directory of the build, and the worker it was built with. */
declare const __ASSET_BASE__: string;
declare const __WORKER__: WorkerFile;

export const WORKER: WorkerFile = __WORKER__;

/** Directory of the build this very module came from. */
export const ownAssets = (): string => new URL(__ASSET_BASE__, import.meta.url).href;
