/** A fingerprint as people read it to each other. */

/** Groups as the consortium wrote them, or of four where it wrote none. */
export const spoken = (fingerprint: string): string[] =>
  /[\s-]/.test(fingerprint) ? fingerprint.split(/[\s-]+/) : (fingerprint.match(/.{1,4}/g) ?? []);
