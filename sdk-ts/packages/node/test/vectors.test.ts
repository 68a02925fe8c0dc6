import { readdirSync, readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { native } from '../src/native.js';
// @ts-expect-error: plain JavaScript
import { runScript } from './machine.mjs';

const FOLDER = new URL('../../../../tests/vectors/', import.meta.url);

interface Script {
  name: string;
  steps: { do: string; expect: unknown }[];
}

for (const file of readdirSync(FOLDER).filter((name) => name.startsWith('client_'))) {
  describe(file, () => {
    for (const script of JSON.parse(readFileSync(new URL(file, FOLDER), 'utf8')) as Script[]) {
      test(`${script.name}`, () => {
        const happened = runScript(native().Machine, script) as unknown[];
        script.steps.forEach((step, place) => {
          expect(happened[place], `step ${place}: ${step.do}`).toEqual(step.expect);
        });
      });
    }
  });
}
