/** A list of labels as a spreadsheet writes it: `file,label`, quoted or not, with commas, semicolons or tabs. */

export interface Labels {
  /** Path as it stands in the list, and its label. */
  rows: { file: string; label: string }[];
}

const FILE_COLUMNS = ['file', 'filename', 'path', 'image'];
const LABEL_COLUMNS = ['label', 'class', 'category', 'diagnosis'];

/** The rows of a table, by RFC 4180. */
export function parseTable(text: string): string[][] {
  const source = text.replace(/^\uFEFF/, '');
  const separator = separatorOf(source);
  const rows: string[][] = [];
  let row: string[] = [];
  let cell = '';
  let quoted = false;
  const endCell = () => {
    row.push(cell.trim());
    cell = '';
  };
  const endRow = () => {
    endCell();
    if (row.some((value) => value !== '')) rows.push(row);
    row = [];
  };
  for (let at = 0; at < source.length; at++) {
    const letter = source[at] ?? '';
    if (quoted && letter === '"' && source[at + 1] === '"') {
      cell += '"';
      at++;
    } else if (letter === '"' && (quoted || cell === '')) quoted = !quoted;
    else if (!quoted && letter === separator) endCell();
    else if (!quoted && (letter === '\n' || letter === '\r')) endRow();
    else cell += letter;
  }
  endRow();
  return rows;
}

function separatorOf(source: string): string {
  const head = source.split(/[\r\n]/, 1)[0] ?? '';
  const score = (separator: string) => head.split(separator).length;
  return [',', ';', '\t'].reduce((best, next) => (score(next) > score(best) ? next : best));
}

/** The labels of a table, or null where its first row names no file and label column. */
export function parseLabels(text: string): Labels | null {
  const [head, ...rows] = parseTable(text);
  const column = (names: string[]) => head?.findIndex((name) => names.includes(name.toLowerCase())) ?? -1;
  const [file, label] = [column(FILE_COLUMNS), column(LABEL_COLUMNS)];
  if (file < 0 || label < 0) return null;
  const cells = rows.map((row) => ({ file: row[file] ?? '', label: row[label] ?? '' }));
  return { rows: cells.filter((row) => row.file !== '') };
}
