/** What the browser itself says about requests: the second witness of the egress ledger. */

import type { Sighting } from './ledger.ts';

const toSighting = (entry: PerformanceEntry, seenBy: Sighting['seenBy']): Sighting => {
  const timing = entry as PerformanceResourceTiming;
  return {
    url: timing.name,
    time: performance.timeOrigin + timing.startTime,
    ms: timing.duration,
    bytes: timing.transferSize || timing.encodedBodySize || 0,
    status: timing.responseStatus ?? 0,
    seenBy,
  };
};

/** Reports every request of this thread, earlier ones included. Returns how to stop. */
export function watchRequests(
  seenBy: Sighting['seenBy'],
  types: ('resource' | 'navigation')[],
  report: (sightings: Sighting[]) => void,
): () => void {
  const observers = types.map((type) => {
    const observer = new PerformanceObserver((list) => {
      const sightings = list
        .getEntries()
        // A navigation is reported a second time, with its duration, once the page has loaded.
        .filter((entry) => /^https?:/.test(entry.name) && !(entry.entryType === 'navigation' && entry.duration === 0))
        .map((entry) => toSighting(entry, seenBy));
      if (sightings.length > 0) report(sightings);
    });
    observer.observe({ type, buffered: true });
    return observer;
  });
  return () => {
    for (const observer of observers) observer.disconnect();
  };
}
