/** `@wsc/node`: the client for Node.js. */

export * from '@wsc/client/common';
export { Client } from './client.js';
export type { ClientOptions } from './options.js';
export { ClientPool, type Lease, type PoolOptions, type PoolStats } from './pool.js';
