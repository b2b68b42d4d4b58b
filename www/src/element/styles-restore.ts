import { css } from 'lit';

/** Restoring a flagged image: the offer, the progress, and both images side by side. */
export const restoreStyles = css`
  .ways {
    display: grid;
    gap: 0.75rem;
  }
  .way {
    display: grid;
    grid-template-columns: 14rem minmax(0, 1fr);
    gap: 0.375rem 1rem;
    align-items: center;
  }
  .tamper .way p,
  .tamper p.small {
    font-size: 0.875rem;
  }
  .ways .switch {
    font-size: 0.875rem;
  }
  .way .switch {
    margin-block-start: 0.375rem;
  }
  .restoring {
    display: grid;
    gap: 0.625rem;
    padding: 0.875rem 1rem;
    border-radius: 12px;
    background: var(--surface);
    border: 1px solid var(--line);
  }
  .between {
    justify-content: space-between;
    align-items: center;
  }
  .restored {
    display: grid;
    gap: 0.875rem;
    padding: 1rem 1.125rem;
    border-radius: 14px;
    border: 1px solid var(--line);
    background: var(--sunken);
  }
  .restored .facts {
    grid-template-columns: repeat(auto-fit, minmax(6.25rem, 1fr));
  }
  .restored .facts > div {
    background: var(--surface);
  }
  .beside {
    display: grid;
    gap: 1rem;
  }
  .check.purified {
    color: var(--accent);
    background: var(--accent-soft);
  }
  .restored .check,
  .check.purified {
    display: flex;
    gap: 0.5rem;
  }
  .comparison {
    display: grid;
    grid-template-columns: minmax(0, 16rem) minmax(0, 1fr);
    gap: 1rem 1.25rem;
    align-items: start;
  }
  .comparison canvas {
    width: 100%;
    background: #05090b;
  }
  .compare {
    display: grid;
    gap: 0.375rem;
  }
  .wipe {
    --at: 50%;
    position: relative;
    border-radius: 6px;
    overflow: hidden;
    touch-action: pan-y;
  }
  .wipe > canvas {
    display: block;
  }
  .wipe > .over {
    position: absolute;
    inset: 0;
    clip-path: inset(0 calc(100% - var(--at)) 0 0);
  }
  .wipe > input:not(.hidden) {
    position: absolute;
    inset: 0;
    width: 100%;
    height: 100%;
    margin: 0;
    padding: 0;
    opacity: 0;
    cursor: ew-resize;
    appearance: none;
  }
  .wipe > input::-webkit-slider-thumb {
    appearance: none;
    width: 2px;
    height: 100%;
  }
  .wipe > input::-moz-range-thumb {
    width: 2px;
    height: 100%;
    border: 0;
  }
  .wipe-line {
    position: absolute;
    inset-block: 0;
    inset-inline-start: calc(var(--at) - 1px);
    width: 2px;
    background: #ffffff;
    box-shadow: 0 0 0 1px #05090b99;
    pointer-events: none;
  }
  .wipe-line::after {
    content: '↔';
    position: absolute;
    inset-block-start: 50%;
    inset-inline-start: 50%;
    translate: -50% -50%;
    display: grid;
    place-items: center;
    width: 1.75rem;
    height: 1.75rem;
    border-radius: 50%;
    color: #10262e;
    background: #ffffff;
    font-size: 0.875rem;
    line-height: 1;
    box-shadow: 0 0 0 1px #05090b99;
  }
  .wipe > input:focus-visible + .wipe-line::after {
    outline: 3px solid var(--accent);
    outline-offset: 2px;
  }
  .tag.corner {
    position: absolute;
    inset-block-end: 0.5rem;
    color: #ffffff;
    background: #05090bcc;
    border-color: transparent;
    pointer-events: none;
  }
  .corner.left {
    inset-inline-start: 0.5rem;
  }
  .corner.right {
    inset-inline-end: 0.5rem;
  }
  .pictures {
    display: grid;
    grid-template-columns: repeat(3, minmax(0, 1fr));
    gap: 0.625rem;
  }
  .pictures figcaption {
    justify-items: center;
  }
  .relays {
    display: grid;
    gap: 0.375rem;
    font-size: 0.9375rem;
  }
  .relays li {
    display: flex;
    gap: 0.5rem;
  }
  .relays .icon {
    color: var(--muted);
    margin-block-start: 0.15em;
  }
  .relays [data-relay='used'] .icon {
    color: var(--good);
  }
  .relays [data-relay='failed'] .icon {
    color: var(--bad);
  }
  .tag.tiles {
    color: var(--amber);
    background: var(--amber-soft);
    border-color: transparent;
  }
  @container (max-width: 46rem) {
    .way,
    .comparison {
      grid-template-columns: minmax(0, 1fr);
    }
    .compare {
      justify-self: center;
      width: min(100%, 20rem);
    }
  }
`;
