/** Everything that can go wrong, as one value the page can show: what happened, and what to do now. */

export type FaultCode =
  | 'wrong-file'
  | 'too-large'
  | 'empty-file'
  | 'truncated-file'
  | 'dicom'
  | 'no-relay'
  | 'not-allowed'
  | 'offline'
  | 'wrong-version'
  | 'no-model'
  | 'corrupt-pack'
  | 'budget'
  | 'busy'
  | 'invitation'
  | 'not-enrolled'
  | 'refused'
  | 'one-relay'
  | 'other-tab'
  | 'no-vault'
  | 'cancelled'
  | 'crashed'
  | 'timeout'
  | 'no-code'
  | 'internal';

export interface Fault {
  code: FaultCode;
  /** One sentence: what happened. */
  message: string;
  /** One sentence: what the person can do. */
  action: string;
}

interface Wording {
  title: string;
  message: string;
  action: string;
  /** Whether doing the same again can succeed. */
  retry: boolean;
}

const WORDING: Record<FaultCode, Wording> = {
  'wrong-file': {
    title: 'This file cannot be read',
    message: 'The file is not a PNG or JPEG picture.',
    action: 'Export the image as PNG or JPEG and choose it again.',
    retry: false,
  },
  'too-large': {
    title: 'This picture is too large',
    message: 'The picture is larger than this page can take.',
    action: 'Export it smaller: at most 64 MiB and 12,000 pixels a side.',
    retry: false,
  },
  'empty-file': {
    title: 'This file is empty',
    message: 'The file holds no bytes.',
    action: 'Check the export and choose the file again.',
    retry: false,
  },
  'truncated-file': {
    title: 'This file is incomplete',
    message: 'The picture ends before its last part.',
    action: 'Copy or export the file once more and choose it again.',
    retry: false,
  },
  dicom: {
    title: 'DICOM is not supported yet',
    message: 'This is a DICOM file, which this page cannot read yet.',
    action: 'Export the slice from your viewer as PNG and choose that.',
    retry: false,
  },
  'no-relay': {
    title: 'The relay does not answer',
    message: 'No relay could be reached at this address.',
    action: 'Check that the relay runs and that your network lets you reach it, then try again.',
    retry: true,
  },
  'not-allowed': {
    title: 'The relay does not accept this page',
    message: "The relay answers, but this page's origin is not on its allow-list.",
    action: "Ask the relay's operator to allow this page's origin, then try again.",
    retry: true,
  },
  offline: {
    title: 'This device is offline',
    message: 'There is no network connection at present.',
    action: 'Connect this device to the network, then try again.',
    retry: true,
  },
  'wrong-version': {
    title: 'Page and relay do not match',
    message: 'The relay speaks another version of the protocol than this page.',
    action: 'Reload the page; if that does not help, tell the operator to update the relay and the page together.',
    retry: true,
  },
  'no-model': {
    title: 'The model is not available',
    message: 'The relay does not offer this model.',
    action: 'Check the model name on this page, or ask the operator which models the relay offers.',
    retry: true,
  },
  'corrupt-pack': {
    title: 'The model arrived damaged',
    message: 'The downloaded model does not match its SHA-256 and was thrown away.',
    action: 'Try again; if it happens again, tell the operator.',
    retry: true,
  },
  budget: {
    title: 'The query budget is used up',
    message: 'This client has asked as often as the relay allows for now.',
    action: 'Wait until the budget is renewed, or ask the operator for more.',
    retry: true,
  },
  busy: {
    title: 'The relay is busy',
    message: 'The relay has more requests than it can answer right now.',
    action: 'Wait a few seconds, then try again.',
    retry: true,
  },
  invitation: {
    title: 'The relay does not accept this invitation',
    message: 'It has been used before, it has expired, or another relay made it.',
    action: 'Check that the whole invitation was copied, or ask the administrator of the consortium for a new one.',
    retry: false,
  },
  'not-enrolled': {
    title: 'The relay does not know this site',
    message: "The relay does not accept this site's token.",
    action:
      'Check the address of the relay; if it is right, ask the administrator of the consortium for a new invitation.',
    retry: true,
  },
  refused: {
    title: 'This does not fit the round',
    message: 'The round is no longer in the state that this step needs.',
    action: 'Look at the state of the round below: it says what this site can do now.',
    retry: false,
  },
  'one-relay': {
    title: 'One relay would hold all of the image',
    message: 'Only one relay is left, and it would get every noised tile of the image.',
    action: 'Agree to that beside its button, or restore the image on this device.',
    retry: false,
  },
  'other-tab': {
    title: 'This site is open in another tab',
    message: 'Only one tab may act for a site at a time, so that it never answers twice.',
    action: 'Go to the other tab, or close it and try again here.',
    retry: true,
  },
  'no-vault': {
    title: 'This browser cannot keep the site safe',
    message: 'Keys are sealed by the browser, which needs a secure page (https) and storage that is not switched off.',
    action: 'Open this page over https in an ordinary window, not a private one.',
    retry: true,
  },
  cancelled: {
    title: 'Cancelled',
    message: 'You cancelled the run.',
    action: 'Your image is still here: run it again whenever you like.',
    retry: true,
  },
  crashed: {
    title: 'The worker stopped and was restarted',
    message: 'The part of this page that computes stopped unexpectedly and was started again.',
    action: 'Your image is still here: try again.',
    retry: true,
  },
  timeout: {
    title: 'This took too long',
    message: 'The computation showed no progress for too long, so it was stopped and restarted.',
    action: 'Your image is still here: try again.',
    retry: true,
  },
  'no-code': {
    title: "Veilsight's program could not be loaded",
    message: 'A part of the program is missing, unreachable, or not the one this page was built with.',
    action: 'Reload the page; if that does not help, tell the operator.',
    retry: true,
  },
  internal: {
    title: 'Something went wrong',
    message: 'An unexpected error happened on this device.',
    action: 'Try again; if it happens again, reload the page and tell the operator.',
    retry: true,
  },
};

