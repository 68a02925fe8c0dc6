import { readdirSync, readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { load, Session } from '../src/engine/module.js';
import { Environment } from '../src/engine/environment.js';
// @ts-expect-error: plain JavaScript, which browsers run as it is
import { runScript } from './machine.mjs';

const FOLDER = new URL('../../../../tests/vectors/', import.meta.url);

interface Script {
  name: string;
  steps: { do: string; expect: unknown }[];
}

await load(() => readFileSync(new URL('../wasm/wsc.wasm', import.meta.url)));

for (const file of readdirSync(FOLDER).filter((name) => name.startsWith('client_'))) {
  describe(file, () => {
    const scripts = JSON.parse(readFileSync(new URL(file, FOLDER), 'utf8')) as Script[];
    // Browsers do not tell of WebSocket pings.
    for (const script of scripts.filter(({ steps }) => steps.every((step) => step.do !== 'life'))) {
      test(script.name, () => {
        const happened = runScript(Session, Environment, script) as unknown[];
        script.steps.forEach((step, place) => {
          expect(happened[place], `step ${place}: ${step.do}`).toEqual(step.expect);
        });
      });
    }
  });
}
