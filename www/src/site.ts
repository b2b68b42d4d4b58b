/** Registers `<veilsight-site>`. Import it once, from anywhere. */

import { VeilsightSite } from './element/site.ts';

if (!customElements.get('veilsight-site')) customElements.define('veilsight-site', VeilsightSite);

export type { Fault, FaultCode } from './core/fault.ts';
export type { SiteView } from './core/site/site-types.ts';
export { VeilsightSite };

declare global {
  interface HTMLElementTagNameMap {
    'veilsight-site': VeilsightSite;
  }
}