const isCode = (value: unknown): value is FaultCode => typeof value === 'string' && Object.hasOwn(WORDING, value);

const text = (value: unknown): string | undefined =>
  typeof value === 'string' && value.trim() !== '' ? value : undefined;

/** A fault with the usual words for its code, unless better ones are given. */
export function fault(code: FaultCode, message?: string, action?: string): Fault {
  const wording = WORDING[code];
  return { code, message: message ?? wording.message, action: action ?? wording.action };
}

/** The headline for a fault. */
export const faultTitle = (f: Fault): string => WORDING[f.code].title;

/** Whether a retry button makes sense. */
export const canRetry = (f: Fault): boolean => WORDING[f.code].retry;

/** Any thrown value as a fault; values of unknown shape become `internal` and keep their message. */
export function toFault(thrown: unknown): Fault {
  if (typeof thrown === 'object' && thrown !== null) {
    const { code, message, action, name, retry_after_s: wait } = thrown as Record<string, unknown>;
    if (isCode(code)) return fault(code, text(message), withWait(text(action), wait));
    if (name === 'AbortError') return fault('cancelled');
    if (text(message)) return fault('internal', String(message));
  }
  return fault('internal', text(thrown));
}

/** The relay's Retry-After, in words behind the advice. */
const withWait = (action: string | undefined, seconds: unknown): string | undefined =>
  typeof seconds === 'number' && seconds > 0
    ? `${action ?? ''} The relay asks to wait ${inWords(seconds)}.`.trim()
    : action;

function inWords(seconds: number): string {
  if (seconds < 100) return `${Math.ceil(seconds)} second${seconds > 1 ? 's' : ''}`;
  const minutes = Math.ceil(seconds / 60);
  return minutes < 100 ? `${minutes} minutes` : `${Math.ceil(minutes / 60)} hours`;
}

/** `no-relay` says little: tell offline and a refused origin from a relay that is down. */
export async function refineFault(
  f: Fault,
  around: { online: boolean; foreign: boolean; origin: string; relay: string; answersAtAll: () => Promise<boolean> },
): Promise<Fault> {
  if (f.code !== 'no-relay') return f;
  if (!around.online) return fault('offline');
  if (around.foreign && (await around.answersAtAll())) {
    return fault(
      'not-allowed',
      `The relay at ${around.relay} answers, but it does not accept requests from ${around.origin}.`,
      `Ask the relay's operator to add ${around.origin} to its list of allowed origins, then try again.`,
    );
  }
  return f;
}
