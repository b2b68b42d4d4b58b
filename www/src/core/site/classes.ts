/** Which class a folder or a label means. */

/** Letters and digits only, so that `Lung_ACA`, `lung aca` and `lung-aca` are one name. */
export const plain = (name: string): string =>
  name
    .normalize('NFKD')
    .toLowerCase()
    .replace(/[^\p{L}\p{N}]/gu, '');

export interface ClassName {
  id: string;
  label: string;
}

/** Index of the class whose id or label this is, or -1. */
export function classOf(name: string, classes: readonly ClassName[]): number {
  const wanted = plain(name);
  if (wanted === '') return -1;
  return classes.findIndex(({ id, label }) => plain(id) === wanted || plain(label) === wanted);
}
