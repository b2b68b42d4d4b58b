import { css } from 'lit';

/** The check for tampering: verdict, question, error map, threshold and history. */
export const checkStyles = css`
  .tamper {
    display: flex;
    gap: 0.875rem;
    padding: 1rem 1.125rem;
    border-radius: 14px;
    border: 1px solid transparent;
  }
  .tamper > .icon {
    width: 1.5rem;
    height: 1.5rem;
  }
  .tamper > div {
    display: grid;
    gap: 0.5rem;
    flex: 1;
    min-width: 0;
  }
  .tamper.clean {
    background: var(--good-soft);
  }
  .tamper.clean > .icon,
  .tamper.clean h3 {
    color: var(--good);
  }
  .tamper.flagged {
    background: var(--bad-soft);
    border-color: color-mix(in srgb, var(--bad) 45%, transparent);
  }
  .tamper.flagged > .icon,
  .tamper.flagged h3 {
    color: var(--bad);
  }
  .tamper.flagged h3 {
    font-size: 1.25rem;
  }
  .tamper p {
    font-size: 0.9375rem;
  }
  .tamper .row {
    margin-block-start: 0.25rem;
  }
  .unchecked {
    display: flex;
    gap: 0.5rem;
    font-size: 0.9375rem;
    color: var(--muted);
  }
  .scale {
    display: grid;
    gap: 0.25rem;
    max-width: 26rem;
  }
  .scale svg {
    width: 100%;
    overflow: visible;
  }
  .scale-line {
    fill: light-dark(#8fa3aa, #56707b);
  }
  .scale-clean,
  .key.band {
    fill: light-dark(#7fc2a0, #3f8a64);
    background: light-dark(#7fc2a0, #3f8a64);
  }
  .scale-threshold,
  .key.line {
    fill: var(--ink);
    background: var(--ink);
  }
  .scale-mark,
  .key.mark {
    fill: light-dark(#0b4f8a, #9fd0ff);
    background: light-dark(#0b4f8a, #9fd0ff);
    stroke: var(--surface);
    stroke-width: 1.5;
  }
  .tamper .legend {
    color: var(--ink);
  }
  .key {
    display: inline-block;
    width: 0.75rem;
    height: 0.75rem;
    margin-inline-end: 0.4rem;
    vertical-align: -0.08em;
  }
  .key.mark {
    border-radius: 50%;
  }
  .key.line {
    width: 2px;
    margin-inline: 0.3rem 0.6rem;
  }
  .key.band {
    width: 1.1rem;
    border-radius: 99px;
  }
  canvas.heat {
    z-index: 1;
    image-rendering: pixelated;
  }
  canvas.heat[hidden] {
    display: none;
  }
  .heat-controls {
    display: grid;
    gap: 0.75rem;
    font-size: 0.875rem;
  }
  .switch {
    display: flex;
    align-items: center;
    gap: 0.625rem;
    font-weight: 600;
    min-height: 1.75rem;
    cursor: pointer;
  }
  .switch input:not(.hidden) {
    width: 1.25rem;
    min-height: 1.25rem;
    height: 1.25rem;
    padding: 0;
    margin: 0;
    flex: none;
    accent-color: var(--accent);
  }
  .range {
    display: grid;
    gap: 0.15rem;
    font-weight: 600;
    font-size: 0.875rem;
  }
  .range input:not(.hidden) {
    min-height: 1.75rem;
    padding: 0;
    margin: 0;
    border: 0;
    background: none;
    accent-color: var(--accent);
  }
  .swatch-heat {
    width: 0.85rem;
    height: 0.85rem;
    margin-inline-end: 0.4rem;
    vertical-align: -0.1em;
    outline: 1px solid var(--line);
  }
  .row.ends {
    justify-content: space-between;
    margin-block: 0.1rem 0.75rem;
  }
  .row.start > button {
    flex: 0 1 auto;
  }
  .two section > * + p {
    margin-block-start: 0.75rem;
  }
  .roc {
    width: min(100%, 20rem);
    overflow: visible;
  }
  .roc text {
    font-size: 9px;
    fill: var(--muted);
  }
  .roc-frame {
    fill: var(--sunken);
    stroke: var(--line);
  }
  .roc-chance {
    stroke: light-dark(#8fa3aa, #56707b);
    stroke-dasharray: 3 4;
  }
  .roc-line {
    fill: none;
    stroke: var(--accent);
    stroke-width: 2;
    stroke-linejoin: round;
  }
  button.quiet {
    font-weight: 500;
    font-size: 0.875rem;
    border-color: transparent;
    background: none;
    color: var(--accent);
    padding-inline: 0.5rem;
    text-align: start;
  }
  button.quiet:disabled {
    color: var(--muted);
    background: none;
    padding-inline: 0;
  }
  .tag.flagged {
    color: var(--bad);
    background: var(--bad-soft);
    border-color: transparent;
  }
  .tag.clean {
    color: var(--good);
    background: var(--good-soft);
    border-color: transparent;
  }
  .break {
    overflow-wrap: anywhere;
  }
  .records {
    max-height: 30rem;
    overflow: auto;
  }
  @container (max-width: 46rem) {
    .ledger.history tr {
      grid-template-columns: 1fr 1fr;
      gap: 0.625rem 1rem;
    }
    .history td[data-name='Image'] {
      grid-column: 1 / -1;
      order: -1;
      font-weight: 600;
    }
    .history .purpose {
      font-weight: 400;
    }
    .history td:not([data-name='Image'])::before {
      content: attr(data-name);
      display: block;
      font-size: 0.75rem;
      color: var(--muted);
    }
  }
`;
