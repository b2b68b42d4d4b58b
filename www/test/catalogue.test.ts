import assert from 'node:assert/strict';
import { test } from 'node:test';
import { offeredModels, purifyingRelays, relayAddresses } from '../src/core/catalogue.ts';
import { Ledger } from '../src/core/ledger.ts';

const RELAY = 'http://relay.test';

/** What `question` makes of a relay that answers like this, and the ledger after it was asked. */
async function put<T>(answer: () => Promise<Response>, question: (ledger: Ledger) => Promise<T>) {
  const ledger = new Ledger(RELAY, () => false);
  const before = globalThis.fetch;
  globalThis.fetch = answer;
  try {
    return { offers: await question(ledger), ledger };
  } finally {
    globalThis.fetch = before;
  }
}

const ask = (answer: () => Promise<Response>) => put(answer, (ledger) => offeredModels(RELAY, ledger));
const askRelays = (answer: () => Promise<Response>) => put(answer, (ledger) => purifyingRelays(RELAY, 'm', ledger));

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

test('the_relays_that_purify_are_those_that_the_relay_names_each_once', async () => {
  const relays = ['https://one.test/', 'https://two.test:8443', 'https://one.test', 'https://:0:/'];
  const { offers, ledger } = await askRelays(async () => Response.json({ relays, purifiers: [{ model: 'm' }] }));
  assert.deepEqual(offers, ['https://one.test', 'https://two.test:8443']);
  assert.deepEqual(
    ledger.entries.map(({ path, nature }) => [path, nature]),
    [['/v1/purifiers', 'public']],
  );
});

test('a_relay_that_names_no_other_stands_for_itself_where_it_has_the_purifier', async () => {
  const answers = [
    async () => Response.json({ relays: [], purifiers: [{ model: 'm' }] }),
    async () => Response.json({ relays: [], purifiers: [{ model: 'other' }] }),
    async () => new Response('', { status: 404 }),
    () => Promise.reject(new TypeError('refused')),
  ];
  const offers = [];
  for (const answer of answers) offers.push((await askRelays(answer)).offers);
  assert.deepEqual(offers, [[RELAY], [], [], []]);
});

test('addresses_of_relays_are_absolute_and_written_one_way', () => {
  assert.deepEqual(relayAddresses(['https://a.test/', '/b', 'https://a.test'], 'https://page.test/x/'), [
    'https://a.test',
    'https://page.test/b',
  ]);
});
