import { expect, test } from 'vitest';
import type { Command } from '../src/engine/protocol.js';
import { Marks } from '../src/marks.js';

const mark = (peer: string, position: number) => ({ do: 'mark read', stream: 'inbox', peer, position }) as const;

function told(marks: Marks): Command[] {
  const commands: Command[] = [];
  marks.again((command) => commands.push(command));
  return commands;
}

test('a new engine is told what the one before it did not keep, the newest of each conversation', () => {
  const marks = new Marks();
  marks.add(mark('bob', 3));
  marks.add(mark('carol', 1));
  marks.add(mark('bob', 2));
  expect(told(marks)).toEqual([mark('carol', 1), mark('bob', 3)]);
  // One that was kept, and was behind already.
  marks.drop(mark('bob', 2));
  marks.drop(mark('carol', 1));
  expect(told(marks)).toEqual([mark('bob', 3)]);
  marks.drop(mark('bob', 3));
  expect(told(marks)).toEqual([]);
});

test('marks of positions that are other messages now are forgotten', () => {
  const marks = new Marks();
  marks.add(mark('bob', 3));
  marks.add({ do: 'mark read', stream: 'group:a', peer: '', position: 7 });
  marks.renew('inbox');
  expect(told(marks)).toEqual([{ do: 'mark read', stream: 'group:a', peer: '', position: 7 }]);
  marks.clear();
  expect(told(marks)).toEqual([]);
});
