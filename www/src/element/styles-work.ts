import { css } from 'lit';

/** The upper half: choosing, the picture, steps, answer and faults. */
export const workStyles = css`
  .field {
    display: grid;
    gap: 0.35rem;
    font-weight: 600;
    font-size: 0.9375rem;
  }
  input:not(.hidden),
  select {
    font: 400 1rem/1.25 var(--sans);
    width: 100%;
    min-height: 2.75rem;
    padding: 0.5rem 0.75rem;
    color: var(--ink);
    background: var(--surface);
    border: 1px solid light-dark(#8a9da4, #5a737e);
    border-radius: 10px;
  }
  .drop {
    display: grid;
    justify-items: center;
    gap: 0.625rem;
    text-align: center;
    padding: 2rem 1.25rem 1.5rem;
    border: 2px dashed light-dark(#b3c6cb, #3a525c);
    border-radius: 16px;
    background: var(--sunken);
    transition:
      background-color 120ms,
      border-color 120ms;
  }
  .drop.over,
  .picture.over {
    border-color: var(--accent);
    background: var(--accent-soft);
  }
  .drop-icon {
    display: grid;
    place-items: center;
    width: 3.5rem;
    height: 3.5rem;
    border-radius: 50%;
    color: var(--accent);
    background: var(--accent-soft);
  }
  .drop-icon .icon {
    width: 1.75rem;
    height: 1.75rem;
  }
  .drop-title {
    font-size: 1.125rem;
    font-weight: 650;
  }
  .drop .primary {
    margin-block: 0.5rem 0.25rem;
    padding-inline: 1.5rem;
  }
  .assurance {
    font-size: 0.875rem;
    color: var(--good);
    font-weight: 600;
  }
  .phantoms {
    display: grid;
    gap: 0.625rem;
    font-size: 0.875rem;
  }
  .phantoms button {
    font-size: 0.875rem;
    padding-inline: 0.75rem;
  }
  .story {
    display: grid;
    gap: 2rem;
    padding-block: 0.5rem;
    max-width: 34rem;
  }
  .panel:has(> .story:only-child) {
    place-content: center;
  }
  .story li {
    display: flex;
    gap: 1rem;
  }
  .story-icon {
    display: grid;
    place-items: center;
    flex: none;
    width: 2.75rem;
    height: 2.75rem;
    border-radius: 12px;
    color: var(--accent);
    background: var(--accent-soft);
  }
  .story h3 {
    font-size: 1.0625rem;
  }
  .picture {
    display: grid;
    gap: 0.75rem;
    border-radius: 16px;
  }
  .screen {
    display: grid;
    place-items: center;
    padding: 1rem;
    background: #05090b;
    border-radius: 16px;
    border: 1px solid var(--line);
  }
  .screen > canvas {
    grid-area: 1 / 1;
  }
  canvas {
    width: min(256px, 100%);
    aspect-ratio: 1;
    border-radius: 6px;
  }
  canvas.sharp {
    image-rendering: pixelated;
  }
  canvas.waiting {
    opacity: 0.6;
  }
  figcaption {
    display: grid;
    justify-items: start;
    gap: 0.2rem;
    font-size: 0.875rem;
  }
  .file {
    font-weight: 650;
    max-width: 100%;
    overflow: hidden;
    text-overflow: ellipsis;
    white-space: nowrap;
  }
  .actions {
    display: grid;
    gap: 0.625rem;
  }
  progress {
    appearance: none;
    display: block;
    width: 100%;
    height: 0.5rem;
    border: 0;
    border-radius: 99px;
    overflow: hidden;
    color: var(--accent);
    background: light-dark(#dfe8ea, #23353d);
  }
  progress::-webkit-progress-bar {
    background: light-dark(#dfe8ea, #23353d);
  }
  progress::-webkit-progress-value {
    background: var(--accent);
    border-radius: 99px;
    transition: inline-size 200ms;
  }
  progress::-moz-progress-bar {
    background: var(--accent);
    border-radius: 99px;
  }
  .step-groups {
    display: grid;
    grid-template-columns: repeat(auto-fit, minmax(15rem, 1fr));
    gap: 1.25rem 2rem;
  }
  .steps h3 {
    display: flex;
    justify-content: space-between;
    gap: 1rem;
    font-size: 0.8125rem;
    color: var(--muted);
    padding-block-end: 0.5rem;
    border-block-end: 1px solid var(--line);
    margin-block-end: 0.5rem;
  }
  .step {
    display: grid;
    grid-template-columns: 1.25rem minmax(0, 1fr) auto;
    align-items: center;
    gap: 0.1rem 0.625rem;
    padding-block: 0.25rem;
    font-size: 0.9375rem;
  }
  .step.waiting {
    color: var(--muted);
  }
  .step.running .step-label {
    font-weight: 650;
  }
  .dot {
    display: grid;
    place-items: center;
    width: 1.25rem;
    height: 1.25rem;
    border-radius: 50%;
    border: 2px solid light-dark(#c3d1d5, #3a505a);
  }
  .step.running .dot {
    border-color: var(--accent);
    border-inline-start-color: transparent;
    animation: turn 900ms linear infinite;
  }
  .step.done .dot {
    color: var(--good);
    background: var(--good-soft);
    border-color: transparent;
  }
  .dot .icon {
    width: 0.875rem;
    height: 0.875rem;
    stroke-width: 2.6;
  }
  .step progress {
    grid-column: 2 / -1;
    height: 0.3rem;
  }
  .step-time {
    font-size: 0.8125rem;
    font-weight: 400;
    color: var(--muted);
    font-variant-numeric: tabular-nums;
  }
  @keyframes turn {
    to {
      rotate: 1turn;
    }
  }
  .answer {
    display: grid;
    gap: 0.875rem;
    padding-block-end: 1.25rem;
    border-block-end: 1px solid var(--line);
  }
  .eyebrow {
    font-size: 0.8125rem;
    font-weight: 600;
    color: var(--accent);
    margin-block-end: -0.75rem;
  }
  .verdict {
    display: flex;
    flex-wrap: wrap;
    align-items: baseline;
    gap: 0 0.75rem;
    font-size: 1.75rem;
    line-height: 1.2;
    letter-spacing: -0.015em;
  }
  .verdict-p {
    font-weight: 400;
    color: var(--muted);
    font-variant-numeric: tabular-nums;
  }
  .classes {
    display: grid;
    gap: 0.75rem;
  }
  .classes li {
    display: grid;
    grid-template-columns: 1fr auto;
    gap: 0.25rem 1rem;
    color: var(--muted);
  }
  .classes .top {
    color: var(--ink);
    font-weight: 650;
  }
  .classes progress {
    grid-column: 1 / -1;
    height: 0.75rem;
  }
  .classes li:not(.top) progress::-webkit-progress-value {
    background: light-dark(#7f979f, #6d858e);
  }
  .classes li:not(.top) progress::-moz-progress-bar {
    background: light-dark(#7f979f, #6d858e);
  }
  .class-p {
    font-variant-numeric: tabular-nums;
  }
  .backend {
    display: flex;
    gap: 0.5rem;
    font-size: 0.875rem;
    color: var(--muted);
  }
  .backend strong {
    color: var(--ink);
    margin-inline-end: 0.4em;
  }
  .fault {
    display: flex;
    gap: 0.875rem;
    padding: 1rem 1.125rem;
    border-radius: 14px;
    color: var(--bad);
    background: var(--bad-soft);
    border: 1px solid color-mix(in srgb, var(--bad) 30%, transparent);
    overflow-wrap: anywhere;
  }
  .fault.calm {
    color: var(--accent);
    background: var(--accent-soft);
    border-color: color-mix(in srgb, var(--accent) 30%, transparent);
  }
  .fault > .icon {
    width: 1.5rem;
    height: 1.5rem;
  }
  .fault p {
    color: var(--ink);
    font-size: 0.9375rem;
  }
  .fault .do {
    margin-block-start: 0.25rem;
    font-weight: 600;
  }
  .fault button {
    margin-block-start: 0.75rem;
  }
`;
