/** What can go wrong, as classes. `code` is the hub's number where there is one. */

/** The hub's error codes that a client meets. */
export const ErrorCode = {
  PermissionDenied: 80303,
  AuthenticationFailed: 80304,
  InvalidFormat: 80401,
  MessageTooLarge: 80402,
  TargetMissing: 80403,
  Filtered: 80404,
  MessageIdReused: 80406,
  RateLimited: 80801,
  Temporary: 80902,
  Busy: 80903,
  GroupNotFound: 81401,
  GroupFull: 81403,
} as const;

const PASSING: ReadonlySet<number> = new Set<number>([80801, 80902, 80903]);

/** Any error of this package. */
export class WscError extends Error {
  override readonly name: string = 'WscError';
  /** The hub's error or close code; 0: none. */
  readonly code: number;
  /** Whether the same may succeed later. */
  readonly retryable: boolean;
  /** When to try again, in milliseconds, if the hub said so. */
  readonly retryAfterMs: number | undefined;

  constructor(message: string, code = 0, retryable: boolean = PASSING.has(code), retryAfterMs?: number) {
    super(message);
    this.code = code;
    this.retryable = retryable;
    this.retryAfterMs = retryAfterMs;
  }
}

/** Why a message was not taken. */
export type SendFault = 'outbox full' | 'too large' | 'invalid' | 'repeated' | 'closed' | 'storage';

/** A message was not taken: nothing of it is kept, nothing was sent. */
export class SendError extends WscError {
  override readonly name = 'SendError';
  readonly fault: SendFault;

  constructor(fault: SendFault, message: string) {
    super(message, 0, fault === 'outbox full' || fault === 'storage');
    this.fault = fault;
  }
}

/** How a message that was taken ended without being accepted. */
export type ReceiptFault = 'refused' | 'unknown' | 'expired' | 'cancelled' | 'dropped' | 'not followed';

/** A message that was taken did not get there: `refused` by the hub (`code`), `unknown` whether it was stored, `expired` or `cancelled` before it was sent, `dropped` because it was volatile. */
export class ReceiptError extends WscError {
  override readonly name = 'ReceiptError';
  readonly fault: ReceiptFault;

  constructor(fault: ReceiptFault, message: string, code = 0, retryAfterMs?: number) {
    super(message, code, undefined, retryAfterMs);
    this.fault = fault;
  }
}

/** Why a request got no answer. */
export type RequestFault = 'refused' | 'disconnected' | 'timeout' | 'too many';

/** A request got no answer. */
export class RequestError extends WscError {
  override readonly name = 'RequestError';
  readonly fault: RequestFault;

  constructor(fault: RequestFault, message: string, code = 0, retryAfterMs?: number) {
    super(message, code, fault !== 'refused' || PASSING.has(code), retryAfterMs);
    this.fault = fault;
  }
}

/** The client is closed: `code` is the close code, 0 when the application closed it. */
export class ClosedError extends WscError {
  override readonly name = 'ClosedError';
}

/** What is saved in this browser could not be read or written. */
export class StorageError extends WscError {
  override readonly name = 'StorageError';

  constructor(message: string, cause?: unknown) {
    super(message, 0, true);
    this.cause = cause;
  }
}

/** What an error says. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
