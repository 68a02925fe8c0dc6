import { ClosedError, RequestError } from './errors.js';
import type { Report } from './engine/protocol.js';
import { type Json, read } from './json.js';
import type { Message } from './message.js';

/** The last frame of an answer, and the entries that came before it. */
export interface Answer {
  readonly frame: AnswerFrame;
  readonly entries: readonly Message[];
}

export interface AnswerFrame {
  readonly message_type: string;
  readonly data?: unknown;
}

/** A message of an answer. */
interface Entry {
  readonly json: Json;
  readonly payload?: Uint8Array;
}

interface Waiting {
  readonly resolve: (answer: Answer) => void;
  readonly reject: (error: Error) => void;
}

/** Requests of this tab that wait for their answer. */
export class Requests {
  readonly #waiting: Map<number, Waiting> = new Map();
  readonly #read: (entry: Entry) => Message;
  #last = 0;

  constructor(read: (entry: Entry) => Message) {
    this.#read = read;
  }

  /** Puts a request down; `post` asks under its ticket. */
  ask(signal: AbortSignal | undefined, post: (ticket: number) => void): Promise<Answer> {
    const ticket = ++this.#last;
    return new Promise((resolve, reject) => {
      if (signal?.aborted) return reject(signal.reason as Error);
      this.#waiting.set(ticket, { resolve, reject });
      const abort = (): void => {
        this.#waiting.delete(ticket);
        reject(signal?.reason as Error);
      };
      signal?.addEventListener('abort', abort, { once: true });
      post(ticket);
    });
  }

  hear(report: Report): void {
    if (report.is !== 'answer' && report.is !== 'no answer') return;
    const waiting = this.#waiting.get(report.ticket);
    if (!waiting) return;
    this.#waiting.delete(report.ticket);
    if (report.is === 'answer') {
      const entries = report.entries.map(this.#read);
      waiting.resolve({ frame: read(report.frame) as AnswerFrame, entries });
    } else {
      const { fault, code, reason, retryAfterMs } = report;
      const text = fault === 'refused' ? `refused: ${reason} (${code})` : TEXTS[fault];
      waiting.reject(new RequestError(fault, text, code, retryAfterMs || undefined));
    }
  }

  /** The engine that was asked is gone; or this client, for a reason. */
  drop(closed?: string): void {
    for (const [ticket, waiting] of this.#waiting) {
      this.#waiting.delete(ticket);
      waiting.reject(closed ? new ClosedError(closed) : new RequestError('disconnected', TEXTS.disconnected));
    }
  }
}

const TEXTS = {
  disconnected: 'not connected, or disconnected before the answer',
  timeout: 'no answer in time',
  'too many': 'too many requests under way',
} as const;
