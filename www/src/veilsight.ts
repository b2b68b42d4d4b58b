/** Registers `<veilsight-scan>`. Import it once, from anywhere. */

import { VeilsightScan } from './element/scan.ts';

if (!customElements.get('veilsight-scan')) customElements.define('veilsight-scan', VeilsightScan);

export type { Answer, ClassProbability, ClientEvent } from './core/client-types.ts';
export type { Fault, FaultCode } from './core/fault.ts';
export { VeilsightScan };

declare global {
  interface HTMLElementTagNameMap {
    'veilsight-scan': VeilsightScan;
  }
}
