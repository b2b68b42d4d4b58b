/** Numbers as people read them. */

const integer = new Intl.NumberFormat('en-GB');
const decimal = new Intl.NumberFormat('en-GB', { maximumFractionDigits: 4 });
const percentage = new Intl.NumberFormat('en-GB', {
  style: 'percent',
  minimumFractionDigits: 1,
  maximumFractionDigits: 1,
});

export const count = (n: number): string => integer.format(n);

export function bytes(n: number): string {
  if (n < 10_000) return `${integer.format(n)} B`;
  if (n < 1_000_000) return `${(n / 1000).toFixed(1)} kB`;
  return `${(n / 1_000_000).toFixed(2)} MB`;
}

export function duration(ms: number): string {
  if (ms < 0.95) return '< 1 ms';
  if (ms < 999.5) return `${Math.round(ms)} ms`;
  return `${(ms / 1000).toFixed(ms < 10_000 ? 2 : 1)} s`;
}

export const percent = (p: number): string => {
  if (p > 0 && p < 0.001) return '< 0.1 %';
  if (p < 1 && p > 0.999) return '> 99.9 %';
  return percentage.format(p).replace('%', ' %');
};

/** A score or a number of standard deviations. */
export const score = (value: number): string => value.toFixed(Math.abs(value) < 10 ? 2 : 1).replace('-', '−');

export const moment = (time: number): string =>
  new Date(time).toLocaleString('en-GB', { dateStyle: 'medium', timeStyle: 'short' });

export const clock = (time: number): string =>
  new Date(time).toLocaleTimeString('en-GB', { hour: '2-digit', minute: '2-digit', second: '2-digit' });

/** A value of a model card as text: numbers short, keys of maps as `a.b`. */
export function cardRows(map: Record<string, unknown>, prefix = ''): { name: string; value: string }[] {
  return Object.entries(map).flatMap(([key, value]) => {
    const name = prefix ? `${prefix} · ${humanise(key)}` : humanise(key);
    if (value === null || value === undefined) return [];
    if (Array.isArray(value) && value.every((v) => typeof v !== 'object')) {
      return [{ name, value: value.map(scalar).join(', ') }];
    }
    if (typeof value === 'object') return cardRows(value as Record<string, unknown>, name);
    return [{ name, value: scalar(value) }];
  });
}

const humanise = (key: string): string => key.replaceAll('_', ' ');

const scalar = (value: unknown): string => {
  if (typeof value !== 'number') return String(value);
  if (Number.isInteger(value)) return integer.format(value);
  return Math.abs(value) < 0.01 ? value.toPrecision(3) : decimal.format(Number(value.toFixed(4)));
};
