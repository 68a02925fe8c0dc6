// The entrances without the module, each in a process of its own: a module that was loaded stays loaded.

import { execFileSync } from 'node:child_process';
import { expect, test } from 'vitest';

/** What becomes of a client that these modules are imported for; `ws` plays the browser's WebSocket. */
function fate(...modules: readonly string[]): string {
  const script = `
    import { WebSocket } from 'ws';
    globalThis.WebSocket = WebSocket;
    console.error = () => {};
    ${modules.map((module, index) => `import * as module${index} from '@wsc/client/${module}';`).join('\n')}
    const { Client } = [${modules.map((_, index) => `module${index}`).join()}].find(({ Client }) => Client);
    const client = new Client('ws://127.0.0.1:1', { user: 'alice', storage: 'memory' });
    client.on('state', ({ name, reason }) => name !== 'connecting' && (console.log(name, reason ?? ''), process.exit()));
    client.connect();`;
  return execFileSync(process.execPath, ['--input-type=module', '--eval', script], { cwd: import.meta.dirname, encoding: 'utf8' }).trim();
}

test('without the module, and without an option that gives it, a client says what to do', () => {
  for (const entrance of ['slim', 'base']) expect(fate(entrance)).toMatch(/^closed .*give the option `wasm`/);
});

test('@wsc/client/inline gives it, before the entrance or after it', () => {
  for (const entrance of ['slim', 'base']) {
    expect(fate('inline', entrance)).toBe('waiting');
    expect(fate(entrance, 'inline')).toBe('waiting');
  }
});
