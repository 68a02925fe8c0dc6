/** The native part: finds the package with it for this platform. Knows nothing of what it does. */

import { readFileSync } from 'node:fs';
import { WscError } from '@wsc/client/common';
import { requireLibrary } from '../library/index.js';

/** What a session is asked for, as in `bindings/node/src/command.rs`. */
export type NativeCommand =
  | { do: 'connect' | 'close' }
  | { do: 'network'; online: boolean }
  | { do: 'send'; id: string; object: string; payload?: Uint8Array }
  | { do: 'cancel'; id: string }
  | { do: 'request'; ticket: number; object: string }
  | { do: 'markRead'; stream: string; peer: string; position: number }
  | { do: 'acknowledge'; stream: string; generation: number; position: number }
  | { do: 'read'; streams: string[] }
  | { do: 'token'; token?: string; why?: string };

/** As in `bindings/node/src/settings.rs`. */
export interface Settings {
  urls: string[];
  client: string;
  token?: string;
  asks?: boolean;
  user?: string;
  userType?: string;
  app?: string;
  namespace?: string;
  device?: string;
  groups?: string[];
  startAtHead?: boolean;
  ca?: string;
  outbox?: string;
  outboxCount?: number;
  outboxBytes?: number;
}

export interface Session {
  readonly snapshot: string;
  listen(deliver: (text: string, bytes: Uint8Array[]) => void, raw: boolean): void;
  submit(commands: NativeCommand[]): void;
  /** Messages without bytes, an id and an object a line. */
  send(ids: string, objects: string): void;
}

export interface Native {
  readonly Session: { open(settings: Settings): Promise<Session> };
  /** For tests. */
  readonly Machine: unknown;
}

/** Every platform there is a package for. */
export const PLATFORMS = [
  'linux-x64-gnu',
  'linux-arm64-gnu',
  'linux-x64-musl',
  'linux-arm64-musl',
  'darwin-x64',
  'darwin-arm64',
  'win32-x64-msvc',
] as const;

/** This platform, by the name of its package. */
export function platform(): string {
  const { platform: system, arch } = process;
  if (system === 'win32') return `${system}-${arch}-msvc`;
  if (system !== 'linux') return `${system}-${arch}`;
  return `${system}-${arch}-${usesMusl() ? 'musl' : 'gnu'}`;
}

/** Whether this process runs on musl. From the files mapped into it: a diagnostic report would tell, too, but resolves the address of every open socket first. */
function usesMusl(): boolean {
  try {
    return readFileSync('/proc/self/maps', 'latin1').includes('/ld-musl-');
  } catch {
    return false;
  }
}

let loaded: Native | undefined;

/** The native part. Fails with what to do where there is none. */
export function native(): Native {
  return (loaded ??= load(platform(), requireLibrary));
}

/** @internal */
export function load(name: string, require: (path: string) => unknown): Native {
  const failures: string[] = [];
  // The second is what `cargo tool node` builds in the source tree.
  for (const place of [`@wsc/node-${name}`, `../native/${name}/wsc.node`]) {
    try {
      return require(place) as Native;
    } catch (error) {
      const { code, message } = error as NodeJS.ErrnoException;
      if (code !== 'MODULE_NOT_FOUND') failures.push(`${place}: ${message}`);
    }
  }
  if (failures.length > 0) throw new WscError(`the native part of @wsc/node does not load here: ${failures.join('; ')}`);
  if (!(PLATFORMS as readonly string[]).includes(name)) {
    throw new WscError(`@wsc/node has no native part for ${name}; there is one for ${PLATFORMS.join(', ')}`);
  }
  throw new WscError(
    `the native part of @wsc/node is missing: npm install @wsc/node-${name} ` +
      '(npm leaves it out when it runs with --omit=optional, or with a lock file made on another platform)',
  );
}
