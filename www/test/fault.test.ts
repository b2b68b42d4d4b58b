import assert from 'node:assert/strict';
import { test } from 'node:test';
import { canRetry, fault, faultTitle, toFault } from '../src/core/fault.ts';

test('codes_of_the_client_keep_their_words', () => {
  const thrown = { code: 'no-model', message: 'The relay does not serve "x".', action: 'Choose one of: brain-mri.' };
  assert.deepEqual(toFault(thrown), thrown);
});

test('missing_words_are_filled_in', () => {
  const filled = toFault({ code: 'busy', message: '', action: undefined });
  assert.deepEqual(filled, fault('busy'));
  assert.ok(filled.message.length > 10 && filled.action.length > 10);
});

test('retry_after_is_told_in_words', () => {
  const busy = (retry_after_s: number) =>
    toFault({ code: 'busy', message: 'm', action: 'Wait.', retry_after_s }).action;
  assert.equal(busy(1), 'Wait. The relay asks to wait 1 second.');
  assert.equal(busy(30), 'Wait. The relay asks to wait 30 seconds.');
  assert.equal(busy(1800), 'Wait. The relay asks to wait 30 minutes.');
  assert.equal(busy(86_400), 'Wait. The relay asks to wait 24 hours.');
});

test('unknown_values_become_internal_and_keep_their_message', () => {
  assert.equal(toFault(new TypeError('x is not a function')).message, 'x is not a function');
  assert.equal(toFault({ code: 'toString', message: 'm' }).code, 'internal');
  for (const odd of [undefined, null, 7, '', {}]) assert.deepEqual(toFault(odd), fault('internal'));
});

test('an_abort_is_a_cancellation', () => {
  assert.equal(toFault(new DOMException('stopped', 'AbortError')).code, 'cancelled');
});

test('only_what_can_succeed_again_offers_a_retry', () => {
  assert.ok(canRetry(fault('busy')) && canRetry(fault('no-relay')) && canRetry(fault('cancelled')));
  assert.ok(!canRetry(fault('wrong-file')) && !canRetry(fault('dicom')));
  assert.equal(faultTitle(fault('busy')), 'The relay is busy');
});
