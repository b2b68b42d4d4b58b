import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import type { Page } from 'playwright-core';
import { events, examine, history, judged } from '../support/check-page.ts';
import { ownPixels } from '../support/images.ts';
import { nativeEncode } from '../support/native.ts';
import { PURIFIABLE, type PurifierCard } from '../support/packs.ts';
import { attackedImage, purifierOr } from '../support/purifiable.ts';
import type { Recorder } from '../support/recorder.ts';
import { relaysTold, restored, restoreOnRelays, sendRestored } from '../support/restore-page.ts';
import { encoderView, lastAnswer, type Upload, unexplained, verdict } from '../support/scan-page.ts';
import { Scanner } from '../support/scanner.ts';
import { MODEL, type Stage, type StagedRelay } from '../support/stage.ts';
import { texture } from '../support/texture.ts';
import { purifyRequests, TileMap } from '../support/tiles.ts';

/** Largest part of an image that one of three relays or more may see. */
const MOST = 0.4;

/** Pixels of a side of what the encoder sees. */
const SIDE = 128;

export function purifyRelaysCases(stage: () => Stage): void {
  const recorders = (): Recorder[] => [stage().recorder, ...stage().peers.map(({ recorder }) => recorder)];
  const reset = () => {
    for (const recorder of recorders()) recorder.reset();
  };
  /** The tiles that each relay was sent, by its own record. */
  const received = () =>
    recorders().map((recorder) => purifyRequests(recorder.requests()).flatMap(({ tiles }) => tiles));

  /** No tile went to two relays, but where the one that had it failed; and nothing of the image went out without noise. */
  async function assertApart(page: Page, upload: Upload, again: Set<string> = new Set()): Promise<void> {
    const ids = received().flatMap((tiles) => [...new Set(tiles.map(({ id }) => id))]);
    const twice = ids.filter((id, i) => ids.indexOf(id) !== i);
    assert.deepEqual(
      twice.filter((id) => !again.has(id)),
      [],
      'no tile went to two relays',
    );
    const native = await nativeEncode(upload);
    const grey = [await encoderView(page), await ownPixels(page, upload)];
    const scanner = new Scanner({ file: upload.bytes, grey, cls: native.cls, quantised: native.quantised });
    for (const recorder of recorders()) assert.deepEqual(scanner.find(recorder.upwards()), []);
  }

  /** By place: no relay has neighbours, and none has seen more than its share. Needs a picture whose tiles can be told apart. */
  async function assertRules(page: Page, { remote }: PurifierCard): Promise<void> {
    const map = new TileMap(await encoderView(page), remote);
    const seen = received().map((tiles) => [...new Set(tiles.map((tile) => map.placeOf(tile)))]);
    assert.equal(new Set(seen.flat()).size, map.places, 'every place was found among the tiles');
    for (const places of seen) assert.deepEqual(map.breaches(places, MOST, remote.relays > 3), []);
  }

  const restoreRemotely = async (page: Page, model: string, upload: Upload) => {
    reset();
    await examine(page, model, upload);
    await judged(page, 'flagged').waitFor();
    assert.deepEqual(received().flat(), [], 'no tile leaves before a person says so');
    await restoreOnRelays(page).click();
  };

  const answerOf = async (page: Page) => {
    await restored(page);
    await sendRestored(page).click();
    await verdict(page).waitFor();
    const answer = await lastAnswer(page);
    assert.equal(answer.purified?.where, 'relays');
    return answer.classes[answer.top]?.id;
  };

  /** Has one relay killed once it has a job that nobody has heard of again. Gives the ids of the tiles that it had. */
  async function killInMidJob({ recorder, kill }: StagedRelay): Promise<Set<string>> {
    recorder.stall(/^GET \/v1\/purifications\//);
    await recorder.held();
    const had = purifyRequests(recorder.requests()).flatMap(({ tiles }) => tiles.map(({ id }) => id));
    assert.ok(had.length > 0, 'it has tiles when it dies');
    kill();
    return new Set(had);
  }

  /** A case in which a relay dies; afterwards it lives again. */
  async function withDeath(work: (page: Page, dying: StagedRelay) => Promise<void>): Promise<void> {
    const dying = stage().peers[0];
    assert.ok(dying);
    try {
      await stage().with((page) => work(page, dying));
    } finally {
      dying.recorder.resume();
      await dying.revive();
    }
  }

  const attackedOr = async (t: TestContext) => ((await purifierOr(t)) ? attackedImage() : null);

  test('an_attacked_image_is_flagged_restored_on_three_relays_and_answered_rightly', async (t) => {
    const image = await attackedOr(t);
    if (!image) return;
    await stage().with(async (page) => {
      await restoreRemotely(page, MODEL, image.upload);
      assert.equal(await answerOf(page), image.class);
      const news = (await events(page)).purified[0];
      assert.deepEqual([news?.relays.map(({ state }) => state), news?.localTiles], [['used', 'used', 'used'], 0]);
      assert.ok(
        news?.relays.every(({ share, tiles }) => share > 0 && share <= MOST && tiles > 0),
        JSON.stringify(news),
      );
      assert.deepEqual(
        received().map((tiles) => tiles.length > 0),
        [true, true, true],
      );
      await assertApart(page, image.upload);
      assert.deepEqual(await history(page), [['flagged', 'send-purified']]);
      assert.deepEqual(await unexplained(page), []);
    });
  });

  test('no_relay_receives_neighbouring_tiles_or_more_than_two_fifths_of_the_image', async (t) => {
    const purifier = await purifierOr(t);
    if (!purifier) return;
    const upload = texture('texture.png', SIDE);
    await stage().with(async (page) => {
      await restoreRemotely(page, PURIFIABLE, upload);
      await restored(page);
      await assertApart(page, upload);
      await assertRules(page, purifier);
    });
  });

  test('a_relay_that_is_killed_in_mid_job_costs_nothing_and_no_rule', async (t) => {
    const purifier = await purifierOr(t);
    if (!purifier) return;
    const upload = texture('texture-too.png', SIDE);
    await withDeath(async (page, dying) => {
      const killed = killInMidJob(dying);
      await restoreRemotely(page, PURIFIABLE, upload);
      const had = await killed;
      await restored(page);
      const news = (await events(page)).purified[0];
      const tiles = news?.relays.reduce((sum, relay) => sum + relay.tiles, news.localTiles);
      assert.equal(tiles, new Set(received().flatMap((sent) => sent.map(({ id }) => id))).size, 'no tile was lost');
      assert.deepEqual(news?.relays.map(({ state }) => state).sort(), ['failed', 'used', 'used']);
      assert.ok((await relaysTold(page)).some(([state]) => state === 'failed'));
      await assertApart(page, upload, had);
      await assertRules(page, purifier);
    });
  });

  test('an_attacked_image_is_answered_rightly_although_a_relay_dies_in_mid_job', async (t) => {
    const image = await attackedOr(t);
    if (!image) return;
    await withDeath(async (page, dying) => {
      const killed = killInMidJob(dying);
      await restoreRemotely(page, MODEL, image.upload);
      const had = await killed;
      assert.equal(await answerOf(page), image.class);
      await assertApart(page, image.upload, had);
      assert.ok((await events(page)).purified[0]?.relays.some(({ state }) => state === 'failed'));
    });
  });
}
