/** What this tab sends, and what became of it. An engine may die under it: the next one is told again. */

import type { Command, Pending, Report, Settlement } from './engine/protocol.js';
import { ReceiptError, SendError } from './errors.js';
import { type Json, read } from './json.js';
import type { OutgoingMessage } from './message.js';
import { Receipt } from './receipt.js';

/** A send that a new engine must not be asked for again: its outcome may be forgotten by then. */
const RESEND_MS = 3_600_000;

type Send = Extract<Command, { do: 'send' }>;

interface Outgoing {
  readonly command: Send;
  readonly receipt: Receipt;
  readonly since: number;
  /** Whether receipts come after its acceptance. */
  readonly followed: boolean;
  /** Whether it was taken back. */
  cancelled: boolean;
  saving: { resolve: (receipt: Receipt) => void; reject: (error: Error) => void } | undefined;
}

/** A message that waits for the hub's word, whichever tab sent it. */
export type PendingMessage<Data = unknown> = OutgoingMessage<Data> & {
  readonly message_id: string;
  /** Its bytes. */
  readonly payload?: Uint8Array;
};

/** Read when somebody looks at it. */
interface Kept {
  json: Json;
  readonly payload: Uint8Array | undefined;
}

export class Sends<Data> {
  readonly #outgoing: Map<string, Outgoing> = new Map();
  /** Of messages that were accepted, and whose receipts are followed. */
  readonly #receipts: Map<string, Receipt> = new Map();
  readonly #pending: Map<string, Kept> = new Map();

  /** The messages of this device that wait, in order. */
  get pending(): Iterable<PendingMessage<Data>> {
    return [...this.#pending.values()].map((kept) => messageOf<Data>(kept));
  }

  /** One of them. */
  message(id: string): PendingMessage<Data> | undefined {
    const kept = this.#pending.get(id);
    return kept && messageOf<Data>(kept);
  }

  /** Resolves when the message is saved. `followed`: receipts are asked for. */
  send(command: Send, followed: boolean, post: (command: Command) => void): Promise<Receipt> {
    const { id } = command;
    if (this.#outgoing.has(id)) {
      return Promise.reject(new SendError('repeated', 'a message with this message_id is not settled yet'));
    }
    const receipt = new Receipt(id);
    return new Promise((resolve, reject) => {
      this.#outgoing.set(id, { command, receipt, since: Date.now(), followed, cancelled: false, saving: { resolve, reject } });
      post(command);
    });
  }

  saved({ id, json: given, payload: bytes }: Extract<Report, { is: 'saved' }>): void {
    const outgoing = this.#outgoing.get(id);
    outgoing?.saving?.resolve(outgoing.receipt);
    if (outgoing) outgoing.saving = undefined;
    const { object: json = given, payload = bytes } = outgoing?.command ?? {};
    if (json !== undefined) this.#pending.set(id, { json, payload });
  }

  rejected({ id, fault, message }: Extract<Report, { is: 'rejected' }>): void {
    const outgoing = this.#outgoing.get(id);
    this.#outgoing.delete(id);
    outgoing?.saving?.reject(new SendError(fault, message));
  }

  settled(settlement: Settlement): void {
    const { id } = settlement;
    this.#pending.delete(id);
    const outgoing = this.#outgoing.get(id);
    if (!outgoing) return;
    this.#outgoing.delete(id);
    outgoing.receipt.settle(settlement);
    outgoing.saving?.resolve(outgoing.receipt);
    if (outgoing.followed && outgoing.receipt.stage.get() !== 'failed') this.#receipts.set(id, outgoing.receipt);
    else outgoing.receipt.end();
  }

  cancel(id: string): void {
    const outgoing = this.#outgoing.get(id);
    if (outgoing) outgoing.cancelled = true;
  }

  advance({ id, stage }: Extract<Report, { is: 'receipt' }>): void {
    (this.#receipts.get(id) ?? this.#outgoing.get(id)?.receipt)?.advance(stage);
    if (stage === 'read') this.#receipts.delete(id);
  }

  unfollowed(id: string): void {
    this.#receipts.get(id)?.end();
    this.#receipts.delete(id);
  }

  /** What an engine has that waits; gives what is new here. */
  stand(pending: readonly Pending[]): PendingMessage<Data>[] {
    const before = new Map(this.#pending);
    this.#pending.clear();
    for (const { id, json, payload } of pending) this.#pending.set(id, before.get(id) ?? { json, payload });
    return pending.filter(({ id }) => !before.has(id)).map(({ id }) => this.message(id)!);
  }

  /** Tells a new engine of all sends whose end this tab does not know. What was settled meanwhile the hub recognises. */
  again(post: (command: Command) => void): void {
    for (const { command, receipt, since, cancelled, saving } of [...this.#outgoing.values()]) {
      if (this.#pending.has(command.id) || Date.now() - since < RESEND_MS) {
        post(command);
        if (cancelled) post({ do: 'cancel', id: command.id });
      } else {
        this.#outgoing.delete(command.id);
        receipt.fail(new ReceiptError('unknown', 'what became of it was lost with the tab that sent it'));
        saving?.resolve(receipt);
      }
    }
  }

  /** The client is closed, for this reason. What is kept stays kept. */
  close(reason: string): void {
    for (const [id, { saving }] of this.#outgoing) {
      // What was saved is told when this client connects again.
      if (!saving) continue;
      this.#outgoing.delete(id);
      saving.reject(new SendError('closed', reason));
    }
    this.#pending.clear();
  }
}

function messageOf<Data>(kept: Kept): PendingMessage<Data> {
  const message = (kept.json = read(kept.json)) as PendingMessage<Data>;
  return kept.payload ? { ...message, payload: kept.payload } : message;
}
