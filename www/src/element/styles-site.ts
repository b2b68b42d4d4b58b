import { css } from 'lit';
import { styles } from './styles.ts';

/** What `<veilsight-site>` has beyond the common look. */
const siteOnly = css`
  .site {
    display: grid;
    gap: 1.25rem;
    padding: 1.75rem;
  }
  .site > * {
    min-width: 0;
  }
  .todo {
    display: flex;
    gap: 0.75rem;
    padding: 0.875rem 1.125rem;
    border-radius: 14px;
    font-weight: 600;
    color: var(--accent);
    background: var(--accent-soft);
  }
  .todo .icon {
    margin-block-start: 0.1em;
  }
  .todo.wait {
    color: var(--ink);
    background: var(--sunken);
    font-weight: 400;
  }
  .todo.good {
    color: var(--good);
    background: var(--good-soft);
  }
  .todo.bad {
    color: var(--bad);
    background: var(--bad-soft);
  }
  .stages {
    display: grid;
  }
  .stage {
    display: grid;
    grid-template-columns: 2rem minmax(0, 1fr);
    gap: 1rem;
    padding-block-end: 1.75rem;
    position: relative;
  }
  .stage:not(:last-child)::before {
    content: '';
    position: absolute;
    inset: 2.25rem auto 0.25rem calc(1rem - 1px);
    width: 2px;
    background: var(--line);
  }
  .stage:last-child {
    padding-block-end: 0;
  }
  .stage-dot {
    display: grid;
    place-items: center;
    width: 2rem;
    height: 2rem;
    border-radius: 50%;
    font-weight: 650;
    font-size: 0.9375rem;
    color: var(--muted);
    background: var(--sunken);
    border: 1px solid var(--line);
  }
  .stage.now > .stage-dot {
    color: var(--accent-ink);
    background: var(--accent);
    border-color: var(--accent);
  }
  .stage.done > .stage-dot {
    color: var(--good);
    background: var(--good-soft);
    border-color: transparent;
  }
  .stage-main > h3 {
    font-size: 1.125rem;
    line-height: 2rem;
  }
  .stage.later .stage-main > h3 {
    color: var(--muted);
    font-weight: 600;
  }
  .stage-main > .muted {
    font-size: 0.9375rem;
  }
  .stage-body {
    display: grid;
    gap: 1.125rem;
    margin-block-start: 1rem;
  }
  .stage-body > * {
    min-width: 0;
  }
  .stage .two {
    align-items: start;
  }
  .form {
    display: grid;
    gap: 1rem;
    max-width: 34rem;
  }
  .form label {
    display: grid;
    gap: 0.35rem;
    font-weight: 600;
    font-size: 0.9375rem;
  }
  .stage .field {
    max-width: 22rem;
  }
  input[readonly] {
    background: var(--sunken);
    color: var(--muted);
  }
  #invitation {
    font-family: var(--mono);
    font-size: 0.9375rem;
  }
  .form .primary,
  .fingerprint .primary,
  .sending .primary {
    justify-self: start;
  }
  button.quiet {
    font-weight: 600;
    font-size: 0.875rem;
    min-height: 2.25rem;
    padding: 0.35rem 0.75rem;
  }
  .roster {
    display: grid;
    gap: 0.5rem;
  }
  .roster li {
    display: flex;
    align-items: center;
    gap: 0.625rem;
  }
  .roster .here .dot {
    color: var(--good);
    background: var(--good-soft);
    border-color: transparent;
  }
  .roster .missing {
    color: var(--muted);
  }
  .plain {
    display: grid;
    gap: 0.5rem;
  }
  .plain li {
    padding-inline-start: 1rem;
    text-indent: -1rem;
  }
  .plain li::before {
    content: '·';
    display: inline-block;
    width: 1rem;
    text-indent: 0;
    color: var(--accent);
    font-weight: 700;
  }
  .fingerprint {
    display: grid;
    gap: 0.875rem;
    padding: 1.125rem;
    border: 1px solid var(--line);
    border-radius: 14px;
    background: var(--sunken);
  }
  .groups {
    display: flex;
    flex-wrap: wrap;
    gap: 0.375rem 0.875rem;
  }
  .groups code {
    font-size: 1.1875rem;
    font-weight: 600;
    letter-spacing: 0.02em;
  }
  .centred {
    justify-content: center;
    margin-block: 0.375rem 0.125rem;
  }
  .drop .centred .primary {
    margin-block: 0;
  }
  .centred > button {
    flex: 0 1 auto;
  }
  .pairs {
    grid-template-columns: 1fr 1fr;
  }
  .table {
    width: 100%;
    border-collapse: collapse;
    font-size: 0.9375rem;
  }
  .table caption {
    text-align: start;
    font-weight: 600;
    padding-block-end: 0.375rem;
  }
  .table th,
  .table td {
    text-align: start;
    padding: 0.5rem 0.75rem 0.5rem 0;
    border-block-end: 1px solid var(--line);
    overflow-wrap: anywhere;
  }
  .table thead th {
    overflow-wrap: normal;
    font-size: 0.8125rem;
    color: var(--muted);
  }
  .table tbody th {
    font-weight: 600;
  }
  .table .number {
    text-align: end;
    font-variant-numeric: tabular-nums;
  }
  .table .number:not(:last-child) {
    padding-inline-end: 1.25rem;
  }
  .table select {
    min-height: 2.25rem;
    padding-block: 0.25rem;
    min-width: 8rem;
  }
  .scroll {
    overflow-x: auto;
  }
  .members {
    min-width: 22rem;
  }
  .members .named th {
    color: var(--bad);
  }
  .yes {
    color: var(--good);
  }
  .missed {
    color: var(--bad);
    font-weight: 600;
  }
  .problems summary {
    cursor: pointer;
    font-weight: 600;
    color: var(--amber);
  }
  .problems ul {
    display: grid;
    gap: 0.375rem;
    max-height: 16rem;
    overflow-y: auto;
    margin-block-start: 0.5rem;
    font-size: 0.875rem;
  }
  .problems li {
    overflow-wrap: anywhere;
  }
  .work {
    display: grid;
    gap: 0.75rem;
    justify-items: start;
  }
  .spaced {
    margin-block-start: 0.75rem;
  }
  .sending {
    display: grid;
    gap: 1rem;
    padding: 1.125rem;
    border: 1px solid var(--line);
    border-radius: 14px;
    background: var(--sunken);
  }
  .wide-terms > div {
    grid-template-columns: 12rem 1fr;
  }
  .check.calm {
    color: var(--accent);
    background: var(--accent-soft);
  }
  .path-line {
    display: flex;
    flex-wrap: wrap;
    gap: 0.5rem 1.5rem;
    margin-block: 0.25rem 0.75rem;
    font-size: 0.9375rem;
  }
  .path-line li {
    display: flex;
    align-items: center;
    gap: 0.5rem;
  }
  .path-line .waiting {
    color: var(--muted);
  }
  .path-line .running {
    font-weight: 650;
  }
  .path-line .running .dot {
    border-color: var(--accent);
    border-inline-start-color: transparent;
    animation: turn 900ms linear infinite;
  }
  .path-line .done .dot {
    color: var(--good);
    background: var(--good-soft);
    border-color: transparent;
  }
  .path-line .broken {
    color: var(--bad);
    font-weight: 650;
  }
  .path-line .broken .dot {
    border-color: var(--bad);
  }
  .stage .answer {
    border-block-end: 0;
    padding-block-end: 0;
  }
  .break {
    overflow-wrap: anywhere;
  }
  @container (max-width: 46rem) {
    .site {
      padding: 1.25rem;
    }
    .stage {
      gap: 0.75rem;
    }
    .stage-body {
      margin-inline-start: -2.75rem;
    }
    .stage:not(:last-child)::before {
      display: none;
    }
    .wide-terms > div {
      grid-template-columns: 1fr;
    }
    .groups code {
      font-size: 1.0625rem;
    }
    .members {
      min-width: 0;
      font-size: 0.8125rem;
    }
    .members th,
    .members td {
      padding-inline-end: 0.4rem;
    }
    .members thead th {
      font-size: 0.75rem;
    }
  }
`;

export const siteStyles = [...styles, siteOnly];
