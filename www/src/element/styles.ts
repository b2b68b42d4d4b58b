/** Constructable style sheets: they hold under a CSP without `unsafe-inline`, in any page. */

import { css } from 'lit';
import { checkStyles } from './styles-check.ts';
import { detailStyles } from './styles-detail.ts';
import { restoreStyles } from './styles-restore.ts';
import { workStyles } from './styles-work.ts';

const base = css`
  :host {
    color-scheme: light dark;
    --ink: light-dark(#10262e, #e8f0f2);
    --muted: light-dark(#4d626b, #a3b5bc);
    --line: light-dark(#dbe4e7, #26373f);
    --surface: light-dark(#ffffff, #121d22);
    --sunken: light-dark(#f4f8f8, #0d171b);
    --accent: light-dark(#0a6970, #58c6c9);
    --accent-ink: light-dark(#ffffff, #06262a);
    --accent-soft: light-dark(#e2f2f1, #12333a);
    --cipher: light-dark(#55399f, #bda9ff);
    --cipher-soft: light-dark(#efeafb, #2a2345);
    --amber: light-dark(#6a4700, #f1d28e);
    --amber-soft: light-dark(#fff5de, #2d240f);
    --bad: light-dark(#a3231a, #ff9f95);
    --bad-soft: light-dark(#fdeeec, #371a18);
    --good: light-dark(#17683f, #7fd6a5);
    --good-soft: light-dark(#e6f5ec, #12301f);
    --sans: -apple-system, 'Segoe UI', 'Helvetica Neue', Arial, sans-serif;
    --mono: ui-monospace, 'SF Mono', Menlo, Consolas, 'Liberation Mono', monospace;
    display: block;
    container-type: inline-size;
    color: var(--ink);
    font: 400 1rem/1.5 var(--sans);
    text-align: start;
  }
  :host([theme='light']) {
    color-scheme: light;
  }
  :host([theme='dark']) {
    color-scheme: dark;
  }
  :host([hidden]) {
    display: none;
  }
  *,
  *::before,
  *::after {
    box-sizing: border-box;
  }
  h3,
  h4,
  p,
  ol,
  ul,
  dl,
  dd,
  figure {
    margin: 0;
    padding: 0;
  }
  ol,
  ul {
    list-style: none;
  }
  h3 {
    font-size: 1rem;
    line-height: 1.35;
  }
  h4 {
    font-size: 0.9375rem;
    margin-block-end: 0.5rem;
  }
  .hidden {
    position: absolute;
    width: 1px;
    height: 1px;
    overflow: hidden;
    clip-path: inset(50%);
    white-space: nowrap;
  }
  .muted {
    color: var(--muted);
  }
  .small {
    font-size: 0.8125rem;
  }
  .icon {
    width: 1.25em;
    height: 1.25em;
    flex: none;
    vertical-align: -0.25em;
  }
  code,
  pre,
  kbd {
    font-family: var(--mono);
    font-size: 0.8125rem;
  }
  kbd {
    border: 1px solid var(--line);
    border-radius: 4px;
    padding: 0 0.3em;
    background: var(--surface);
  }
  button {
    font: 600 0.9375rem/1.25 var(--sans);
    color: var(--ink);
    background: var(--surface);
    border: 1px solid light-dark(#b9c8cd, #3a505a);
    border-radius: 10px;
    padding: 0.65rem 1rem;
    min-height: 2.75rem;
    cursor: pointer;
    transition:
      background-color 120ms,
      border-color 120ms;
  }
  button:hover:not(:disabled) {
    border-color: var(--accent);
    background: var(--accent-soft);
  }
  button.primary {
    color: var(--accent-ink);
    background: var(--accent);
    border-color: var(--accent);
  }
  button.primary:hover:not(:disabled) {
    background: light-dark(#085459, #78d6d8);
  }
  button:disabled {
    cursor: default;
    color: light-dark(#5b7079, #91a5ad);
    background: light-dark(#eaf0f1, #1b2a31);
    border-color: transparent;
  }
  .wide {
    width: 100%;
  }
  :focus-visible {
    outline: 3px solid var(--accent);
    outline-offset: 2px;
  }
  .row {
    display: flex;
    flex-wrap: wrap;
    gap: 0.625rem;
  }
  .row > button {
    flex: 1 1 7.5rem;
  }
  .frame {
    background: var(--surface);
    border: 1px solid var(--line);
    border-radius: 18px;
    overflow: clip;
    box-shadow: 0 1px 2px light-dark(#0a2a3010, #0000), 0 12px 32px -16px light-dark(#0a2a3026, #000a);
  }
  .research {
    display: flex;
    flex-wrap: wrap;
    align-items: center;
    gap: 0.4rem;
    padding: 0.625rem 1.5rem;
    font-size: 0.875rem;
    color: var(--amber);
    background: var(--amber-soft);
    border-block-end: 1px solid var(--line);
  }
  .main {
    display: grid;
    grid-template-columns: minmax(0, 22rem) minmax(0, 1fr);
  }
  .panel {
    padding: 1.75rem;
    display: grid;
    gap: 1.25rem;
    align-content: start;
    min-width: 0;
  }
  .panel + .panel {
    border-inline-start: 1px solid var(--line);
  }
  .facts {
    display: grid;
    grid-template-columns: repeat(auto-fit, minmax(8.5rem, 1fr));
    gap: 0.625rem;
  }
  .facts > div {
    background: var(--sunken);
    border: 1px solid var(--line);
    border-radius: 12px;
    padding: 0.625rem 0.875rem;
  }
  .facts dt {
    font-size: 0.8125rem;
    color: var(--muted);
  }
  .facts dd {
    font-weight: 650;
    font-variant-numeric: tabular-nums;
  }
  .tag {
    display: inline-block;
    border-radius: 99px;
    padding: 0.05rem 0.6rem;
    font-size: 0.75rem;
    font-weight: 600;
    line-height: 1.5;
    white-space: nowrap;
    color: var(--muted);
    background: var(--sunken);
    border: 1px solid var(--line);
  }
  .tag.ciphertext {
    color: var(--cipher);
    background: var(--cipher-soft);
    border-color: transparent;
  }
  .tag.key {
    color: var(--accent);
    background: var(--accent-soft);
    border-color: transparent;
  }
  .tag.drawing {
    color: var(--amber);
    background: var(--amber-soft);
    border-color: transparent;
  }
  @container (max-width: 46rem) {
    .main {
      grid-template-columns: minmax(0, 1fr);
    }
    .panel {
      padding: 1.25rem;
    }
    .panel + .panel {
      border-inline-start: 0;
      border-block-start: 1px solid var(--line);
    }
    .research {
      padding-inline: 1.25rem;
    }
  }
  @media (prefers-reduced-motion: reduce) {
    *,
    *::before,
    *::after {
      animation: none !important;
      transition: none !important;
    }
  }
`;

export const styles = [base, workStyles, detailStyles, checkStyles, restoreStyles];
