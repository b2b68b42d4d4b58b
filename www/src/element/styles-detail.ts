import { css } from 'lit';

/** The lower half: ledger, the relay's view and the model card. */
export const detailStyles = css`
  .proof {
    border-block-start: 1px solid var(--line);
  }
  .proof > summary {
    display: flex;
    align-items: center;
    gap: 0.875rem;
    padding: 1rem 1.75rem;
    cursor: pointer;
    list-style: none;
  }
  .proof > summary::-webkit-details-marker {
    display: none;
  }
  .proof > summary:hover {
    background: var(--sunken);
  }
  .proof > summary:focus-visible {
    outline-offset: -3px;
  }
  .proof > summary > .icon {
    color: var(--accent);
    width: 1.5rem;
    height: 1.5rem;
  }
  .proof > summary > span {
    display: grid;
    flex: 1;
    min-width: 0;
  }
  .proof > summary .muted {
    font-size: 0.875rem;
  }
  .proof > summary::after {
    content: '';
    flex: none;
    width: 0.55rem;
    height: 0.55rem;
    border: solid var(--muted);
    border-width: 0 2px 2px 0;
    rotate: 45deg;
    translate: 0 -0.15rem;
    transition: rotate 120ms;
  }
  .proof[open] > summary::after {
    rotate: 225deg;
    translate: 0 0.15rem;
  }
  .proof-body {
    display: grid;
    gap: 1rem;
    padding: 0.25rem 1.75rem 1.75rem;
  }
  .proof-body > * {
    min-width: 0;
  }
  .check {
    padding: 0.75rem 1rem;
    border-radius: 12px;
    font-size: 0.9375rem;
  }
  .check.good {
    color: var(--good);
    background: var(--good-soft);
  }
  .check.bad {
    color: var(--bad);
    background: var(--bad-soft);
  }
  .check.bad li {
    overflow-wrap: anywhere;
    margin-block-start: 0.35rem;
  }
  .ledger {
    width: 100%;
    border-collapse: collapse;
    font-size: 0.875rem;
  }
  .ledger th {
    text-align: start;
    font-size: 0.8125rem;
    font-weight: 600;
    color: var(--muted);
    border-block-end: 1px solid var(--line);
    padding: 0.5rem 0.625rem 0.5rem 0;
  }
  .ledger td {
    vertical-align: top;
    border-block-end: 1px solid var(--line);
    padding: 0.625rem 0.625rem 0.625rem 0;
  }
  .ledger .number {
    font-variant-numeric: tabular-nums;
    white-space: nowrap;
  }
  .ledger .request {
    width: 42%;
  }
  .ledger .ciphertext td {
    background: color-mix(in srgb, var(--cipher-soft) 45%, transparent);
  }
  .path {
    display: block;
    overflow-wrap: anywhere;
  }
  .purpose {
    display: block;
    color: var(--muted);
    font-size: 0.8125rem;
  }
  .hex {
    display: block;
    margin-block-start: 0.25rem;
    color: var(--cipher);
    overflow-wrap: anywhere;
  }
  .key .hex {
    color: var(--accent);
  }
  .two {
    display: grid;
    grid-template-columns: repeat(auto-fit, minmax(min(100%, 24rem), 1fr));
    gap: 1.25rem 2rem;
  }
  .two > * {
    min-width: 0;
  }
  .dump {
    display: grid;
    gap: 0.625rem;
    align-content: start;
  }
  .dump figcaption {
    display: flex;
    flex-wrap: wrap;
    justify-content: space-between;
    gap: 0 1rem;
  }
  .dump pre {
    margin: 0;
    padding: 0.875rem;
    overflow-x: auto;
    font-size: 0.75rem;
    line-height: 1.8;
    background: var(--sunken);
    border: 1px solid var(--line);
    border-radius: 12px;
  }
  .dump pre span {
    padding-inline: 0.16em;
  }
  .offset,
  .ascii {
    color: var(--muted);
  }
  .dump .ascii {
    padding-inline-start: 0.8em;
    white-space: pre;
  }
  .legend {
    display: flex;
    flex-wrap: wrap;
    gap: 0.25rem 1rem;
    font-size: 0.8125rem;
    color: var(--muted);
  }
  .swatch {
    display: inline-block;
    width: 0.75rem;
    height: 0.75rem;
    border-radius: 3px;
    margin-inline-end: 0.4rem;
    vertical-align: -0.08em;
    border: 1px solid var(--line);
  }
  .f0 {
    background: light-dark(#e7ecee, #243239);
  }
  .f1 {
    background: light-dark(#d8eef0, #17393f);
  }
  .f2 {
    background: light-dark(#e6f1da, #26361a);
  }
  .f3 {
    background: light-dark(#faebcc, #3b2f12);
  }
  .sealed {
    color: var(--cipher);
    background: var(--cipher-soft);
  }
  .learns > div {
    display: grid;
    grid-template-columns: 7rem 1fr;
    gap: 0.5rem;
    padding-block: 0.35rem;
    border-block-end: 1px solid var(--line);
  }
  .learns dt {
    font-weight: 600;
  }
  .learns dd {
    color: var(--muted);
  }
  .nots {
    margin-block-end: 0.75rem;
  }
  .nots li,
  .limits li {
    position: relative;
    padding: 0.3rem 0 0.3rem 1.4rem;
  }
  .nots li::before,
  .limits li::before {
    content: '';
    position: absolute;
    inset: 0.8rem auto auto 0.15rem;
    width: 0.55rem;
    height: 0.55rem;
    border-radius: 50%;
    border: 2px solid var(--good);
  }
  .limits li::before {
    border-color: var(--amber);
  }
  .card-sections {
    columns: 2 22rem;
    column-gap: 2.5rem;
  }
  .card-sections section {
    break-inside: avoid-column;
    margin-block-end: 1.5rem;
  }
  .rows > div {
    display: grid;
    grid-template-columns: minmax(8rem, 1fr) 1.6fr;
    gap: 0.25rem 1rem;
    padding-block: 0.35rem;
    font-size: 0.875rem;
    border-block-end: 1px solid var(--line);
  }
  .more summary {
    padding-block: 0.5rem;
    font-size: 0.875rem;
    font-weight: 600;
    color: var(--accent);
    cursor: pointer;
  }
  .rows dt {
    color: var(--muted);
  }
  .rows dd {
    overflow-wrap: anywhere;
    font-variant-numeric: tabular-nums;
  }
  @container (max-width: 46rem) {
    .proof > summary {
      padding-inline: 1.25rem;
    }
    .proof-body {
      padding: 0.25rem 1.25rem 1.25rem;
    }
    .ledger thead {
      display: none;
    }
    .ledger tbody,
    .ledger table {
      display: block;
    }
    .ledger tr {
      display: grid;
      grid-template-columns: repeat(5, auto);
      justify-content: space-between;
      gap: 0.5rem 0.25rem;
      padding: 0.75rem;
      border: 1px solid var(--line);
      border-radius: 12px;
      margin-block-end: 0.625rem;
    }
    .ledger td {
      border: 0;
      padding: 0;
    }
    .ledger .request,
    .ledger td[data-name='Carries'] {
      grid-column: 1 / -1;
      order: -1;
      width: auto;
    }
    .ledger .number {
      font-size: 0.75rem;
    }
    .ledger .number::before {
      content: attr(data-name);
      display: block;
      font-size: 0.75rem;
      color: var(--muted);
    }
    .ledger .ciphertext {
      background: color-mix(in srgb, var(--cipher-soft) 45%, transparent);
    }
    .ledger .ciphertext td {
      background: none;
    }
    .rows > div,
    .learns > div {
      grid-template-columns: 1fr;
      gap: 0;
    }
  }
`;
