import { ReceiptError } from './errors.js';
import type { Settlement } from './engine/protocol.js';
import type { StreamName } from './message.js';
import { quiet } from './promises.js';
import { type Readable, Writable } from './readable.js';

/** Where and when the hub stored a message. */
export interface Accepted {
  /** The stream, as the sender names it; absent: volatile. */
  readonly stream?: StreamName;
  /** Its position there; 0: volatile. */
  readonly position: number;
  /** Whether it had been accepted before. */
  readonly duplicate: boolean;
  /** When: RFC 3339, UTC. */
  readonly at?: string;
}

/** How far a message got: each includes those before. */
export type Stage = 'saved' | 'accepted' | 'delivered' | 'read' | 'failed';

const ORDER: readonly Stage[] = ['saved', 'accepted', 'delivered', 'read'];

/** What becomes of a message that was saved here. */
export class Receipt {
  /** The message's id. */
  readonly id: string;
  readonly #stage: Writable<Stage> = new Writable<Stage>('saved');
  #accepted: Accepted | undefined;
  #error: ReceiptError | undefined;

  /** @internal */
  constructor(id: string) {
    this.id = id;
  }

  /** How far it got, now and as it changes. */
  get stage(): Readable<Stage> {
    return this.#stage;
  }

  /** Why it failed, if it did. */
  get error(): ReceiptError | undefined {
    return this.#error;
  }

  /** The hub stored it. Rejects with a {@link ReceiptError}. */
  get accepted(): Promise<Accepted> {
    return this.#reached('accepted', () => this.#accepted ?? { position: 0, duplicate: false });
  }

  /** A device of the receiver has it. For messages to a user with `require_ack`. */
  get delivered(): Promise<void> {
    return this.#reached('delivered', () => undefined);
  }

  /** The receiver read it. For messages to a user with `require_ack`. */
  get read(): Promise<void> {
    return this.#reached('read', () => undefined);
  }

  /** @internal */
  settle(settlement: Settlement): void {
    const { outcome, stream, position, at } = settlement;
    if (outcome === 'accepted' || outcome === 'duplicate') {
      const duplicate = outcome === 'duplicate';
      // Written out: to spread what may be absent costs more than all the rest of a send.
      this.#accepted = stream && at ? { stream, position, duplicate, at } : { ...(stream && { stream }), position, duplicate, ...(at && { at }) };
      this.advance('accepted');
    } else if (outcome === 'sent') this.advance('accepted');
    else {
      const text = outcome === 'refused' ? `refused: ${settlement.reason} (${settlement.code})` : TEXTS[outcome];
      this.fail(new ReceiptError(outcome, text, settlement.code, settlement.retryAfterMs || undefined));
    }
  }

  /** @internal */
  advance(stage: Stage): void {
    const now = this.#stage.get();
    if (now === 'failed' || ORDER.indexOf(stage) <= ORDER.indexOf(now)) return;
    this.#stage.set(stage);
    this.#look();
  }

  /** @internal */
  fail(error: ReceiptError): void {
    if (this.#stage.get() !== 'saved') return;
    this.#error = error;
    this.#stage.set('failed');
    this.#look();
  }

  /** @internal Receipts are not followed any more: who waits for one is told. */
  end(): void {
    this.#ended = true;
    this.#look();
  }

  #ended = false;
  /** Those who wait: each says whether it is done. */
  #waiting: (() => boolean)[] | undefined;

  #look(): void {
    this.#waiting = this.#waiting?.filter((look) => !look());
  }

  #reached<T>(stage: Stage, what: () => T): Promise<T> {
    // Nobody has to wait for it.
    return quiet(new Promise<T>((resolve, reject) => {
      const look = (): boolean => {
        const now = this.#stage.get();
        if (now === 'failed') reject(this.#error);
        else if (ORDER.indexOf(now) >= ORDER.indexOf(stage)) resolve(what());
        else if (this.#ended && now !== 'saved') reject(new ReceiptError('not followed', 'its receipts are not followed'));
        else return false;
        return true;
      };
      if (!look()) (this.#waiting ??= []).push(look);
    }));
  }
}

const TEXTS = {
  unknown: 'it was sent, no answer came, and it is too late to send it again: it may have been stored or not',
  expired: 'its life ended before it could be sent',
  cancelled: 'taken back before it was sent',
  dropped: 'volatile, and there was no connection',
} as const;
