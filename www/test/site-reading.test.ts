import assert from 'node:assert/strict';
import { test } from 'node:test';
import { classOf } from '../src/core/site/classes.ts';
import { belowTop, type Found, fromInput } from '../src/core/site/collect.ts';
import { parseLabels, parseTable } from '../src/core/site/csv.ts';
import { groupPictures, labelFiles, readPictures } from '../src/core/site/reading.ts';
import { countClasses, split } from '../src/core/site/split.ts';
import { greyPng } from './support/pictures.ts';

const CLASSES = [
  { id: 'no', label: 'No tumour visible' },
  { id: 'yes', label: 'Tumour visible' },
];

const png = (value: number) => greyPng(Uint8Array.of(value), 1, 1);

const found = (path: string, content: BlobPart = png(path.length)): Found => ({
  path,
  file: new File([content], path.split('/').at(-1) ?? ''),
});

const hooks = () => ({ onProgress: () => undefined, signal: new AbortController().signal });

test('a_class_is_known_by_its_id_or_label_however_it_is_written', () => {
  const lung = [{ id: 'lung_aca', label: 'Adenocarcinoma' }];
  for (const name of ['lung_aca', 'Lung ACA', 'lung-aca', 'ADENOCARCINOMA']) assert.equal(classOf(name, lung), 0, name);
  for (const name of ['lung', '', '__']) assert.equal(classOf(name, lung), -1, name);
});

test('a_table_is_read_whatever_the_spreadsheet_wrote', () => {
  assert.deepEqual(parseTable('\uFEFFfile;label\r\n"a;1.png";"say ""yes"""\r\n\r\n'), [
    ['file', 'label'],
    ['a;1.png', 'say "yes"'],
  ]);
  assert.deepEqual(parseTable('file\tlabel\na\tb'), [
    ['file', 'label'],
    ['a', 'b'],
  ]);
  assert.deepEqual(parseLabels('Filename,Class,age\na.png,yes,40\n,no,1\n')?.rows, [{ file: 'a.png', label: 'yes' }]);
  assert.equal(parseLabels('name,value\na,1\n'), null);
});

test('the_name_of_the_chosen_folder_is_no_label', () => {
  assert.deepEqual(belowTop(['data/yes/1.png', 'data/no/2.png']), ['yes/1.png', 'no/2.png']);
  assert.deepEqual(belowTop(['yes/1.png', 'no/2.png']), ['yes/1.png', 'no/2.png']);
});

test('what_operating_systems_leave_in_folders_is_passed_over', () => {
  const names = ['1.png', '.DS_Store', 'Thumbs.db', 'desktop.ini'];
  const files = names.map((name) => Object.assign(new File([], name), { webkitRelativePath: `data/yes/${name}` }));
  assert.deepEqual(
    fromInput(files).map(({ path }) => path),
    ['data/yes/1.png'],
  );
});

test('folders_give_the_classes_at_any_depth', async () => {
  const paths = ['d/train/yes/1.png', 'd/yes/patient 7/2.png', 'd/maybe/3.png', 'd/4.png'];
  const { source, files, problems } = await labelFiles(
    paths.map((path) => found(path)),
    CLASSES,
  );
  assert.equal(source, 'folders');
  assert.deepEqual(
    files.map(({ group }) => group),
    ['maybe', 'yes', 'yes'],
  );
  assert.deepEqual(
    problems.map(({ path }) => path),
    ['4.png'],
  );
});

test('a_csv_gives_the_labels_and_names_what_does_not_fit', async () => {
  const table = 'file,label\n1.png,yes\nsub/2.png,no\n1.png,no\nlost.png,yes\ntwin.png,yes\n3.png,\n';
  const paths = ['d/1.png', 'd/sub/2.png', 'd/a/twin.png', 'd/b/twin.png', 'd/3.png'];
  const all = [...paths.map((path) => found(path)), found('d/labels.csv', table)];
  const { source, files, problems } = await labelFiles(all, CLASSES);
  assert.equal(source, 'labels.csv');
  assert.deepEqual(
    files.map(({ path, group }) => [path, group]),
    [
      ['1.png', 'yes'],
      ['sub/2.png', 'no'],
    ],
  );
  assert.deepEqual(
    problems.map(({ path, reason }) => `${path}: ${reason}`),
    [
      '1.png: The list names it more than once.',
      'lost.png: The list names it, but it is not there.',
      'twin.png: Several files have this name.',
      '3.png: The list gives it no label.',
      'a/twin.png: The list does not name it.',
      'b/twin.png: The list does not name it.',
    ],
  );
});

test('what_cannot_be_read_is_named_and_the_same_picture_counts_once', async () => {
  const files = [
    { ...found('yes/1.png', png(1)), group: 'yes' },
    { ...found('yes/2.png', png(1)), group: 'yes' },
    { ...found('no/3.png', png(1)), group: 'no' },
    { ...found('no/4.png', 'no picture'), group: 'no' },
    { ...found('no/5.png', png(2).subarray(0, 40)), group: 'no' },
    { ...found('no/6.png', ''), group: 'no' },
  ];
  const { pictures, problems } = await readPictures(files, hooks());
  assert.deepEqual(
    pictures.map(({ path }) => path),
    ['yes/1.png'],
  );
  assert.deepEqual(
    problems.map(({ reason }) => reason),
    [
      'The same picture as yes/1.png: it counts once.',
      'The same picture as yes/1.png, but with another label: only the first is taken.',
      '“4.png” is not a PNG or JPEG picture.',
      '“5.png” ends before the picture is complete.',
      '“6.png” is empty.',
    ],
  );
});

test('reading_stops_when_it_is_cancelled', async () => {
  const abort = new AbortController();
  const files = ['yes/1.png', 'yes/22.png'].map((path) => ({ ...found(path), group: 'yes' }));
  const onProgress = (done: number) => {
    if (done === 1) abort.abort();
  };
  await assert.rejects(readPictures([...files, ...files], { onProgress, signal: abort.signal }), {
    name: 'AbortError',
  });
});

const pictures = (group: string, hashes: string[]) =>
  hashes.map((hash) => ({ path: `${group}/${hash}`, file: new File([], hash), group, hash }));

test('the_hold_out_is_the_same_in_every_order_and_takes_its_share_of_every_class', () => {
  const hashes = Array.from({ length: 10 }, (_, i) => `${(i * 7) % 10}f`);
  const all = [...pictures('yes', hashes), ...pictures('no', hashes.slice(0, 5)), ...pictures('other', ['a'])];
  const held = (list: typeof all) =>
    split(groupPictures(list, CLASSES), 0.2)
      .filter(({ heldOut }) => heldOut)
      .map(({ picture }) => picture.path)
      .sort();
  assert.deepEqual(held(all), ['no/0f', 'yes/0f', 'yes/1f']);
  assert.deepEqual(held([...all].reverse()), held(all));
  const counts = countClasses(split(groupPictures(all, CLASSES), 0.2), 2);
  assert.deepEqual(counts, [
    { images: 5, heldOut: 1 },
    { images: 10, heldOut: 2 },
  ]);
});

test('a_single_picture_is_never_held_out_and_a_share_of_nothing_holds_none_out', () => {
  const groups = groupPictures([...pictures('yes', ['a']), ...pictures('no', ['b', 'c'])], CLASSES);
  assert.equal(split(groups, 0.5).filter(({ heldOut, label }) => heldOut && label === 1).length, 0);
  assert.equal(split(groups, 0).filter(({ heldOut }) => heldOut).length, 0);
});
