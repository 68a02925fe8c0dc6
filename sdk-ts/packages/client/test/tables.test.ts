import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { ErrorCode } from '../src/errors.js';
import { MESSAGE_TYPES } from '../src/message-types.js';

const core = (file: string): string => readFileSync(new URL(`../../../../core/src/${file}`, import.meta.url), 'utf8');

test('the message types are those of the core', () => {
  const table = /MessageType \{(.*?)\n    \}/s.exec(core('kind.rs'))?.[1] ?? '';
  expect(MESSAGE_TYPES).toEqual([...table.matchAll(/\w+ "([a-z_]+)"/g)].map((found) => found[1]));
  expect(MESSAGE_TYPES.length).toBe(107);
});

test('the error codes are those of the core', () => {
  for (const [name, number] of Object.entries(ErrorCode)) {
    expect(core('codes.rs')).toMatch(new RegExp(`\\b${name} = ${number},`));
  }
});
