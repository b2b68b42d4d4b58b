/** A relay that gives no answer, explained: this device is offline, the relay refuses this page, or it is down. */

import { type Fault, refineFault } from './fault.ts';
import type { Ledger } from './ledger.ts';

export interface Whereabouts {
  relay: string;
  pageOrigin: string;
  isOnline: () => boolean;
  /** Whether anything answers at the relay's address, readable or not. */
  relayAnswersAtAll: (ledger: Ledger) => Promise<boolean>;
}

export function explainFault(failed: Fault, around: Whereabouts, ledger: Ledger): Promise<Fault> {
  const { relay, pageOrigin, isOnline, relayAnswersAtAll } = around;
  return refineFault(failed, {
    online: isOnline(),
    foreign: new URL(relay).origin !== pageOrigin,
    origin: pageOrigin,
    relay,
    answersAtAll: () => relayAnswersAtAll(ledger),
  });
}
