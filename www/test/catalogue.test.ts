import assert from 'node:assert/strict';
import { test } from 'node:test';
import { offeredModels } from '../src/core/catalogue.ts';
import { Ledger } from '../src/core/ledger.ts';

/** What the relay offers if it answers like this, and the ledger after it was asked. */
async function ask(answer: () => Promise<Response>) {
  const ledger = new Ledger('http://relay.test', () => false);
  const before = globalThis.fetch;
  globalThis.fetch = answer;
  try {
    return { offers: await offeredModels('http://relay.test', ledger), ledger };
  } finally {
    globalThis.fetch = before;
  }
}

test('the_models_of_a_relay_are_offered_by_their_titles_and_the_question_is_in_the_ledger', async () => {
  const models = [{ id: 'a', title: 'Model A' }, { id: 'b' }, { title: 'nameless' }];
  const { offers, ledger } = await ask(async () => Response.json({ protocol: 1, models }));
  assert.deepEqual(offers, [
    { id: 'a', title: 'Model A' },
    { id: 'b', title: 'b' },
  ]);
  assert.deepEqual(
    ledger.entries.map(({ method, path, status, nature }) => [method, path, status, nature]),
    [['GET', '/v1/models', 200, 'public']],
  );
});

test('a_relay_that_does_not_answer_offers_nothing_and_is_no_fault_yet', async () => {
  const answers = [
    () => Promise.reject(new TypeError('refused')),
    async () => new Response('not JSON'),
    async () => Response.json({ models: [{ id: 'a' }] }, { status: 500 }),
  ];
  for (const answer of answers) assert.deepEqual((await ask(answer)).offers, []);
});
