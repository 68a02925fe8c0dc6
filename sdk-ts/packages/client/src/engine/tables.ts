/** Numbers that the SDKs share with the core. Written by `cargo tool tables` from core/src/client/bridge.rs, which says what each means; not by hand. */

/** The version of all packages. */
export const VERSION = '0.1.0';
/** The WebSocket subprotocol. */
export const SUBPROTOCOL = 'wsc.v1';
/** How long entries of a stream that nobody reads are held, in milliseconds. */
export const UNREAD_MS = 20000;
/** Bytes of entries that wait for the application. */
export const BACKLOG_BYTES = 16777216;

/** States of a connection. */
export const STATE_WORDS = ['idle', 'connecting', 'connected', 'waiting', 'closed'] as const;

/** Why a client is closed; any other number is the hub's close code. */
export const CLOSED_WORDS = ['application', 'no token'] as const;

/** How a send ended. */
export const OUTCOME_WORDS = [
  'accepted',
  'duplicate',
  'refused',
  'unknown',
  'expired',
  'cancelled',
  'dropped',
  'sent',
] as const;

/** How far a message got. */
export const STAGE_WORDS = ['accepted', 'delivered', 'read'] as const;

/** Why a request got no answer. */
export const REQUEST_FAULT_WORDS = ['refused', 'disconnected', 'timeout', 'too many'] as const;

/** What a fault is about. */
export const FAULT_WORDS = ['frame', 'unexpected', 'hub', 'saved', 'token'] as const;

/** Why a message was not taken. The first is number 1. */
export const REJECTION_WORDS = [
  'outbox full',
  'too large',
  'invalid',
  'unreadable',
  'repeated',
  'closed',
  'storage',
] as const;

/* What is stored. */
export const STORAGE_NONE = 0;
export const STORAGE_BEHIND = 1;
export const STORAGE_DURABLE = 2;

/* Bits of a session's settings. */
export const FLAG_TOKEN_PROVIDER = 1;
export const FLAG_CHOSEN_GROUPS = 2;
export const FLAG_START_AT_HEAD = 4;
export const FLAG_AUTO_ACKNOWLEDGE = 8;
export const FLAG_KEPT_DEVICE = 16;
